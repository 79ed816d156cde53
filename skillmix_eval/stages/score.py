"""Gradings -> points and metrics of one text. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import (
    MAKES_SENSE,
    ON_TOPIC,
    SENTENCE_LIMIT,
    Grading,
    GradingStatus,
    Marks,
    Question,
    Score,
    Text,
    TextStatus,
    skill_item,
)
from ..texts import named

_NO_POINTS = {TextStatus.EMPTY, TextStatus.ECHOED, TextStatus.REFUSED}
_OTHERS = (ON_TOPIC, MAKES_SENSE, SENTENCE_LIMIT)


def score(question: Question, text: Text, gradings: Sequence[Grading]) -> Score | None:
    """Return a text's score, or None where there is nothing to go by: unscored is not zero.

    A text that is empty, an echo or a refusal earns no points. A truncated or failed text, and one without
    a readable grading, is unscored.
    """
    if text.status in _NO_POINTS:
        points, ties = _no_points(question)
    else:
        readable = [g for g in gradings if g.status is GradingStatus.OK]
        if text.status is not TextStatus.OK or not readable:
            return None
        points, ties = vote(readable)
    named_ids = tuple(s.id for s in question.skills if named(s.name, text.text))
    skill_points = [points[skill_item(s.id)] for s in question.skills]
    unnamed = [p and s.id not in named_ids for p, s in zip(skill_points, question.skills, strict=True)]
    others = [points[item] for item in _OTHERS]
    return Score(
        question.id,
        text.index,
        points,
        ties,
        named_ids,
        marks(unnamed, others),
        marks(skill_points, others),
    )


def _no_points(question: Question) -> tuple[dict[str, bool], tuple[str, ...]]:
    return dict.fromkeys(question.items, False), ()


def vote(gradings: Sequence[Grading]) -> tuple[dict[str, bool], tuple[str, ...]]:
    """Return the majority per item, and the items that tied; a tie earns no point."""
    yes = {item: sum(g.verdicts[item].met for g in gradings) for item in gradings[0].verdicts}
    points = {item: 2 * count > len(gradings) for item, count in yes.items()}
    return points, tuple(item for item, count in yes.items() if 2 * count == len(gradings))


def marks(skills: Sequence[bool], others: Sequence[bool]) -> Marks:
    """Return the metrics of SKILL-MIX (Yu et al. 2023) for one text.

    Full marks: all k + 3 points. All skills: all k and at least two of the other three. Skill fraction:
    share of the k skills if the other three are all earned, else 0.
    """
    all_skills, all_others = all(skills), all(others)
    return Marks(
        full_marks=float(all_skills and all_others),
        all_skills=float(all_skills and sum(others) >= 2),
        skill_fraction=sum(skills) / len(skills) if all_others else 0.0,
    )
