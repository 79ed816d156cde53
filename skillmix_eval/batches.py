"""Model calls by way of files: /v1/files and /v1/batches, cheaper and slower than one call at a time.

Wraps a backend that can write its requests into a file. Calls that wait at the same time make up one batch;
which batches are under way is kept in the store's file, so that a closed run goes on with them days later.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from .calls import call_key
from .errors import BackendError, BadInputError, CallFailedError, TransientError
from .interfaces import Backend
from .ledger import Ledger
from .records import Reply, Request
from .store import Store

MOST_CALLS = 50_000  # in one batch, as OpenAI and others allow
_MOST_BYTES = 150_000_000  # of its file; 200 MB are allowed
_QUIET = 0.2  # seconds without a new call after which all that is to come in this round is there
_FIRST_LOOK, _LATER, _SLOWEST = 0.2, 1.5, 30.0  # seconds to the first look at a batch; each wait is longer
_SETTLE = 2.0  # seconds in which a batch that is being made gets its id
_ROUNDS = 4  # how often one call is put into a batch before it counts as failed
_LOST = 20  # failures to reach the server, one after another, while a batch is under way
_URL = "/v1/chat/completions"
_OVER = ("completed", "expired", "cancelled")


class FileBackend(Backend, Protocol):
    """A backend whose requests and answers can also travel in files."""

    def line(self, request: Request) -> dict[str, Any]:
        """Return the body of a request."""
        ...

    def answer(self, sent: dict[str, Any], status: int, content: bytes) -> Reply:
        """Read the answer to a body; raises what `complete` raises."""
        ...

    def clean(self, words: str) -> str:
        """Return what the server said on one line, without secrets."""
        ...

    def client(self) -> Any:
        """Return a client of the openai package for this endpoint."""
        ...


class _Call(NamedTuple):
    request: Request
    future: asyncio.Future[Reply]
    rounds: int = 0
    sent: dict[str, Any] = {}  # noqa: RUF012  its body in the latest batch


class BatchBackend:
    """Gathers the calls that wait, sends them as batches, and hands the answers out when they are there."""

    def __init__(self, backend: FileBackend, store: Store, say: Callable[[str], None]) -> None:
        self.identity = backend.identity
        self.limit = MOST_CALLS
        self._backend, self._store, self._say = backend, store, say
        self._ledger = Ledger(store)
        self._who = hashlib.blake2b(msgspec.json.encode(sorted(self.identity.items()))).hexdigest()[:40]
        self._where = self.identity.get("endpoint", "")
        self._calls: dict[str, _Call] = {}  # all that are waited for
        self._new: list[str] = []  # those in no batch yet
        self._followed: set[str] = set()  # input files of batches under way
        self._tasks: set[asyncio.Task[None]] = set()
        self._gatherer: asyncio.Task[None] | None = None
        self._client: Any = None

    async def complete(self, request: Request) -> Reply:
        """Return the reply when its batch is done, which may take a day."""
        key = call_key(self.identity, request)
        if key not in self._calls:
            self._calls[key] = _Call(request, asyncio.get_running_loop().create_future())
            self._queue([key])
        return await self._calls[key].future

    async def aclose(self) -> None:
        """Stop waiting; batches under way stay with the server, and in the ledger."""
        tasks = [*self._tasks, *([self._gatherer] if self._gatherer else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for call in self._calls.values():
            call.future.cancel()
        if self._client:
            await self._client.close()
        self._ledger.close()
        await self._backend.aclose()

    def _queue(self, keys: Iterable[str]) -> None:
        self._new.extend(keys)
        if self._new and (self._gatherer is None or self._gatherer.done()):
            self._gatherer = asyncio.create_task(self._gather())

    async def _gather(self) -> None:
        """Wait until no more calls come, then send those that are in no batch that is under way already."""
        seen = -1
        while seen < len(self._new) < MOST_CALLS:
            seen = len(self._new)
            await asyncio.sleep(_QUIET)
        keys, self._new = self._new, []
        with self._fatal():
            for file, batch, held in self._ledger.under_way(self._who):
                keys = [key for key in keys if key not in held]
                if file not in self._followed:
                    self._followed.add(file)
                    self._start(self._resumed(file, batch, sorted(held)))
            for part in _parts([(key, self._line(key)) for key in keys]):
                self._start(self._sent(part))

    def _line(self, key: str) -> bytes:
        body = self._backend.line(self._calls[key].request)
        self._calls[key] = self._calls[key]._replace(sent=body)
        return msgspec.json.encode({"custom_id": key, "method": "POST", "url": _URL, "body": body}) + b"\n"

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            with self._fatal():
                await work

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @contextlib.contextmanager
    def _fatal(self) -> Iterator[None]:
        """Let an error that stops all calls reach every caller: nobody may wait for ever."""
        try:
            yield
        except Exception as error:
            for call in self._calls.values():
                _fail(call.future, error)

    async def _sent(self, part: Sequence[tuple[str, bytes]]) -> None:
        """Upload a file, note it, and have it worked on: in this order no batch is lost by a kill."""
        keys = [key for key, _ in part]
        content = b"".join(line for _, line in part)
        file = await self._ask(lambda c: c.files.create(file=("calls.jsonl", content), purpose="batch"))
        self._ledger.note(file.id, self._who, "", keys)
        self._followed.add(file.id)
        await self._worked_on(file.id, keys)

    async def _worked_on(self, file: str, keys: Sequence[str]) -> None:
        batch = await self._ask(
            lambda c: c.batches.create(input_file_id=file, endpoint=_URL, completion_window="24h")
        )
        self._ledger.note(file, self._who, batch.id, keys)
        self._say(
            f"Batch {batch.id} with {len(keys):,} calls to {self.identity.get('model', '')} is under way at "
            f"{self._where}. It may take a day; stop this command if you like, and run it again to go on."
        )
        await self._followed_up(file, batch.id, keys)

    async def _resumed(self, file: str, batch: str, keys: Sequence[str]) -> None:
        """Go on with an earlier run's batch; where that run was killed too early to note its id, find it."""
        if not batch:
            await asyncio.sleep(_SETTLE)  # another process may be making it at this moment
            batch = next((b for f, b, _ in self._ledger.under_way(self._who) if f == file), "")
        if not batch:
            listed = await self._ask(lambda c: c.batches.list(limit=100))
            batch = next((b.id for b in listed.data if b.input_file_id == file), "")
        if batch:
            await self._followed_up(file, batch, keys)
        else:
            await self._worked_on(file, keys)

    async def _followed_up(self, file: str, batch_id: str, keys: Sequence[str]) -> None:
        """Wait for a batch, keep all its answers, and hand out those that are waited for."""
        for key in keys:  # of an earlier run's batch: as this one would send it
            if (call := self._calls.get(key)) and not call.sent:
                self._calls[key] = call._replace(sent=self._backend.line(call.request))
        try:
            batch = await self._over(batch_id)
            found = await self._results(batch)
        except _GoneError as gone:
            self._ledger.forget(file)
            self._queue(key for key in keys if self._handed_out(key, TransientError(str(gone))))
            return
        if batch.status == "failed":
            self._ledger.forget(file)
            why = "; ".join(str(e.message) for e in (batch.errors and batch.errors.data) or ()) or "no reason"
            raise BackendError(f"{self._where} refuses the batch {batch_id}: {self._backend.clean(why)}.")
        refused = [e for e in found.values() if isinstance(e, TransientError) and e.stops_after]
        if refused and len(refused) == len(found):
            self._ledger.forget(file)
            raise BackendError(f"{refused[0]}.")
        kept = [(k, msgspec.json.encode(r)) for k, r in found.items() if isinstance(r, Reply)]
        await asyncio.gather(*(self._store.put(key, value) for key, value in kept))
        self._ledger.forget(file)
        missing = TransientError(f"{self._where} left it out of the batch {batch_id}, which {batch.status}")
        self._queue(key for key in keys if self._handed_out(key, found.get(key, missing)))

    def _handed_out(self, key: str, found: Reply | Exception) -> bool:
        """Give an answer to who waits for it; True where the call is to be put into another batch."""
        call = self._calls.get(key)
        if call is None or call.future.done():
            return False
        if isinstance(found, TransientError) and call.rounds + 1 < _ROUNDS:
            self._calls[key] = call._replace(rounds=call.rounds + 1)
            return True
        if isinstance(found, Reply):
            call.future.set_result(found)
        else:
            lasting = CallFailedError(f"{found} ({_ROUNDS} batches)")
            _fail(call.future, lasting if isinstance(found, TransientError) else found)
        del self._calls[key]
        return False

    async def _over(self, batch_id: str) -> Any:
        """Look at a batch, less and less often, until it is over."""
        pause = _FIRST_LOOK
        while True:
            await asyncio.sleep(pause)
            pause = min(_SLOWEST, pause * _LATER)
            batch = await self._ask(lambda c: c.batches.retrieve(batch_id), _LOST)
            if batch.status in (*_OVER, "failed"):
                return batch

    async def _results(self, batch: Any) -> dict[str, Reply | Exception]:
        found: dict[str, Reply | Exception] = {}
        for name in filter(None, (batch.output_file_id, batch.error_file_id)):
            content = await self._ask(partial(_content, name), _LOST)
            found |= self._read(content.content)
        return found

    def _read(self, content: bytes) -> dict[str, Reply | Exception]:
        """Read a result file: one JSON object a line, in any order."""
        found: dict[str, Reply | Exception] = {}
        for row in filter(None, content.split(b"\n")):
            try:
                line = msgspec.json.decode(row, type=_Line)
            except msgspec.MsgspecError:
                continue  # its call is missing then, and asked again
            found[line.custom_id] = self._judged(line)
        return found

    def _judged(self, line: _Line) -> Reply | Exception:
        call = self._calls.get(line.custom_id)
        where = line.response
        if where is None or not where.status_code:
            said = self._backend.clean(bytes(line.error).decode(errors="replace"))
            return TransientError(f"{self._where} did not answer it: {said}")
        empty = bytes(where.body) in (b"", b"null")
        content = bytes(line.error if empty else where.body)
        try:
            return self._backend.answer(call.sent if call else {}, where.status_code, content)
        except (CallFailedError, BackendError) as error:
            return error

    async def _ask(self, what: Callable[[Any], Any], tries: int = 1) -> Any:
        """Use the openai package's client, which repeats calls itself; `tries` are for what takes days."""
        import openai

        self._client = self._client or self._backend.client()
        passing = (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError)
        for left in reversed(range(tries)):
            try:
                return await what(self._client)
            except openai.OpenAIError as error:
                if not (left and isinstance(error, passing)):
                    raise self._fault(error) from None
            await asyncio.sleep(_SLOWEST)
        raise AssertionError  # the last try returned or raised

    def _fault(self, error: Exception) -> BackendError:
        """Return the error that stops the run, with what the server said."""
        status = getattr(error, "status_code", None)
        if status in (404, 405):
            return _GoneError(f"{self._where} has no batches (/v1/files, /v1/batches); leave --batch out.")
        if status is None:
            why = self._backend.clean(str(error.__cause__ or error))
            return BackendError(
                f"{self._where} cannot be reached for its batches ({why}); those under way are noted: run "
                "the same command again to go on."
            )
        try:
            self._backend.answer({}, status, msgspec.json.encode(getattr(error, "body", None) or {}))
        except BackendError as known:
            return known
        except CallFailedError as failed:
            return BackendError(f"{failed}.")
        return BackendError(f"{self._where} gave {status} to a batch.")


def _content(name: str, client: Any) -> Any:
    return client.files.content(name)


class _GoneError(BackendError):
    """What was asked for is not there."""


def _fail(future: asyncio.Future[Reply], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # no complaint where nobody waits any more


class _Response(msgspec.Struct):
    status_code: int = 0
    body: msgspec.Raw = msgspec.Raw(b"")


class _Line(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: msgspec.Raw = msgspec.Raw(b"")


def _parts(lines: Iterable[tuple[str, bytes]]) -> list[list[tuple[str, bytes]]]:
    """Cut calls into batches that are neither too many calls nor too large a file."""
    parts: list[list[tuple[str, bytes]]] = []
    size = 0
    for key, line in lines:
        size += len(line)
        if not parts or len(parts[-1]) == MOST_CALLS or size > _MOST_BYTES:
            parts.append([])
            size = len(line)
        parts[-1].append((key, line))
    return parts


def by_files(
    backends: Sequence[Backend | None], store: Store, say: Callable[[str], None]
) -> list[Backend | None]:
    """Return the backends with those that can send files doing so; raises BadInputError where none can."""
    able = [b for b in backends if b is not None and hasattr(b, "line")]
    if not able:
        raise BadInputError("--batch is for models at an endpoint (openai/...), and this run asks none.")
    first = {msgspec.json.encode(b.identity, order="deterministic"): b for b in reversed(able)}
    # a judge that is the student's own model shares its batches
    made = {key: BatchBackend(cast(FileBackend, b), store, say) for key, b in first.items()}
    keys = (msgspec.json.encode(b.identity, order="deterministic") if b else b"" for b in backends)
    return [made.get(key, b) for key, b in zip(keys, backends, strict=True)]
