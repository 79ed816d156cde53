"""LEGO: a chain of binary variables in shuffled clauses; skill i is to tell the i-th one's value.

`b!a,c=b,a=1?c` asks for the third: a is 1, b is not a, c is b, so c0 (Skill-It, arXiv 2307.14430,
section 2.2). The paper has five variables of 26 letters, and spells clauses out as words.
"""

from __future__ import annotations

import itertools
import random

SKILLS = ("first", "second", "third")
SHARES = (1, 1, 5)  # of the imbalanced pool; the paper's is 1:1:1:3:5
PIECES: tuple[str, ...] = ()
PRIMED = 51_200  # without it a small student stays at chance
_LETTERS = "abcdef"


def draw(skill: str, rng: random.Random) -> str:
    """Return a question of a skill."""
    names, clauses = _chain(rng)
    return f"{','.join(clauses)}?{names[SKILLS.index(skill)]}"


def answer(question: str) -> str:
    """Return the one right answer to a question, read from its text alone."""
    clauses, _, asked = question.partition("?")
    parents = {clause[0]: clause[1:] for clause in clauses.split(",")}
    flips, value = 0, parents[asked]
    while value[1] not in "01":
        flips, value = flips + (value[0] == "!"), parents[value[1]]
    return f"{asked}{(int(value[1]) + flips) % 2}"


def primer(rng: random.Random) -> tuple[str, str]:
    """Return clauses, and the same in another order: looking up, without any reasoning."""
    _, clauses = _chain(rng)
    return f"{','.join(clauses)}?", "".join(rng.sample(clauses, len(clauses)))


def _chain(rng: random.Random) -> tuple[list[str], list[str]]:
    """Return the variables in the chain's order, and the clauses in another."""
    names = rng.sample(_LETTERS, len(SKILLS))
    clauses = [f"{names[0]}={rng.randrange(2)}"]
    clauses += [f"{b}{rng.choice('=!')}{a}" for a, b in itertools.pairwise(names)]
    rng.shuffle(clauses)
    return names, clauses
