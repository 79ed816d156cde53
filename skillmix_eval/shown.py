"""Samples as the pages' scripts read them: an index for filters, and parts with the texts. Pure.

Everything is JSON inside `<script type="application/json">`; what could end such an element is escaped.
Beyond PLAIN bytes the parts are gzip in base64, so that a page of 100,000 texts still opens as one file.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from .figures import ITEMS
from .records import Grading, Sample, TextStatus, Verdict, skill_item

PART = 500  # texts that are read together
PLAIN = 4_000_000  # bytes
_COLUMNS = ("question", "text", "k", "skill", "topic", "status", "points", "full", "split")
_FULL = {0.0: 0, 1.0: 1, None: 2}


class Block(NamedTuple):
    """The content of one script element."""

    id: str
    data: str
    packed: bool = False


def as_json(value: object) -> str:
    """Return JSON that cannot leave a script element: no <, > or & stands in it."""
    data = msgspec.json.encode(value)
    for mark in (b"<", b">", b"&"):
        data = data.replace(mark, b"\\u%04x" % mark[0])
    return data.decode()


def text_blocks(
    samples: Sequence[Sample], labels: Mapping[str, str], name: str = "texts", label: str = ""
) -> list[Block]:
    """Return the blocks of a run's texts: `name` is the index, `name`-0, -1, ... are the parts."""
    starts = range(0, len(samples), PART)
    written = [as_json([_row(s, labels) for s in samples[i : i + PART]]) for i in starts]
    packed = sum(map(len, written)) > PLAIN
    if packed:
        written = [base64.b64encode(gzip.compress(w.encode(), 6, mtime=0)).decode() for w in written]
    index = Block(name, as_json(_index(samples, labels) | {"label": label}))
    return [index, *(Block(f"{name}-{i}", w, packed) for i, w in enumerate(written))]


def _index(samples: Iterable[Sample], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return one column per thing that is filtered by or shown in a list."""
    statuses = {str(status): n for n, status in enumerate(TextStatus)}
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    skills: dict[str, int] = {}
    topics: dict[str, int] = {}
    for s in samples:
        asked = [skills.setdefault(x.id, len(skills)) for x in s.question.skills]
        topic = topics.setdefault(s.question.topic.id, len(topics))
        full = _FULL[s.score.marks.full_marks if s.score else None]
        status = statuses[str(s.text.status)]
        row = (s.question.id, s.text.index, s.question.k, asked, topic, status, _points(s), full)
        for column, value in zip(columns.values(), (*row, int(_disagree(s))), strict=True):
            column.append(value)
    return {
        "size": PART,
        "skills": [labels.get(s, s) for s in skills],
        "topics": [labels.get(t, t) for t in topics],
        "statuses": list(statuses),
        "items": list(ITEMS.values()),
        **columns,
    }


def earned(sample: Sample, item: str) -> bool:
    """Tell whether an item's point was earned; a skill that the text names has not earned its point."""
    score = sample.score
    return bool(score and score.points[item] and item not in {skill_item(s) for s in score.named})


def _points(sample: Sample) -> str:
    return "".join(str(int(earned(sample, i))) for i in sample.question.items) if sample.score else ""


def _read(sample: Sample) -> list[Grading]:
    return [g for g in sample.gradings if g.verdicts]


def _disagree(sample: Sample) -> bool:
    read = _read(sample)
    return any(len({g.verdicts[i].met for g in read if i in g.verdicts}) > 1 for i in sample.question.items)


def _row(sample: Sample, labels: Mapping[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {"t": sample.text.text}
    if sample.score:
        row["v"] = [_verdict(sample, item) for item in sample.question.items]
    if why := _why(sample, labels):
        row["w"] = why
    if sample.text.draft and sample.text.draft != sample.text.text:
        row["d"] = sample.text.draft
    return row


def _verdict(sample: Sample, item: str) -> list[Any]:
    """Return [earned, reason, quote, span, votes], without the empty ends."""
    met, found = earned(sample, item), [g.verdicts[item] for g in _read(sample) if item in g.verdicts]
    verdict = next((v for v in found if v.met == met), found[0] if found else Verdict(met))
    votes = f"{sum(v.met for v in found)} of {len(found)}" if len(found) > 1 else ""
    row = [int(met), verdict.reason, verdict.quote, verdict.span, votes]
    while row and not row[-1] and len(row) > 1:
        row.pop()
    return row


def _why(sample: Sample, labels: Mapping[str, str]) -> str:
    found = [sample.text.why]
    found += [f"grading {g.index + 1} is {g.status}: {g.why}" for g in sample.gradings if g.why]
    named = sample.score.named if sample.score else ()
    if named:
        found.append(f"names {', '.join(labels.get(s, s) for s in named)}, which costs the point")
    return "; ".join(w for w in found if w)
