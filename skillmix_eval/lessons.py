"""What a name means in training: an exercise, drawn without end, or a domain with a teacher; its texts.

Texts to measure losses on are kept apart from those to train on.
"""

from __future__ import annotations

import importlib
import random
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, cast

import msgspec

from .adapt import Example, read_pool
from .domain import BUILT_IN, load_domain, names
from .errors import BadInputError, unknown
from .mixing import Item
from .records import Message
from .training.fresh import new_student
from .training.pool import write_taught
from .training.student import Student
from .training.trainer import Course, Step, train

CHECKS = 8  # texts of each skill kept apart from a pool, to measure the skill's loss on
FIXED_CHECKS = 100  # of an exercise, for each skill: the same in every training
COURSE = Course(rate=2e-3, warm_up=100, batch=64)  # of exercises: a faster start unlearns the primer
_PRIMING = Course(rate=3e-3, batch=64)
DRAWN = 42_000  # texts in an exercise's pool
_TAUGHT = {1: 1000, 2: 1000, 3: 1000}  # texts in a teacher's pool, by k
_DEVICES = Path("results/devices/checkpoints/2000")


class Exercise(Protocol):
    """The module `domains/<name>/exercise.py`: questions of one skill each, with one right answer."""

    SKILLS: tuple[str, ...]
    SHARES: tuple[int, ...]  # of the skills in its pool
    PIECES: tuple[str, ...]  # strings that are one token each for a fresh student, besides characters
    PRIMED: int  # texts of `primer` that a fresh student is trained on first; 0: none, and no primer

    def primer(self, rng: random.Random) -> tuple[str, str]:
        """Return what is easier than all skills and needed by them: a question and its answer."""

    def draw(self, skill: str, rng: random.Random) -> str:
        """Return a question of a skill."""

    def answer(self, question: str) -> str:
        """Return the one right answer to a question."""


class Lessons(msgspec.Struct, frozen=True):
    """Skills that can be trained, texts to train on, and texts kept apart from them."""

    skills: tuple[str, ...]
    pool: tuple[Example, ...]
    checks: tuple[Example, ...]


def exercises() -> list[str]:
    """Return the names of the exercises."""
    return sorted(path.parent.name for path in BUILT_IN.glob("*/exercise.py"))


def exercise(name: str) -> Exercise | None:
    """Return the exercise of this name; None for a domain without one, BadInputError for neither."""
    if name in exercises():
        return cast(Exercise, importlib.import_module(f"skillmix_eval.domains.{name}.exercise"))
    if name not in names() and not (Path(name) / "domain.toml").is_file():
        raise unknown("domain", name, {*names(), *exercises()})
    return None


def lessons(name: str, place: Path | None, out: Path, seed: int) -> Lessons:
    """Return what is trained: texts of the pool at `place`, or drawn and taught ones where there is none.

    A teacher's texts are kept in out/pool.jsonl. Raises BadInputError for an empty pool.
    """
    found = exercise(name)
    if found and not place:
        return drawn(found, DRAWN, seed)
    pool = teachable(name, place, out, seed)
    return split(pool, [s.id for s in load_domain(name).part("train")[0]], seed)


def teachable(name: str, place: Path | None, out: Path, seed: int) -> list[Example]:
    """Return a domain's pool at `place`, or by its teacher; BadInputError where it is empty."""
    if name in exercises() and name not in names():
        raise BadInputError(
            f"'{name}' is an exercise, which draws its own texts for a new student: train it with `skillmix "
            f"train --domain {name}` and no --pool."
        )
    domain = load_domain(name)
    place = place or write_taught(out / "pool.jsonl", domain, _TAUGHT, seed)
    pool = read_pool(place, domain)
    if not pool:
        raise BadInputError(f"The pool {place} is empty; it needs texts with skills and topic.")
    return pool


def first_student(name: str, out: Path, seed: int, on_step: Callable[[Step], None] = lambda _: None) -> Path:
    """Return where training starts if nothing else is said: for an exercise a fresh student, in out/0, that
    has read its primer.
    """
    found, folder = exercise(name), out / "0"
    if not found:
        return _DEVICES
    if (folder / "config.json").is_file():
        return folder  # a killed primer goes on by itself: the blank of a seed is the same each time
    blank = new_student(folder.with_name("blank"), found.PIECES, seed)
    if found.PRIMED:
        rng = random.Random(f"primer {seed}")  # noqa: S311  repeatable, no secret
        texts = (found.primer(rng) for _ in range(found.PRIMED))
        chats = [(Message("user", asked), Message("assistant", text)) for asked, text in texts]
        student = Student(blank)
        train(student, student.examples(chats), folder, _PRIMING, on_step)
        shutil.rmtree(blank)
    else:
        blank.rename(folder)
    return folder


def drawn(found: Exercise, many: int, seed: int) -> Lessons:
    """Return an exercise's fixed checks, and a pool by its shares, none of whose questions is a check."""
    checks = [e for skill in found.SKILLS for e in _examples(found, skill, FIXED_CHECKS, "check")]
    asked = {e.messages[0].content for e in checks}
    pool: list[Example] = []
    for skill, share in zip(found.SKILLS, found.SHARES, strict=True):
        part = _examples(found, skill, many * share // sum(found.SHARES), f"pool {seed}")
        pool += [e for e in part if e.messages[0].content not in asked]
    random.Random(seed).shuffle(pool)  # noqa: S311  repeatable, no secret
    return Lessons(found.SKILLS, tuple(pool), tuple(checks))


def _examples(found: Exercise, skill: str, many: int, kind: str) -> list[Example]:
    rng = random.Random(f"{kind}.{skill}")  # noqa: S311  repeatable, no secret
    made = []
    for number in range(many):
        question = found.draw(skill, rng)
        chat = (Message("user", question), Message("assistant", found.answer(question)))
        made.append(Example(Item(f"{kind} {skill} {number}", (skill,)), chat))
    return made


def split(pool: Sequence[Example], skills: Sequence[str], seed: int) -> Lessons:
    """Keep some texts of each skill apart, also from their own copies.

    Skills of which nothing is left to train on are left out. Raises BadInputError where that is all.
    """
    order = random.Random(seed).sample(range(len(pool)), len(pool))  # noqa: S311  repeatable, no secret
    kept: dict[str, int] = defaultdict(int)
    apart: dict[tuple[Message, ...], int] = {}  # by prompt and text: a pool may hold one twice
    for at in order:
        lacking = [s for s in pool[at].item.skills if s in skills and kept[s] < CHECKS]
        if lacking and pool[at].messages not in apart:
            apart[pool[at].messages] = at
            for skill in pool[at].item.skills:
                kept[skill] += 1
    left = tuple(e for e in pool if e.messages not in apart)
    if not left:
        raise BadInputError(
            f"The pool has {len(pool)} texts, too few to keep {CHECKS} of each skill apart; give a "
            "larger one."
        )
    shown = {skill for e in left for skill in e.item.skills}
    there = tuple(s for s in skills if s in shown)
    return Lessons(there, left, tuple(pool[at] for at in sorted(apart.values())))


def of_skills(found: Lessons, skills: Sequence[str], targets: Sequence[str]) -> Lessons:
    """Return lessons whose pool holds texts of these skills alone, and none of evaluated skills that are not
    trained: a graph may name other skills than the domain's, and its columns others than its rows.

    Raises BadInputError where nothing is left.
    """
    trained, apart = set(skills), set(targets) - set(skills)
    kept = tuple(e for e in found.pool if trained & set(e.item.skills) and not apart & set(e.item.skills))
    if not kept:
        raise BadInputError(
            f"No text of the pool shows a skill that is to be trained ({', '.join(skills)}); give another "
            "pool or graph."
        )
    return msgspec.structs.replace(found, skills=tuple(skills), pool=kept)
