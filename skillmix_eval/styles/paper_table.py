"""`paper-table`: the SKILL-MIX rubric as a two-column table, as the paper asks its GPT judge."""

from __future__ import annotations

import re

from skillmix_eval.errors import UnreadableError

from ._claims import Claim, LabelStyle, is_point, shown
from ._labels import Labels, is_total

TEMPLATE = "judge_paper_table.j2"

_RULE = frozenset(" \t>|:=+-")
_QUOTED = re.compile(r"[\s>]*")


class Style(LabelStyle):
    """Every row of every table in the reply counts, so a table that the judge quotes is a second claim."""

    wording = "Correctly illustrates"

    def claims(self, labels: Labels, reply: str) -> list[Claim]:
        """Return the points that the reply's table rows claim."""
        lines = reply.splitlines()
        below = [*lines[1:], ""]
        rows = (_row(labels, line, _is_rule(after)) for line, after in zip(lines, below, strict=False))
        return [row for row in rows if row is not None]


def _is_rule(line: str) -> bool:
    return "-" in line and _RULE.issuperset(line)


def _row(labels: Labels, line: str, is_head: bool) -> Claim | None:
    """Return what one line claims: nothing for prose, rules, column heads and the judge's own total."""
    if "|" not in line or _is_rule(line):
        return None
    body = _QUOTED.sub("", line, count=1).rstrip()
    label, bar, cell = body.removeprefix("|").removesuffix("|").rpartition("|")
    point = cell.strip(" \t*_`")
    if not bar or (is_head and not is_point(point)):
        return None
    try:
        item = labels.match(label.strip())
    except UnreadableError as error:
        return Claim(fault=str(error))
    if item is not None:
        return Claim(item, point)
    if body.startswith("|") and any(c.isdigit() for c in cell) and not is_total(label):
        return Claim(fault=f"a row claims a point for '{shown(label)}', which is no item of the rubric")
    return None
