"""Skill composition from examples: train on texts with few skills that earned full marks (arXiv 2409.19808).

D(k) are a teacher's full-mark texts with k skills of the training categories; sets are D(1), D(1,2),
D(1,2,3). The question is whether k beyond those trained, and held-out categories, get better too.
"""

from __future__ import annotations

import random

from ..errors import BadInputError
from ..mixing import Count, Observed, Planned, drawn, shares

SOURCE = "Can models learn skill composition from examples? (arXiv 2409.19808, section 3)"
NEEDS = ("pool",)


def plan(observed: Observed, budget: int, seed: int = 0, most: Count = 3) -> Planned:
    """Return `budget` full-mark items with at most `most` skills, all trainable, each k in equal parts."""
    trainable = set(observed.skills)
    fit = [i for i in observed.pool if i.full_marks and i.skills and trainable.issuperset(i.skills)]
    sizes = sorted({len(i.skills) for i in fit if len(i.skills) <= most})
    if not sizes:
        raise BadInputError(f"The pool holds no full-mark text with at most {most} of the trained skills.")
    items = []
    for at, k in enumerate(sizes):
        part = budget // len(sizes) + (at < budget % len(sizes))
        items += drawn([i for i in fit if len(i.skills) == k], part, seed + k) if part else []
    random.Random(seed).shuffle(items)  # noqa: S311  repeatable, no secret
    deviations = ("parts of equal size; the paper takes all texts that earned full marks",)
    return Planned(
        "skill_composition", SOURCE, shares(items), tuple(i.id for i in items), {"most": most}, deviations
    )
