"""One model call, memoised: the same request to the same model is paid for once, ever.

Wraps any backend. Stages see only `Caller`; nothing here knows what a question or a rubric is.
"""

from __future__ import annotations

import asyncio
import hashlib

import msgspec

from .interfaces import Backend
from .records import Record, Reply, Request, Usage
from .store import Store


class Spend(Record, frozen=True, gc=False):
    """Calls and tokens: what was paid for now, and what the store had already."""

    paid_calls: int = 0
    stored_calls: int = 0
    paid: Usage = Usage()

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            self.paid_calls + other.paid_calls, self.stored_calls + other.stored_calls, self.paid + other.paid
        )


class Caller:
    """Asks a backend through the store, within the backend's limit of calls at once."""

    def __init__(self, backend: Backend, store: Store | None) -> None:
        self.backend = backend
        self.spend = Spend()
        self._store = store
        self._slots = asyncio.Semaphore(backend.limit)

    async def __call__(self, request: Request) -> Reply:
        """Return the kept reply, or get one and keep it before returning.

        Raises CallFailedError (this call), BackendError (every call) or StoreError (nothing can be kept).
        """
        key = call_key(self.backend.identity, request)
        kept = self._store.get(key) if self._store else None
        if kept is not None:
            self._count(stored_calls=1)
            return msgspec.json.decode(kept, type=Reply)
        async with self._slots:
            reply = await self.backend.complete(request)
        self._count(paid_calls=1, paid=reply.usage)
        if self._store is None:
            return reply
        # nothing waits before the reply is handed over; from then on it is kept, even if the run is stopped
        return msgspec.json.decode(await self._store.put(key, msgspec.json.encode(reply)), type=Reply)

    def _count(self, paid_calls: int = 0, stored_calls: int = 0, paid: Usage | None = None) -> None:
        spend = self.spend
        self.spend = Spend(
            spend.paid_calls + paid_calls, spend.stored_calls + stored_calls, spend.paid + (paid or Usage())
        )


def call_key(identity: dict[str, str], request: Request) -> str:
    """Return the hash of everything that can change a reply: the model's identity and the whole request."""
    content = {name: getattr(request, name) for name in Request.__struct_fields__ if name != "question"}
    encoded = msgspec.json.encode([identity, content], order="deterministic")
    return hashlib.blake2b(encoded, digest_size=20).hexdigest()
