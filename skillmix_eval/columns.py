"""Samples as columns: what figures are computed from, so that a million texts are a few arrays.

Texts of one k form a block; a question is a row of its block, a skill or topic a number (`code`), both in
order of their ids: figures do not depend on the order of samples.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from .figures import ITEMS, METRICS
from .records import GradingStatus, Sample, Skill, TextStatus, Topic, Usage
from .texts import count_sentences, words

STATUSES = tuple(TextStatus)
_NO_MARKS = (0.0,) * len(METRICS)


class Block(msgspec.Struct, frozen=True):
    """All texts (T) of the questions (Q) of one k. Where a text is unscored, its points and marks are 0."""

    k: int
    skills: np.ndarray  # (Q, k) codes, in the order asked
    topic: np.ndarray  # (Q,) codes
    question: np.ndarray  # (T,) row of the text's question, ascending
    status: np.ndarray  # (T,) place in STATUSES
    scored: np.ndarray  # (T,) bool
    earned: np.ndarray  # (T, k) 1 where the skill's point was earned and the skill not named, else 0
    others: np.ndarray  # (T, 3) the points of ITEMS
    marks: np.ndarray  # (T, 3) METRICS, naming deducted
    marks_naming_allowed: np.ndarray  # (T, 3)
    named: np.ndarray  # (T,) bool: the text names one of its skills
    words: np.ndarray  # (T,)
    sentences: np.ndarray  # (T,)
    ties: int  # rubric items whose votes tied
    gradings: Mapping[str, int]  # by status


class Columns(msgspec.Struct, frozen=True):
    """All texts of a run, smallest k first."""

    skills: tuple[Skill, ...]  # by code
    topics: tuple[Topic, ...]
    blocks: tuple[Block, ...]
    usage: Mapping[str, Usage]  # tokens of student and judge
    faults: Mapping[str, Mapping[str, int]]  # 'texts failed' -> why -> how many
    most_gradings: int  # of one text
    decoys: tuple[int, int] = (0, 0)  # found, and asked about
    second_calls: int = 0  # gradings whose first reply was no verdict

    @property
    def scored(self) -> int:
        """How many texts have a score."""
        return sum(int(b.scored.sum()) for b in self.blocks)


def columns_of(samples: Iterable[Sample] | Columns) -> Columns:
    """Return samples as columns; they are gone through once."""
    if isinstance(samples, Columns):
        return samples
    skills, topics = _Names(), _Names()
    blocks: dict[int, _Rows] = defaultdict(lambda: _Rows(skills, topics))
    student, judge = Usage(), Usage()
    faults: dict[str, Counter[str]] = defaultdict(Counter)
    decoys: list[bool] = []
    most = second_calls = 0
    for sample in samples:
        text, gradings = sample.text, sample.gradings
        blocks[sample.question.k].add(sample)
        student += text.usage
        most = max(most, len(gradings))
        if text.status is not TextStatus.OK:
            faults[f"texts {text.status}"][text.why] += 1
        for grading in gradings:
            judge += grading.usage
            decoys += grading.decoys
            second_calls += grading.calls > 1
            if grading.status is not GradingStatus.OK:
                faults[f"gradings {grading.status}"][grading.why] += 1
    return Columns(
        tuple(skills.records()),
        tuple(topics.records()),
        tuple(blocks[k].block(k) for k in sorted(blocks)),
        {"student": student, "judge": judge},
        dict(faults),
        most,
        (sum(decoys), len(decoys)),
        second_calls,
    )


class _Names:
    """Skills or topics, numbered as they come; at last, their numbers are in order of their ids."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, Any]] = {}

    def number(self, record: Any) -> int:
        return self._found.setdefault(record.id, (len(self._found), record))[0]

    def records(self) -> Iterator[Any]:
        return (self._found[i][1] for i in sorted(self._found))

    def codes(self) -> np.ndarray:
        """Return for each number the place of its id among all."""
        return np.argsort(np.array([self._found[i][0] for i in sorted(self._found)], dtype=int))


class _Rows:
    """The texts of one k as they come: numbers only, so that no sample is held."""

    def __init__(self, skills: _Names, topics: _Names) -> None:
        self._skills, self._topics = skills, topics
        self._questions: dict[str, tuple[int, tuple[int, ...], int]] = {}  # row, skills, topic
        self._texts: list[tuple[float, ...]] = []
        self._earned: list[tuple[float, ...]] = []
        self._ties = 0
        self._gradings: Counter[str] = Counter()

    def add(self, sample: Sample) -> None:
        """Take a text in."""
        question, text, score = sample.question, sample.text, sample.score
        if question.id not in self._questions:
            asked = tuple(self._skills.number(s) for s in question.skills)
            topic = self._topics.number(question.topic)
            self._questions[question.id] = (len(self._questions), asked, topic)
        self._texts.append(
            (
                self._questions[question.id][0],
                STATUSES.index(text.status),
                score is not None,
                bool(score and score.named),
                len(words(text.text)),
                count_sentences(text.text),
                *(score.points[item] if score else 0.0 for item in ITEMS),
                *(_marks(score.marks) if score else _NO_MARKS),
                *(_marks(score.marks_naming_allowed) if score else _NO_MARKS),
            )
        )
        self._earned.append(tuple(score.earned(s.id) if score else 0.0 for s in question.skills))
        self._ties += len(score.ties) if score else 0
        self._gradings.update(str(g.status) for g in sample.gradings)

    def block(self, k: int) -> Block:
        """Return what was taken in, ordered by the ids of questions."""
        ids = sorted(self._questions)
        found = [self._questions[i] for i in ids]
        place = np.argsort(np.array([row for row, _, _ in found], dtype=int))
        texts = np.array(self._texts, dtype=float)
        question = place[texts[:, 0].astype(int)]
        order = np.argsort(question, kind="stable")
        texts = texts[order]
        others, marks, naming_allowed = np.split(
            texts[:, 6:], np.cumsum([len(ITEMS), len(METRICS)]).tolist(), axis=1
        )
        return Block(
            k=k,
            skills=self._skills.codes()[np.array([asked for _, asked, _ in found]).reshape(-1, k)],
            topic=self._topics.codes()[np.array([topic for _, _, topic in found])],
            question=question[order],
            status=texts[:, 1].astype(int),
            scored=texts[:, 2].astype(bool),
            earned=np.array(self._earned, dtype=float).reshape(-1, k)[order],
            others=others,
            marks=marks,
            marks_naming_allowed=naming_allowed,
            named=texts[:, 3].astype(bool),
            words=texts[:, 4].astype(int),
            sentences=texts[:, 5].astype(int),
            ties=self._ties,
            gradings=self._gradings,
        )


def _marks(marks: object) -> tuple[float, ...]:
    return tuple(getattr(marks, metric) for metric in METRICS)


def reduced(groups: np.ndarray, values: np.ndarray, how: str = "mean") -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct groups in ascending order, and the mean or maximum of each group's values.

    `groups` has shape (n,), `values` (n,) or (n, m): columns are reduced apart.
    """
    if (groups[1:] < groups[:-1]).any():
        order = np.argsort(groups, kind="stable")
        groups, values = groups[order], values[order]
    if not len(groups):
        return groups, values
    starts = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
    if len(starts) == len(groups):  # one value each
        return groups, values
    if how == "max":
        return groups[starts], np.maximum.reduceat(values, starts)
    counts = np.diff(np.append(starts, len(groups)))
    found = np.add.reduceat(values, starts) / (counts if values.ndim == 1 else counts[:, None])
    return groups[starts], found
