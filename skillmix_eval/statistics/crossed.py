"""Intervals that hold for new skills: a random k-subset sample is an incomplete U-statistic.

Questions that share a skill are alike, so over many skill lists their mean varies more than
sd / sqrt(n). On the fixed list that part is no noise and the plain interval is right.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from ..stats import Estimate, wilson

Skills = Sequence[Collection[str]] | np.ndarray  # of each question; as an array (questions, k)
MOST = 2000  # questions whose pairs are looked at: four million pairs tell the list's part well enough
_LEAST_APART = 0.05  # share of pairs without a common skill, under which new skills cannot be spoken for


def new_skills(values: Sequence[float] | np.ndarray, skills: Skills) -> Estimate:
    """Return the mean of one number in [0, 1] per question, with a 95 % interval for new skills.

    Wilson at n_eff = p (1 - p) / Var, with the quantile of t at N / k degrees of freedom: a list of N skills
    holds so many questions that share none. Where nearly all questions share a skill the interval is
    all of [0, 1]: nothing can be said.
    """
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, None, 0)
    p = float(np.mean(values))
    found = variance(values, skills)
    if found is None:
        return Estimate(p, None, 0.0, 1.0, n)
    at_most = p * (1 - p) / found if found > 0 else float(n)
    low, high = wilson(p, max(1e-9, min(float(n), at_most)), quantile(skills))
    return Estimate(p, math.sqrt(found), low, high, n)


def quantile(skills: Skills) -> float:
    """Return the 97.5 % quantile of t at N / k degrees of freedom.

    One less, as for N / k free numbers, gives intervals wider than Clopper-Pearson's where lists are short
    (experiments/interval_coverage.py).
    """
    from scipy.special import stdtrit  # of scipy.stats too, but that takes a second to load

    if isinstance(skills, np.ndarray):
        listed, asked = len(np.unique(skills)), skills.size
    else:
        listed, asked = len({s for of_one in skills for s in of_one}), sum(map(len, skills))
    return float(stdtrit(listed * len(skills) / asked, 0.975))


def variance(values: Sequence[float] | np.ndarray, skills: Skills) -> float | None:
    """Return Var(mean) over new skill lists, or None where nearly all questions share a skill.

    Var = zeta_k / n + (1 - 1/n) Var(U_N) with Var(U_N) about k^2 zeta_1 / N (Hoeffding 1948, Blom 1976),
    written for the pairs that were asked: Var = s^2 / n + f cov, with f the share of ordered pairs that
    have a skill in common and cov their mean covariance. Residuals from the sample's own mean make cov too
    small by Var itself; solved for Var, that gives (s^2 / n + f mean(e_i e_j)) / (1 - f - 1/n).
    """
    x = np.asarray(values, dtype=float)
    n = len(x)
    if n < 3:
        return None
    within = float(x.var(ddof=1)) / n
    rows = np.unique(np.linspace(0, n - 1, min(n, MOST)).astype(int))
    shared, product = _pairs(x[rows] - x.mean(), [skills[i] for i in rows])
    apart = 1 - shared - 1 / len(rows)
    if apart < _LEAST_APART:
        return None
    return max(within, (within + shared * product) / apart)


def _pairs(residuals: np.ndarray, skills: Sequence[Collection[str]]) -> tuple[float, float]:
    """Return the share of ordered pairs that have a skill in common, and their mean product."""
    columns = {s: i for i, s in enumerate(sorted({s for of_one in skills for s in of_one}))}
    member = np.zeros((len(skills), len(columns)), dtype=np.float32)
    for row, of_one in enumerate(skills):
        member[row, [columns[s] for s in of_one]] = 1
    share = member @ member.T > 0
    np.fill_diagonal(share, False)
    pairs = int(share.sum())
    product = float(residuals @ (share @ residuals)) / pairs if pairs else 0.0
    return pairs / len(skills) ** 2, product
