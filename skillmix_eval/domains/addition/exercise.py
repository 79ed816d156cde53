"""Addition: two numbers of three digits; skill i is to tell the i-th digit of their sum from the right.

`106+071?1` asks for the tens: 7. Numbers are uniform in [0, 998] and the carry into thousands is never
asked for (Skill-It, arXiv 2307.14430, appendix C; ranges and shares of its released code).
"""

from __future__ import annotations

import random

SKILLS = ("ones", "tens", "hundreds")
SHARES = (13, 14, 18)  # of the imbalanced pool
PIECES: tuple[str, ...] = ()
PRIMED = 0
_LARGEST = 998


def draw(skill: str, rng: random.Random) -> str:
    """Return a question of a skill."""
    a, b = rng.randint(0, _LARGEST), rng.randint(0, _LARGEST)
    return f"{a:03}+{b:03}?{SKILLS.index(skill)}"


def answer(question: str) -> str:
    """Return the one right answer to a question, read from its text alone."""
    numbers, _, place = question.partition("?")
    total = sum(int(number) for number in numbers.split("+"))
    return str(total // 10 ** int(place) % 10)
