"""One model call, memoised: the same request to the same model is paid for once, ever.

Wraps any backend: keeps its replies, repeats what can heal, and holds back when the endpoint is overloaded.
Stages see only `Caller`; nothing here knows what a question or a rubric is.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, NoReturn

import msgspec

from .errors import BackendError, CallFailedError, StoreError, TransientError
from .interfaces import Backend
from .limits import Limit
from .prices import Budget
from .records import Record, Reply, Request, Usage
from .store import Store

_TRIES = 6  # of a call that meets faults; being asked to wait does not count
_FAILED = 50  # calls in a row that failed for good, after which no other is tried
_WAITING = 15  # times an endpoint's patience: so long a call that is only asked to wait is held to have hope
_LONGEST_WAIT = 30.0
_KEPT = "every answer is kept: run the same command again to go on."
# A tag of open models' reasoning; what stands before it on its line tells whether a block begins or one is
# only spoken of.
_THOUGHT = re.compile(
    r"(?P<begins>(?<![^\n.!?:>])[ \t]*)?"
    r"(?P<tag><(?P<ends>/)?(?:think|thinking|thought|reasoning)>|\[(?P<over>/)?THINK\])",
    re.IGNORECASE,
)


class Spend(Record, frozen=True, gc=False):
    """Calls and tokens: what was paid for now, and what the store had already."""

    paid_calls: int = 0
    stored_calls: int = 0
    untold: int = 0  # paid calls whose tokens the server did not tell
    paid: Usage = Usage()

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            self.paid_calls + other.paid_calls,
            self.stored_calls + other.stored_calls,
            self.untold + other.untold,
            self.paid + other.paid,
        )


class Caller:
    """Asks a backend through the store, within its own limit and that of its endpoint."""

    def __init__(
        self, backend: Backend, store: Store | None, limit: Limit | None = None, budget: Budget | None = None
    ) -> None:
        self.backend = backend
        self.spend = Spend()
        self.limit = limit or Limit(backend.limit, adaptive="endpoint" in backend.identity)
        self._own = asyncio.Semaphore(backend.limit)
        self._store = store
        self._budget = budget
        self._answered = False
        self._failed = 0  # calls since the last answer

    async def __call__(self, request: Request) -> Reply:
        """Return the kept reply, or get one and keep it before returning.

        Raises CallFailedError (this call), BackendError (every call), BudgetError (no money left) or
        StoreError (nothing can be kept).
        """
        key = call_key(self.backend.identity, request)
        kept = self._kept(key)
        if kept is not None:
            self._count(stored_calls=1)
            return kept
        reply = await self._tried(request)
        self._count(paid_calls=1, untold=reply.usage == Usage(), paid=reply.usage)
        if self._store is None:
            return without_thoughts(reply)
        # nothing waits before the reply is handed over; from then on it is kept, even if the run is stopped
        return self._decoded(await self._store.put(key, msgspec.json.encode(reply)))

    def kept(self, request: Request) -> Reply | None:
        """Return the reply that the store holds, or None; raises StoreError for one that cannot be read."""
        return self._kept(call_key(self.backend.identity, request))

    def _kept(self, key: str) -> Reply | None:
        found = self._store.get(key) if self._store else None
        return self._decoded(found) if found is not None else None

    async def _tried(self, request: Request) -> Reply:
        """Ask until there is an answer or no hope for one."""
        tries, faults, began = 0, 0, time.monotonic()
        while True:
            async with self._own, self._paying(request) as charge, self.limit as sent:
                try:
                    reply = await self.backend.complete(request)
                except CallFailedError as error:
                    if error.paid:
                        charge(Usage())
                    if not isinstance(error, TransientError):
                        self._lost(error)
                    tries += 1
                    faults += not error.wait
                    self._give_up(error, faults, time.monotonic() - max(began, self.limit.answered_at))
                    pause = _pause(tries, error.after)
                    if error.wait:
                        self.limit.overloaded(sent, pause)
                else:
                    charge(reply.usage)
                    self._answered, self._failed = True, 0
                    self.limit.answered()
                    return reply
            await asyncio.sleep(pause)

    def _paying(self, request: Request) -> AbstractAsyncContextManager[Callable[[Usage], None]]:
        return self._budget.reserved(request) if self._budget else nullcontext(lambda _: None)

    def _give_up(self, error: TransientError, faults: int, silent: float) -> None:
        """Raise where another try is of no use, for this call or, where the server is wrong or down, for all.

        `silent` is for how long nothing was answered, to this call or another: where others are answered, a
        call that is asked to wait has only to wait its turn.
        """
        if 0 < error.stops_after <= faults and not self._answered:
            raise BackendError(f"{error}.") from None
        if not error.wait and self.limit.failed():
            raise BackendError(f"{error}; nothing was answered for {silent:.0f} s; {_KEPT}") from None
        if faults >= _TRIES or silent > _WAITING * self.limit.patience:
            self._lost(CallFailedError(f"{error}, after {faults or 'many'} tries"))

    def _lost(self, error: CallFailedError) -> NoReturn:
        """Raise a call's lasting failure; after many in a row, that of all calls."""
        self._failed += 1
        if self._failed >= _FAILED:
            raise BackendError(f"{error}; the last {self._failed} calls all failed; {_KEPT}") from None
        raise error from None

    def _decoded(self, kept: bytes) -> Reply:
        try:
            return without_thoughts(msgspec.json.decode(kept, type=Reply))
        except msgspec.MsgspecError as error:
            place = self._store.path if self._store else ""
            raise StoreError(
                f"The store {place} holds an answer that cannot be read ({error}); it is damaged: "
                "choose another place with --store, or put back a copy."
            ) from None

    def _count(self, **more: Any) -> None:
        self.spend += Spend(**more)


def _pause(tries: int, after: float | None) -> float:
    """Return how long to wait: what the server asks for, else twice as long each time, with full jitter."""
    if after is not None:
        return min(max(after, 0.001 * 2.0 ** min(tries, 12)), 10 * _LONGEST_WAIT)
    longest = min(_LONGEST_WAIT, 0.25 * 2.0**tries)
    return longest * (0.5 + random.random() / 2)  # noqa: S311  spreads load, no secret


def without_thoughts(reply: Reply) -> Reply:
    """Return a reply without the reasoning that open models write before their answer.

    A block begins at the start of a line or after a sentence; chat templates may open it in the prompt, so
    an end without a beginning counts, too. The answer is what follows the last block, or else what stands
    before it; a block without an end leaves no answer after it. In a reply that is JSON, or code, such a tag
    is a quotation.
    """
    text = reply.text.lstrip()
    if text.startswith(("{", "```")) or not _THOUGHT.search(text):
        return reply
    pieces: list[str] = []
    start, inside, spoken_of = 0, False, False
    for found in _THOUGHT.finditer(text):
        if found["ends"] or found["over"]:
            if inside or not spoken_of:
                start, inside = found.end(), False
            spoken_of = False
        elif not inside and found["begins"] is not None:
            pieces.append(text[start : found.start("tag")])
            inside = True
        elif not inside:
            spoken_of = True
    if not inside:
        pieces.append(text[start:])
    answer = next((piece.strip() for piece in reversed(pieces) if piece.strip()), "")
    return reply if answer == text.strip() else msgspec.structs.replace(reply, text=answer)


def call_key(identity: dict[str, str], request: Request) -> str:
    """Return the hash of everything that can change a reply: the model's identity and the whole request."""
    content = {name: getattr(request, name) for name in Request.__struct_fields__ if name != "question"}
    encoded = msgspec.json.encode([identity, content], order="deterministic")
    return hashlib.blake2b(encoded, digest_size=20).hexdigest()
