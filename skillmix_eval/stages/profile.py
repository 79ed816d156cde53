"""Samples -> the skill profile: which skills fail, what combining costs, what the next k will give. Pure.

Works on single points, never on full marks: those tell skills apart only through the overlap of questions.
Several texts become one number per question first, always by their mean.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy import optimize, special

from ..figures import ITEMS, Ability, Composition, Prediction, Profile
from ..records import Record, Sample, Score, skill_item
from ..stats import estimate

DRAWS = 2000  # from the posterior
MOST_QUESTIONS = 1000  # that the model of the next k is fitted to; more changes its third digit
_WEAKEST = 0.1


class Points(Record, frozen=True, gc=False):
    """A question's mean points over its scored texts: one per skill, and whether all others were earned."""

    k: int
    skills: tuple[str, ...]
    earned: tuple[float, ...]
    others: float
    full: float


def profile(samples: Sequence[Sample], labels: Mapping[str, str]) -> Profile:
    """Return the profile of all scored samples; empty where nothing is scored."""
    scored = [(s, s.score) for s in samples if s.score]
    if not scored:
        return Profile()
    points = question_points(scored)
    skills = {skill.id: skill.category for s, _ in scored for skill in s.question.skills}
    return Profile(
        skills=_abilities(scored, {s: s for s in skills}, labels),
        categories=_abilities(scored, skills, {}),
        composition=composition(points),
        prediction=predict_next(points),
    )


def question_points(scored: Iterable[tuple[Sample, Score]]) -> list[Points]:
    """Return one record per question; a skill that the text names has not earned its point."""
    rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    asked: dict[str, tuple[str, ...]] = {}
    for sample, score in scored:
        question = sample.question
        ids = asked.setdefault(question.id, tuple(s.id for s in question.skills))
        others = float(all(score.points[item] for item in ITEMS))
        rows[question.id].append((*(earned(score, s) for s in ids), others, score.marks.full_marks))
    found = []
    for question_id, texts in rows.items():
        *skills, others, full = (sum(column) / len(texts) for column in zip(*texts, strict=True))
        ids = asked[question_id]
        found.append(Points(len(ids), ids, tuple(skills), others, full))
    return found


def earned(score: Score, skill_id: str) -> float:
    """Return 1 if a text earned a skill's point and did not name the skill, else 0."""
    return float(score.points[skill_item(skill_id)] and skill_id not in score.named)


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


def _abilities(
    scored: Sequence[tuple[Sample, Score]], groups: Mapping[str, str], labels: Mapping[str, str]
) -> tuple[Ability, ...]:
    """Return the ability of each group of skills (`groups`: skill id to group), weakest first."""
    of_question: dict[tuple[str, str], list[float]] = defaultdict(list)
    for sample, score in scored:
        for skill in sample.question.skills:
            of_question[groups[skill.id], sample.question.id].append(earned(score, skill.id))
    points: dict[str, list[float]] = defaultdict(list)
    asked: dict[str, int] = defaultdict(int)
    missing: dict[str, int] = defaultdict(int)
    for (group, _), values in of_question.items():
        points[group].append(sum(values) / len(values))
        asked[group] += len(values)
        missing[group] += len(values) - round(sum(values))
    ids = sorted(points)
    found = np.array([sum(points[i]) for i in ids]), np.array([float(len(points[i])) for i in ids])
    prior = fit_prior(*found)
    a, b = prior.posterior(*found)
    value = a / (a + b)
    a, b = prior.posterior(*found, least=0.5)  # as Jeffreys has it: all or nothing earned is no certainty
    low = np.minimum(value, special.betaincinv(a, b, 0.025))
    high = np.maximum(value, special.betaincinv(a, b, 0.975))
    weakest = _weakest(a, b)
    rows = [
        Ability(g, labels.get(g, g), len(points[g]), asked[g], missing[g], *map(float, figures))
        for g, *figures in zip(ids, value, low, high, weakest, strict=True)
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
    the ratio then says no more than whether a text's points come together. The interval joins the posterior
    draws of both sides (Jeffreys prior at the effective n for the observed one).
    """
    ks = sorted({p.k for p in points})
    base = ks[0]
    skills, rates = _rates([p for p in points if p.k == base])
    rows = []
    for k in ks[1:] or ks:
        here = [p for p in points if p.k == k and set(p.skills) <= skills.keys()]
        if here:
            rows.append(_compared(k, base, here, skills, rates))
    return tuple(rows)


def _rates(points: Sequence[Points]) -> tuple[dict[str, int], np.ndarray]:
    """Return each skill's column, and a table of rates: its first row the best guess, the others draws.

    The last column is the rate of the other three points together.
    """
    of_skill: dict[str, list[float]] = defaultdict(list)
    for p in points:
        for skill, value in zip(p.skills, p.earned, strict=True):
            of_skill[skill].append(value)
    ids = sorted(of_skill)
    found = np.array([sum(of_skill[i]) for i in ids]), np.array([float(len(of_skill[i])) for i in ids])
    prior = fit_prior(*found)
    a, b = prior.posterior(*found)
    others, random = sum(p.others for p in points), np.random.RandomState(0)
    earned, n = float(found[0].sum()), float(found[1].sum())
    means = random.beta(earned + 0.5, n - earned + 0.5, (DRAWS, 1))  # the prior's mean is not known either
    a_draws, b_draws = found[0] + prior.weight * means, found[1] - found[0] + prior.weight * (1 - means)
    draws = random.beta(np.maximum(a_draws, 1e-3), np.maximum(b_draws, 1e-3))
    rest = random.beta(others + 0.5, len(points) - others + 0.5, (DRAWS, 1))
    best = np.append(a / (a + b), (others + 0.5) / (len(points) + 1))
    return {skill: i for i, skill in enumerate(ids)}, np.vstack([best, np.hstack([draws, rest])])


def _compared(
    k: int, base: int, here: Sequence[Points], skills: Mapping[str, int], rates: np.ndarray
) -> Composition:
    observed = estimate([p.full for p in here])
    products = np.zeros(len(rates))
    few = here[:: -(-len(here) // MOST_QUESTIONS)]
    for p in few:
        products += rates[:, [skills[s] for s in p.skills]].prod(axis=1)
    products = np.maximum(products * rates[:, -1] / len(few), 1e-6)  # a ratio of a million is enough
    value, n = observed.value or 0.0, float(observed.n)
    if observed.se:  # means of several texts say more than as many single ones
        n = max(n, value * (1 - value) / observed.se**2)
    seen = np.random.RandomState(1).beta(value * n + 0.5, n - value * n + 0.5, len(rates) - 1)
    low, high = np.quantile(seen / products[1:], (0.025, 0.975))
    product = float(products[0])
    return Composition(k, base, observed, product, value / product, float(low), float(high))


def predict_next(points: Sequence[Points]) -> Prediction | None:
    """Return full marks foreseen at the next k by the conjunctive logistic model with a text's own effect.

    logit P(point j of text i) = offset_j + slope (k - 1) + level + u_i, u_i normal: a Rasch model whose
    item parameters (offset) are the shrunk skill rates, and for the conjunction of the other three points a
    parameter of its own. Full marks are all points at once, integrated over u_i by Gauss-Hermite quadrature.
    The interval draws the parameters from the Laplace approximation. None with fewer than two k.
    """
    ks = sorted({p.k for p in points})
    if len(ks) < 2:
        return None
    few = list(points[:: -(-len(points) // MOST_QUESTIONS)])
    skills, rates = _rates(points)
    offsets = special.logit(rates[0, :-1])
    model = _Conjunctive(few, skills, offsets)
    mean, spread = model.fit()
    draws = np.random.RandomState(2).multivariate_normal(mean, spread, 200)
    sets = _next_sets(ks[-1] + 1, len(offsets))
    if not sets.size:
        return None
    found = [model.full_marks(x, offsets[sets]) for x in (mean, *draws)]
    low, high = np.quantile(found[1:], (0.025, 0.975))
    return Prediction(ks[-1] + 1, found[0], float(low), float(high), float(mean[1]), float(np.exp(mean[3])))


def _next_sets(k: int, skills: int) -> np.ndarray:
    """Return 500 random sets of k of so many skills; empty where there are not so many."""
    random = np.random.RandomState(3)
    sets = [random.permutation(skills)[:k] for _ in range(500)] if k <= skills else []
    return np.array(sets, dtype=int)


class _Conjunctive:
    """The model's likelihood; parameters are level, slope, the other points' level, and log sd of u."""

    def __init__(self, points: Sequence[Points], skills: Mapping[str, int], offsets: np.ndarray) -> None:
        nodes, weights = np.polynomial.hermite_e.hermegauss(21)
        self._nodes, self._weights = nodes, weights / weights.sum()
        self._top = max(p.k for p in points)
        widest = self._top
        self._k = np.array([p.k for p in points], dtype=float)
        self._offset = np.zeros((len(points), widest))
        self._earned = np.full((len(points), widest), np.nan)
        for i, p in enumerate(points):
            self._offset[i, : p.k] = [offsets[skills[s]] for s in p.skills]
            self._earned[i, : p.k] = p.earned
        self._others = np.array([p.others for p in points])

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
