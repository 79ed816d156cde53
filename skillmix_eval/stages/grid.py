"""Samples -> points earned by group and k: what a heat map shows. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from ..records import Record, Sample, Skill
from ..stats import Estimate, estimate


class GridRow(Record, frozen=True, gc=False):
    """One skill's or category's share of points, over all k and at each; None where it was not asked."""

    id: str
    label: str
    all: Estimate
    by_k: tuple[Estimate | None, ...]


class Grid(Record, frozen=True, gc=False):
    """Rows by k, weakest first. The unit is the question: texts are averaged within it first."""

    ks: tuple[int, ...]
    rows: tuple[GridRow, ...]


def grid(samples: Sequence[Sample], group: Callable[[Skill], str], labels: Mapping[str, str]) -> Grid:
    """Return the grid of scored samples, skills taken together by `group`."""
    points: dict[str, dict[int, dict[str, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for sample in samples:
        question, score = sample.question, sample.score
        for skill in question.skills if score else ():
            assert score is not None  # noqa: S101  no skills are looped over without one
            points[group(skill)][question.k][question.id].append(score.earned(skill.id))
    ks = tuple(sorted({k for by_k in points.values() for k in by_k}))
    rows = [_row(name, labels.get(name, name), by_k, ks) for name, by_k in points.items()]
    return Grid(ks, tuple(sorted(rows, key=lambda r: (r.all.value or 0.0, r.id))))


def _row(name: str, label: str, by_k: Mapping[int, Mapping[str, list[float]]], ks: Sequence[int]) -> GridRow:
    means = {k: [sum(v) / len(v) for v in by_k[k].values()] for k in ks if k in by_k}
    everything = [value for values in means.values() for value in values]
    return GridRow(
        name, label, estimate(everything), tuple(estimate(means[k]) if k in means else None for k in ks)
    )
