"""Samples -> the figures of a run. Pure; the unit is the question: its texts become one number first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from msgspec.structs import replace

from ..columns import STATUSES, Block, Columns, columns_of, reduced
from ..figures import ITEMS, METRICS, POINTS, SATURATED, Figure, Figures, GroupRow, KRow, Saturation
from ..records import GradingStatus, Sample, TextStatus
from ..statistics.crossed import new_skills
from ..stats import Estimate, estimate

_HELD_OUT, _TRAIN = "held-out categories", "train categories"


def summarise(
    samples: Sequence[Sample] | Columns,
    reduce: str,
    labels: Mapping[str, str],
    held_out_categories: Iterable[str] = (),
) -> Figures:
    """Compute a run's figures; `reduce` is mean or max over a question's texts."""
    columns = columns_of(samples)
    rows = tuple(_k_row(block, reduce) for block in columns.blocks)
    held_out = set(held_out_categories)
    skills = columns.skills
    parts = [_HELD_OUT if s.category in held_out else _TRAIN for s in skills]
    return Figures(
        by_k=rows,
        by_item=_rows(_of_items(columns, reduce), {**ITEMS, "skills": "Skills"}),
        by_category=_rows(_of_skills(columns, [s.category for s in skills], reduce), {}),
        by_part=_rows(_of_skills(columns, parts, reduce), {}) if held_out else (),
        by_skill=_rows(_of_skills(columns, [s.id for s in skills], reduce), labels),
        by_topic=_rows(_of_topics(columns, reduce), labels),
        saturation=_saturation(rows),
        usage=dict(columns.usage),
        reasons=tuple(_reasons(columns.faults)),
    )


def _reasons(faults: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Yield, for each status that is not ok, how many there are and the most frequent reason."""
    for what, whys in sorted(faults.items()):
        why = " ".join(max(whys, key=lambda w: (whys[w], w)).split())[:160]
        yield f"{sum(whys.values()):,} {what}" + (f", most often because {why}." if why else ".")


def _k_row(block: Block, reduce: str) -> KRow:
    proper = block.status == STATUSES.index(TextStatus.OK)
    statuses = np.bincount(block.status, minlength=len(STATUSES))
    return KRow(
        k=block.k,
        questions=len(block.skills),
        texts=len(block.question),
        scored_texts=int(block.scored.sum()),
        metrics={m: _with_new_skills(block, block.marks[:, i], reduce) for i, m in enumerate(METRICS)},
        metrics_naming_allowed={
            m: _figure(block, block.marks_naming_allowed[:, i], reduce) for i, m in enumerate(METRICS)
        },
        points=_points(block, reduce),
        statuses={str(s): int(n) for s, n in zip(STATUSES, statuses, strict=True)},
        gradings={str(s): block.gradings.get(s, 0) for s in GradingStatus},
        ties=block.ties,
        named=int((block.named & block.scored).sum()),
        mean_words=_mean(block.words[proper]),
        mean_sentences=_mean(block.sentences[proper]),
    )


def _points(block: Block, reduce: str) -> dict[str, Figure]:
    """Return the finer metrics of SKILL-MIX's repository: sums of points, and the share of all, to the power.

    An interval is that of the sum's share of the most there is.
    """
    skills, most = block.earned.sum(axis=1), block.k + len(ITEMS)
    share = (skills + block.others.sum(axis=1)) / most
    found = {
        "points": _scaled(_figure(block, share, reduce), most),
        "skill_points": _scaled(_figure(block, skills / block.k, reduce), block.k),
        "rescaled_points": _figure(block, share**most, reduce),
    }
    return {name: found[name] for name in POINTS}


def _scaled(figure: Figure, by: float) -> Figure:
    def times(x: float | None) -> float | None:
        return None if x is None else x * by

    found = figure.estimate
    scaled = Estimate(times(found.value), times(found.se), times(found.low), times(found.high), found.n)
    return Figure(scaled, times(figure.lowest), times(figure.highest))


def _with_new_skills(block: Block, values: np.ndarray, reduce: str) -> Figure:
    rows, means = reduced(block.question[block.scored], values[block.scored], reduce)
    return replace(_figure(block, values, reduce), new_skills=new_skills(means, block.skills[rows]))


def _figure(block: Block, values: np.ndarray, reduce: str) -> Figure:
    """Return the estimate of one number per text, and its range where texts are unscored."""
    scored = block.scored
    found = estimate(reduced(block.question[scored], values[scored], reduce)[1])
    if scored.all():
        return Figure(found, found.value, found.value)
    lowest, highest = (
        float(reduced(block.question, np.where(scored, values, unknown), reduce)[1].mean())
        for unknown in (0.0, 1.0)
    )
    return Figure(found, lowest, highest)


_Groups = tuple[Sequence[str], np.ndarray, np.ndarray]  # names; and per question and group: code, value


def _rows(groups: _Groups, labels: Mapping[str, str]) -> tuple[GroupRow, ...]:
    """Return one row per group that has a value, lowest first."""
    names, codes, values = groups
    order = np.argsort(codes, kind="stable")
    there, starts = np.unique(codes[order], return_index=True)
    rows = [
        GroupRow(names[code], labels.get(names[code], names[code]), estimate(part))
        for code, part in zip(there, np.split(values[order], starts)[1:], strict=True)
    ]
    return tuple(sorted(rows, key=lambda r: (r.estimate.value or 0.0, r.id)))


def _of_items(columns: Columns, reduce: str) -> _Groups:
    codes, values = [], []
    for block in columns.blocks:
        of_text = np.column_stack([block.earned.mean(axis=1), block.others])[block.scored]
        of_question = reduced(block.question[block.scored], of_text, reduce)[1]
        codes.append(np.tile(np.arange(of_question.shape[1]), len(of_question)))
        values.append(of_question.ravel())
    return ("skills", *ITEMS), _joined(codes), _joined(values)


def _of_topics(columns: Columns, reduce: str) -> _Groups:
    full, codes, values = list(METRICS).index("full_marks"), [], []
    for block in columns.blocks:
        marks = block.marks[block.scored, full]
        rows, of_question = reduced(block.question[block.scored], marks, reduce)
        codes.append(block.topic[rows])
        values.append(of_question)
    return [t.id for t in columns.topics], _joined(codes), _joined(values)


def _of_skills(columns: Columns, group_of: Sequence[str], reduce: str) -> _Groups:
    """Return the points of groups of skills (`group_of`: each skill's): a text's mean, then over texts."""
    names = sorted(set(group_of))
    code = np.array([names.index(g) for g in group_of], dtype=int)
    codes, values = [], []
    for block in columns.blocks:
        texts = np.flatnonzero(block.scored)
        group = code[block.skills[block.question[texts]]]
        of_text, points = reduced((texts[:, None] * len(names) + group).ravel(), block.earned[texts].ravel())
        text, of_group = np.divmod(of_text, len(names))
        of_question, points = reduced(block.question[text] * len(names) + of_group, points, reduce)
        codes.append(of_question % len(names))
        values.append(points)
    return names, _joined(codes), _joined(values)


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, dtype=int)


def _saturation(rows: Sequence[KRow]) -> Saturation | None:
    for row in rows:
        found = row.metrics["full_marks"].estimate
        enough = row.coverage >= 0.5  # a few scored texts of many say nothing about the rest
        if enough and found.value is not None and found.high is not None and found.value < SATURATED:
            return Saturation(row.k, found, found.high < SATURATED)
    return None


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
