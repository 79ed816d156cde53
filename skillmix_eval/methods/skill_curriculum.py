"""Skill curriculum: skills in the order of the student's loss on them, one a round, easier ones mixed in."""

from __future__ import annotations

from ..errors import BadInputError
from ..mixing import Observed, Planned, Share, drawn_by_mixture, normalised

SOURCE = "skill-curriculum baseline (Skill-It, arXiv 2307.14430, appendix C.3)"
NEEDS = ("losses",)


def plan(
    observed: Observed, budget: int, seed: int = 0, earlier: Share = 0.4, hardest_first: bool = False
) -> Planned:
    """Return this round's mixture: `earlier` of it is shared by the skills of the rounds before.

    The paper mixes 0.4 in; its released scripts mix nothing in (and forget). The last round takes all skills.
    """
    if not observed.losses or len(observed.losses[0]) != len(observed.skills):
        raise BadInputError(
            "A skill curriculum needs one loss per skill from an evaluation before training: "
            "`skillmix train --method skill_curriculum` measures them, or give a --run that asked for all."
        )
    by_loss = sorted(zip(observed.losses[0], observed.skills, strict=True), reverse=hardest_first)
    order = [skill for _, skill in by_loss]
    at = min(len(order), observed.round * len(order) // max(1, observed.rounds - 1))
    weights = dict.fromkeys(observed.skills, 0.0)
    if at >= len(order):
        weights = dict.fromkeys(observed.skills, 1.0)
    else:
        weights |= dict.fromkeys(order[:at], earlier / at if at else 0.0)
        weights[order[at]] = 1.0 - (earlier if at else 0.0)
    mixture = normalised(weights)
    items = drawn_by_mixture(observed, mixture, budget, seed) if observed.pool else []
    options = {"earlier": earlier, "hardest_first": hardest_first}
    which = f"round {observed.round + 1} of {observed.rounds} for {len(order)} skills"
    few = f"{which}: not each skill has a round of its own"
    deviations = (few,) if observed.rounds <= len(order) else ()
    return Planned("skill_curriculum", SOURCE, mixture, tuple(i.id for i in items), options, deviations)
