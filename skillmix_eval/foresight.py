"""What a run would ask for, in calls, tokens and dollars, before anything is asked.

Samples live as in a run, but their calls go to a `_Looker`, which asks nobody: it gives what the store holds
and counts the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from .anchors import anchors
from .calls import Caller
from .errors import CallFailedError
from .evaluate import Models, Setting
from .interfaces import Backend
from .pipeline import Job, Judge, Plan, answer, jobs_for
from .prices import price_of, size
from .records import Reply, Request, Usage
from .store import Store

_LOOKED_AT = 200  # texts from which lengths are taken
_LOOKED_UP = 5_000  # texts whose calls are looked for in the store
_CHARACTERS = 4.0  # per token, as in English
_TEXT = 80  # tokens of a text, where the store holds none of this run
_VERDICT = 60  # tokens of one rubric item's reason and quote


class Foreseen(msgspec.Struct, frozen=True):
    """What a run would ask for; tokens and dollars are estimates, for what the store does not hold."""

    questions: int
    texts: int
    student_calls: int  # at most, those that the store holds among them
    judge_calls: int  # those on anchors among them
    anchors: int
    student_stored: int
    judge_stored: int
    tokens: dict[str, Usage]
    dollars: float | None  # None where a price is unknown
    text_length: str  # where it was taken from
    verdict_length: str


class _Length(NamedTuple):
    """What a reply is like: its tokens, and how many characters of it others read."""

    tokens: int
    characters: int
    source: str = "a guess"


class _Looker(Caller):
    """Gives the replies that the store holds; counts the calls that would be paid, and makes no call."""

    def __init__(self, backend: Backend, store: Store | None, length: _Length, writes: bool) -> None:
        super().__init__(backend, store)
        self._length, self._writes = length, writes
        self.stored: list[_Length] = []
        self.used = Usage()

    async def __call__(self, request: Request) -> Reply:
        """Return the kept reply, or a student's of the usual length; raises CallFailedError for a judge's."""
        if kept := self.kept(request):
            characters = len(kept.text)
            tokens = kept.usage.output or round(characters / _CHARACTERS)
            self.stored.append(_Length(tokens, characters))
            return kept
        self.used += Usage(round(size(request) / _CHARACTERS), self._length.tokens)
        if not self._writes:
            raise CallFailedError("nobody is asked")
        return Reply("x" * self._length.characters)

    @property
    def length(self) -> _Length:
        """Return the mean length of the stored replies, the guess where there is none."""
        if not (n := len(self.stored)):
            return self._length
        tokens = round(sum(found.tokens for found in self.stored) / n)
        characters = round(sum(found.characters for found in self.stored) / n)
        return _Length(tokens, characters, f"{n:,} stored replies")


def foresee(setting: Setting, models: Models, store: Store | None) -> Foreseen:
    """Estimate what a run would ask for and cost now; asks nobody."""
    spec, protocol, texts = setting.spec, setting.protocol, setting.texts
    judges = [model for model in spec.judges if model.model != "rules"]
    known = [a.job for a in anchors(spec, spec.anchors)] if spec.anchors and judges else []
    step = max(1, texts // (_LOOKED_UP if store else _LOOKED_AT))
    jobs = list(jobs_for(setting.questions(), protocol.texts))[::step]
    verdict = round(_VERDICT * (sum(spec.k) / len(spec.k) + 3))
    guesses = [_Length(_TEXT, round(_TEXT * _CHARACTERS)), *(_Length(verdict, 0) for _ in judges)]
    sampled = jobs[:: max(1, len(jobs) // _LOOKED_AT)]
    lengths = [looker.length for looker in _look(setting, models, store, guesses, [*known, *sampled])]
    along = _look(setting, models, store, lengths, known)
    found = _look(setting, models, store, lengths, jobs)
    scale = texts / len(jobs)
    used = [a.used + _scaled(f.used, scale) for a, f in zip(along, found, strict=True)]
    stored = [len(a.stored) + round(len(f.stored) * scale) for a, f in zip(along, found, strict=True)]
    prices = [price_of(model, setting.money.prices) for model in (spec.student, *judges)]
    return Foreseen(
        questions=texts // protocol.texts,
        texts=texts,
        student_calls=texts * (2 if protocol.refine else 1),
        judge_calls=(texts + len(known)) * protocol.gradings * len(judges),
        anchors=len(known),
        student_stored=stored[0],
        judge_stored=sum(stored[1:]),
        tokens={"student": used[0], "judge": sum(used[1:], Usage())},
        dollars=None
        if any(price is None for price in prices)
        else sum(price.of(u) for price, u in zip(prices, used, strict=True) if price),
        text_length=lengths[0].source,
        verdict_length=lengths[1].source if judges else "",
    )


def _look(
    setting: Setting, models: Models, store: Store | None, lengths: Sequence[_Length], jobs: Iterable[Job]
) -> list[_Looker]:
    """Take jobs through a sample's life and return who was asked: the student, then the judges."""
    assert models.student is not None  # noqa: S101  only what asks a student is foreseen
    student = _Looker(models.student, store, lengths[0], writes=True)
    left = iter(lengths[1:])
    asks = [_Looker(b, store, next(left), writes=False) if b else None for b in models.judges]
    panel = tuple(Judge(grader, ask) for grader, ask in zip(models.graders, asks, strict=True))
    plan = Plan(setting.protocol, setting.spec.student, setting.draft, setting.refine, panel, student)

    async def walk() -> None:
        for job in jobs:
            await answer(plan, job)

    asyncio.run(walk())
    return [student, *(ask for ask in asks if ask)]


def _scaled(used: Usage, scale: float) -> Usage:
    return Usage(round(used.input * scale), round(used.output * scale))
