"""Text -> gradings: one judge call each, or code. The sentence limit is always decided by counting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import msgspec

from ..errors import CallFailedError
from ..interfaces import Grader
from ..records import (
    SENTENCE_LIMIT,
    Grading,
    GradingStatus,
    Question,
    Reply,
    Request,
    Text,
    TextStatus,
    Verdict,
)
from ..texts import count_sentences

_AGAIN = (GradingStatus.UNREADABLE, GradingStatus.FOOLED)

Ask = Callable[[Request], Awaitable[Reply]]
T = TypeVar("T")


async def grade(
    question: Question, text: Text, grader: Grader, ask: Ask | None, gradings: int, counter: str
) -> tuple[Grading, ...]:
    """Return `gradings` independent gradings of a text; none for a text that is not one."""
    if text.status is not TextStatus.OK:
        return ()
    calls = [_grade_once(question, text, grader, ask, index) for index in range(gradings)]
    return tuple(settle(question, text, g, counter) for g in await together(calls))


async def together(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Wait for all calls, so that none that is paid for is dropped as another fails; then raise the first."""
    done = await asyncio.gather(*calls, return_exceptions=True)
    for found in done:
        if isinstance(found, BaseException):
            raise found
    return [found for found in done if not isinstance(found, BaseException)]


def settle(question: Question, text: Text, grading: Grading, counter: str) -> Grading:
    """Put the counted sentence limit in place of whatever a judge said of it, and order the items."""
    if grading.status is not GradingStatus.OK:
        return grading
    found, limit = count_sentences(text.text, counter), question.sentence_limit
    counted = Verdict(found <= limit, f"{found} sentence{'s' * (found != 1)}, at most {limit} allowed")
    verdicts = {**grading.verdicts, SENTENCE_LIMIT: counted}
    ordered = {item: verdicts[item] for item in question.items}
    return msgspec.structs.replace(grading, verdicts=ordered)


async def _grade_once(question: Question, text: Text, grader: Grader, ask: Ask | None, index: int) -> Grading:
    """Return one grading; where the first reply is no verdict, the judge is asked once more, and no more."""
    first = await _attempt(question, text, grader, ask, 2 * index)
    if first.status not in _AGAIN:
        return first
    second = await _attempt(question, text, grader, ask, 2 * index + 1)
    kept = first if second.status is GradingStatus.FAILED else second
    return msgspec.structs.replace(
        kept, usage=first.usage + second.usage, calls=2, decoys=first.decoys + second.decoys
    )


async def _attempt(question: Question, text: Text, grader: Grader, ask: Ask | None, call: int) -> Grading:
    request = grader.ask(question, text, call)
    try:
        reply = await ask(request) if request and ask else None
    except CallFailedError as error:
        return Grading(
            question.id, text.index, call // 2, grader.fingerprint, GradingStatus.FAILED, why=str(error)
        )
    return grader.read(question, text, call, reply)
