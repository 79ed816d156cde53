"""Samples -> the skill profile: which skills fail, what combining costs, what the next k will give. Pure.

Works on single points, never on full marks: those tell skills apart only through the overlap of questions.
Several texts become one number per question first, always by their mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from scipy import optimize, special

from ..columns import Columns, columns_of, reduced
from ..figures import METRICS, Ability, Composition, Prediction, Profile
from ..records import Record, Sample
from ..stats import estimate

DRAWS = 2000  # from the posterior
MOST_QUESTIONS = 1000  # that the model of the next k is fitted to; more changes its third digit
LEAST_PRODUCT = 0.002  # under it a ratio tells of the product's own error
_WEAKEST = 0.1


class Points(msgspec.Struct, frozen=True):
    """Mean points over its scored texts of each question (Q) of one k; a named skill has not earned its."""

    k: int
    skills: np.ndarray  # (Q, k) codes, 0 to the number of skills - 1
    earned: np.ndarray  # (Q, k)
    others: np.ndarray  # (Q,) share of texts with all other points
    full: np.ndarray  # (Q,)


def profile(samples: Sequence[Sample] | Columns, labels: Mapping[str, str]) -> Profile:
    """Return the profile of all scored samples; empty where nothing is scored."""
    columns = columns_of(samples)
    if not columns.scored:
        return Profile()
    skills, points = columns.skills, question_points(columns)
    return Profile(
        skills=_abilities(columns, [s.id for s in skills], labels),
        categories=_abilities(columns, [s.category for s in skills], {}),
        composition=composition(points),
        prediction=predict_next(points),
    )


def question_points(columns: Columns) -> list[Points]:
    """Return the points of all scored questions, smallest k first."""
    full, found = list(METRICS).index("full_marks"), []
    for block in columns.blocks:
        texts = np.column_stack([block.earned, block.others.all(axis=1), block.marks[:, full]])
        rows, means = reduced(block.question[block.scored], texts[block.scored])
        if len(rows):
            found.append(
                Points(block.k, block.skills[rows], means[:, : block.k], means[:, block.k], means[:, -1])
            )
    return found


class Prior(Record, frozen=True, gc=False):
    """A beta distribution of skill rates: its mean, and how many questions it is worth."""

    mean: float
    weight: float

    def posterior(
        self, successes: np.ndarray, trials: np.ndarray, least: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return both parameters of each group's posterior, with a prior of at least `least` each."""
        a, b = max(least, self.weight * self.mean), max(least, self.weight * (1 - self.mean))
        return successes + a, trials - successes + b


def fit_prior(successes: np.ndarray, trials: np.ndarray) -> Prior:
    """Return the prior that the groups' spread suggests (empirical Bayes by moments).

    The variance between groups is what their rates vary by, less what chance alone would make them vary, and
    at least that chance part's own standard error, sqrt(2 / groups) of it: with less, groups that look alike
    by accident get intervals that hold the truth half of the time. The weight is mean (1 - mean) / variance
    - 1, at least 1. Successes and trials may be fractional.
    """
    total = trials.sum()
    mean = float((successes.sum() + 0.5) / (total + 1))
    rates = np.where(trials > 0, successes / np.maximum(trials, 1e-9), mean)
    chance = mean * (1 - mean) * np.count_nonzero(trials) / total
    between = float((trials * (rates - mean) ** 2).sum() / total - chance)
    between = max(between, chance * math.sqrt(2 / len(trials)))
    return Prior(mean, max(1.0, mean * (1 - mean) / between - 1))


def _abilities(columns: Columns, group_of: Sequence[str], labels: Mapping[str, str]) -> tuple[Ability, ...]:
    """Return the ability of each group of skills (`group_of`: each skill's), weakest first."""
    names = sorted(set(group_of))
    code = np.array([names.index(g) for g in group_of])
    points, questions, asked, missing = (np.zeros(len(names)) for _ in range(4))
    for block in columns.blocks:
        texts = np.flatnonzero(block.scored)
        asked_of = block.question[texts]
        group, earned = code[block.skills[asked_of]].ravel(), block.earned[texts].ravel()
        of_question, means = reduced(np.repeat(asked_of, block.k) * len(names) + group, earned)
        for total, of_what, weights in (
            (points, of_question % len(names), means),
            (questions, of_question % len(names), None),
            (asked, group, None),
            (missing, group, 1 - earned),
        ):
            total += np.bincount(of_what, weights, minlength=len(names))
    there = np.flatnonzero(questions)
    found = points[there], questions[there]
    prior = fit_prior(*found)
    a, b = prior.posterior(*found)
    value = a / (a + b)
    a, b = prior.posterior(*found, least=0.5)  # as Jeffreys has it: all or nothing earned is no certainty
    low = np.minimum(value, special.betaincinv(a, b, 0.025))
    high = np.maximum(value, special.betaincinv(a, b, 0.975))
    counts = np.column_stack([questions, asked, missing])[there].astype(int).tolist()
    figures = np.column_stack([value, low, high, _weakest(a, b)]).tolist()
    rows = [
        Ability(names[g], labels.get(names[g], names[g]), *counted, *of_group)
        for g, counted, of_group in zip(there, counts, figures, strict=True)
    ]
    return tuple(sorted(rows, key=lambda r: (r.value, r.id)))


def _weakest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return each group's chance of being among the weakest tenth: half of a hard list would be wrong."""
    draws = np.random.RandomState(0).beta(a, b, (DRAWS, len(a)))
    ranks = draws.argsort(axis=1).argsort(axis=1)
    found: np.ndarray = (ranks < max(1, round(_WEAKEST * len(a)))).mean(axis=0)
    return found


def composition(points: Sequence[Points]) -> tuple[Composition, ...]:
    """Return observed full marks against the product of skill rates, for each k above the smallest.

    The rates are those of the run's smallest k, shrunk. Where the run has one k only, they are of that k, and
    the ratio then says no more than whether a text's points come together. A k whose product is next to
    nothing has no ratio worth the name and is left out. The interval joins the posterior
    draws of both sides (Jeffreys prior at the effective n for the observed one).
    """
    base = points[0]
    rates = _rates([base], 1 + max(int(p.skills.max()) for p in points))
    rows = []
    for here in points[1:] or points:
        known = ~np.isnan(rates[0, here.skills]).any(axis=1)  # no other skill has a rate at the base's k
        if known.any():
            rows.append(_compared(base.k, here, np.flatnonzero(known), rates))
    return tuple(row for row in rows if row.product >= LEAST_PRODUCT)


def _rates(points: Sequence[Points], skills: int = 0) -> np.ndarray:
    """Return a table of rates, a column for each of at least so many skills; NaN where one was not asked.

    The first row is the best guess, the others draws. The last column is the other three points together.
    """
    codes = np.concatenate([p.skills.ravel() for p in points])
    sums = np.bincount(codes, np.concatenate([p.earned.ravel() for p in points]), skills)
    trials = np.bincount(codes, minlength=skills).astype(float)
    there = np.flatnonzero(trials)
    found = sums[there], trials[there]
    prior = fit_prior(*found)
    a, b = prior.posterior(*found)
    others, n = float(sum(p.others.sum() for p in points)), sum(len(p.others) for p in points)
    random = np.random.RandomState(0)
    earned, asked = float(found[0].sum()), float(found[1].sum())
    means = random.beta(earned + 0.5, asked - earned + 0.5, (DRAWS, 1))  # nor is the prior's mean known
    a_draws, b_draws = found[0] + prior.weight * means, found[1] - found[0] + prior.weight * (1 - means)
    table = np.full((DRAWS + 1, len(trials) + 1), np.nan)
    table[0, there], table[0, -1] = a / (a + b), (others + 0.5) / (n + 1)
    table[1:, there] = random.beta(np.maximum(a_draws, 1e-3), np.maximum(b_draws, 1e-3))
    table[1:, -1] = random.beta(others + 0.5, n - others + 0.5, DRAWS)
    return table


def _compared(base: int, here: Points, known: np.ndarray, rates: np.ndarray) -> Composition:
    observed = estimate(here.full[known])
    few = known[:: -(-len(known) // MOST_QUESTIONS)]
    products = np.zeros(len(rates))
    for skills in here.skills[few]:
        products += rates[:, skills].prod(axis=1)
    products = np.maximum(products * rates[:, -1] / len(few), 1e-6)  # a ratio of a million is enough
    value, n = observed.value or 0.0, float(observed.n)
    if observed.se:  # means of several texts say more than as many single ones
        n = max(n, value * (1 - value) / observed.se**2)
    seen = np.random.RandomState(1).beta(value * n + 0.5, n - value * n + 0.5, len(rates) - 1)
    low, high = np.quantile(seen / products[1:], (0.025, 0.975))
    product = float(products[0])
    ratio = value / product
    return Composition(
        here.k, base, observed, product, ratio, min(float(low), ratio), max(float(high), ratio)
    )


def predict_next(points: Sequence[Points]) -> Prediction | None:
    """Return full marks foreseen at the next k by the conjunctive logistic model with a text's own effect.

    logit P(point j of text i) = offset_j + slope (k - 1) + level + u_i, u_i normal: a Rasch model whose
    item parameters (offset) are the shrunk skill rates, and for the conjunction of the other three points a
    parameter of its own. Full marks are all points at once, integrated over u_i by Gauss-Hermite quadrature.
    The interval draws the parameters from the Laplace approximation. None with fewer than two k.
    """
    if len(points) < 2:
        return None
    rates = _rates(points)[0, :-1]
    offsets = special.logit(rates)
    model = _Conjunctive(points, offsets)
    mean, spread = model.fit()
    draws = np.random.RandomState(2).multivariate_normal(mean, spread, 200)
    asked = offsets[~np.isnan(offsets)]
    sets = _next_sets(points[-1].k + 1, len(asked))
    if not sets.size:
        return None
    found = [model.full_marks(x, asked[sets]) for x in (mean, *draws)]
    low, high = np.quantile(found[1:], (0.025, 0.975))
    questions = sum(len(p.full) for p in points)
    ends = float(low), float(high)
    return Prediction(
        points[-1].k + 1, found[0], *ends, questions, slope=float(mean[1]), together=float(np.exp(mean[3]))
    )


def _next_sets(k: int, skills: int) -> np.ndarray:
    """Return 500 random sets of k of so many skills; empty where there are not so many."""
    random = np.random.RandomState(3)
    sets = [random.permutation(skills)[:k] for _ in range(500)] if k <= skills else []
    return np.array(sets, dtype=int)


class _Conjunctive:
    """The model's likelihood; parameters are level, slope, the other points' level, and log sd of u."""

    def __init__(self, points: Sequence[Points], offsets: np.ndarray) -> None:
        nodes, weights = np.polynomial.hermite_e.hermegauss(21)
        self._nodes, self._weights = nodes, weights / weights.sum()
        step = -(-sum(len(p.full) for p in points) // MOST_QUESTIONS)
        widest = points[-1].k
        parts: list[tuple[np.ndarray, ...]] = []
        for p in points:
            pad = ((0, 0), (0, widest - p.k))
            few = slice(None, None, step)
            offset, earned = np.pad(offsets[p.skills[few]], pad), p.earned[few]
            earned = np.pad(earned, pad, constant_values=np.nan)
            parts.append((np.full(len(earned), float(p.k)), offset, earned, p.others[few]))
        self._k, self._offset, self._earned, self._others = (
            np.concatenate(column) for column in zip(*parts, strict=True)
        )

    def fit(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the most likely parameters (with weak priors that keep them finite) and their covariance."""
        found = optimize.minimize(self._loss, np.array([0.0, 0.0, 2.0, -0.5]), method="BFGS")
        values, vectors = np.linalg.eigh(self._curvature(found.x))
        return found.x, (vectors / np.maximum(values, 1e-3)) @ vectors.T

    def _curvature(self, x: np.ndarray, step: float = 1e-3) -> np.ndarray:
        """Return the Hessian of the loss by central differences."""
        moves = np.eye(len(x)) * step
        found = [
            [
                sum(a * b * self._loss(x + a * one + b * two) for a in (1, -1) for b in (1, -1))
                for two in moves
            ]
            for one in moves
        ]
        return np.array(found) / (4 * step * step)

    def _loss(self, x: np.ndarray) -> float:
        level, slope, others, log_sd = x
        shift = level + slope * (self._k - 1)
        u = np.exp(np.clip(log_sd, -6, 3)) * self._nodes
        skill = self._offset[:, :, None] + shift[:, None, None] + u
        other = others + (slope * (self._k - 1))[:, None] + u
        each = np.nansum(_log_likelihood(self._earned[:, :, None], skill), axis=1)
        each += _log_likelihood(self._others[:, None], other)
        total = special.logsumexp(each, axis=1, b=self._weights).sum()
        prior = level**2 / 8 + slope**2 + (others - 2) ** 2 / 18 + (log_sd + 0.5) ** 2 / 2
        return float(prior - total)

    def full_marks(self, x: np.ndarray, offsets: np.ndarray) -> float:
        """Return mean full marks over sets of skills given by their offsets, one row each."""
        level, slope, others, log_sd = x
        u = np.exp(np.clip(log_sd, -6, 3)) * self._nodes
        shift = slope * (offsets.shape[1] - 1) + u
        skills = special.expit(offsets[:, :, None] + level + shift).prod(axis=1)
        return float((skills * special.expit(others + shift) * self._weights).sum(axis=1).mean())


def _log_likelihood(earned: np.ndarray, logit: np.ndarray) -> np.ndarray:
    """Return log P of points under their log-odds; a mean of several texts counts as that share of each."""
    found: np.ndarray = earned * special.log_expit(logit) + (1 - earned) * special.log_expit(-logit)
    return found
