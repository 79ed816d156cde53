"""The pages: self-contained HTML files that open offline. Everything from a model or a file is escaped.

Templates, style and scripts are in `pages/`. A page allows its own script, by its hash, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .figures import METRICS, Figures, KRow
from .records import Record, Sample
from .shown import Block, as_json, text_blocks
from .stages.grid import Grid, grid
from .stages.report import Table, calibrated_tables, interval, sentences, tables
from .stats import Estimate

MOST = 100_000  # texts that a page holds, evenly taken; all are in samples.parquet
_FOLDER = Path(__file__).parent / "pages"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; "
    "{more}base-uri 'none'; form-action 'none'"
)


class Chart(Record, frozen=True, gc=False):
    """A figure of the page: its name (of saved files too), title, kind (curves or values) and data."""

    name: str
    title: str
    kind: str
    data: dict[str, Any]


class RunReport(msgspec.Struct, frozen=True):
    """What the page of a run shows."""

    title: str
    header: Sequence[str]
    figures: Figures
    reduce: str
    samples: Sequence[Sample]
    labels: Mapping[str, str]  # names to show for skill and topic ids
    spec: str
    spend: Sequence[str] = ()
    command: str = ""  # repeats the run, if one command can


def run_page(report: RunReport) -> str:
    """Return the page of a run."""
    figures, samples, labels = report.figures, report.samples, report.labels
    nth = -(-len(samples) // MOST) or 1
    shown = tables(figures)
    corrected = calibrated_tables(figures.calibrated) if figures.calibrated else []
    first = [t for t in shown if t in [*shown[:1], *corrected]]
    return render(
        "run.html.j2",
        ("vendor/d3.min.js", "plots.js", "texts.js", "tables.js"),
        title=report.title,
        header=report.header,
        figures=figures,
        curves=curves(figures.by_k),
        items=group_chart("items", "Points earned by rubric item", figures.by_item),
        first=first,
        tables=[t for t in shown if t not in first],
        said=sentences(figures, report.reduce),
        grids=[
            _heat("Category × k", "Category", grid(samples, lambda s: s.category, {})),
            _heat("Skill × k", "Skill", grid(samples, lambda s: s.id, labels)),
        ],
        blocks=text_blocks(samples[::nth] if nth > 1 else samples, labels),
        nth=nth,
        total=len(samples),
        spend=report.spend,
        spec=report.spec,
        command=report.command,
    )


def leaderboard_page(boards: Sequence[Mapping[str, Any]], downloads: Mapping[str, bytes], method: str) -> str:
    """Return the page of a leaderboard; each board has table, header, notes, charts and blocks of texts."""
    links = {name: _data_link(name, content) for name, content in downloads.items()}
    scripts = ("vendor/d3.min.js", "plots.js", "texts.js", "pairs.js", "tables.js")
    return render(
        "leaderboard.html.j2", scripts, title="Leaderboard", boards=boards, links=links, method=method
    )


def comparison_page(
    title: str,
    header: Sequence[str],
    said: Sequence[str],
    shown: Sequence[Table],
    charts: Sequence[Chart],
    blocks: Sequence[Sequence[Block]],
) -> str:
    """Return the page of two runs: what differs, then the questions with both texts."""
    return render(
        "compare.html.j2",
        ("vendor/d3.min.js", "plots.js", "texts.js", "pairs.js", "tables.js"),
        title=title,
        header=header,
        said=said,
        tables=shown,
        charts=charts,
        models=[(b[0].id, label) for b, label in zip(blocks, ("first", "second"), strict=True)],
        blocks=[block for part in blocks for block in part],
    )


def render(template: str, scripts: Sequence[str], policy: str = "", **values: Any) -> str:
    """Return a page with these scripts in it; `policy` is what its content security policy allows besides."""
    script = _scripts(tuple(scripts))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    values |= {"script": Markup(script), "policy": _POLICY.format(digest=digest, more=policy)}  # noqa: S704  our files
    return _environment().get_template(template).render(**values)


@cache
def _scripts(names: tuple[str, ...]) -> str:
    """Return files of `pages/` as one script."""
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["as_json"] = lambda value: Markup(as_json(value))  # noqa: S704  has no markup in it
    environment.filters["safe_block"] = lambda block: Markup(block.data)  # noqa: S704  nor has a block
    environment.filters["interval"] = interval
    return environment


def _data_link(name: str, content: bytes) -> str:
    kind = {"csv": "text/csv", "json": "application/json"}[name.rpartition(".")[2]]
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def curves(by_k: Sequence[KRow]) -> Chart:
    """Return the three metrics over k, one panel each."""
    panels = [
        {"title": label, "series": [{"colour": n, "points": points(by_k, metric)}]}
        for n, (metric, label) in enumerate(METRICS.items())
    ]
    title = "The three metrics by number of skills, with 95 % intervals"
    return Chart("curves", title, "curves", {"ks": [r.k for r in by_k], "panels": panels})


def points(by_k: Sequence[KRow], metric: str) -> list[dict[str, Any]]:
    """Return a metric's points over k, those without data left out."""
    found = [(row.k, row.metrics[metric].estimate) for row in by_k]
    return [{"x": k, **_point(e)} for k, e in found if e.value is not None]


def group_chart(name: str, title: str, rows: Sequence[Any]) -> Chart:
    """Return values with intervals of rows that have a label and an estimate."""
    found = [{"label": r.label, **_point(r.estimate)} for r in rows if r.estimate.value is not None]
    return Chart(name, title, "values", {"title": title, "ends": [0, 1], "rows": found})


def _point(found: Estimate) -> dict[str, Any]:
    numbers = {name: round(getattr(found, name), 4) for name in ("value", "low", "high")}
    return {**numbers, "n": found.n}


def _heat(title: str, what: str, found: Grid) -> dict[str, Any]:
    """Return a heat map as the table it is: each cell has its value, shade (0 to 100) and n with interval."""
    rows = [(row.label, [_cell(e) for e in (row.all, *row.by_k)]) for row in found.rows]
    return {"title": title, "columns": [what, "all k", *(f"k = {k}" for k in found.ks)], "rows": rows}


def _cell(found: Estimate | None) -> dict[str, Any] | None:
    if found is None or found.value is None:
        return None
    title = f"{interval(found)}, n = {found.n}"
    return {"value": f"{found.value:.2f}", "shade": round(100 * found.value), "title": title}
