"""Single functions on random strings, asked with the domain's own prompt: what `train` draws from.

Seven functions, three of which reverse and two of which repeat, so that some help each other.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from skillmix_eval.domain import read_skills
from skillmix_eval.records import Skill
from skillmix_eval.templates import load_template

from .functions import compose

_HERE = Path(__file__).parent
_LETTERS, _LENGTHS = "abcdefghij", (3, 4, 5)
_ASKED = re.compile(r'What does (\w+)\("(\w+)"\)')
SKILLS = (
    "reverse",
    "mirror",
    "weave-reversed",
    "repeat-twice",
    "double",
    "rotate-left-one",
    "swap-halves",
)
SHARES = (1, 2, 8, 2, 1, 1, 4)  # of the imbalanced pool, ours
PRIMED = 0


def draw(skill: str, rng: random.Random) -> str:
    """Return a question of a skill."""
    before, after = _PROMPTS[skill]
    return before + "".join(rng.choices(_LETTERS, k=rng.choice(_LENGTHS))) + after


def answer(question: str) -> str:
    """Return the one right answer to a question, read from its text alone."""
    asked = _ASKED.search(question)
    assert asked  # noqa: S101  questions are of this file
    return compose([_NAMES[asked[1]]], asked[2])


def _prompt(skill: Skill) -> tuple[str, str]:
    """Return what stands before and after the string in the domain's prompt."""
    template = load_template("draft", "draft", _HERE)
    words = {"k": 1, "limit": 1, "limit_words": "one sentence"}
    before, _, after = template.render(skills=(skill,), topic="\n\n\n", **words).partition("\n\n\n")
    return before, after


_KNOWN = {skill.id: skill for skill in read_skills(_HERE / "skills.csv")}
_NAMES = {skill.name: skill.id for skill in _KNOWN.values()}
_PROMPTS = {skill: _prompt(_KNOWN[skill]) for skill in SKILLS}
PIECES = tuple(dict.fromkeys(piece for prompt in _PROMPTS.values() for piece in prompt))
