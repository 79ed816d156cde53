"""A sample's life, on one screen, and the loop that runs many of them at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

import msgspec

from .calls import Caller
from .errors import BudgetError
from .interfaces import Grader
from .records import Question, Sample, Text
from .spec import ModelSpec, Protocol
from .spool import Spool
from .stages.generate import generate, refinable, refine
from .stages.grade import grade, together
from .stages.prompt import draft_request, refine_request
from .stages.score import score
from .templates import Template


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
    gradings = tuple(itertools.chain.from_iterable(await together(calls)))
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


async def run(plan: Plan, jobs: Iterable[Job], on_sample: Callable[[Sample], None]) -> Sequence[Sample]:
    """Do all jobs, many at once, and return their samples in the order of the jobs; many of them wait on
    disk.

    A text is graded when it arrives. Jobs are taken up lazily: a million questions make no million tasks.
    Raises the first BackendError or StoreError, after which nothing more is asked.
    """

    done = Spool()

    async def one(number: int, job: Job) -> None:
        sample = await answer(plan, job)
        on_sample(sample)
        done.put(number, sample)

    asked = (plan.ask_student, *(judge.ask for judge in plan.judges))
    places = sum(ask.backend.limit for ask in asked if ask)
    await _all(jobs, one, places + places // 2)  # some wait, rendered, while others are being written down
    return done.samples()


async def write_all(plan: Plan, jobs: Iterable[Job]) -> tuple[Job, ...]:
    """Have all texts written and none graded: for a student that must make room before a judge can start."""
    assert plan.ask_student is not None  # noqa: S101

    done: dict[int, Job] = {}

    async def one(number: int, job: Job) -> None:
        text = job.text or await write(plan, job.question, job.index)
        done[number] = msgspec.structs.replace(job, text=text)

    await _all(jobs, one, plan.ask_student.backend.limit)
    return tuple(done[number] for number in sorted(done))


async def _all(jobs: Iterable[Job], do: Callable[[int, Job], Awaitable[None]], places: int) -> None:
    """Do all jobs, numbered in their order, at most so many at once; once money is out, end what is begun."""
    numbered = enumerate(jobs)
    spent: list[BudgetError] = []

    async def work(number: int, job: Job) -> None:
        try:
            await do(number, job)
            for later, next_job in numbered:
                await do(later, next_job)
                if spent:
                    return
        except BudgetError as error:
            spent.append(error)

    try:
        async with asyncio.TaskGroup() as group:
            for number, job in itertools.islice(numbered, max(1, places)):
                group.create_task(work(number, job))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    if spent:
        raise spent[0]


def jobs_for(questions: Iterable[Question], texts: int) -> Iterator[Job]:
    """Return one job per text that each question is to have."""
    return (Job(question, index) for question in questions for index in range(texts))
