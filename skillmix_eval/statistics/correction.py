"""What a judge's figures would be without its errors, from a labelled part of its texts. Pure functions."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..stats import Z95, Estimate, wilson

TUNED = 100  # with fewer labels the judge's weight is 1, not fitted: a fitted one then covers too little
_Z2 = Z95**2


class Labelled(NamedTuple):
    """One entry per text, all arrays alike long.

    `judged` is what the judge says (0 to 1), `true` the truth or NaN, `chance` the chance that the text had
    to be labelled (above 0, known by design), `question` a number per question: its texts are one unit.
    """

    judged: np.ndarray
    true: np.ndarray
    chance: np.ndarray
    question: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Whether each text is labelled."""
        return np.asarray(~np.isnan(self.true))

    @property
    def units(self) -> int:
        """How many questions have a labelled text."""
        return len(np.unique(self.question[self.known]))


def corrected(data: Labelled) -> Estimate:
    """Return the mean truth over all texts by prediction-powered inference, with its 95 % interval.

    PPI++ (Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453) for labels with known unequal chances: the
    judge's mean over all texts plus the weighted mean error on the labelled ones. It is right whatever the
    judge's errors are. n is the number of labelled texts.
    """
    units = influence(data)
    n, labels = len(units), data.units
    if n < 2 or labels < 2:
        return Estimate(None, None, None, None, int(data.known.sum()))
    value, se = float(units.mean()), float(units.std(ddof=1)) / math.sqrt(n)
    freedom = max(1, min(n, labels) - (3 if labels >= TUNED else 2))
    half = _t(freedom) * se * math.sqrt(1 + 2 / freedom)
    value = min(1.0, max(0.0, value))
    return Estimate(value, se, max(0.0, value - half), min(1.0, value + half), int(data.known.sum()))


def influence(data: Labelled) -> np.ndarray:
    """Return one number per question whose mean is the corrected mean and whose spread is its error.

    Per text: y w + a f (1 - w) + b (1 - w), with w = 1 / chance if labelled, else 0. The last two terms have
    mean 0. b always, and a where there are enough labels, are the weights that make the spread smallest; else
    a = 1. In order of the questions' numbers.
    """
    w = np.where(data.known, 1 / data.chance, 0.0)
    y = np.where(data.known, data.true, 0.0) * w
    f, one = data.judged * (1 - w), 1 - w
    y, f, one = (_means(x, data.question) for x in (y, f, one))
    if data.units < TUNED:
        y, parts = y + f, one[:, None]
    else:
        parts = np.stack([f, one], axis=1)
    centred = parts - parts.mean(axis=0)
    weights, *_ = np.linalg.lstsq(centred, y - y.mean(), rcond=None)
    return np.asarray(y - parts @ weights)


def rogan_gladen(data: Labelled) -> Estimate:
    """Return the mean truth of 0/1 verdicts by inverting the judge's error rates (Rogan and Gladen 1978).

    Interval of Lee et al. (2026, arXiv 2511.21140): rates smoothed, labels counted by their weights (Kish).
    Unlike `corrected` it stays right where the labelled texts are of another mix, and is wider.
    """
    positive, negative = (share(data.judged, data.true == truth, data) for truth in (1.0, 0.0))
    if positive.value is None or negative.value is None:
        return Estimate(None, None, None, None, int(data.known.sum()))
    n = len(data.judged)
    p = (n * float(data.judged.mean()) + _Z2 / 2) / (n + _Z2)
    m1, m0 = max(1.0, _kish(data, 1.0)), max(1.0, _kish(data, 0.0))
    q1, q0 = (m1 * positive.value + 1) / (m1 + 2), (m0 * (1 - negative.value) + 1) / (m0 + 2)
    if q0 + q1 - 1 < 0.02:
        return Estimate(None, None, 0.0, 1.0, int(data.known.sum()))
    theta = min(1.0, max(0.0, (p + q0 - 1) / (q0 + q1 - 1)))
    spread0, spread1 = q0 * (1 - q0) / m0, q1 * (1 - q1) / m1
    se = math.sqrt(p * (1 - p) / n + (1 - theta) ** 2 * spread0 + theta**2 * spread1) / (q0 + q1 - 1)
    shift = 2 * _Z2 * (theta * spread1 - (1 - theta) * spread0)
    low, high = (min(1.0, max(0.0, theta + shift + sign * Z95 * se)) for sign in (-1, 1))
    return Estimate(theta, se, min(low, theta), max(high, theta), int(data.known.sum()))


def share(values: np.ndarray, among: np.ndarray, data: Labelled) -> Estimate:
    """Return the weighted mean of 0/1 values among some labelled entries, with a Wilson interval.

    The interval's n is the effective one: of unequal weights, and of entries of one question being alike. n
    of the estimate counts entries.
    """
    chosen = among & data.known
    n = int(chosen.sum())
    if not n:
        return Estimate(None, None, None, None, 0)
    w = 1 / data.chance[chosen]
    p = float(np.average(values[chosen], weights=w))
    _, codes = np.unique(data.question[chosen], return_inverse=True)
    totals = np.bincount(codes, w * (values[chosen] - p))
    groups = len(totals)
    kish = float(w.sum() ** 2 / (w**2).sum())
    variance = float((totals**2).sum()) / float(w.sum()) ** 2 * (groups / max(1, groups - 1))
    effective = min(float(n), p * (1 - p) / variance) if variance > 0 else kish
    low, high = wilson(p, max(1.0, effective))
    return Estimate(p, math.sqrt(variance) if variance else None, low, high, n)


def _kish(data: Labelled, truth: float) -> float:
    w = 1 / data.chance[data.true == truth]
    return float(w.sum() ** 2 / (w**2).sum()) if len(w) else 0.0


def _means(values: np.ndarray, question: np.ndarray) -> np.ndarray:
    _, codes = np.unique(question, return_inverse=True)
    return np.asarray(np.bincount(codes, values) / np.bincount(codes))


def _t(freedom: float) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, freedom))
