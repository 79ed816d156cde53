"""The 25 functions on strings that are composed, each with fixed parameters (after arXiv 2509.25123,
section 3).

`f1(f2(...fk(x)))` is a question of k skills: the last function named is applied first. 13 of the
functions are trained in compositions there and 12 held out; near-duplicates (rotations, repetitions)
stand on both sides.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

_VOWELS = "aeiou"


def _stride(text: str) -> str:
    """Characters at positions 0, s, 2s, ... round the string, for the least s of 3, 5, 7, ...

    that meets all.
    """
    size, step = len(text), 3
    while size and math.gcd(step, size) > 1:
        step += 2
    return "".join(text[(i * step) % size] for i in range(size))


def _interleave(text: str) -> str:
    mixed = itertools.zip_longest(text, "wxyz", fillvalue="")
    return "".join(a + b for a, b in mixed)


def _interleave_reversed(text: str) -> str:
    return "".join(a + b for a, b in zip(text, text[::-1], strict=True))


def _caesar(text: str) -> str:
    def shifted(char: str) -> str:
        first = ord("a") if char.islower() else ord("A")
        return chr((ord(char) - first + 3) % 26 + first)

    return "".join(shifted(c) if c.isascii() and c.isalpha() else c for c in text)


def _alternate(text: str) -> str:
    return "".join(c.lower() if i % 2 == 0 else c.upper() for i, c in enumerate(text))


def _palindrome(text: str) -> str:
    return text if text == text[::-1] else text + text[::-1]


def _with_digit(text: str) -> str:
    return text if any(c.isdigit() for c in text) else text + "1"


FUNCTIONS: dict[str, Callable[[str], str]] = {
    "repeat-twice": lambda x: x * 2,
    "sort": lambda x: "".join(sorted(x)),
    "swap-halves": lambda x: x[len(x) // 2 :] + x[: len(x) // 2],
    "prefix": lambda x: "qu" + x,
    "mirror": lambda x: x + x[::-1],
    "caesar": _caesar,
    "hyphenate": lambda x: "-".join(x),
    "bracket": lambda x: "".join(f"[{c}]" for c in x),
    "reverse": lambda x: x[::-1],
    "rotate-left-two": lambda x: x[2 % max(1, len(x)) :] + x[: 2 % max(1, len(x))],
    "weave-reversed": _interleave_reversed,
    "even-length": lambda x: x[: len(x) - len(x) % 2],
    "with-digit": _with_digit,
    "stride": _stride,
    "drop-vowels": lambda x: "".join(c for c in x if c.lower() not in _VOWELS),
    "suffix": lambda x: x + "zu",
    "weave": _interleave,
    "rotate-left-one": lambda x: x[1:] + x[:1],
    "alternate-case": _alternate,
    "vowels-to-digits": lambda x: "".join(str(_VOWELS.index(c) + 1) if c in _VOWELS else c for c in x),
    "double": lambda x: "".join(c * 2 for c in x),
    "collapse": lambda x: "".join(c for c, _ in itertools.groupby(x)),
    "repeat-thrice": lambda x: x * 3,
    "letters-only": lambda x: "".join(c for c in x if c.isalpha()),
    "palindrome": _palindrome,
}


def compose(skills: Sequence[str], text: str) -> str:
    """Return f1(f2(...fk(text))): the last function is applied first. Raises KeyError for an unknown one."""
    for skill in reversed(skills):
        text = FUNCTIONS[skill](text)
    return text
