"""Samples as columns: what figures are computed from, so that a million texts are a few arrays.

Texts of one k form a block; a question is a row of its block, a skill or topic a number (`code`), both in
order of their ids: figures do not depend on the order of samples.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from .figures import ITEMS, METRICS
from .records import GradingStatus, Sample, Score, Skill, TextStatus, Topic, Usage
from .texts import count_sentences, words

STATUSES = tuple(TextStatus)


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


def columns_of(samples: Sequence[Sample] | Columns) -> Columns:
    """Return samples as columns."""
    if isinstance(samples, Columns):
        return samples
    skills = {s.id: s for sample in samples for s in sample.question.skills}
    topics = {s.question.topic.id: s.question.topic for s in samples}
    by_k: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_k[sample.question.k].append(sample)
    codes = [{i: n for n, i in enumerate(sorted(found))} for found in (skills, topics)]
    decoys = [found for s in samples for g in s.gradings for found in g.decoys]
    student = sum((s.text.usage for s in samples), Usage())
    judge = sum((g.usage for s in samples for g in s.gradings), Usage())
    return Columns(
        tuple(skills[i] for i in codes[0]),
        tuple(topics[i] for i in codes[1]),
        tuple(_block(k, by_k[k], codes[0], codes[1]) for k in sorted(by_k)),
        {"student": student, "judge": judge},
        _faults(samples),
        max((len(s.gradings) for s in samples), default=0),
        (sum(decoys), len(decoys)),
        sum(g.calls > 1 for s in samples for g in s.gradings),
    )


def _block(k: int, samples: Sequence[Sample], skills: Mapping[str, int], topics: Mapping[str, int]) -> Block:
    questions = dict(sorted({s.question.id: s.question for s in samples}.items()))
    rows = {question: row for row, question in enumerate(questions)}
    samples = sorted(samples, key=lambda s: rows[s.question.id])
    scores = [s.score for s in samples]
    no_marks, no_points = (0.0,) * len(METRICS), (0.0,) * len(ITEMS)
    return Block(
        k=k,
        skills=np.array([[skills[s.id] for s in q.skills] for q in questions.values()]).reshape(-1, k),
        topic=np.array([topics[q.topic.id] for q in questions.values()]),
        question=np.array([rows[s.question.id] for s in samples]),
        status=np.array([STATUSES.index(s.text.status) for s in samples]),
        scored=np.array([score is not None for score in scores]),
        earned=np.array([_earned(s) for s in samples], dtype=float).reshape(-1, k),
        others=np.array([_others(score) if score else no_points for score in scores]),
        marks=np.array([_marks(score.marks) if score else no_marks for score in scores]),
        marks_naming_allowed=np.array(
            [_marks(score.marks_naming_allowed) if score else no_marks for score in scores]
        ),
        named=np.array([bool(score and score.named) for score in scores]),
        words=np.array([len(words(s.text.text)) for s in samples]),
        sentences=np.array([count_sentences(s.text.text) for s in samples]),
        ties=sum(len(score.ties) for score in scores if score),
        gradings=Counter(str(g.status) for s in samples for g in s.gradings),
    )


def _earned(sample: Sample) -> list[float]:
    score = sample.score
    return [score.earned(s.id) if score else 0.0 for s in sample.question.skills]


def _others(score: Score) -> tuple[float, ...]:
    return tuple(float(score.points[item]) for item in ITEMS)


def _marks(marks: object) -> tuple[float, ...]:
    return tuple(getattr(marks, metric) for metric in METRICS)


def _faults(samples: Iterable[Sample]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        if sample.text.status is not TextStatus.OK:
            found[f"texts {sample.text.status}"][sample.text.why] += 1
        for grading in sample.gradings:
            if grading.status is not GradingStatus.OK:
                found[f"gradings {grading.status}"][grading.why] += 1
    return dict(found)


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
