"""`paper-lines`: a label, a reason and `Point earned: 1` per rubric item, as the paper asks a LLaMA judge."""

from __future__ import annotations

import re

from skillmix_eval.errors import UnreadableError

from ._claims import Claim, LabelStyle, shown
from ._labels import Labels

TEMPLATE = "judge_paper_lines.j2"

_EARNED = r"(?<!total )(?<!total[*_]{2} )\bpoints?\s+earned"
_POINT = re.compile(_EARNED + r"[*_`\s]*[:：](?P<point>.*)", re.IGNORECASE | re.DOTALL)
_POINT_FOR = re.compile(r"points?\s+earned\s+for\s+(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_MARKS = re.compile(r"[\s>*_`•-]*")
_UNKNOWN_HEAD = re.compile(r"\s*(?:\d{1,3}[.)]\s.*:|#+\s.*|\*\*.*(?:\*\*:?|:\*\*))\s*")


class Style(LabelStyle):
    """A point stands in the line that opens with its item's label, or on a line of its own below it."""

    wording = "Contains"

    def claims(self, labels: Labels, reply: str) -> list[Claim]:
        """Return the points that the reply's lines claim, each for the item whose label came last."""
        scan = _Scan(labels)
        for line in reply.splitlines():
            try:
                scan.line(line)
            except UnreadableError as error:
                scan.claims.append(Claim(fault=str(error)))
        return scan.claims


class _Scan:
    """The item whose point is awaited while lines go by, and the reason gathered for it."""

    def __init__(self, labels: Labels) -> None:
        self.claims: list[Claim] = []
        self._labels = labels
        self._item: str | None = None
        self._done: set[str] = set()
        self._reason: list[str] = []

    def line(self, line: str) -> None:
        """Take one line of the reply."""
        start = line[_MARKS.match(line).end() :]  # type: ignore[union-attr]  # it matches the empty string
        if own := _POINT.match(start):
            self._point(own["point"])
        elif labelled := _POINT_FOR.match(start):
            self._labelled(labelled["rest"])
        elif head := self._labels.heading(line):
            self._open(head[0])
            self._body(head[1])
        else:
            self._other(line)

    def _body(self, rest: str) -> None:
        """Take what follows a label on its line: a reason, a point, or both."""
        point = _POINT.search(rest)
        self._reason.append(rest[: point.start()] if point else rest)
        if point:
            self._point(point["point"])

    def _labelled(self, rest: str) -> None:
        """Take `Point earned for <label>: <point>`."""
        head = self._labels.heading(rest)
        if head is None:
            raise UnreadableError(f"a point is claimed for '{shown(rest)}', which is no item of the rubric")
        self._open(head[0])
        self._point(head[1])

    def _other(self, line: str) -> None:
        if _POINT.search(line):
            raise UnreadableError(f"a point stands in a line that opens with no item: '{shown(line)}'")
        if _UNKNOWN_HEAD.fullmatch(line):
            self._item = None  # a point below a heading that is no item belongs to nothing
        self._reason.append(line)

    def _open(self, item: str) -> None:
        """Await the point of an item. Two awaited at once could swap their points, so that is a fault."""
        waiting = self._item
        if waiting not in (None, item) and waiting not in self._done:
            raise UnreadableError(f"no point for {waiting} before {item} begins")
        if waiting != item:
            self._item, self._reason = item, []

    def _point(self, words: str) -> None:
        point = words.strip().strip("*_`").removesuffix(".").strip("*_` \t")
        if not point:
            return  # cut off: the item stays without a point
        if self._item is None:
            raise UnreadableError(f"a point of '{shown(point)}' stands under no item")
        self._done.add(self._item)
        self.claims.append(Claim(self._item, point, " ".join(" ".join(self._reason).split())))
        self._item, self._reason = None, []
