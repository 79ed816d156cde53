"""Two runs and what was found between them -> a page: finding, figures, questions that flipped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .compare import Comparison, Row
from .compare import sentences as compare_sentences
from .compare import tables as compare_tables
from .evaluate import run_labels
from .figures import METRICS
from .page import Chart, comparison_page
from .runs import Run, redacted
from .shown import Block, text_blocks
from .stages.report import Table
from .verdict import Verdict
from .verdict import header as gate_header
from .verdict import sentences as gate_sentences
from .verdict import tables as gate_tables

_MOST_SKILLS = 12  # of each end in the chart; the table has all


def compare_page(found: Comparison, old: Run, new: Run, show_private: bool = False) -> str:
    """Return the page of a comparison; a private list's names are left out unless asked for."""
    header = [f"First (old): {found.old}", f"Second (new): {found.new}", f"Judge: {found.judge}"]
    header.append(f"Protocol: {found.protocol}; mean over texts")
    return comparison_page(
        f"{found.new} against {found.old}",
        header,
        [*compare_sentences(found), _flips(old, new)],
        compare_tables(found),
        _charts(found),
        _texts(old, new, show_private),
    )


def gate_page(verdict: Verdict, found: Comparison, old: Run, new: Run, show_private: bool = False) -> str:
    """Return the page of a gate's verdict, with the comparison of both runs beneath it."""
    shown: list[Table] = [*gate_tables(verdict), *compare_tables(found)]
    first, why, *rest = gate_sentences(verdict)
    said = [f"{first} {why}", *rest, *compare_sentences(found), _flips(old, new)]
    title = f"Gate: {verdict.outcome.value}"
    return comparison_page(
        title, gate_header(verdict), said, shown, _charts(found), _texts(old, new, show_private)
    )


def _flips(old: Run, new: Run) -> str:
    """Return how many texts lost and gained full marks between the runs."""
    before, after = (
        {(s.question.id, s.text.index): s.score.marks.full_marks for s in run.samples if s.score}
        for run in (old, new)
    )
    shared = [key for key in before if key in after]
    lost = sum(before[key] == 1 > after[key] for key in shared)
    gained = sum(after[key] == 1 > before[key] for key in shared)
    return (
        f"Of {len(shared):,} texts scored on both sides, {lost:,} lost full marks and {gained:,} gained them."
    )


def _texts(old: Run, new: Run, show_private: bool) -> list[list[Block]]:
    shown = []
    for name, run, what in (("old", old, "First (old)"), ("new", new, "Second (new)")):
        kept = redacted(run) if run.info.private and not show_private else run
        label = f"{what}: {run.info.student}"
        shown.append(text_blocks(kept.samples, run_labels(run, show_private), name, label))
    return shown


def _charts(found: Comparison) -> list[Chart]:
    full = [r for r in found.by_k if r.label == METRICS["full_marks"]]
    by_k = [(r.id.split()[0].replace("k=", "k = "), r) for r in full]
    overall = [("all k", found.overall[0])]
    skills = [(r.label, r) for r in found.by_skill]
    if len(skills) > 2 * _MOST_SKILLS:
        skills = [*skills[:_MOST_SKILLS], *skills[-_MOST_SKILLS:]]
    return [
        _differences("by-k", "Full marks, new minus old, by k", [*overall, *by_k]),
        _differences("by-skill", "Points of skills, new minus old, most lost first", skills),
    ]


def _differences(name: str, title: str, rows: Sequence[tuple[str, Row]]) -> Chart:
    """Return paired differences with 95 % intervals; hollow where the interval holds zero."""
    found: list[dict[str, Any]] = []
    for label, row in rows:
        d = row.difference
        value, low, high = d.value or 0.0, d.low or 0.0, d.high or 0.0
        numbers = {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
        found.append({"label": label, **numbers, "n": d.n, "hollow": low <= 0 <= high})
    reach = max([0.1, *(abs(r[end]) for r in found for end in ("low", "high"))])
    data = {"title": title, "ends": [-reach, reach], "rows": found}
    return Chart(name, f"{title}; hollow: the 95 % interval holds 0", "values", data)
