"""The skills' progress over rounds as a picture: a row for each skill, a column for each evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_ROW, _COLUMN, _NAMES, _HEAD = 20, 76, 190, 30


def progress_svg(
    names: Mapping[str, str], labels: Sequence[str], rates: Sequence[Mapping[str, float]]
) -> str:
    """Return an SVG of rates in [0, 1], weakest at the start on top; skills never asked are left out."""
    skills = sorted({s for column in rates for s in column}, key=lambda s: (rates[0].get(s, 0.0), s))
    width, height = _NAMES + _COLUMN * len(labels), _HEAD + _ROW * len(skills) + 8
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" role="img">',
        "<title>Share of a skill's questions in which it was shown, of the kept student</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for at, label in enumerate(labels):
        x = _NAMES + _COLUMN * at + _COLUMN / 2
        parts.append(f'<text x="{x:g}" y="20" text-anchor="middle">{escape(label)}</text>')
    for row, skill in enumerate(skills):
        y = _HEAD + _ROW * row
        name = escape(names.get(skill, skill))
        parts.append(f'<text x="{_NAMES - 8}" y="{y + 14}" text-anchor="end">{name}</text>')
        for at, column in enumerate(rates):
            if skill in column:
                parts.append(_cell(_NAMES + _COLUMN * at, y, column[skill]))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _cell(x: int, y: int, rate: float) -> str:
    """Return a cell whose blue deepens with the rate; the figure stands in it, so colour is not all."""
    box = f'x="{x + 1}" y="{y + 1}" width="{_COLUMN - 2}" height="{_ROW - 2}"'
    light, ink = round(97 - 55 * rate), "#fff" if rate > 0.6 else "#111"
    return (
        f'<rect {box} fill="hsl(212,60%,{light}%)"/>'
        f'<text x="{x + _COLUMN / 2:g}" y="{y + 14}" text-anchor="middle" fill="{ink}">{rate:.2f}</text>'
    )
