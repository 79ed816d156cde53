"""How many questions a decision needs, before any is paid for. All for 0/1 scores such as full marks.

Cells of a pair: p10 (only the old model has it), p01 (only the new one); drop = p10 - p01 and discordance
pi_d = p10 + p01, from the old model's rate, the drop, and the correlation of the two scores.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import BadInputError
from ..records import Record
from .evalue import evidence


class Rates(Record, frozen=True, gc=False):
    """What is assumed of two models: the old one's rate, the drop, and the correlation within a question."""

    baseline: float
    drop: float
    correlation: float


class Sequential(Record, frozen=True, gc=False):
    """What a sequential gate does at one true drop, by simulation; shares are of all simulated gates."""

    true_drop: float
    mean: float  # questions used
    median: float
    p90: float
    alarms: float
    passes: float
    undecided: float


def cells(rates: Rates) -> tuple[float, float]:
    """Return (p10, p01); where the correlation allows no such p01 it is 0, and the drop is kept.

    p10 = p1 (1 - p2) - rho sqrt(p1 (1 - p1) p2 (1 - p2)), p01 with 1 and 2 exchanged, p2 = p1 - drop.

    Raises BadInputError when the drop is larger than the baseline's rate.
    """
    p1, p2 = rates.baseline, rates.baseline - rates.drop
    if not 0 <= p2 <= 1 or not 0 <= p1 <= 1:
        raise BadInputError(
            f"A drop of {rates.drop:g} from a baseline of {rates.baseline:g} leaves [0, 1]; give a smaller "
            "--drop or another --baseline-rate."
        )
    common = rates.correlation * math.sqrt(p1 * (1 - p1) * p2 * (1 - p2))
    p10, p01 = p1 * (1 - p2) - common, p2 * (1 - p1) - common
    lift = max(0.0, -p01, -p10)
    return p10 + lift, p01 + lift


def discordance(rates: Rates) -> float:
    """Return the share of questions on which the two models differ."""
    return sum(cells(rates))


def pairs_to_see(rates: Rates, power: float, alpha: float) -> int:
    """Return how many shared questions a one-sided mid-p McNemar test needs to see the drop.

    n = (z_{1-alpha} sqrt(pi_d) + z_power sqrt(pi_d - drop^2))^2 / drop^2 (Connor 1987, Biometrics 43).
    """
    pi, drop = discordance(rates), rates.drop
    root = _z(1 - alpha) * math.sqrt(pi) + _z(power) * math.sqrt(pi - drop**2)
    return math.ceil(root**2 / drop**2)


def pairs_unpaired(rates: Rates, power: float, alpha: float) -> int:
    """Return how many questions each of two runs on different questions needs (two-proportion z test)."""
    p1, p2 = rates.baseline, rates.baseline - rates.drop
    mean = (p1 + p2) / 2
    root = _z(1 - alpha) * math.sqrt(2 * mean * (1 - mean))
    root += _z(power) * math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    return math.ceil(root**2 / rates.drop**2)


def pairs_to_decide(rates: Rates, alpha: float, beta: float) -> int:
    """Return how many questions a gate of fixed size needs for an answer: alarm or pass, rarely neither.

    As `pairs_to_see` with power 1 - beta, but the null's discordance is that of two equal models.
    """
    null, drop = discordance(Rates(rates.baseline, 0.0, rates.correlation)), rates.drop
    root = _z(1 - alpha) * math.sqrt(null) + _z(1 - beta) * math.sqrt(discordance(rates) - drop**2)
    return math.ceil(root**2 / drop**2)


def power_of(rates: Rates, n: int, alpha: float) -> float:
    """Return the chance that a one-sided test on n shared questions sees the drop."""
    from scipy.stats import norm

    pi, drop = discordance(rates), rates.drop
    z = (drop * math.sqrt(n) - _z(1 - alpha) * math.sqrt(pi)) / math.sqrt(max(1e-12, pi - drop**2))
    return float(norm.cdf(z))


def visible_drop(baseline: float, correlation: float, n: int, power: float, alpha: float) -> float | None:
    """Return the smallest drop that n shared questions show with this power, or None where none is."""
    from scipy.optimize import brentq

    def lacking(drop: float) -> float:
        return power_of(Rates(baseline, drop, correlation), n, alpha) - power

    if baseline < 2e-6 or lacking(baseline - 1e-6) < 0:
        return None
    return float(brentq(lacking, 1e-6, baseline - 1e-6))


def simulate(
    rates: Rates, allowed: float, alpha: float, beta: float, most: int, gates: int = 400
) -> Sequential:
    """Simulate the sequential gate at a true drop, with a fixed seed.

    `allowed` is the gate's margin; a gate that has not decided after `most` questions is undecided and
    counts with all of them.
    """
    d = draw(rates, (gates, most), np.random.default_rng(0))
    alarmed, used, open_ = np.full(gates, -1), np.full(gates, most), np.arange(gates)
    length = min(250, most)
    while len(open_):  # most gates end early: the others are followed further
        found, at = stops(d[open_, :length], allowed, alpha, beta)
        decided = found >= 0
        alarmed[open_[decided]], used[open_[decided]] = found[decided], at[decided]
        open_ = open_[~decided] if length < most else open_[:0]
        length = min(2 * length, most)
    return Sequential(
        rates.drop,
        float(used.mean()),
        float(np.median(used)),
        float(np.quantile(used, 0.9)),
        float((alarmed == 1).mean()),
        float((alarmed == 0).mean()),
        float((alarmed == -1).mean()),
    )


def stops(
    differences: np.ndarray, allowed: float, alpha: float, beta: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return, per row of old minus new: 1 alarm, 0 pass, -1 undecided; and how many questions were used."""
    found = evidence(differences, allowed, binary=True)
    alarm = found.alarm >= math.log(1 / alpha)
    passing = found.passing >= math.log(1 / beta)
    either = alarm | passing
    decided = either.any(axis=1)
    at = np.where(decided, either.argmax(axis=1), differences.shape[1] - 1)
    rows = np.arange(len(at))
    outcome = np.where(passing[rows, at], 0, 1)  # both at once is a pass: the drop is under what is allowed
    return np.where(decided, outcome, -1), at + 1


def draw(rates: Rates, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return simulated old minus new of 0/1 scores."""
    p10, p01 = cells(rates)
    u = rng.random(shape, dtype=np.float32)
    return (u < p10).astype(np.float64) - (u >= 1 - p01)


def _z(probability: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(probability))
