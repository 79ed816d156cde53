"""How many calls may be in flight at one endpoint: found out by asking, as TCP finds its window."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from types import TracebackType

_START = 64
_FAULTS = 10  # in a row, without an answer between, after which an endpoint is held to be down
_PAUSE = 2.0  # seconds between calls to an endpoint that is down
PATIENCE = 60.0  # seconds in which a server that was restarted is back


class Limit:
    """A number of calls that grows while an endpoint keeps up and halves when it is overloaded.

    Slow start: one more for each answer, so it doubles with each round of answers, up to `most`. After the
    first "too many requests" it halves, waits as long as the server asks, and grows by one a round (additive
    increase, multiplicative decrease). An engine in this process has all from the start. An endpoint that is
    down is asked by one call at a time, until it answers or `patience` seconds are over.
    """

    def __init__(self, most: int, adaptive: bool = True, patience: float = PATIENCE) -> None:
        self.most = most
        self.patience = patience
        self._faults = 0  # since the last answer
        self._silent_since = float("inf")
        self.now = float(min(most, _START) if adaptive else most)
        self._in_flight = 0
        self._slow_start = True
        self._cut_at = float("-inf")
        self._open_at = 0.0
        self.answered_at = float(
            "-inf"
        )  # when a call was last answered (time.monotonic, which event loops go by)
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> float:
        """Wait for a place; return when it was given."""
        loop = asyncio.get_running_loop()
        while self._in_flight >= int(self.now) or loop.time() < self._open_at:
            place = loop.create_future()
            self._waiting.append(place)
            if loop.time() < self._open_at:
                loop.call_at(self._open_at, self._wake)
            await place
        self._in_flight += 1
        return loop.time()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place back."""
        self._in_flight -= 1
        self._wake()

    def answered(self) -> None:
        """Note an answer: the endpoint keeps up."""
        self._faults, self._silent_since = 0, float("inf")
        self.answered_at = time.monotonic()
        self.now = min(self.most, self.now + (1.0 if self._slow_start else 1.0 / self.now))

    def overloaded(self, began: float, seconds: float) -> None:
        """Note that a call that began then was turned away, and that none is to come for so many seconds.

        Calls sent before the last halving say nothing new.
        """
        now = asyncio.get_running_loop().time()
        self._open_at = max(self._open_at, now + seconds)
        if began >= self._cut_at:
            self.now, self._slow_start, self._cut_at = max(1.0, self.now / 2), False, now

    def failed(self) -> bool:
        """Note a call that came to nothing; True where the endpoint is down for good."""
        now = time.monotonic()
        self._faults += 1
        self._silent_since = min(self._silent_since, now)
        if self._faults < _FAULTS:
            return False
        self.now, self._slow_start = 1.0, True
        self._open_at = max(self._open_at, now + min(_PAUSE, self.patience / 4))
        # what is still in flight may yet be answered
        return now - self._silent_since > self.patience and self._in_flight <= 1

    def _wake(self) -> None:
        free = int(self.now) - self._in_flight
        while free > 0 and self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1
