"""Connects two judges: a part of a run is graded by another judge, and one's figures are told in the other's.

What the other judge would say of the whole run is estimated as corrected figures are, with the other judge in
the place of the truth. It is no claim about which of the two is right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
from msgspec.structs import replace

from .calibrated import graded, key
from .errors import BadInputError
from .evaluate import Models, load_models, opened, prepare
from .figures import METRICS
from .pipeline import Job
from .pipeline import run as ask
from .records import Record, Sample
from .runs import Run
from .spec import ModelSpec
from .stages.report import Table, interval
from .statistics.correction import Labelled, corrected
from .statistics.judging import agreement
from .stats import Estimate, estimate
from .store import Store


class Line(Record, frozen=True, gc=False):
    """y = intercept + slope x, with 95 % intervals that hold where the spread varies (HC3)."""

    intercept: tuple[float, float, float]  # value, low, high
    slope: tuple[float, float, float]
    n: int


class Told(Record, frozen=True, gc=False):
    """A metric by one judge on all texts, and by the other: on those it graded, and foreseen for all."""

    metric: str
    first: Estimate
    second: Estimate
    foreseen: Estimate


class Bridge(Record, frozen=True, gc=False):
    """Two judges on the same texts."""

    first: str
    second: str
    texts: int
    graded_by_both: int
    told: tuple[Told, ...]
    line: Line | None  # share of a text's judged points: the second judge's on the first's
    same: Estimate
    alpha: Estimate
    ac1: Estimate


def bridge(
    run: Run,
    judge: ModelSpec,
    n: int,
    store: Store | None,
    models: Models | None = None,
    on_sample: Callable[[Sample], None] = lambda _: None,
) -> Bridge:
    """Have another judge grade about n of a run's texts.

    Raises BadInputError where the run has no judge or this one already, BackendError or StoreError.
    """
    texts = graded(run.samples)
    if run.info.judge.startswith("rules/") or not texts:
        raise BadInputError("This run has no texts that a judge graded, so there is nothing to connect.")
    spec = replace(run.spec, judge=judge, panel=(), judge_prompt=run.spec.judge_prompt, anchors=0)
    setting = prepare(spec, check_questions=False)
    chosen = sorted(texts, key=key)[:n]

    async def regraded() -> tuple[str, Sequence[Sample]]:
        async with opened(setting, models or load_models(setting, student=False), store) as plan:
            if plan.fingerprint == run.info.judge:
                raise BadInputError("This run was graded by that very judge; name another one.")
            jobs = [Job(s.question, s.text.index, s.text) for s in chosen]
            return plan.fingerprint, await ask(plan, jobs, on_sample)

    second, others = asyncio.run(regraded())
    return connect(run.info.judge, second, texts, [s for s in others if s.score])


def connect(first: str, second: str, texts: Sequence[Sample], others: Sequence[Sample]) -> Bridge:
    """Return how two judges' figures go together; `others` are some of `texts`, as the second graded."""
    by_key = {key(s): s for s in others}
    numbers = {q: i for i, q in enumerate(dict.fromkeys(s.question.id for s in texts))}
    question = np.array([numbers[s.question.id] for s in texts], dtype=float)
    both = [(s, by_key[key(s)]) for s in texts if key(s) in by_key]
    chance = np.full(len(texts), max(1, len(both)) / len(texts))
    told = []
    for name in METRICS:
        x = np.array([_metric(s, name) for s in texts])
        y = np.array([_metric(by_key[key(s)], name) if key(s) in by_key else np.nan for s in texts])
        seen = ~np.isnan(y)
        foreseen = corrected(Labelled(x, y, chance, question))
        told.append(Told(name, estimate(_by(question, x)), estimate(_by(question[seen], y[seen])), foreseen))
    votes = [
        [(2, int(a.score.points[i]) + int(b.score.points[i])) for i in a.question.judged_items]
        for a, b in both
        if a.score and b.score
    ]
    line = _line(np.array([[_share(a), _share(b)] for a, b in both]).reshape(-1, 2))
    return Bridge(first, second, len(texts), len(both), tuple(told), line, **agreement(votes))


def _metric(sample: Sample, name: str) -> float:
    return float(getattr(sample.score.marks, name)) if sample.score else float("nan")


def _share(sample: Sample) -> float:
    """Return the share of a text's judged points that it has."""
    assert sample.score is not None  # noqa: S101  both sides are scored
    return float(np.mean([sample.score.points[i] for i in sample.question.judged_items]))


def _by(question: np.ndarray, values: np.ndarray) -> np.ndarray:
    _, codes = np.unique(question, return_inverse=True)
    return np.asarray(np.bincount(codes, values) / np.bincount(codes)) if len(codes) else values


def _line(pairs: np.ndarray) -> Line | None:
    """Return the least-squares line of the second column on the first; None where it has no slope."""
    import statsmodels.api as sm

    if len(pairs) < 3 or np.ptp(pairs[:, 0]) == 0:
        return None
    found = sm.OLS(pairs[:, 1], sm.add_constant(pairs[:, 0])).fit(cov_type="HC3", use_t=True)
    ends = found.conf_int()
    intercept, slope = ((float(found.params[i]), float(ends[i][0]), float(ends[i][1])) for i in (0, 1))
    return Line(intercept, slope, len(pairs))


def tables(found: Bridge) -> list[Table]:
    """Return the tables people read."""
    told = tuple(
        (METRICS[t.metric], interval(t.first), interval(t.second), interval(t.foreseen)) for t in found.told
    )
    note = (
        f"Foreseen: what the second judge would say of all {found.texts:,} texts, from the "
        f"{found.graded_by_both:,} that both graded (prediction-powered inference)."
    )
    columns = ("Metric", "First judge, all", "Second, its part", "Second, foreseen for all")
    rates = (("Same verdict", found.same), ("Krippendorff's alpha", found.alpha), ("Gwet's AC1", found.ac1))
    agree = tuple((name, str(rate.n), interval(rate)) for name, rate in rates)
    return [
        Table("The run in the other judge's terms", columns, told, note),
        Table(
            "Agreement of the two judges", ("Measure", "n", "Value"), agree, "On single points; n is texts."
        ),
    ]


def sentences(found: Bridge) -> list[str]:
    """Return what the figures say, in words."""
    if found.line is None:
        return ["The first judge gave all texts alike, so no line can be drawn between the two."]
    a, b = found.line.intercept, found.line.slope
    said = (
        f"Share of points by the second judge = {a[0]:.2f} [{a[1]:.2f}, {a[2]:.2f}] + {b[0]:.2f} "
        f"[{b[1]:.2f}, {b[2]:.2f}] x that by the first (n = {found.line.n} texts)."
    )
    return [said]
