"""Leaderboards -> the files to publish: JSON, CSV, Markdown and a page on which models' texts can be read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from .figures import METRICS
from .leaderboard import Board, Leaderboard, Place, by_table, comparable, listed, pooled
from .page import Chart, group_chart, leaderboard_page, points
from .runs import Run, redacted
from .shown import Block, text_blocks
from .stages.report import Table, interval, markdown_table
from .stats import Estimate


def board_title(board: Board) -> str:
    """Return a table's headline."""
    return f"{board.domain}, {board.protocol}: {METRICS[board.metric].lower()} over k = {listed(board.ks)}"


def board_header(board: Board) -> list[str]:
    """Return the lines without which a table may not be read."""
    prompts = ", ".join(f"{name} {digest}" for name, digest in board.prompts.items())
    return [
        f"Judge: {board.judge}",
        f"Protocol: {board.protocol}; {board.reduce} over texts; prompts {prompts}",
        f"Questions: domain {board.domain} (lists {board.lists}), split {board.split}",
    ]


def board_summary(board: Board) -> Table:
    """Return a board as a table that a terminal has room for."""
    rows = tuple(
        (p.student, *_ranks(p), interval(p.score), f"{p.score.n}", _saturation(p)) for p in board.places
    )
    columns = ("Model", "Rank", "Ranks", "Group", "Score", "n", "Saturation")
    return Table(board_title(board), columns, rows)


def board_table(board: Board) -> Table:
    """Return a board as a table of text."""
    rows = []
    own = any(p.published for p in board.places)
    for p in board.places:
        found = {row.k: row.metrics[board.metric].estimate for row in p.by_k}
        best = dict(zip(found, p.published, strict=False))
        cells = [*_ranks(p), p.student, interval(p.score)]
        cells += [f"{p.first:.0%}", str(p.score.n), *(interval(found[k]) for k in board.ks)]
        cells += [interval(best[k]) if k in best else "–" for k in board.ks] if own else []
        cells += [_saturation(p), f"{p.coverage:.0%}"]
        rows.append(tuple(cells))
    columns = ["Rank", "Ranks", "Group", "Model", "Score", "First", "n", *(f"k = {k}" for k in board.ks)]
    columns += [f"Best of texts, k = {k}" for k in board.ks] if own else []
    return Table(board_title(board), (*columns, "Saturation", "Coverage"), tuple(rows))


def _ranks(place: Place) -> tuple[str, str, str]:
    return str(place.rank), f"{place.rank_low}–{place.rank_high}", place.group


def _saturation(place: Place) -> str:
    if place.saturation_k is None:
        return f"not up to k = {place.by_k[-1].k}"
    return f"k = {place.saturation_k}" + ("" if place.saturation_certain else " (not sure)")


def files(found: Leaderboard, runs: Sequence[Run] = ()) -> dict[str, bytes]:
    """Return the files to commit: the same runs give the same bytes, in whatever order they are given.

    With the runs, the page lets two models be read side by side.
    """
    document = msgspec.json.format(msgspec.json.encode(found, order="deterministic")) + b"\n"
    downloads = {"leaderboard.json": document, "leaderboard.csv": _csv(found).encode()}
    tables = by_table(runs)
    shown = [_shown(n, b, tables.get(comparable(b), {})) for n, b in enumerate(found.boards)]
    return {
        **downloads,
        "leaderboard.md": _markdown(found).encode(),
        "leaderboard.html": leaderboard_page(shown, downloads, found.method).encode(),
    }


def _shown(number: int, board: Board, by_student: Mapping[str, list[Run]]) -> dict[str, Any]:
    """Return what the page shows of a board: its table, charts, and the texts of its models."""
    title = f"{METRICS[board.metric]}, mean over k, with 95 % intervals"
    ranks = [_Rank(f"{p.rank}. {p.student} ({p.group})", p.score) for p in board.places]
    ranking = group_chart(f"ranking-{number + 1}", title, ranks)
    curves = {"ks": sorted({r.k for p in board.places for r in p.by_k}), "panels": _panels(board)}
    said = f"{METRICS[board.metric]} by k with 95 % intervals; the other models in grey"
    students = [p.student for p in board.places]
    blocks = [(s, _texts(f"m{number}-{i}", s, by_student)) for i, s in enumerate(students)]
    return {
        "table": board_table(board),
        "header": board_header(board),
        "notes": board.notes,
        "charts": [ranking, Chart(f"curves-{number + 1}", said, "curves", curves)] if ranks else (),
        "models": [(b[0].id, student) for student, b in blocks if b],
        "blocks": [block for _, b in blocks for block in b],
    }


class _Rank(NamedTuple):
    label: str
    estimate: Estimate


def _panels(board: Board) -> list[dict[str, Any]]:
    """Return one panel per model, its own curve last and the others behind it."""
    series = {p.student: {"colour": 0, "points": points(p.by_k, board.metric)} for p in board.places}
    return [
        {"title": s, "series": [*(v for other, v in series.items() if other != s), series[s]]} for s in series
    ]


def _texts(name: str, student: str, by_student: Mapping[str, list[Run]]) -> list[Block]:
    if student not in by_student:
        return []
    runs = [redacted(run) if run.info.private else run for run in by_student[student]]
    labels = {} if runs[0].info.private else _labels(runs)
    return text_blocks(pooled(student, runs), labels, name, student)


def _labels(runs: Iterable[Run]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for run in runs:
        for found in run.samples:
            labels |= {s.id: s.name for s in found.question.skills}
            labels[found.question.topic.id] = found.question.topic.name
    return labels


def _csv(found: Leaderboard) -> str:
    """Return one line per model and k."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = [
        "domain",
        "lists",
        "split",
        "protocol",
        "judge",
        "student",
        "rank",
        "rank_low",
        "rank_high",
        "group",
    ]
    head += ["score", "score_low", "score_high", "first", "saturation_k", "k", "questions", "coverage"]
    writer.writerow(head + [f"{m}{part}" for m in METRICS for part in ("", "_low", "_high")])
    for b in found.boards:
        for p in b.places:
            start = [
                b.domain,
                b.lists,
                b.split,
                b.protocol,
                b.judge,
                p.student,
                p.rank,
                p.rank_low,
                p.rank_high,
            ]
            start += [p.group, p.score.value, p.score.low, p.score.high, p.first, p.saturation_k]
            for row in p.by_k:
                of_k = [row.metrics[m].estimate for m in METRICS]
                cells = [x for e in of_k for x in (e.value, e.low, e.high)]
                writer.writerow([*start, row.k, row.questions, row.coverage, *cells])
    return out.getvalue()


def _markdown(found: Leaderboard) -> str:
    lines = ["# Leaderboard", "", found.method, ""]
    for board in found.boards:
        lines += markdown_table(board_table(board), board_header(board))
        lines += [*(f"- {note}" for note in board.notes), ""]
    return "\n".join(lines)
