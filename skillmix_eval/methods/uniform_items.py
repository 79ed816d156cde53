"""Uniform over items: what a pool happens to hold. The arm that every method has to beat."""

from __future__ import annotations

from ..mixing import Observed, Planned, drawn, shares

SOURCE = "baseline ('random' in Skill-It, arXiv 2307.14430, section 4)"
NEEDS = ("pool",)


def plan(observed: Observed, budget: int, seed: int = 0) -> Planned:
    """Return `budget` items drawn uniformly from the pool."""
    items = drawn(observed.pool, budget, seed)
    return Planned("uniform_items", SOURCE, shares(items), tuple(i.id for i in items))
