"""How far judges agree, with each other and with the truth. Pure functions of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..stats import Estimate

FEWEST = 10  # groups that an interval by resampling needs
RESAMPLES = 2000
Votes = Sequence[tuple[int, int]]  # per item judged: votes, and how many of them are yes


def agreement(groups: Sequence[Votes], weights: Sequence[float] | None = None) -> dict[str, Estimate]:
    """Return `same`, `alpha` and `ac1` of yes-or-no votes, with 95 % intervals; n counts groups.

    A group is a question with all its items that have two votes or more: groups are resampled whole, since
    items of one text are judged together. `same` is the share of pairs of votes that agree; alpha is
    Krippendorff's for nominal values (2011), 1 - Do / De; AC1 is Gwet's (2008, equations 9 and 10 for two
    categories), which stays meaningful where nearly all votes are yes. A measure that has no value, since
    all votes are the same, is None. `weights` count a group for more than one.
    """
    given = np.ones(len(groups)) if weights is None else np.asarray(weights)
    found_sums = [_sums(votes) for votes in groups]
    sums = (np.array(found_sums, dtype=float).reshape(-1, 6) * given[:, None])[[bool(v) for v in groups]]
    if not len(sums):
        return {name: Estimate(None, None, None, None, 0) for name in ("same", "alpha", "ac1")}
    found = _measures(sums.sum(axis=0))
    drawn = np.random.RandomState(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), RESAMPLES)
    spread = _measures(drawn @ sums)
    return {name: _estimate(found[name], spread[name], len(sums)) for name in found}


def _sums(votes: Votes) -> tuple[float, ...]:
    """Return a group's share in each sum that the measures are made of."""
    n, yes = np.array([v for v in votes if v[0] > 1], dtype=float).reshape(-1, 2).T
    unlike = 2 * yes * (n - yes) / (n - 1)
    return (
        len(n),
        float((1 - unlike / n).sum()),
        float((yes / n).sum()),
        float(unlike.sum()),
        float(n.sum()),
        float(yes.sum()),
    )


def _measures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return the three measures of sums over items; NaN where one has no value."""
    items, alike, share, unlike, votes, yes = np.moveaxis(np.atleast_2d(sums), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        same, p = alike / items, share / items
        by_chance = 2 * p * (1 - p)
        expected = 2 * yes * (votes - yes) / (votes * (votes - 1))
        return {
            "same": same,
            "alpha": np.where(expected > 0, 1 - unlike / votes / expected, np.nan),
            "ac1": (same - by_chance) / (1 - by_chance),
        }


def _estimate(found: np.ndarray, drawn: np.ndarray, n: int) -> Estimate:
    """Return a measure with its percentile interval over the resamples in which it has a value.

    Resampling a handful of groups says too little of their spread, so their measures have no interval.
    """
    value = float(found[0])
    drawn = drawn[~np.isnan(drawn)]
    if n < FEWEST and not np.isnan(value):
        return Estimate(value, None, None, None, n)
    if np.isnan(value) or not len(drawn):
        return Estimate(None, None, None, None, n)
    low, high = (float(x) for x in np.quantile(drawn, (0.025, 0.975)))
    return Estimate(value, float(drawn.std()), min(low, value), max(high, value), n)


def proportion(count: float, n: int, level: float = 0.95) -> Estimate:
    """Return a share with its Clopper-Pearson interval, which covers at least as often as it says.

    For few trials with a rate near 0 or 1, where a promise is to be kept (Clopper and Pearson 1934). A count
    that is no whole number is a sum of shares, one of each of n clusters taken as alike within.
    """
    from scipy.stats import beta

    if not n:
        return Estimate(None, None, None, None, 0)
    tail, p = (1 - level) / 2, count / n
    low = float(beta.ppf(tail, count, n - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - tail, count + 1, n - count)) if count < n else 1.0
    return Estimate(p, float(np.sqrt(p * (1 - p) / n)), low, high, n)


def effective_votes(votes: float, correlation: float) -> float:
    """Return how many independent votes so many correlated ones are worth: R / (1 + (R - 1) rho)."""
    return votes / (1 + (votes - 1) * min(1.0, max(0.0, correlation)))
