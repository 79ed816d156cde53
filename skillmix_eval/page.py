"""The page of a run: one self-contained HTML file. Everything from a model or a list is escaped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from .figures import ITEMS, METRICS, Figures
from .records import Sample, skill_item
from .stages.report import Table, sentences, tables

MOST_SAMPLES = 1500  # a page stays quick to open; the rest is in samples.parquet
_LEFT, _RIGHT, _BOTTOM, _HEIGHT = 60, 620, 230, 210  # of the curves' plot, in its own units
_STYLES = (("a", ""), ("b", "7 4"), ("c", "2 4"))  # colours that also differ by dash


def run_page(
    title: str,
    header: Sequence[str],
    figures: Figures,
    reduce: str,
    samples: Sequence[Sample],
    labels: Mapping[str, str],
    spec: str,
) -> str:
    """Return the page; `labels` are the names to show for skill and topic ids."""
    ticks, curves = _curves(figures)
    return _template("run.html.j2").render(
        title=title,
        header=header,
        tables=tables(figures),
        said=sentences(figures, reduce),
        ticks=ticks,
        curves=curves,
        samples=[_shown(s, labels) for s in samples[:MOST_SAMPLES]],
        total=len(samples),
        spec=spec,
        nonce=hashlib.blake2b(spec.encode(), digest_size=12).hexdigest(),
    )


def leaderboard_page(boards: Sequence[tuple[Sequence[str], Table, Sequence[str]]], method: str) -> str:
    """Return the page of a leaderboard: each table with its header and its notes."""
    return _template("leaderboard.html.j2").render(boards=boards, method=method)


def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _curves(figures: Figures) -> tuple[list[tuple[int, float]], list[dict[str, Any]]]:
    """Return the axis ticks and, per metric, the points of its curve with their intervals."""
    step = (_RIGHT - _LEFT) / max(1, len(figures.by_k) - 1)
    ticks = [(row.k, round(_LEFT + i * step, 1)) for i, row in enumerate(figures.by_k)]
    curves = []
    for (metric, label), (colour, dash) in zip(METRICS.items(), _STYLES, strict=True):
        points = []
        for (_, x), row in zip(ticks, figures.by_k, strict=True):
            found = row.metrics[metric].estimate
            if found.value is not None and found.low is not None and found.high is not None:
                points.append({"x": x, "y": _y(found.value), "low": _y(found.low), "high": _y(found.high)})
        line = " ".join(f"{p['x']},{p['y']}" for p in points)
        curves.append({"label": label, "colour": colour, "dash": dash, "points": points, "line": line})
    return ticks, curves


def _y(value: float) -> float:
    return round(_BOTTOM - _HEIGHT * value, 1)


def _shown(sample: Sample, labels: Mapping[str, str]) -> dict[str, Any]:
    question, score = sample.question, sample.score
    names = {skill_item(s.id): labels.get(s.id, s.id) for s in question.skills} | ITEMS
    points = score.points if score else {}
    reasons = next((g.verdicts for g in sample.gradings if g.verdicts), {})
    verdicts = [
        {
            "label": names[item],
            "met": points[item],
            "reason": reasons[item].reason if item in reasons else "",
            "quote": reasons[item].quote if item in reasons else "",
        }
        for item in question.items
        if item in points
    ]
    unread = "; ".join(f"grading {g.index + 1} is {g.status}: {g.why}" for g in sample.gradings if g.why)
    return {
        "k": question.k,
        "topic": labels.get(question.topic.id, question.topic.id),
        "skills": ", ".join(labels.get(s.id, s.id) for s in question.skills),
        "text": sample.text.text,
        "status": sample.text.status,
        "why": "; ".join(w for w in (sample.text.why, unread, _named(sample, labels)) if w),
        "points": f"{sum(points.values())}/{len(question.items)}" if score else "unscored",
        "full": "unscored" if not score else "yes" if score.marks.full_marks else "no",
        "verdicts": verdicts,
    }


def _named(sample: Sample, labels: Mapping[str, str]) -> str:
    named = sample.score.named if sample.score else ()
    return f"names {', '.join(labels.get(s, s) for s in named)}, which costs the point" if named else ""
