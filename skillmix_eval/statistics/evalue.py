"""An anytime-valid test of a drop: two betting e-processes that may be looked at after every question.

`D` is old minus new on one question, in [-1, 1], in an order that was random and fixed beforehand.

    alarm     H0: E[D] <= 0      E_t = prod (1 + l_t D_t)
    pass      H0: E[D] >= drop   E_t = prod (1 + l_t (drop - D_t))

Ville's inequality: P(ever E_t >= 1/alpha | H0) <= alpha, whatever the rule for stopping. Each process is the
mean of two bets, which is again an e-process: Kelly's bet at the drop, and a mixture over fixed bets
(Waudby-Smith and Ramdas, arXiv 2010.09686; Ramdas et al., arXiv 2210.01948).
"""

from __future__ import annotations

import math

import numpy as np

from ..records import Record

_PRIOR_WEIGHT, _PRIOR_SQUARE = 10.0, 0.25  # what E[D^2] is thought to be before the first questions
_MOST = 0.9  # largest Kelly bet
_PASS_BETS = np.arange(0.02, 0.981, 0.04)
_GRADED_BETS = np.linspace(0.02, 0.9, 12)
_TRUNCATE = 0.75  # of the confidence sequence's bets; under 1 is valid, more is narrower early, wider late


class Evidence(Record, frozen=True, gc=False):
    """log E of both processes after each question: arrays (..., n), the last axis in order of asking."""

    alarm: np.ndarray
    passing: np.ndarray


def evidence(differences: np.ndarray, drop: float, binary: bool) -> Evidence:
    """Return both processes for one sequence of old minus new, or for many at once (..., n).

    `binary` (scores are 0 or 1) has to be known beforehand, not read off the differences: it chooses the
    mixture.
    """
    d = np.asarray(differences, dtype=float)
    square = _running_square(d)
    alarm = _kelly(d, np.minimum(_MOST, drop / square))
    passing = _kelly(drop - d, np.minimum(_MOST, drop / (square + drop**2)))
    if binary:
        worse, better = np.cumsum(d > 0, axis=-1), np.cumsum(d < 0, axis=-1)
        mixed_alarm, mixed_pass = log_e_mixture(worse, better), _mixture_of_counts(worse, better, drop)
    else:
        mixed_alarm, mixed_pass = _mixture(d), _mixture(drop - d)
    return Evidence(_mean(alarm, mixed_alarm), _mean(passing, mixed_pass))


def log_e_mixture(worse: np.ndarray | int, better: np.ndarray | int) -> np.ndarray:
    """Return log E of the uniform mixture over bets in [0, 1] for 0/1 scores, in closed form.

    E = int (1 + l)^b (1 - l)^c dl = 2^(b+c+1) B(b+1, c+1) P(Beta(b+1, c+1) > 1/2)
    """
    from scipy.special import betainc, betaln

    b, c = np.asarray(worse, dtype=float), np.asarray(better, dtype=float)
    tail = np.maximum(betainc(c + 1, b + 1, 0.5), 1e-300)  # log of 0 where nearly all improve
    return np.asarray((b + c + 1) * math.log(2) + betaln(b + 1, c + 1) + np.log(tail))


def confidence_sequence(differences: np.ndarray, alpha: float) -> tuple[float, float]:
    """Return an interval of the drop that holds at every time at once with probability 1 - alpha.

    Hedged capital of Waudby-Smith and Ramdas (arXiv 2010.09686, section 4.4): all d for which the mean of
    prod (1 + l_i (D_i - d)) and prod (1 - l_i (D_i - d)) stays under 1/alpha.
    """
    d = np.asarray(differences, dtype=float)
    if not len(d):
        return -1.0, 1.0
    t = np.arange(1, len(d) + 1)
    bets = np.sqrt(2 * math.log(2 / alpha) / (_running_square(d) * t * np.log1p(t)))
    grid = np.linspace(-1, 1, 401)
    step = np.minimum(bets, _TRUNCATE / (1 + np.abs(grid[:, None]))) * (d - grid[:, None])
    capital = np.logaddexp(np.log1p(step).sum(axis=1), np.log1p(-step).sum(axis=1)) - math.log(2)
    inside = grid[capital < math.log(1 / alpha)]
    if not len(inside):  # cannot happen but by rounding: the mean itself never loses capital for long
        return float(d.mean()), float(d.mean())
    return float(inside[0]), float(inside[-1])


def first_crossing(log_e: np.ndarray, error: float) -> int | None:
    """Return after how many questions E reaches 1/error, or None."""
    over = np.flatnonzero(log_e >= math.log(1 / error))
    return int(over[0]) + 1 if len(over) else None


def _running_square(d: np.ndarray) -> np.ndarray:
    """Estimate E[D^2] before each question from those before it."""
    n = d.shape[-1]
    before = np.cumsum(d**2, axis=-1) - d**2
    return np.asarray((_PRIOR_WEIGHT * _PRIOR_SQUARE + before) / (_PRIOR_WEIGHT + np.arange(n)))


def _kelly(gains: np.ndarray, bets: np.ndarray) -> np.ndarray:
    return np.cumsum(np.log1p(bets * gains), axis=-1)


def _mixture(gains: np.ndarray) -> np.ndarray:
    total = np.full(gains.shape, -np.inf)
    for bet in _GRADED_BETS:
        total = np.logaddexp(total, np.cumsum(np.log1p(bet * gains), axis=-1))
    return total - math.log(len(_GRADED_BETS))


def _mixture_of_counts(worse: np.ndarray, better: np.ndarray, drop: float) -> np.ndarray:
    """Return log of the mean over bets of (1 - l(1 - drop))^b (1 + l(1 + drop))^c (1 + l drop)^s."""
    n = np.arange(1, worse.shape[-1] + 1)
    total, largest = np.zeros(worse.shape), np.full(worse.shape, -np.inf)
    for bet in _PASS_BETS:
        tie = math.log1p(bet * drop)
        lost, won = math.log1p(-bet * (1 - drop)) - tie, math.log1p(bet * (1 + drop)) - tie
        power = lost * worse + won * better + tie * n
        over = np.maximum(largest, power)
        total = total * np.exp(largest - over) + np.exp(power - over)
        largest = over
    return np.asarray(largest + np.log(total / len(_PASS_BETS)))


def _mean(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.asarray(np.logaddexp(first, second) - math.log(2))
