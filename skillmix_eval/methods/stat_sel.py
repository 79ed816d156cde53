"""STAT-Sel: for each difficult question, draw training items of the skills that the student missed
(2510.10023).

A skill's weight is therefore the number of difficult questions that list it: a count, not a rate, so
frequent skills weigh more.
"""

from __future__ import annotations

import random
from collections import Counter

from ..errors import BadInputError
from ..mixing import Count, Observed, Planned, drawn, normalised, shares, skill_map

SOURCE = "STAT-Sel (arXiv 2510.10023, section 2.2 and algorithm 1)"
NEEDS = ("misses", "pool")
RUBRIC = (
    "the rubric says which questions are difficult and which skills were missed; the paper has scores of "
    "each step and a labelling model"
)


def difficult(process: list[float], last: float = 0.85, any_step: float = 0.70) -> bool:
    """Tell whether a solution with these step scores marks its question as difficult (section 2.1).

    It does when the last score or the mean is at most `last`, or an earlier score is at most `any_step`.
    Raises BadInputError for no scores.
    """
    if not process:
        raise BadInputError("A solution without step scores is neither easy nor difficult.")
    mean = sum(process) / len(process)
    return process[-1] <= last or mean <= last or any(r <= any_step for r in process[:-1])


def plan(
    observed: Observed,
    budget: int,
    seed: int = 0,
    per_skill: Count = 5,
    shuffled: bool = False,
) -> Planned:
    """Return `budget` items: those drawn for the misses, shuffled and repeated or cut to the budget.

    The paper's text draws 5 per question and skill, its algorithm 3. `shuffled` is the negative control:
    the skills missed most trade labels with those missed least.
    """
    if not observed.misses:
        raise BadInputError(
            "STAT-Sel needs questions that the student failed, and this run has none; run it at a higher "
            "k or with "
            "more questions (`skillmix run -k 3 -n 300`)."
        )
    by_skill, rng = skill_map(observed), random.Random(seed)  # noqa: S311  repeatable, no secret
    labels = _relabelled(observed.skills, _missed(observed), rng) if shuffled else {}
    wanted = [labels.get(skill, skill) for miss in observed.misses for skill in miss.skills]
    picked = [rng.choice(by_skill[s]) for s in wanted if by_skill.get(s) for _ in range(per_skill)]
    if not picked:
        raise BadInputError("The pool holds no item of any skill that the student missed; give a wider pool.")
    items = drawn(picked, budget, seed)
    options = {"per_skill": per_skill, "shuffled": shuffled}
    deviations = (RUBRIC, *["skill labels shuffled (negative control)"] * shuffled)
    return Planned("stat_sel", SOURCE, shares(items), tuple(i.id for i in items), options, deviations)


def profile(observed: Observed) -> dict[str, float]:
    """Return the missing-skill profile: the share of each skill among all that were missed."""
    return normalised({skill: float(n) for skill, n in _missed(observed).most_common()})


def _missed(observed: Observed) -> Counter[str]:
    return Counter(skill for miss in observed.misses for skill in miss.skills)


def _relabelled(skills: tuple[str, ...], misses: Counter[str], rng: random.Random) -> dict[str, str]:
    """Give each skill the label of another: those missed most trade with those missed least.

    A random permutation would leave some of the missed ones where they are, and be no control.
    """
    ranked, half = sorted(skills, key=lambda s: (-misses[s], s)), len(skills) // 2
    order = rng.sample(ranked[:half], half) + rng.sample(ranked[half:], len(ranked) - half)
    return {skill: order[(at + half) % len(order)] for at, skill in enumerate(order)}
