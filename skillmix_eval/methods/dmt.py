"""DMT: special skills first, then the general ones with a small part of the special replayed (2310.05492)."""

from __future__ import annotations

from ..errors import BadInputError
from ..mixing import Observed, Part, Planned, drawn, shares

SOURCE = "DMT, dual-stage mixed fine-tuning (arXiv 2310.05492, section 3.4)"
NEEDS = ("pool", "targets")


def plan(observed: Observed, budget: int, seed: int = 0, replay: Part = 1 / 256) -> Planned:
    """Return round 0: items of the target skills; later rounds: the other items and a share `replay` of
    those.

    `replay` is a share of the special items, as in the paper (1/256 was its best).
    """
    special = [i for i in observed.pool if set(i.skills) & set(observed.targets)]
    general = [i for i in observed.pool if not set(i.skills) & set(observed.targets)]
    if not special or not general:
        raise BadInputError(
            f"DMT needs a pool with items of the target skills ({', '.join(observed.targets)}) and items "
            "without them."
        )
    kept = drawn(special, max(1, round(replay * len(special))), seed)
    items = drawn(special if observed.round == 0 else general + kept, budget, seed)
    return Planned("dmt", SOURCE, shares(items), tuple(i.id for i in items), {"replay": replay})
