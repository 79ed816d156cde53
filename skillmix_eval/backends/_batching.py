"""Gathers concurrent calls into batches for engines that run in this process and answer many at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..errors import CallFailedError, SkillMixError
from ..records import Reply, Request

Answer = Reply | Exception
_WAIT = 0.005  # seconds to wait for more calls: long beside a task switch, short beside an engine's work


class MicroBatcher:
    """Runs one engine in one thread; calls that wait while it works make up its next batch."""

    def __init__(self, run: Callable[[Sequence[Request]], Sequence[Answer]], size: int) -> None:
        self._run = run
        self._size = size
        self._waiting: list[tuple[Request, asyncio.Future[Reply]]] = []
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="skillmix-engine")

    async def __call__(self, request: Request) -> Reply:
        """Return the engine's reply, or raise what it gave or raised for this request."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def aclose(self) -> None:
        """Stop; a batch that is being computed is let finish."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        await asyncio.to_thread(self._thread.shutdown)

    async def _work(self) -> None:
        await asyncio.sleep(_WAIT)
        while self._waiting:
            batch, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
            batch = [(request, future) for request, future in batch if not future.done()]
            if batch:
                await self._answer(batch)

    async def _answer(self, batch: list[tuple[Request, asyncio.Future[Reply]]]) -> None:
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(self._thread, self._attempt, [request for request, _ in batch])
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():  # its call was given up meanwhile
                continue
            if isinstance(answer, Reply):
                future.set_result(answer)
            else:
                future.set_exception(answer)

    def _attempt(self, requests: Sequence[Request]) -> Sequence[Answer]:
        """Run the engine; where it fails on a batch, find out by single requests which ones it cannot do."""
        try:
            return self._run(requests)
        except SkillMixError as error:
            return [error] * len(requests)
        except Exception as error:  # an engine has errors of its own kinds
            if len(requests) > 1:
                return [answer for request in requests for answer in self._attempt([request])]
            why = " ".join(str(error).split())[:300]
            return [CallFailedError(f"the engine failed: {type(error).__name__}: {why}")]
