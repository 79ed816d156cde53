"""A plot of lines with the range over seeds, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

# colours told apart by people who see few of them, and a dash for each, so that colour is not all
_STYLES = (("#777777", "2 3"), ("#0072b2", ""), ("#d55e00", ""), ("#009e73", "7 3"), ("#cc79a7", "4 2 1 2"))
_LEFT, _TOP, _WIDE, _HIGH = 52, 34, 420, 250


def lines_svg(title: str, at: Sequence[float], lines: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Return means over runs as lines and the runs' range as a band; `lines` has the runs of each name.

    The first point of a falling curve may be far above the rest; then it is left out, and the note says so.
    """
    start = max(run[0] for runs in lines.values() for run in runs)
    high = _round_up(max(v for runs in lines.values() for run in runs for v in run[1:]))
    first = int(start > high)  # the first point that is drawn
    at, lines = at[first:], {name: [run[first:] for run in runs] for name, runs in lines.items()}
    note = f"band: least to most of {max(map(len, lines.values()))} seeds"
    note += f"; start, not drawn: {start:.2f}" * first

    def place(x: float, y: float) -> str:
        return f"{_LEFT + _WIDE * x / at[-1]:.1f},{_TOP + _HIGH * (1 - min(y, high) / high):.1f}"

    size = f'viewBox="0 0 640 {_TOP + _HIGH + 40}" width="640" height="{_TOP + _HIGH + 40}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{_LEFT}" y="18" font-size="13">{escape(title)}</text>',
    ]
    for part in range(5):
        y = _TOP + _HIGH * part / 4
        parts.append(f'<path d="M{_LEFT} {y:.1f}h{_WIDE}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{high * (1 - part / 4):g}</text>'
        )
    for x in at:
        where = _LEFT + _WIDE * x / at[-1]
        parts.append(
            f'<text x="{where:.1f}" y="{_TOP + _HIGH + 16}" text-anchor="middle">{x / 1000:.3g}</text>'
        )
    parts.append(
        f'<text x="{_LEFT + _WIDE / 2}" y="{_TOP + _HIGH + 34}" text-anchor="middle">thousand texts ({note})</text>'
    )
    for number, (name, runs) in enumerate(lines.items()):
        colour, dash = _STYLES[number % len(_STYLES)]
        columns = list(zip(*runs, strict=True))
        band = [place(x, min(c)) for x, c in zip(at, columns, strict=True)]
        band += [place(x, max(c)) for x, c in reversed(list(zip(at, columns, strict=True)))]
        mean = [place(x, sum(c) / len(c)) for x, c in zip(at, columns, strict=True)]
        y = _TOP + 12 + 20 * number
        parts += [
            f'<polygon points="{" ".join(band)}" fill="{colour}" opacity="0.12"/>',
            f'<polyline points="{" ".join(mean)}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>',
            f'<path d="M{_LEFT + _WIDE + 10} {y - 4}h24" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>',
            f'<text x="{_LEFT + _WIDE + 40}" y="{y}">{escape(name)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _round_up(value: float) -> float:
    """Return the next value above of which a quarter is a short number."""
    unit = 10.0 ** math.floor(math.log10(value or 1.0))
    return next(m * unit for m in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if m * unit >= value)
