"""Question -> the requests that ask a student for a text. Pure: renders, calls nothing."""

from __future__ import annotations

from typing import Any

from ..records import Message, Question, Request
from ..spec import ModelSpec
from ..templates import Template


def draft_request(question: Question, index: int, template: Template, student: ModelSpec) -> Request:
    """Return the first turn; `index` tells several texts for one question apart."""
    system = (Message("system", student.system),) if student.system else ()
    prompt = Message("user", template.render(**_variables(question)))
    return Request(
        (*system, prompt),
        temperature=student.temperature,
        top_p=student.top_p,
        max_tokens=student.max_tokens,
        seed=_seed(question, index),
        draw=f"{question.occurrence}.{index}",
        question=question,
    )


def refine_request(first: Request, draft_reply: str, draft: str, template: Template) -> Request:
    """Return the second turn: the first turn, what the student replied, and the request to improve it."""
    question = first.question
    assert question is not None  # noqa: S101  draft_request always sets it
    prompt = template.render(**_variables(question), draft=draft)
    messages = (*first.messages, Message("assistant", draft_reply), Message("user", prompt))
    return Request(
        messages,
        temperature=first.temperature,
        top_p=first.top_p,
        max_tokens=first.max_tokens,
        seed=first.seed,
        draw=first.draw,
        question=question,
    )


def _seed(question: Question, index: int) -> int | None:
    """Return a seed that differs for every further text on the same messages; none for the first."""
    return 1_000 * question.occurrence + index or None


def _variables(question: Question) -> dict[str, Any]:
    return {
        "skills": question.skills,
        "topic": question.topic.name,
        "k": question.k,
        "limit": question.sentence_limit,
        "limit_words": question.limit_words,
    }
