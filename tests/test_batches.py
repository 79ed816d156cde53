"""Model calls by files and batches, against a real server that keeps them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from skillmix_eval.backends.openai import OpenAIBackend
from skillmix_eval.batches import BatchBackend, by_files
from skillmix_eval.calls import Caller
from skillmix_eval.errors import BackendError, CallFailedError
from skillmix_eval.records import Message, Reply, Request
from skillmix_eval.spec import ModelSpec
from skillmix_eval.store import Store

from .batch_server import BatchServer
from .server import (
    STUDENT,
    Done,
    Server,
    command,
    environment,
    once,
    one_sentence,
    run_files,
    run_options,
    skillmix,
)

KEY = "sk-marker"


def requests(count: int, first: int = 0) -> list[Request]:
    """Return different requests."""
    return [Request((Message("user", f"Write line {i}."),)) for i in range(first, first + count)]


def ask(
    server: Server,
    folder: Path,
    asked: list[Request],
    until: Callable[[], bool] | None = None,
    batch: bool = True,
) -> list[Reply | BaseException]:
    """Ask through the folder's store, by batch or live; with `until`, stop as soon as that holds."""

    async def session() -> list[Reply | BaseException]:
        store = Store(folder / "store.sqlite")
        live = OpenAIBackend(ModelSpec(model=f"openai/{STUDENT}", base_url=server.url), STUDENT, KEY)
        backend = BatchBackend(live, store, said.append) if batch else live
        caller = Caller(backend, store)
        work = asyncio.gather(*(caller(r) for r in asked), return_exceptions=True)
        try:
            while until and not until():
                await asyncio.sleep(0.01)
            if until:
                work.cancel()
            return await work
        except asyncio.CancelledError:
            return []
        finally:
            await backend.aclose()
            store.close()

    return asyncio.run(session())


said: list[str] = []


def test_one_batch_for_all_that_wait(tmp_path: Path) -> None:
    """Calls that wait together are one batch, and its answers are those that live calls get and keep."""
    with BatchServer() as server:
        batched = ask(server, tmp_path, requests(5))
        assert server.sizes() == [5]
        assert server.live_calls == 0
        assert ask(server, tmp_path, requests(5), batch=False) == batched
        assert server.live_calls == 0
        (tmp_path / "store.sqlite").unlink()
        assert ask(server, tmp_path, requests(5), batch=False) == batched
        assert server.live_calls == 5
    assert all(isinstance(reply, Reply) and reply.usage.output for reply in batched)


def test_closed_and_opened_later(tmp_path: Path) -> None:
    """A run closed while its batch is under way goes on with that batch, and pays only for what is new."""
    with BatchServer() as server:
        server.may_work.clear()
        assert ask(server, tmp_path, requests(5), lambda: bool(server.batches)) == []
        server.may_work.set()
        replies = ask(server, tmp_path, requests(7))
        assert server.sizes() == [5, 2]
        assert len({reply.text for reply in replies if isinstance(reply, Reply)}) == 7


def test_closed_before_its_id_was_known(tmp_path: Path) -> None:
    """A batch whose making was cut off is found again by its file, not made twice."""
    with BatchServer() as server:
        server.lose_creation = True
        ask(server, tmp_path, requests(5), lambda: bool(server.batches))
        server.may_work.set()
        assert len(ask(server, tmp_path, requests(5))) == 5
        assert server.sizes() == [5]


def test_answers_nobody_waits_for(tmp_path: Path) -> None:
    """All answers of a batch are kept, those to calls that a later run does not make too."""
    with BatchServer() as server:
        server.may_work.clear()
        ask(server, tmp_path, requests(5), lambda: bool(server.batches))
        server.may_work.set()
        ask(server, tmp_path, requests(1))
        ask(server, tmp_path, requests(5))
        assert server.sizes() == [5]


@pytest.mark.parametrize("fault", ["expired", "429", "500", "left out"])
def test_what_can_heal_is_sent_again(tmp_path: Path, fault: str) -> None:
    """A call that a batch leaves without an answer goes into the next; the others are not asked again."""
    with BatchServer(once(fault, lambda call: "line 3" in call.prompt)) as server:
        replies = ask(server, tmp_path, requests(5))
        assert all(isinstance(reply, Reply) for reply in replies)
        assert server.sizes() == [5, 1]


def test_what_cannot_heal(tmp_path: Path) -> None:
    """A call that is refused fails alone; one that no batch answers fails after a few."""
    faults = {"Write line 1.": "400", "Write line 2.": "expired"}
    with BatchServer(lambda call: faults.get(call.prompt)) as server:
        replies = ask(server, tmp_path, requests(4))
        assert [isinstance(reply, CallFailedError) for reply in replies] == [False, True, True, False]
        assert server.sizes() == [4, 1, 1, 1]


def test_a_server_without_batches(tmp_path: Path) -> None:
    """A server that has no batches is one sentence, for every call."""
    with Server() as server:
        replies = ask(server, tmp_path, requests(3))
    assert all(isinstance(reply, BackendError) for reply in replies)
    assert "leave --batch out" in str(replies[0])


def test_a_lost_batch(tmp_path: Path) -> None:
    """Calls of a batch that the server no longer knows are put into another."""
    with BatchServer() as server:
        server.may_work.clear()
        ask(server, tmp_path, requests(3), lambda: bool(server.batches))
        server.batches.clear()
        server.may_work.set()
        assert all(isinstance(reply, Reply) for reply in ask(server, tmp_path, requests(3)))
        assert server.sizes() == [3]


def test_the_key_is_in_no_file(tmp_path: Path) -> None:
    """What is uploaded holds the requests and nothing else."""
    with BatchServer() as server:
        ask(server, tmp_path, requests(1))
        line = json.loads(next(iter(server.files.values())))
    assert sorted(line) == ["body", "custom_id", "method", "url"]
    assert sorted(line["body"]) == ["messages", "model"]


@pytest.mark.parametrize("fault", [f"failed:bad {KEY}", f"error:bad {KEY}", f"401:bad {KEY}", f"400:{KEY}"])
def test_the_key_is_in_no_error(tmp_path: Path, fault: str) -> None:
    """A key that the server repeats, of a whole batch or of a line, is in no error."""
    with BatchServer(lambda _: fault) as server:
        (error,) = ask(server, tmp_path, requests(1))
    assert isinstance(error, BackendError if fault[:3] in ("fai", "401") else CallFailedError)
    assert "[key]" in str(error)
    assert KEY not in str(error)


def test_other_words_after_a_break(tmp_path: Path) -> None:
    """A batch that an earlier run sent in words that the server does not take is sent again in others."""
    asked = [msgspec.structs.replace(r, max_tokens=9) for r in requests(3)]
    said = "400:Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with BatchServer(lambda call: said if "max_tokens" in call.body else None) as server:
        server.may_work.clear()
        ask(server, tmp_path, asked, lambda: bool(server.batches))
        server.may_work.set()
        assert all(isinstance(reply, Reply) for reply in ask(server, tmp_path, asked))
        assert server.sizes() == [3, 3]


def by_cli(server: Server, folder: Path, out: str, *options: object) -> Done:
    """Return a finished run of the command line."""
    done = skillmix("run", *run_options(server, folder), "-k", 2, "--out", out, *options, cwd=folder)
    assert done.code == 0, done.err
    return done


def test_a_run_by_batch(tmp_path: Path) -> None:
    """A run by batch ends as one of single calls does, goes on from it, and says what is under way."""
    with BatchServer() as server:
        by_cli(server, tmp_path, "live", "-n", 4)
        before = server.live_calls
        done = by_cli(server, tmp_path, "batched", "-n", 10, "--batch")
        assert server.live_calls == before
        assert server.sizes() == [6, 6, 6]
        assert done.err.count("is under way") == 3
        (tmp_path / "store.sqlite").rename(tmp_path / "other.sqlite")
        by_cli(server, tmp_path, "single", "-n", 10)
    assert run_files(tmp_path / "batched") == run_files(tmp_path / "single")


def test_a_run_killed_and_gone_on_with(tmp_path: Path) -> None:
    """A run killed while its batch is under way, and run again, makes no call twice."""
    with BatchServer() as server:
        server.may_work.clear()
        options = [*run_options(server, tmp_path), "-k", 2, "-n", 5, "--out", "run", "--batch"]
        process = subprocess.Popen(command("run", *options), cwd=tmp_path, env=environment(), text=True)
        while not server.batches and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        process.wait(60)
        server.may_work.set()
        done = skillmix("run", *options, cwd=tmp_path)
        assert done.code == 0, done.err
        assert all(call.attempt == 0 for call in server.calls)


def test_batches_of_what_needs_none(tmp_path: Path) -> None:
    """A run that asks no endpoint has no use for batches, which is one sentence."""
    done = skillmix("run", "-n", 1, "-k", 1, "--batch", "--out", "run", cwd=tmp_path)
    assert done.code == 2
    one_sentence(done, "--batch", "openai/")


def test_a_model_that_grades_itself(tmp_path: Path) -> None:
    """A judge that is the student's own model at the same address shares its batches; another has its own."""
    store = Store(tmp_path / "store.sqlite")
    models = [ModelSpec(model=f"openai/{name}", base_url="http://localhost:1/v1") for name in ("a", "a", "b")]
    live = [OpenAIBackend(m, m.model.partition("/")[2], "key") for m in models]
    student, judge, other = by_files(live, store, said.append)
    assert student is judge
    assert student is not other
    for backend in (student, judge, other):
        assert backend is not None
        asyncio.run(backend.aclose())
    store.close()
