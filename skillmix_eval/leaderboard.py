"""Runs -> leaderboards: ranks with what is not known about them, and only among what can be compared.

Runs share a table where domain, lists, split, protocol, prompts and judge are the same. A model's runs in a
table are pooled by question; texts are averaged within a question first, also where the protocol's own figure
is the best of several texts.
"""

from __future__ import annotations

import itertools
import math
import string
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from scipy import stats

from .errors import BadInputError
from .figures import METRICS, Figures, KRow
from .records import Record, Sample
from .runs import Run, RunInfo
from .stages.summarise import summarise
from .stats import Estimate, wilson

ALPHA = 0.05
RESAMPLES = 1000
COVERED = 0.98  # below it, a table says whose texts went unscored
METHOD = (
    "Score: the mean over the table's k of {metric}, averaged over texts within a question. Every pair of "
    "models is compared by the difference of their scores, paired where both were asked the same question "
    "and unpaired elsewhere, with one success and one failure added to each model at each k (Agresti and "
    "Caffo 2000; Bonett and Price 2012); unscored texts count against the difference. p-values of all "
    "pairs of a table are Holm-adjusted; two models are told apart at 0.05. Ranks: 1 plus the number of "
    "models that are better for sure, to the number that are not worse for sure. Models that share a "
    "letter cannot be told apart. First: the share of {resamples} resamples of the questions in which the "
    "model is on top. All of this is for this list of skills and judge; it says nothing about other "
    "skills."
)


class Place(Record, frozen=True, gc=False):
    """One model's row: its rank, the ranks it may have, and what they rest on."""

    student: str
    rank: int
    rank_low: int
    rank_high: int
    group: str
    score: Estimate
    first: float
    runs: int
    coverage: float
    by_k: tuple[KRow, ...]
    published: tuple[Estimate, ...]  # full marks at each k by the protocol's own maximum over texts, if so
    saturation_k: int | None
    saturation_certain: bool


class Board(Record, frozen=True, gc=False):
    """Models that can be compared."""

    domain: str
    lists: str
    split: str
    protocol: str
    reduce: str
    judge: str
    prompts: dict[str, str]
    private: bool
    ks: tuple[int, ...]
    metric: str
    places: tuple[Place, ...]
    notes: tuple[str, ...]


class Leaderboard(Record, frozen=True, gc=False):
    """All tables and how they were made."""

    method: str
    boards: tuple[Board, ...]


def leaderboard(
    runs: Sequence[Run], metric: str = "full_marks", ks: Sequence[int] | None = None
) -> Leaderboard:
    """Rank the models of each comparable set of runs over the k that all of them were asked, or over `ks`.

    Raises BadInputError where models of a table were asked no k in common, or not the k that is wanted.
    """
    tables = by_table(runs)
    boards = [_board(tables[key], metric, ks) for key in sorted(tables)]
    boards.sort(key=lambda b: (b.domain, b.split, b.protocol, b.judge, b.lists))
    return Leaderboard(METHOD.format(metric=METRICS[metric].lower(), resamples=RESAMPLES), tuple(boards))


def by_table(runs: Iterable[Run]) -> dict[bytes, dict[str, list[Run]]]:
    """Return runs by what must be the same in a table, then by student."""
    tables: dict[bytes, dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        tables[comparable(run.info)][run.info.student].append(run)
    return tables


def comparable(info: RunInfo | Board) -> bytes:
    """Return what two runs must share to stand in one table."""
    key = (info.domain, info.lists, info.split, info.protocol, info.reduce, info.judge, info.prompts)
    return msgspec.json.encode(key, order="sorted")


class _Model:
    """One model's pooled runs."""

    def __init__(self, student: str, runs: Sequence[Run]) -> None:
        self.student, self.runs, self.info = student, runs, runs[0].info
        found: dict[tuple[str, int, str], Sample] = {}
        for run in sorted(runs, key=lambda r: (r.info.seed, len(r.samples))):
            for s in run.samples:
                found.setdefault((s.question.id, s.text.index, s.text.text), s)
        self.samples = list(found.values())
        self.figures = summarise(self.samples, "mean", {})
        self.rows = {row.k: row for row in self.figures.by_k}

    @property
    def published(self) -> Figures | None:
        """The protocol's own figures, where they are the best of several texts."""
        return summarise(self.samples, "max", {}) if self.info.reduce == "max" else None


def _board(by_student: dict[str, list[Run]], metric: str, wanted: Sequence[int] | None) -> Board:
    everyone = [_Model(student, by_student[student]) for student in sorted(by_student)]
    models = [m for m in everyone if any(s.score for s in m.samples)]
    unscored = [m.student for m in everyone if m not in models]
    ks = _shared_ks(models, wanted) if models else ()
    scored = [(_score([m.rows[k].metrics[metric].estimate for k in ks]), m) for m in models]
    scored.sort(key=lambda pair: (-(pair[0].value or 0.0), pair[1].student))
    scores, models = [score for score, _ in scored], [m for _, m in scored]
    values = [_Values(models, k, metric) for k in ks]
    worse, better = _told_apart(values, scores)
    letters = _letters(worse | better)
    firsts = _firsts(values)
    places = []
    for i, model in enumerate(models):
        rank = 1 + sum((s.value or 0.0) > (scores[i].value or 0.0) for s in scores)
        low, high = 1 + int(better[:, i].sum()), len(models) - int(worse[:, i].sum())
        places.append(_place(model, ks, (rank, low, high), letters[i], scores[i], firsts[i]))
    info = everyone[0].info
    notes = [*_notes(models, places, ks), *(f"{student} has no scored text." for student in unscored)]
    return Board(
        info.domain,
        info.lists,
        info.split,
        info.protocol,
        info.reduce,
        info.judge,
        info.prompts,
        info.private,
        ks,
        metric,
        tuple(places),
        tuple(notes),
    )


def _place(
    model: _Model, ks: Sequence[int], ranks: tuple[int, int, int], group: str, score: Estimate, first: float
) -> Place:
    own = model.published
    point = model.figures.saturation
    rows = [model.rows[k] for k in ks]
    return Place(
        model.student,
        *ranks,
        group,
        score,
        first,
        len(model.runs),
        sum(r.scored_texts for r in rows) / sum(r.texts for r in rows),
        model.figures.by_k,
        tuple(r.metrics["full_marks"].estimate for r in own.by_k) if own else (),
        point.k if point else None,
        bool(point and point.certain),
    )


def _shared_ks(models: Sequence[_Model], wanted: Sequence[int] | None) -> tuple[int, ...]:
    asked = {m.student: {k for k, row in m.rows.items() if row.scored_texts} for m in models}
    shared = set.intersection(*asked.values())
    for student, ks in asked.items():
        if wanted and not set(wanted) <= ks:
            raise BadInputError(
                f"{student} has no scores at k = {listed(set(wanted) - ks)}; leave it out, or give other -k."
            )
    if not shared:
        has = "; ".join(f"{student}: {listed(ks) or 'none'}" for student, ks in asked.items())
        raise BadInputError(
            f"These models share no k that is scored ({has}), so they cannot stand in one table; run the "
            "missing k."
        )
    return tuple(sorted(wanted or shared))


class _Values:
    """One number per model (row) and question (column) at one k; NaN where it was not asked or not scored."""

    def __init__(self, models: Sequence[_Model], k: int, metric: str) -> None:
        found: list[dict[str, list[float | None]]] = []
        for model in models:
            of_question: dict[str, list[float | None]] = defaultdict(list)
            for s in model.samples:
                if s.question.k == k:
                    value = getattr(s.score.marks, metric) if s.score else None
                    of_question[s.question.id].append(value)
            found.append(of_question)
        ids = sorted(set().union(*found))
        self.value, self.low, self.high = (np.full((len(models), len(ids)), np.nan) for _ in range(3))
        for i, of_question in enumerate(found):
            for j, question in enumerate(ids):
                if question in of_question:
                    texts = of_question[question]
                    scored = [x for x in texts if x is not None]
                    unscored = len(texts) - len(scored)
                    if scored:
                        self.value[i, j] = sum(scored) / len(scored)
                    self.low[i, j] = sum(scored) / len(texts)
                    self.high[i, j] = (sum(scored) + unscored) / len(texts)


def _score(estimates: Sequence[Estimate]) -> Estimate:
    """Return the unweighted mean over k, with a Wilson interval at its effective n."""
    value = sum(e.value or 0.0 for e in estimates) / len(estimates)
    variance = sum((e.se or 0.0) ** 2 for e in estimates) / len(estimates) ** 2
    n = sum(e.n for e in estimates)
    low, high = wilson(value, max(float(n), value * (1 - value) / variance) if variance else float(n))
    se = math.sqrt(variance) if all(e.se is not None for e in estimates) else None
    return Estimate(value, se, low, high, n)


def _told_apart(values: Sequence[_Values], scores: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray]:
    """Return two tables: [i, j] is true where model i is worse (better) than model j for sure."""
    m = len(scores)
    pairs = list(itertools.combinations(range(m), 2))
    ps = [_p(values, i, j, (scores[i].value or 0.0) >= (scores[j].value or 0.0)) for i, j in pairs]
    worse, better = np.zeros((m, m), dtype=bool), np.zeros((m, m), dtype=bool)
    for rank, n in enumerate(sorted(range(len(pairs)), key=lambda n: ps[n])):  # Holm's step-down
        if ps[n] * (len(pairs) - rank) > ALPHA:
            break
        i, j = pairs[n]
        up, down = (i, j) if (scores[i].value or 0.0) >= (scores[j].value or 0.0) else (j, i)
        better[up, down] = worse[down, up] = True
    return worse, better


def _p(values: Sequence[_Values], i: int, j: int, first_is_better: bool) -> float:
    """Return the two-sided p of a difference, with unscored texts counted against it."""
    total = variance = 0.0
    up, down = (i, j) if first_is_better else (j, i)
    for v in values:
        difference, its_variance = paired_difference(v.low[up], v.high[down])
        total, variance = total + difference, variance + its_variance
    return float(2 * stats.norm.sf(total / math.sqrt(variance))) if total > 0 else 1.0


def paired_difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return mean(a) - mean(b) and its variance; NaN where a model was not asked that question.

    Each gets a success and a failure more. Where any question is shared, a's success is b's failure, so that
    all-shared binary marks give the adjusted Wald of Bonett and Price (2012), and none shared Agresti and
    Caffo's (2000).
    """
    in_a, in_b = ~np.isnan(a), ~np.isnan(b)
    x, y = np.append(a[in_a], (1, 0)), np.append(b[in_b], (0, 1))
    variance = x.var(ddof=1) / len(x) + y.var(ddof=1) / len(y)
    both = in_a & in_b
    if both.any():
        dx = np.append(a[both], (1, 0)) - x.mean()
        dy = np.append(b[both], (0, 1)) - y.mean()
        variance -= 2 * (dx * dy).sum() * len(dx) / (len(dx) - 1) / (len(x) * len(y))
    return float(x.mean() - y.mean()), max(float(variance), 1e-12)


def _letters(apart: np.ndarray) -> list[str]:
    """Return a compact letter display (Piepho 2004): models that share a letter are not told apart."""
    columns = [frozenset(range(len(apart)))]
    for i, j in zip(*np.nonzero(np.triu(apart)), strict=True):
        split = [c - {x} for c in columns if {i, j} <= c for x in (int(i), int(j))]
        columns = [c for c in columns if not {i, j} <= c]
        columns += [c for c in split if c]
        columns = [c for c in set(columns) if not any(c < other for other in columns)]
    columns.sort(key=sorted)
    return ["".join(_letter(n) for n, c in enumerate(columns) if i in c) for i in range(len(apart))]


def _letter(n: int) -> str:
    return string.ascii_lowercase[n % 26] + (str(n // 26) if n >= 26 else "")


def _firsts(values: Sequence[_Values]) -> list[float]:
    """Return each model's share of first places when the questions are drawn anew; a tie is shared."""
    random = np.random.RandomState(0)
    models = len(values[0].value) if values else 0
    totals = np.zeros((RESAMPLES, models))
    for v in values:
        asked, filled = ~np.isnan(v.value), np.nan_to_num(v.value)
        n = asked.shape[1]
        mean = filled.sum(axis=1) / asked.sum(axis=1)
        for r in range(RESAMPLES):
            weights = np.bincount(random.randint(0, n, n), minlength=n)
            drawn = asked @ weights
            totals[r] += np.where(drawn > 0, filled @ weights / np.maximum(drawn, 1), mean)
    best = totals >= totals.max(axis=1, keepdims=True, initial=0.0) - 1e-12
    return [float(x) for x in (best / best.sum(axis=1, keepdims=True)).mean(axis=0)]


def _notes(models: Sequence[_Model], places: Sequence[Place], ks: Sequence[int]) -> Iterable[str]:
    if not models:
        return
    info = models[0].info
    if info.private:
        yield "The skills or topics are a private list: if it was kept so, no model was trained on it."
    else:
        skills = {s.id for m in models for x in m.samples for s in x.question.skills}
        yield (
            f"The list is public ({len(skills)} skills were asked for): a model may have been trained on "
            "these skills, on texts like those asked for, or on this rubric, and a rank cannot tell. Check "
            "with a private list (--skills, --topics)."
        )
    if info.reduce == "max":
        yield (
            "Ranks use the mean over a question's texts. The published figure of this protocol, the best of "
            "several texts, is shown beside it and never used to compare."
        )
    left_out = sorted({k for m in models for k in m.rows} - set(ks))
    if left_out:
        why = f"not in the score, since not all have it: k = {listed(left_out)}"
        yield f"Ranked over k = {listed(ks)}; {why}."
    fewest, most = (end(p.score.n for p in places) for end in (min, max))
    if most > 1.1 * fewest:
        yield (f"Models have from {fewest:,} to {most:,} scored questions; few mean a wide range of ranks.")
    for place in places:
        if place.coverage < COVERED:
            yield f"{place.student}: only {place.coverage:.0%} of its texts are scored."
    for model in models:
        if info.judge.split(";")[0] == model.student.split(";")[0]:
            yield f"{model.student} is judged by itself, which may favour it."
    yield from _invalid(models)
    versions = sorted({r.info.version for m in models for r in m.runs})
    if len(versions) > 1:
        yield f"Runs were made by several versions of skillmix-eval: {', '.join(versions)}."


def _invalid(models: Sequence[_Model]) -> Iterable[str]:
    """Say whose judge was shown by texts of known grade to be none."""
    for model in models:
        known = [r.info.anchors for r in model.runs if r.info.anchors]
        for fault in dict.fromkeys(fault for anchors in known for fault in anchors.faults):
            yield f"{model.student}: its run is invalid, since {fault}."


def listed(ks: Iterable[int]) -> str:
    """Return '1, 2, 3'."""
    return ", ".join(map(str, sorted(ks)))


def pooled(student: str, runs: Sequence[Run]) -> list[Sample]:
    """Return a model's texts over all its runs, each once."""
    return _Model(student, runs).samples
