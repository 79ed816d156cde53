"""Means with intervals. Pure functions of numbers; the unit is the question (see ARCHITECTURE.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .records import Record

Z95 = 1.959963984540054  # two-sided 95 %
UNSEEN = 0.5  # weight of a value at the far end that may not have been drawn yet


class Estimate(Record, frozen=True, gc=False):
    """A mean over `n` questions with its standard error (NaN as None) and 95 % interval, all in [0, 1]."""

    value: float | None
    se: float | None
    low: float | None
    high: float | None
    n: int


def estimate(values: Sequence[float] | np.ndarray) -> Estimate:
    """Return the mean of one number in [0, 1] per question, with a Wilson interval at the effective n.

    For 0/1 values this is the Wilson score interval. For means of several texts or fractions, n is
    replaced by n_eff = p (1 - p) / Var(mean), never less than n, since a variable in [0, 1] varies at most
    as much as a binary one (Miller 2024, arXiv 2411.00640; Bowyer et al. 2025, arXiv 2503.01747, on why
    not Wald). The standard error is the sample standard deviation (ddof 1) over sqrt(n).
    """
    x = np.asarray(values, dtype=float)
    n = len(x)
    if n == 0:
        return Estimate(None, None, None, None, 0)
    p = float(x.mean())
    spread = float(x.std(ddof=1)) if x.min() < x.max() else 0.0  # equal values: no rounding noise
    se = spread / math.sqrt(n) if n > 1 else None
    low, high = wilson(p, effective_n(p, spread, n))
    return Estimate(p, se, low, high, n)


def effective_n(p: float, spread: float, n: int) -> float:
    """Return how many 0/1 values would say as much about the mean p as n values with this spread.

    Half a value at the far end of [0, 1] is added to the spread: a rare 0 among values near 1 may not have
    been drawn yet, and without it the interval covers only 59 % to 89 % in such cases
    (experiments/interval_coverage.py). It changes nothing for 0/1 values.
    """
    if n < 2 or spread == 0.0:
        return float(n)
    variance = spread**2 + UNSEEN * max(p, 1 - p) ** 2 / (n - 1)
    return max(float(n), n * p * (1 - p) / variance)


def wilson(p: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Return the Wilson score interval (95 % by default) of a proportion p of n, n possibly fractional.

    Written out because scipy's takes whole counts only; a test holds the two together.
    """
    z2 = z**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))
