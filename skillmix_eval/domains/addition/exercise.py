"""Addition: two numbers of three digits; skill i is to tell the i-th digit of their sum from the right.

`106+071?1` asks for the tens: `0+7=7`. Numbers are uniform in [0, 998] and the carry into thousands is never
asked for (Skill-It, arXiv 2307.14430, appendix C; ranges and shares of its released code). The paper's answer
is the last digit alone; a small student learns that too slowly.
"""

from __future__ import annotations

import random

SKILLS = ("ones", "tens", "hundreds")
SHARES = (13, 14, 18)  # of the imbalanced pool
PIECES: tuple[str, ...] = ()
PRIMED = 12_800
_LARGEST = 998


def draw(skill: str, rng: random.Random) -> str:
    """Return a question of a skill."""
    a, b = rng.randint(0, _LARGEST), rng.randint(0, _LARGEST)
    return f"{a:03}+{b:03}?{SKILLS.index(skill)}"


def answer(question: str) -> str:
    """Return the one right answer to a question, read from its text alone."""
    numbers, _, place = question.partition("?")
    a, b = numbers.split("+")
    total = f"{int(a) + int(b):03}"
    return f"{a[-1 - int(place)]}+{b[-1 - int(place)]}={total[-1 - int(place)]}"


def primer(rng: random.Random) -> tuple[str, str]:
    """Return two numbers and a place, and the digits that stand there: looking up, without adding."""
    a, b = (f"{rng.randint(0, _LARGEST):03}" for _ in range(2))
    place = rng.randrange(len(SKILLS))
    return f"{a}+{b}:{place}", f"{a[-1 - place]}+{b[-1 - place]}"
