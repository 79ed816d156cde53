"""LFR: learn on everything, focus on what has the highest loss, review, focus again (2409.06131)."""

from __future__ import annotations

from ..errors import BadInputError
from ..mixing import Observed, Part, Planned, drawn, shares

SOURCE = "LFR, Learn-Focus-Review (arXiv 2409.06131)"
NEEDS = ("pool with losses",)
PHASES = ("learn", "focus", "review", "focus")


def plan(observed: Observed, budget: int, seed: int = 0, drop: Part = 0.5) -> Planned:
    """Return items of this round's phase: all of the pool, or all but the easiest share `drop` of it.

    The paper's own shares and lengths of phases are not known to us; half is our choice.
    """
    phase = PHASES[observed.round % len(PHASES)] if observed.round else PHASES[0]
    items = list(observed.pool)
    if phase == "focus":
        if any(item.loss is None for item in items):
            raise BadInputError(
                "LFR focuses on what has the highest loss: each item of the pool needs 'loss'; "
                "`skillmix train --method lfr` measures it."
            )
        items.sort(key=lambda item: -(item.loss or 0.0))
        items = items[: max(1, round(len(items) * (1 - drop)))]
    found = drawn(items, budget, seed)
    options = {"drop": drop, "phase": phase}
    deviations = ("share dropped in focus is ours", "a block is one item")
    return Planned("lfr", SOURCE, shares(found), tuple(i.id for i in found), options, deviations)
