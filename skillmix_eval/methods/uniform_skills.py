"""Uniform over skills ('skill-stratified'): every skill gets the same share, however rare."""

from __future__ import annotations

from ..mixing import Observed, Planned, checked_graph, drawn_by_mixture, normalised

SOURCE = "skill-stratified sampling (Skill-It, arXiv 2307.14430, section 3.3)"
NEEDS = ("pool",)


def plan(observed: Observed, budget: int, seed: int = 0) -> Planned:
    """Return `budget` items, the skills in equal shares; with targets, those that matter to them.

    These are the targets themselves and what helps any of them (the paper's fine-tuning and out-of-domain
    settings).
    """
    mixture = normalised(dict.fromkeys(_relevant(observed), 1.0))
    items = drawn_by_mixture(observed, mixture, budget, seed) if observed.pool else []
    return Planned("uniform_skills", SOURCE, mixture, tuple(i.id for i in items))


def _relevant(observed: Observed) -> tuple[str, ...]:
    if not observed.targets or not observed.graph:
        return observed.skills
    rows = zip(observed.skills, checked_graph(observed), strict=True)
    return tuple(s for s, row in rows if s in observed.targets or any(weight > 0 for weight in row))
