"""Curriculum: at round i of M, items come from the easiest i/M of the pool, by the student's loss."""

from __future__ import annotations

from ..errors import BadInputError
from ..mixing import Observed, Planned, drawn, shares

SOURCE = "curriculum and anticurriculum baselines (Skill-It, arXiv 2307.14430, appendix C.3)"
NEEDS = ("pool with losses",)


def plan(observed: Observed, budget: int, seed: int = 0, hardest_first: bool = False) -> Planned:
    """Return items of this round's slice; `hardest_first` is the anticurriculum."""
    if any(item.loss is None for item in observed.pool):
        raise BadInputError(
            "A curriculum needs the student's loss on each item of the pool, as 'loss'; "
            "`skillmix train --method curriculum` measures it."
        )
    ordered = sorted(observed.pool, key=lambda item: item.loss or 0.0, reverse=hardest_first)
    slice_ = ordered[: max(1, len(ordered) * (observed.round + 1) // observed.rounds)]
    items = drawn(slice_, budget, seed)
    options = {"hardest_first": hardest_first}
    again = ("losses are of the student in each round; the paper's are of the pre-trained model, once",)
    deviations = again if observed.rounds > 1 else ()
    return Planned("curriculum", SOURCE, shares(items), tuple(i.id for i in items), options, deviations)
