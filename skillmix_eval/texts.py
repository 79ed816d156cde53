"""What code can tell about an English text: sentences, words, a skill named, an echo. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import sentencex

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")  # a name split by these is still a name
_PARENTHESES = re.compile(r"\([^)]*\)?")
_ECHO_RUN = 8  # this many words in a row from the prompt are copied, not written


def storable(text: str) -> str:
    """Return a text without lone surrogates, which JSON escapes can write and no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "ignore").decode()


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, without those that hold no letter or digit."""
    return [s.strip() for s in sentencex.segment("en", storable(text)) if any(c.isalnum() for c in s)]


def count_sentences(text: str, counter: str = "sentencex") -> int:
    """Count sentences with the kept splitter, or with `reference`, the public repository's expression.

    The reference counter exists for parity only: it needs one space and an ASCII capital between two
    sentences, so it misses line breaks and counts initials.
    """
    if counter == "reference":
        for title in ("Mr", "Mrs", "Ms", "Dr", "Prof"):
            text = re.sub(f"{title}. ", f"{title}.", text)  # the dot stands for any character there, too
        return 1 + len(re.findall(r"[.!?]['\"]* ['\"]*[A-Z]", text))
    return len(sentences(text))


@lru_cache(256)  # each skill of a question is looked for in the same text
def words(text: str) -> tuple[str, ...]:
    """Return the words of a text, lower-cased, with typographic apostrophes made plain."""
    seen = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return tuple(w.replace("’", "'") for w in _WORD.findall(seen.casefold()))


def named(name: str, text: str) -> bool:
    """Tell whether a text names a skill, in any case, hyphenation or number, parentheses left out."""
    wanted, found = words(_PARENTHESES.sub(" ", name)), words(text)
    spans = (found[i : i + len(wanted)] for i in range(len(found) - len(wanted) + 1))
    return bool(wanted) and any(all(map(_same_noun, span, wanted)) for span in spans)


def echoed(text: str, prompt: str) -> bool:
    """Tell whether at least half of a text's words stand in runs of eight or more copied from the prompt."""
    mine, theirs = words(text), words(prompt)
    whole = f" {' '.join(theirs)} "
    copied: set[int] = set()
    for i in range(len(mine) - _ECHO_RUN + 1):
        if f" {' '.join(mine[i : i + _ECHO_RUN])} " in whole:
            copied.update(range(i, i + _ECHO_RUN))
    return len(copied) * 2 >= len(mine) > 0


def _same_noun(a: str, b: str) -> bool:
    return a == b or a in _plurals(b) or b in _plurals(a)


@lru_cache(4096)
def _plurals(word: str) -> set[str]:
    """Return the regular plurals and possessives of a word, and -es for -is (synthesis, syntheses)."""
    forms = {word + "s", word + "es", word + "'s"}
    if word.endswith("y"):
        forms.add(word[:-1] + "ies")
    if word.endswith("is"):
        forms.add(word[:-2] + "es")
    return forms
