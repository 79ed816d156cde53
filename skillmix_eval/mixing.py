"""What a training method sees and what it returns: pure, serialisable, the same for every method.

A round is evaluate -> plan -> train -> evaluate. Methods are files in `methods/` with `plan(observed,
options)`.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from .errors import BadInputError
from .records import Record

# Kinds of a method's options; what is outside (and what is no number) is refused by `adapt.plan`.
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Part = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Item(Record, frozen=True, gc=False):
    """One training example of a pool: its skills, and what is known of it."""

    id: str
    skills: tuple[str, ...]
    loss: float | None = None  # of the student, before training on it
    full_marks: bool = True  # composition from examples takes only such texts


class Miss(Record, frozen=True, gc=False):
    """A difficult question and the skills that the student lacked (STAT's missing-skill profile)."""

    question: str
    skills: tuple[str, ...]


class Observed(msgspec.Struct, frozen=True):
    """All that a method may ask for; empty where a run does not have it."""

    skills: tuple[str, ...]  # that can be trained
    pool: tuple[Item, ...] = ()
    losses: tuple[
        tuple[float, ...], ...
    ] = ()  # a row per evaluation so far, oldest first; a column per target
    targets: tuple[str, ...] = ()  # evaluated skills; empty: the trained ones
    graph: tuple[tuple[float, ...], ...] = ()  # row i helps column j
    misses: tuple[Miss, ...] = ()
    round: int = 0  # from 0
    rounds: int = 1
    from_start: bool = False  # the oldest losses are of a start that no round has trained


class Planned(msgspec.Struct, frozen=True):
    """What to train on next: a mixture over skills, or items in order (with repetition), or both."""

    method: str
    source: str  # paper and equation
    mixture: dict[str, float]  # share of each skill; sums to 1
    items: tuple[str, ...] = ()  # ids of the pool's items
    options: dict[str, Any] = {}
    deviations: tuple[str, ...] = ()  # from the paper, in words


def normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """Return weights as shares that sum to 1; raises BadInputError where they cannot."""
    total = sum(weights.values())
    if not weights or not total > 0 or min(weights.values()) < 0:
        raise BadInputError("A mixture needs at least one skill with a weight above 0 and none below.")
    return {skill: weight / total for skill, weight in weights.items()}


def checked_graph(observed: Observed) -> tuple[tuple[float, ...], ...]:
    """Return the graph; raises BadInputError where it has not a row for each trained, a column for each
    evaluated skill.
    """
    high, wide = len(observed.skills), len(observed.targets or observed.skills)
    lengths = {len(row) for row in observed.graph}
    if len(observed.graph) != high or lengths != {wide}:
        shape = f"{len(observed.graph)} rows of {' or '.join(map(str, sorted(lengths)))} numbers"
        raise BadInputError(
            f"The graph has {shape}, but there are {high} trained and {wide} evaluated skills: its shape is "
            "one row for each trained, one column for each evaluated skill."
        )
    return observed.graph


def check_mixture(shares: Mapping[str, float], there: Collection[str], whose: str) -> None:
    """Raise BadInputError for shares that do not sum to 1, and for one of a skill that no text shows."""
    total = sum(shares.values())
    if not abs(total - 1) < 1e-5 or min(shares.values()) < 0:
        raise BadInputError(
            f"The mixture of {whose} sums to {total:g}, not to 1 with no share below 0, so "
            "nothing can be drawn by it."
        )
    for skill, share in shares.items():
        if share > 0 and skill not in there:
            raise BadInputError(
                f"The mixture of {whose} gives {share:.1%} to the skill '{skill}', which no text of the pool "
                "shows; give a pool with such texts, or leave the skill out."
            )


def checked(found: Planned, observed: Observed) -> Planned:
    """Return a plan; raises BadInputError for a mixture that nothing, or not all, can be drawn by."""
    held = {skill for item in observed.pool for skill in item.skills} if observed.pool else found.mixture
    check_mixture(found.mixture, held, found.method)
    return found


_LACKING = {
    "pool": "texts to choose from: give a --pool",
    "misses": "questions that the student failed, with skills that the pool shows: give a --run that has "
    "some (`skillmix run -k 3 -n 300` asks more)",
    "targets": 'the skills that are meant, among others: name them with --targets a,b (or as "targets" in '
    "the --graph file)",
}


def check_needs(method: str, needs: Sequence[str], observed: Observed) -> None:
    """Raise BadInputError for what a method needs and was not given, and for losses that are no numbers."""
    for need in needs:
        what = need.partition(" ")[0]
        if what in _LACKING and not getattr(observed, what):
            raise BadInputError(f"{method} needs {_LACKING[what]}.")
    for loss in (*(i.loss for i in observed.pool), *(x for row in observed.losses for x in row)):
        if loss is not None and not math.isfinite(loss):
            raise BadInputError(f"A loss is {loss}, which is not a number, so no plan follows from it.")


def skill_map(observed: Observed) -> dict[str, list[Item]]:
    """Return the pool's items by skill, in its order; raises BadInputError for a pool without skills."""
    found: dict[str, list[Item]] = {skill: [] for skill in observed.skills}
    for item in observed.pool:
        for skill in item.skills:
            if skill in found:
                found[skill].append(item)
    if not any(found.values()):
        raise BadInputError(
            "No item of the pool carries a skill that the run knows; each needs 'skills' with ids or "
            "names of the domain."
        )
    return found


def shares(items: Sequence[Item]) -> dict[str, float]:
    """Return the share of each skill among the items' skills: the realised mixture."""
    counts = Counter(skill for item in items for skill in item.skills)
    return normalised({skill: float(n) for skill, n in sorted(counts.items())})


def drawn(items: Sequence[Item], budget: int, seed: int) -> list[Item]:
    """Return `budget` items, each once before any again, in random order.

    Raises BadInputError for an empty slice.
    """
    if not items:
        raise BadInputError("There is no item to draw from: the slice that the method chose is empty.")
    rng = random.Random(seed)  # noqa: S311  repeatable, no secret
    found: list[Item] = []
    while len(found) < budget:
        found += rng.sample(items, min(len(items), budget - len(found)))
    return found


def drawn_by_mixture(observed: Observed, mixture: Mapping[str, float], budget: int, seed: int) -> list[Item]:
    """Return `budget` items by drawing a skill from the mixture and then an item that carries it."""
    by_skill = {skill: items for skill, items in skill_map(observed).items() if items}
    weights = normalised({skill: mixture.get(skill, 0.0) for skill in by_skill})
    rng = random.Random(seed)  # noqa: S311  repeatable, no secret
    names = list(weights)
    chosen = rng.choices(names, [weights[n] for n in names], k=budget)
    return [rng.choice(by_skill[skill]) for skill in chosen]
