"""Two models on the same questions: differences per question, tests and intervals.

A difference is new minus old, one number in [-1, 1] per question. For 0/1 scores there are only
regressions (-1), improvements (1) and ties (0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..records import Record
from ..stats import Z95

PERMUTED = 9_999  # sign flips drawn where they cannot all be listed
MOST_PERMUTED = 1_000  # above so many questions the t test agrees to three digits
POWER = 0.8


class Difference(Record, frozen=True, gc=False):
    """Mean of new minus old over shared questions, its 95 % interval, and two-sided p."""

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    test: str  # which interval and test
    worse: int  # questions on which the new one is worse
    better: int
    detectable: float | None  # smallest true difference seen with 80 % power at two-sided 5 %


def difference(old: Sequence[float], new: Sequence[float]) -> Difference:
    """Compare scores of the same questions, in the same order.

    0/1 scores: Tango's score interval and mid-p McNemar. Others: t interval, and sign-flip permutation up
    to 1,000 questions, t above.
    """
    d = np.asarray(new, dtype=float) - np.asarray(old, dtype=float)
    n = len(d)
    if n == 0:
        return Difference(None, None, None, None, 0, "none", 0, 0, None)
    worse, better = int((d < 0).sum()), int((d > 0).sum())
    value, smallest = float(d.mean()), detectable(d)
    if is_binary(d):
        low, high = (-x for x in reversed(tango_interval(worse, better, n)))
        p = mcnemar(worse, better)
        return Difference(value, low, high, p, n, "Tango, mid-p McNemar", worse, better, smallest)
    low, high = t_interval(d)
    test = "t, sign flips" if n <= MOST_PERMUTED else "t"
    return Difference(value, low, high, sign_flips(d), n, test, worse, better, smallest)


def is_binary(differences: np.ndarray) -> bool:
    """Tell whether all differences are -1, 0 or 1, as those of 0/1 scores are."""
    return bool(np.isin(differences, (-1.0, 0.0, 1.0)).all())


def mcnemar(worse: int, better: int) -> float:
    """Return the two-sided mid-p of McNemar's test (Fagerland, Lydersen and Laake 2013)."""
    return min(1.0, 2 * min(mcnemar_worse(worse, better), mcnemar_worse(better, worse)))


def mcnemar_worse(worse: int, better: int) -> float:
    """Return the one-sided mid-p of "no drop": P(X > worse) + P(X = worse) / 2, X ~ Bin(m, 1/2)."""
    from scipy.stats import binom

    m = worse + better
    return float(binom.sf(worse, m, 0.5) + binom.pmf(worse, m, 0.5) / 2)


def tango_z(worse: int, better: int, n: int, drop: float) -> float:
    """Return Tango's score statistic of "the true drop is `drop`" (Tango 1998, Statistics in Medicine 17).

    Z = (b - c - n d) / sqrt(n (2 q + d (1 - d))), with q the restricted estimate of p01; positive where
    more is lost than `drop`.
    """
    b, c = worse, better
    linear = -(b + c) + (2 * n - b + c) * drop
    root = math.sqrt(max(0.0, linear**2 + 8 * n * c * drop * (1 - drop)))
    q = max(0.0, (root - linear) / (4 * n))
    spread = n * (2 * q + drop * (1 - drop))
    distance = b - c - n * drop
    if spread <= 1e-12:  # no discordant pair, or the end of the range: sure unless it fits exactly
        return 0.0 if abs(distance) < 1e-9 else math.copysign(math.inf, distance)
    return distance / math.sqrt(spread)


def tango_interval(worse: int, better: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Return the score interval of the drop: all drops whose |Z| is at most z."""
    from scipy.optimize import brentq

    edge = 1 - 1e-9
    seen = (worse - better) / n

    def end(sign: float) -> float:
        outer = -sign * edge
        if sign * tango_z(worse, better, n, outer) < z:
            return outer
        return float(brentq(lambda d: sign * tango_z(worse, better, n, d) - z, outer, seen + sign * 1e-9))

    return (max(-1.0, min(end(1.0), seen)), min(1.0, max(end(-1.0), seen)))


def t_interval(differences: np.ndarray) -> tuple[float, float]:
    """Return the 95 % t interval of the mean difference, within [-1, 1]; all of it for one question."""
    from scipy.stats import t

    n = len(differences)
    if n < 2:
        return -1.0, 1.0
    value = float(differences.mean())
    half = float(t.ppf(0.975, n - 1)) * spread(differences) / math.sqrt(n)
    return max(-1.0, value - half), min(1.0, value + half)


def mean_interval(differences: np.ndarray) -> tuple[float, float, float]:
    """Return (low, mean, high) of differences on any scale, such as words: t, 95 %."""
    from scipy.stats import t

    n, mean = len(differences), float(differences.mean())
    if n < 2:
        return -math.inf, mean, math.inf
    half = float(t.ppf(0.975, n - 1)) * float(differences.std(ddof=1)) / math.sqrt(n)
    return mean - half, mean, mean + half


def spread(differences: np.ndarray) -> float:
    """Return the standard deviation with one question added at each of -1 and 1.

    The added pair keeps a few equal differences from looking certain, as Bonett and Price (2012) do for
    0/1 scores; its weight goes as 1 / n.
    """
    n, mean = len(differences), float(differences.mean())
    total = float(((differences - mean) ** 2).sum()) + (1 - mean) ** 2 + (1 + mean) ** 2
    return math.sqrt(total / (n + 1))


def sign_flips(differences: np.ndarray) -> float:
    """Return the two-sided p of "no difference" by flipping signs at random, or by t for many questions.

    Exact where the signs are symmetric under the null; p = (1 + #) / (B + 1).
    """
    from scipy.stats import permutation_test, ttest_1samp

    d = differences[differences != 0]
    if len(d) < 2:
        return 1.0
    if len(differences) > MOST_PERMUTED:
        return float(ttest_1samp(differences, 0.0).pvalue)
    found = permutation_test(
        (d,),
        lambda x, axis: x.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=PERMUTED,
        batch=max(1, 2_000_000 // len(d)),
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def detectable(differences: np.ndarray, power: float = POWER) -> float:
    """Return the smallest true difference that a two-sided 5 % test sees with this power.

    (z_.975 + z_power) sd(d) / sqrt(n), the inverse of the sample size of Miller 2024 (arXiv 2411.00640).
    """
    from scipy.stats import norm

    quantiles = float(norm.ppf(0.975) + norm.ppf(power))
    return min(1.0, quantiles * spread(differences) / math.sqrt(len(differences)))


def regression_p(drops: np.ndarray) -> float:
    """Return the one-sided p of "no drop", for old minus new: mid-p McNemar, or t where scores are graded."""
    if is_binary(drops):
        return mcnemar_worse(int((drops > 0).sum()), int((drops < 0).sum()))
    return _upper_t(drops, 0.0)


def tolerated_p(drops: np.ndarray, allowed: float) -> float:
    """Return the one-sided p of "the drop is `allowed` or more", for old minus new.

    Non-inferiority by Tango's score statistic for 0/1 scores: near 0 and 1 a t interval lets real drops pass
    up to twice as often as stated. Graded scores: t, with the spread of Bonett and Price.
    """
    from scipy.stats import norm

    if is_binary(drops):
        worse, better = int((drops > 0).sum()), int((drops < 0).sum())
        return float(norm.cdf(tango_z(worse, better, len(drops), allowed)))
    return _upper_t(-drops, -allowed)


def _upper_t(values: np.ndarray, null: float) -> float:
    from scipy.stats import t

    n = len(values)
    if n < 2:
        return 1.0
    return float(t.sf((float(values.mean()) - null) * math.sqrt(n) / spread(values), n - 1))


def unpaired_p(old: tuple[float, int], new: tuple[float, int], allowed: float) -> tuple[float, float]:
    """Return (p of "no drop", p of "the drop is `allowed` or more") from two (mean, n) of other questions.

    Each side gets one success and one failure (Agresti and Caffo 2000); a graded score varies no more than
    a 0/1 score with its mean, so this is safe for both.
    """
    from scipy.stats import norm

    drop, se = _adjusted_drop(old, new)
    return float(norm.sf(drop / se)), float(norm.cdf((drop - allowed) / se))


def unpaired_interval(old: tuple[float, int], new: tuple[float, int]) -> tuple[float, float]:
    """Return the 95 % interval of the drop from two (mean, n) of other questions (Agresti and Caffo 2000)."""
    drop, se = _adjusted_drop(old, new)
    return max(-1.0, drop - Z95 * se), min(1.0, drop + Z95 * se)


def _adjusted_drop(old: tuple[float, int], new: tuple[float, int]) -> tuple[float, float]:
    means = [(p * n + 1) / (n + 2) for p, n in (old, new)]
    se = math.sqrt(sum(p * (1 - p) / (n + 2) for p, (_, n) in zip(means, (old, new), strict=True)))
    return means[0] - means[1], se


def holm(p: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm: the chance of any false finding among all is kept."""
    return _adjusted(p, "holm")


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Return p values adjusted by Benjamini and Hochberg: the share of false findings is kept."""
    return _adjusted(p, "fdr_bh")


def _adjusted(p: Sequence[float], method: str) -> list[float]:
    from statsmodels.stats.multitest import multipletests

    return [float(x) for x in multipletests(list(p), method=method)[1]] if len(p) else []


def shrunk(means: Sequence[float], counts: Sequence[int], sd: float) -> list[float]:
    """Return group means drawn towards their common mean (empirical Bayes, normal, by moments).

    `sd` is that of one question within a group. tau^2 = weighted spread of the means less what chance
    gives; weight of a group's own mean = tau^2 / (tau^2 + sd^2 / n).
    """
    x, n = np.asarray(means, dtype=float), np.asarray(counts, dtype=float)
    if not len(x):
        return []
    centre = float((n * x).sum() / n.sum())
    total = float((n * (x - centre) ** 2).sum() / n.sum())
    between = max(0.0, total - sd**2 * (len(x) - 1) / n.sum())
    if between == 0.0:
        return [centre] * len(x)
    weight = between / (between + sd**2 / n)
    return [float(v) for v in centre + weight * (x - centre)]


def correlation(old: Sequence[float], new: Sequence[float]) -> float | None:
    """Return the correlation of the two models' scores over questions, or None where one is constant."""
    if len(old) < 3 or np.ptp(old) == 0 or np.ptp(new) == 0:
        return None
    return float(np.corrcoef(old, new)[0, 1])
