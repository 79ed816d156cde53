"""Texts to train on, by a domain's teacher: what `skillmix adapt` and `skillmix train` read as a pool."""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from ..domain import Domain
from ..errors import BadInputError, CallFailedError
from ..stages.sample import make_question


class Row(msgspec.Struct, frozen=True):
    """A text and what was asked for: ids of skills, in the prompt's order, and of the topic."""

    skills: tuple[str, ...]
    topic: str
    text: str


def taught(domain: Domain, counts: Mapping[int, int], seed: int, split: str = "train") -> Iterator[Row]:
    """Yield so many texts for each k, on random questions of a split; those it fails on are left out.

    Raises BadInputError for a domain without a teacher.
    """
    try:
        teacher = importlib.import_module(f"skillmix_eval.domains.{domain.name}.teacher")
    except ModuleNotFoundError:
        raise BadInputError(
            f"The domain '{domain.name}' has no teacher to write texts; give your own with --pool."
        ) from None
    skills, topics = domain.part(split)
    conflicts = domain.conflicts
    for k, many in counts.items():
        for number in range(many):
            rng = random.Random(f"{seed}.{k}.{number}")  # noqa: S311  repeatable, no secret
            chosen = rng.sample(skills, k)
            while any(b.id in conflicts.get(a.id, ()) for a in chosen for b in chosen):
                chosen = rng.sample(skills, k)
            topic = rng.choice(topics)
            try:
                text = teacher.compose(make_question(tuple(chosen), topic), number)
            except CallFailedError:
                continue
            yield Row(tuple(s.id for s in chosen), topic.id, text)


def write_taught(path: Path, domain: Domain, counts: Mapping[int, int], seed: int) -> Path:
    """Write the teacher's texts as JSON Lines, unless the file is there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_bytes(b"".join(msgspec.json.encode(r) + b"\n" for r in taught(domain, counts, seed)))
        part.rename(path)
    return path
