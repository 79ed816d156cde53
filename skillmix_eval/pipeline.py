"""A sample's life, on one screen, and the loop that runs many of them at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from .calls import Caller
from .interfaces import Grader
from .records import Question, Sample, Text
from .spec import ModelSpec, Protocol
from .stages.generate import generate, refinable, refine
from .stages.grade import grade
from .stages.prompt import draft_request, refine_request
from .stages.score import score
from .templates import Template

T = TypeVar("T")


class Judge(msgspec.Struct, frozen=True):
    """Who grades, and how it is asked: None where code decides alone."""

    grader: Grader
    ask: Caller | None


class Plan(msgspec.Struct, frozen=True):
    """What a run needs besides its questions."""

    protocol: Protocol
    student: ModelSpec
    draft: Template
    refine: Template | None
    judges: tuple[Judge, ...]  # several are a panel: all their gradings vote
    ask_student: Caller | None  # None where texts are given and only graded

    @property
    def fingerprint(self) -> str:
        """Who grades, all judges of a panel together."""
        return " + ".join(judge.grader.fingerprint for judge in self.judges)


class Job(msgspec.Struct, frozen=True):
    """A question to answer; `text` is there when only the grading is wanted."""

    question: Question
    index: int
    text: Text | None = None


async def answer(plan: Plan, job: Job) -> Sample:
    """Take one question through its whole life: prompt, generate, refine, grade, score."""
    question, protocol = job.question, plan.protocol
    text = job.text or await write(plan, question, job.index)
    calls = [
        grade(question, text, judge.grader, judge.ask, protocol.gradings, protocol.sentence_counter)
        for judge in plan.judges
    ]
    gradings = tuple(itertools.chain.from_iterable(await asyncio.gather(*calls)))
    return Sample(question, text, gradings, score(question, text, gradings))


async def write(plan: Plan, question: Question, index: int) -> Text:
    """Have the student write a text, and improve it where the protocol has a second turn."""
    assert plan.ask_student is not None  # noqa: S101  a plan without a student has jobs with texts
    first = draft_request(question, index, plan.draft, plan.student)
    text, reply = await generate(first, index, plan.ask_student, plan.draft.header.reply)
    if plan.refine is None or not refinable(text):
        return text
    second = refine_request(first, reply, text.text, plan.refine)
    return await refine(second, text, plan.ask_student, plan.refine.header.reply)


async def run(plan: Plan, jobs: Iterable[Job], on_sample: Callable[[Sample], None]) -> tuple[Sample, ...]:
    """Do all jobs, many at once, and return their samples in the order of the jobs.

    A text is graded when it arrives. Jobs are taken up lazily: a million questions make no million tasks.
    Raises the first BackendError or StoreError, after which nothing more is asked.
    """

    async def one(job: Job) -> Sample:
        sample = await answer(plan, job)
        on_sample(sample)
        return sample

    asked = (plan.ask_student, *(judge.ask for judge in plan.judges))
    return await _all(jobs, one, sum(ask.backend.limit for ask in asked if ask))


async def write_all(plan: Plan, jobs: Iterable[Job]) -> tuple[Job, ...]:
    """Have all texts written and none graded: for a student that must make room before a judge can start."""
    assert plan.ask_student is not None  # noqa: S101

    async def one(job: Job) -> Job:
        text = job.text or await write(plan, job.question, job.index)
        return msgspec.structs.replace(job, text=text)

    return await _all(jobs, one, plan.ask_student.backend.limit)


async def _all(jobs: Iterable[Job], do: Callable[[Job], Awaitable[T]], places: int) -> tuple[T, ...]:
    """Do all jobs, at most so many at once, and return what they give, in their order."""
    numbered = enumerate(jobs)
    done: dict[int, T] = {}

    async def work(number: int, job: Job) -> None:
        done[number] = await do(job)
        for later, next_job in numbered:
            done[later] = await do(next_job)

    try:
        async with asyncio.TaskGroup() as group:
            for number, job in itertools.islice(numbered, max(1, places)):
                group.create_task(work(number, job))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return tuple(done[number] for number in sorted(done))


def jobs_for(questions: Iterable[Question], texts: int) -> Iterator[Job]:
    """Return one job per text that each question is to have."""
    return (Job(question, index) for question in questions for index in range(texts))
