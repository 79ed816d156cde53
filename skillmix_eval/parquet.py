"""A run's samples.parquet -> columns, without an object per text: a million texts in seconds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .columns import STATUSES, Block, Columns
from .figures import ITEMS, METRICS
from .records import GradingStatus, Skill, TextStatus, Topic, Usage, skill_item

_READ = [
    *("question", "k", "skills", "topic", "words", "sentences", "text.status", "text.why", "text.usage"),
    *(f"gradings.list.element.{field}" for field in ("status", "why", "usage", "calls", "decoys")),
    *(f"score.{field}" for field in ("points", "ties", "named", "marks", "marks_naming_allowed")),
]


def read_columns(path: Path, skills: Mapping[str, Skill], topics: Mapping[str, Topic]) -> Columns:
    """Return the texts of a file that `runs.write_run` wrote.

    Raises KeyError for a skill or a column that is not known or not there.
    """
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read(columns=_READ)
    found = _File({name: table[name].combine_chunks() for name in table.column_names})
    return Columns(
        tuple(skills[i] for i in found.skill_ids),
        tuple(topics[i] for i in found.topic_ids),
        tuple(found.block(int(k)) for k in np.unique(found.k)),
        found.usage(),
        found.faults(),
        int(_lengths(table["gradings"].combine_chunks()).max(initial=0)),
        *found.trust(),
    )


class _File:
    """The file's columns, and those that stand for names as numbers in order of the names."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = columns
        self._text, self._score = columns["text"], columns["score"]
        self._gradings = columns["gradings"]
        self.k = _numbers(columns["k"])
        topics, self._topic = _codes(columns["topic"])
        skills, self._skill = _codes(columns["skills"].values)
        self.topic_ids, self.skill_ids = topics.to_pylist(), skills.to_pylist()
        _, self._question = _codes(columns["question"])
        self._status = _codes_among(self._text.field("status"), STATUSES)
        self._scored = _numbers(self._score.is_valid())
        points = self._score.field("points")
        items = [*ITEMS, *map(skill_item, self.skill_ids)]
        self._points = _Flat(points, _codes_among(points.keys, items), _numbers(points.items))
        named = self._score.field("named")
        self._named = _Flat(named, _codes_among(named.values, self.skill_ids))

    def block(self, k: int) -> Block:
        """Return all texts of one k."""
        texts = np.flatnonzero(self.k == k)
        texts = texts[np.argsort(self._question[texts], kind="stable")]
        _, first, question = np.unique(self._question[texts], return_index=True, return_inverse=True)
        starts = _numbers(self._columns["skills"].offsets)[texts[first]]
        skills = self._skill[starts[:, None] + np.arange(k)]
        named = self._named.table(texts, len(self.skill_ids)) >= 0
        points = self._points.table(texts, len(ITEMS) + len(self.skill_ids)) > 0
        asked = np.arange(len(texts))[:, None], skills[question]
        return Block(
            k=k,
            skills=skills,
            topic=self._topic[texts[first]],
            question=question,
            status=self._status[texts],
            scored=self._scored[texts],
            earned=(points[:, len(ITEMS) :] & ~named)[asked].astype(float),
            others=points[:, : len(ITEMS)].astype(float),
            marks=self._marks("marks")[texts],
            marks_naming_allowed=self._marks("marks_naming_allowed")[texts],
            named=np.asarray(named.any(axis=1)),
            words=_numbers(self._columns["words"])[texts],
            sentences=_numbers(self._columns["sentences"])[texts],
            ties=int(_lengths(self._score.field("ties"))[texts].sum()),
            gradings=self._graded(k),
        )

    def _marks(self, name: str) -> np.ndarray:
        marks = self._score.field(name)
        found = np.column_stack([_numbers(marks.field(m)) for m in METRICS])
        return np.where(self._scored[:, None], found, 0.0)

    def _graded(self, k: int) -> dict[str, int]:
        of_text = np.repeat(self.k, _lengths(self._gradings))
        statuses = _codes_among(self._gradings.values.field("status"), list(GradingStatus))
        counts = np.bincount(statuses[of_text == k], minlength=len(GradingStatus))
        return {str(s): int(n) for s, n in zip(GradingStatus, counts, strict=True)}

    def usage(self) -> dict[str, Usage]:
        """Return the tokens of student and judge."""
        found = {}
        for role, rows in (("student", self._text), ("judge", self._gradings.values)):
            used = rows.field("usage")
            found[role] = Usage(*(int(_numbers(used.field(n)).sum()) for n in ("input", "output")))
        return found

    def trust(self) -> tuple[tuple[int, int], int]:
        """Return decoys found and asked about, and second calls; none in a file of an earlier release."""
        gradings = self._gradings.values
        if not {"calls", "decoys"} <= {field.name for field in gradings.type}:
            return (0, 0), 0
        decoys, calls = gradings.field("decoys").flatten(), _numbers(gradings.field("calls").fill_null(1))
        return (int(_numbers(decoys).sum()), len(decoys)), int((calls > 1).sum())

    def faults(self) -> dict[str, Counter[str]]:
        """Count the reasons of what is not ok."""
        import pyarrow.compute as pc

        found: dict[str, Counter[str]] = defaultdict(Counter)
        for what, rows, fine in (
            ("texts", self._text, TextStatus.OK),
            ("gradings", self._gradings.values, GradingStatus.OK),
        ):
            wrong = rows.filter(pc.not_equal(rows.field("status"), str(fine)))
            for status, why in zip(wrong.field("status"), wrong.field("why"), strict=True):
                found[f"{what} {status}"][why.as_py()] += 1
        return dict(found)


class _Flat:
    """The entries of a column of lists: whose text, which code, what value."""

    def __init__(self, lists: Any, code: np.ndarray, value: np.ndarray | None = None) -> None:
        self._offsets, self._code = _numbers(lists.offsets), code
        self._value = np.ones(len(code)) if value is None else value

    def table(self, texts: np.ndarray, codes: int) -> np.ndarray:
        """Return a table of values, a row per text and a column per code; -1 where there is no entry."""
        lengths = self._offsets[texts + 1] - self._offsets[texts]
        row = np.repeat(np.arange(len(texts)), lengths)
        within = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        entries = np.repeat(self._offsets[texts], lengths) + within
        found = np.full((len(texts), codes), -1, dtype=np.int8)
        found[row, self._code[entries]] = self._value[entries]
        return found


def _numbers(column: Any) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _lengths(lists: Any) -> np.ndarray:
    return np.diff(_numbers(lists.offsets))


def _codes(column: Any) -> tuple[Any, np.ndarray]:
    """Return the distinct names in order, and each row's place among them."""
    import pyarrow.compute as pc

    encoded = column.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    place = np.empty(len(order), dtype=np.int64)
    place[_numbers(order)] = np.arange(len(order))
    return encoded.dictionary.take(order), place[_numbers(encoded.indices)]


def _codes_among(column: Any, names: Sequence[str]) -> np.ndarray:
    """Return each row's place among some names; raises KeyError for another name."""
    there, codes = _codes(column)
    place = {str(name): i for i, name in enumerate(names)}
    return np.asarray(np.array([place[name] for name in there.to_pylist()], dtype=np.int64)[codes])
