"""Two runs -> what differs, by how much, how sure, and what else could explain it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from msgspec.structs import replace

from .calibrated import corrected_difference
from .evaluate import run_labels
from .figures import METRICS
from .pairing import Pairing, Shared, caveats, metric, pair
from .records import Question, Record, Sample, Score, TextStatus
from .runs import Run
from .stages.report import Table
from .statistics import crossed, paired
from .stats import Estimate
from .texts import count_sentences, words

_NAMING_ALLOWED = "Full marks, naming allowed"
_LENGTHS = ("Words", "Sentences")
FALSE_SHARE = 0.10  # Benjamini-Hochberg level for categories and skills


class Row(Record, frozen=True, gc=False):
    """One comparison: a metric at one k, or the points of a category or a skill."""

    id: str
    label: str
    old: float
    new: float
    difference: paired.Difference
    p_adjusted: float | None = None
    shrunk: float | None = None  # the difference, drawn towards that of all skills
    new_skills: tuple[float, float] | None = None  # interval of the difference for skills not on the list


class Change(Record, frozen=True, gc=False):
    """Something other than skill that changed, per question: its two means and the difference."""

    label: str
    n: int
    old: float
    new: float
    value: float
    low: float
    high: float


class CorrectedRow(Record, frozen=True, gc=False):
    """A difference by the judge and without the judge's errors, at one k or over all."""

    k: int | None
    metric: str
    raw: Estimate
    corrected: Estimate


class Comparison(Record, frozen=True, gc=False):
    """Everything `skillmix compare` shows. Differences are new minus old."""

    old: str
    new: str
    judge: str
    protocol: str
    domain: str
    lists: str
    shared: Shared
    correlation: float | None  # of full marks within a question
    overall: tuple[Row, ...]  # each metric over all shared questions
    by_k: tuple[Row, ...]  # p_adjusted: Holm over the k of one metric
    by_category: tuple[Row, ...]  # p_adjusted: Benjamini-Hochberg
    by_skill: tuple[Row, ...]  # p_adjusted: Benjamini-Hochberg
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    corrected: tuple[CorrectedRow, ...] = ()  # where both runs have labels


def compare(old: Run, new: Run, show_private: bool = False) -> Comparison:
    """Compare two runs on the questions both answered; raises BadInputError where that has no meaning."""
    both = pair(old, new)
    ks = sorted({q.k for q in both.questions})
    overall = tuple(_metric_row(both, m, f"all {m}", METRICS[m]) for m in METRICS)
    by_k: list[Row] = []
    for m in METRICS:
        by_k += _holm([_metric_row(both.of_k([k]), m, f"k={k} {m}", METRICS[m]) for k in ks])
    marks = metric("full_marks")
    labels = run_labels(old, show_private)
    return Comparison(
        old=old.info.student,
        new=new.info.student,
        judge=old.info.judge,
        protocol=old.info.protocol,
        domain=old.info.domain,
        lists=old.info.lists,
        shared=both.shared,
        correlation=paired.correlation(both.values(marks, False), both.values(marks, True)),
        overall=overall,
        by_k=tuple(by_k),
        by_category=_groups(both, lambda q: {s.category: _ids(q, s.category) for s in q.skills}, {}),
        by_skill=_groups(both, lambda q: {s.id: [s.id] for s in q.skills}, labels),
        changes=_changes(both),
        notes=tuple(caveats(old.info, new.info)),
        corrected=tuple(_corrected_rows(old, new, ks)),
    )


def _corrected_rows(old: Run, new: Run, ks: Sequence[int]) -> Iterable[CorrectedRow]:
    both = pair(old, new)
    for name in METRICS:
        for k in (*ks, None):
            found = corrected_difference(old, new, name, k)
            if found:
                part = both if k is None else both.of_k([k])
                d = paired.difference(part.values(metric(name), False), part.values(metric(name), True))
                yield CorrectedRow(k, name, Estimate(d.value, None, d.low, d.high, d.n), found)


def _metric_row(both: Pairing, name: str, row_id: str, label: str) -> Row:
    old, new = both.values(metric(name), False), both.values(metric(name), True)
    found = replace(_row(row_id, label, old, new), p_adjusted=None)
    skills = [[s.id for s in q.skills] for q in both.questions]
    d = [b - a for a, b in zip(old, new, strict=True)]
    spread = crossed.variance(d, skills)
    if spread is None:
        return found
    half, mean = crossed.quantile(skills) * math.sqrt(spread), float(np.mean(d))
    return replace(found, new_skills=(max(-1.0, mean - half), min(1.0, mean + half)))


def _row(row_id: str, label: str, old: Sequence[float], new: Sequence[float]) -> Row:
    return Row(row_id, label, float(np.mean(old)), float(np.mean(new)), paired.difference(old, new))


def _holm(rows: list[Row]) -> list[Row]:
    return _with_p(rows, paired.holm([r.difference.p or 0.0 for r in rows]))


def _with_p(rows: Sequence[Row], adjusted: Sequence[float]) -> list[Row]:
    return [replace(row, p_adjusted=p) for row, p in zip(rows, adjusted, strict=True)]


def _ids(question: Question, category: str) -> list[str]:
    return [s.id for s in question.skills if s.category == category]


def _groups(
    both: Pairing, groups_of: Callable[[Question], dict[str, list[str]]], labels: dict[str, str]
) -> tuple[Row, ...]:
    """Compare the points of each group of skills; the question stays the unit."""
    sides: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for question, old, new in zip(both.questions, both.old, both.new, strict=True):
        for group, ids in groups_of(question).items():
            for side, samples in enumerate((old, new)):
                sides[group][side].append(_points(samples, ids))
    rows = [_row(group, labels.get(group, group), *sides[group]) for group in sorted(sides)]
    rows = _with_p(rows, paired.benjamini_hochberg([r.difference.p or 0.0 for r in rows]))
    return tuple(sorted(_shrunk(rows, sides), key=lambda r: (r.shrunk or 0.0, r.id)))


def _points(samples: Sequence[Sample], ids: Sequence[str]) -> float:
    scores = [s.score for s in samples if s.score]
    return sum(score.earned(i) for score in scores for i in ids) / (len(scores) * len(ids))


def _shrunk(rows: Sequence[Row], sides: dict[str, tuple[list[float], list[float]]]) -> list[Row]:
    inside = [np.subtract(b, a) - np.mean(np.subtract(b, a)) for a, b in sides.values()]
    freedom = max(1, sum(map(len, inside)) - len(inside))
    sd = math.sqrt(sum(float(x @ x) for x in inside) / freedom)
    means = [r.difference.value or 0.0 for r in rows]
    drawn = paired.shrunk(means, [r.difference.n for r in rows], sd)
    return [replace(row, shrunk=value) for row, value in zip(rows, drawn, strict=True)]


def _changes(both: Pairing) -> tuple[Change, ...]:
    measures: dict[str, Callable[[Sample, Score], float]] = {
        _LENGTHS[0]: lambda s, _: float(len(words(s.text.text))),
        _LENGTHS[1]: lambda s, _: float(count_sentences(s.text.text)),
        "Texts that name a skill": lambda _, score: float(bool(score.named)),
        "Texts refused, empty or echoed": lambda s, _: float(s.text.status is not TextStatus.OK),
        _NAMING_ALLOWED: lambda _, score: score.marks_naming_allowed.full_marks,
    }
    found = []
    for label, measure in measures.items():
        old, new = both.values(measure, False), both.values(measure, True)
        if label in _LENGTHS:
            low, value, high = paired.mean_interval(np.subtract(new, old))
        else:
            share = paired.difference(old, new)
            low, value, high = (x or 0.0 for x in (share.low, share.value, share.high))
        found.append(Change(label, len(old), float(np.mean(old)), float(np.mean(new)), value, low, high))
    return tuple(found)


def tables(found: Comparison, population: str = "list") -> list[Table]:
    """Return the tables people read, most important first."""
    return [
        _metric_table("All shared questions", found.overall, population, "each p is for one metric alone"),
        _metric_table("By number of skills", found.by_k, population, "p is Holm's over the k of a metric"),
        *([_corrected_table(found.corrected)] if found.corrected else []),
        _changes_table(found.changes),
        _group_table("Categories", "Category", found.by_category),
        _group_table("Skills that changed most", "Skill", _extremes(found.by_skill)),
        _group_table("All skills, most lost first", "Skill", found.by_skill, brief=False),
    ]


def _metric_table(title: str, rows: Sequence[Row], population: str, how: str) -> Table:
    extra = ("New skills",) if population == "skills" else ()
    cells: list[tuple[str, ...]] = []
    for row in rows:
        new = (_pair(row.new_skills),) if extra else ()
        p = row.difference.p if row.p_adjusted is None else row.p_adjusted
        at = row.id.split()[0].removeprefix("k=")
        means = f"{row.old:.2f} to {row.new:.2f}"
        seen = f"{row.difference.detectable or 1:.2f}"
        cells.append((at, row.label, str(row.difference.n), means, difference_cell(row.difference), *new))
        cells[-1] += (_p(p), seen)
    columns = ("k", "Metric", "n", "Old to new", "Difference", *extra, "p", "Seen")
    note = (
        f"Difference: new minus old with its 95 % interval; {how}. Seen: the smallest true difference that "
        "these questions show four times in five."
    )
    return Table(title, columns, tuple(cells), note)


def _group_table(title: str, what: str, rows: Sequence[Row], brief: bool = True) -> Table:
    cells = tuple(
        (
            r.label,
            str(r.difference.n),
            difference_cell(r.difference),
            f"{r.shrunk or 0.0:+.2f}",
            _p(r.p_adjusted),
        )
        for r in rows
    )
    note = (
        "Points earned, new minus old. Shrunk: drawn towards the mean of all rows as far as chance explains "
        f"the spread. p: Benjamini-Hochberg; below {FALSE_SHARE:.2f}, one finding in ten is expected to be "
        "false."
    )
    return Table(title, (what, "n", "Difference", "Shrunk", "p"), cells, note, brief)


def _corrected_table(rows: Sequence[CorrectedRow]) -> Table:
    cells = tuple(
        (at, METRICS[r.metric], str(r.corrected.n), _signed(r.raw), _signed(r.corrected))
        for r, at in ((r, "all" if r.k is None else str(r.k)) for r in rows)
    )
    note = (
        "Both runs have labels: the judge's errors on either side are taken out (paired prediction-powered "
        "inference). A model that learned to please the judge loses here."
    )
    columns = ("k", "Metric", "n", "By the judge", "Corrected")
    return Table("Differences corrected for the judge's errors", columns, cells, note)


def _signed(e: Estimate) -> str:
    return f"{e.value or 0.0:+.2f} [{e.low or 0.0:+.2f}, {e.high or 0.0:+.2f}]"


def _changes_table(changes: Sequence[Change]) -> Table:
    cells = tuple(
        (c.label, str(c.n), f"{c.old:.2f}", f"{c.new:.2f}", f"{c.value:+.2f} {_pair((c.low, c.high))}")
        for c in changes
    )
    return Table("What else changed", ("Per text", "n", "Old", "New", "Difference"), cells)


def _extremes(rows: Sequence[Row], many: int = 5) -> tuple[Row, ...]:
    most = sorted(rows, key=lambda r: -abs(r.new - r.old if r.shrunk is None else r.shrunk))[: 2 * many]
    return tuple(row for row in rows if row in most)


def sentences(found: Comparison) -> list[str]:
    """Return what the figures say, in words: the finding first, then what limits it."""
    main, shared = found.overall[0], found.shared
    d = main.difference
    said = [f"{found.new} against {found.old}, full marks: {_finding(main)}"]
    if d.p is not None and d.p > 0.05:
        said.append(
            f"No difference can be told; a true one below {d.detectable or 1:.2f} would be missed more often "
            f"than one time in five with these {d.n} questions."
        )
    said.append(f"{shared.shared:,} questions are shared and scored on both sides{shared.left_out}.")
    if found.correlation is not None:
        said.append(
            f"Within a question the two models' full marks correlate by {found.correlation:.2f} "
            "(for `skillmix plan --correlation`)."
        )
    for change in found.changes:
        if (change.low > 0 or change.high < 0) and change.label != _NAMING_ALLOWED:
            said.append(
                f"{change.label} changed too ({change.old:.2f} to {change.new:.2f}): this may explain part."
            )
    return [*said, *found.notes]


def _finding(row: Row) -> str:
    d = row.difference
    word = "no sure difference" if d.p is None or d.p > 0.05 else ("worse", "better")[(d.value or 0) > 0]
    p = f"p {_p(d.p)}" if d.p is not None and d.p < 0.001 else f"p = {_p(d.p)}"
    return f"{word}, {difference_cell(d)}, {p} ({d.test}; {d.better} better, {d.worse} worse)."


def difference_cell(d: paired.Difference) -> str:
    """Return '+0.03 [-0.02, +0.08]': new minus old and its 95 % interval."""
    return f"{d.value or 0.0:+.2f} [{d.low or 0.0:+.2f}, {d.high or 0.0:+.2f}]"


def _pair(ends: tuple[float, float] | None) -> str:
    return f"[{ends[0]:+.2f}, {ends[1]:+.2f}]" if ends and math.isfinite(ends[0]) else "[unknown]"


def _p(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
