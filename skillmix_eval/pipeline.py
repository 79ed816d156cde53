"""A sample's life, on one screen, and the loop that runs many of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

import msgspec

from .calls import Caller
from .interfaces import Grader
from .records import Question, Sample, TextStatus
from .spec import ModelSpec, Protocol
from .stages.generate import generate, refine
from .stages.grade import grade
from .stages.prompt import draft_request, refine_request
from .stages.score import score
from .templates import Template


class Plan(msgspec.Struct, frozen=True):
    """What a run needs besides its questions."""

    protocol: Protocol
    student: ModelSpec
    draft: Template
    refine: Template | None
    grader: Grader
    ask_student: Caller
    ask_judge: Caller | None


async def answer(plan: Plan, question: Question, index: int) -> Sample:
    """Take one question through its whole life: prompt, generate, refine, grade, score."""
    first = draft_request(question, index, plan.draft, plan.student)
    text, reply = await generate(first, index, plan.ask_student, plan.draft.header.reply)
    if plan.refine and text.status not in (TextStatus.FAILED, TextStatus.EMPTY, TextStatus.REFUSED):
        second = refine_request(first, reply, text.text, plan.refine)
        text = await refine(second, text, plan.ask_student, plan.refine.header.reply)
    gradings = await grade(
        question, text, plan.grader, plan.ask_judge, plan.protocol.gradings, plan.protocol.sentence_counter
    )
    return Sample(question, text, gradings, score(question, text, gradings))


async def run(
    plan: Plan, questions: Iterable[Question], on_sample: Callable[[Sample], None]
) -> tuple[Sample, ...]:
    """Take all questions through their lives, many at once, and return the samples in question order.

    A text is graded when it arrives. Only as many questions are in memory as calls can be in flight.
    Raises the first BackendError or StoreError, after which nothing more is asked.
    """
    jobs = _jobs(questions, plan.protocol.texts)
    done: dict[int, Sample] = {}

    async def work() -> None:
        for number, question, index in jobs:
            done[number] = await answer(plan, question, index)
            on_sample(done[number])

    judge_limit = plan.ask_judge.backend.limit if plan.ask_judge else 0
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(plan.ask_student.backend.limit + judge_limit):
                group.create_task(work())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return tuple(done[number] for number in sorted(done))


def _jobs(questions: Iterable[Question], texts: int) -> Iterator[tuple[int, Question, int]]:
    for number, question in enumerate(questions):
        for index in range(texts):
            yield number * texts + index, question, index
