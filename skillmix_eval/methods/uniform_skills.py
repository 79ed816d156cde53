"""Uniform over skills ('skill-stratified'): every skill gets the same share, however rare."""

from __future__ import annotations

from ..mixing import Observed, Planned, drawn_by_mixture, normalised

SOURCE = "skill-stratified sampling (Skill-It, arXiv 2307.14430, section 3.3)"
NEEDS = ("pool",)


def plan(observed: Observed, budget: int, seed: int = 0) -> Planned:
    """Return `budget` items, the skills in equal shares."""
    mixture = normalised(dict.fromkeys(observed.skills, 1.0))
    items = drawn_by_mixture(observed, mixture, budget, seed) if observed.pool else []
    return Planned("uniform_skills", SOURCE, mixture, tuple(i.id for i in items))
