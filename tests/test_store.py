"""The store: durable, first value wins, and clear about what it cannot do."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from skillmix_eval.errors import StoreError
from skillmix_eval.store import Store

from .server import environment

WRITER = """
import asyncio, sys
from pathlib import Path
from skillmix_eval.errors import StoreError
from skillmix_eval.store import Store

async def main():
    store = Store(Path(sys.argv[1]))
    for number in range(int(sys.argv[3])):
        await store.put(f"{sys.argv[2]}-{number}", b"x" * int(sys.argv[4]))
        print(number, flush=True)
    store.close()

try:
    asyncio.run(main())
except StoreError as error:
    sys.exit(str(error))
"""


def put(store: Store, *pairs: tuple[str, bytes]) -> list[bytes]:
    """Return what is kept after putting all pairs at once."""

    async def all_at_once() -> list[bytes]:
        return list(await asyncio.gather(*(store.put(k, v) for k, v in pairs)))

    return asyncio.run(all_at_once())


def writer(
    path: Path, name: str, count: int, size: int = 10, limit: int | None = None
) -> subprocess.Popen[str]:
    """Start a process that puts `count` replies and prints a line after each; `limit` is its largest file."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count), str(size)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))),
    )


def test_first_value_stays(tmp_path: Path) -> None:
    """The first reply for a key is kept, and every later one gets it back."""
    store = Store(tmp_path / "s.sqlite")
    assert put(store, ("a", b"1")) == [b"1"]
    assert put(store, ("a", b"2"), ("b", b"3"), ("b", b"4")) == [b"1", b"3", b"3"]
    store.close()


def test_reopened(tmp_path: Path) -> None:
    """A new process finds what an earlier one kept, and nothing else."""
    first = Store(tmp_path / "deep" / "er" / "s.sqlite")
    put(first, ("a", b"1"))
    first.close()
    second = Store(first.path)
    assert (second.get("a"), second.get("b")) == (b"1", None)
    second.close()


def test_many_at_once(tmp_path: Path) -> None:
    """Thousands of replies that arrive together are all kept."""
    store = Store(tmp_path / "s.sqlite")
    assert len(put(store, *((str(i), str(i).encode()) for i in range(3000)))) == 3000
    store.close()
    again = Store(store.path)
    assert all(again.get(str(i)) == str(i).encode() for i in range(3000))
    again.close()


def test_an_interrupted_wait_loses_nothing(tmp_path: Path) -> None:
    """When those who wait for their replies to be kept are cancelled, the replies are kept all the same."""

    async def interrupted(store: Store) -> None:
        waiting = [asyncio.create_task(store.put(str(i), b"x" * 1000)) for i in range(2000)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    store = Store(tmp_path / "s.sqlite")
    asyncio.run(interrupted(store))
    assert put(store, ("later", b"1")) == [b"1"]
    store.close()
    again = Store(store.path)
    assert all(again.get(str(i)) for i in range(2000))
    again.close()


def test_newer_schema(tmp_path: Path) -> None:
    """A store of a newer version is left alone."""
    path = tmp_path / "s.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match=r"newer skillmix-eval; .*--store"):
        Store(path)


@pytest.mark.parametrize("layout", ["calls (id INTEGER PRIMARY KEY, response TEXT)", "mine (a)"])
def test_another_database(tmp_path: Path, layout: str) -> None:
    """A database of something else, or of another layout, is left as it is, byte by byte."""
    path = tmp_path / "s.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE {layout}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"no store of this version's.*--store"):
        Store(path)
    assert path.read_bytes() == before


def test_a_store_cut_in_half(tmp_path: Path) -> None:
    """A damaged store says that it is, and what to do."""
    store = Store(tmp_path / "s.sqlite")
    put(store, *((str(i), b"x" * 1000) for i in range(200)))
    store.close()
    store.path.write_bytes(store.path.read_bytes()[:100_000])
    with pytest.raises(StoreError, match=r"damaged.*put back a copy.*--store"):
        [Store(store.path).get(str(i)) for i in range(200)]


@pytest.mark.parametrize("content", [b"this is no database, whatever its name says" * 40, None])
def test_not_a_store(tmp_path: Path, content: bytes | None) -> None:
    """A file that is no database, and a path below a file, are errors that name the path."""
    path = tmp_path / "s.sqlite"
    if content:
        path.write_bytes(content)
    else:
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "s.sqlite"
    with pytest.raises(StoreError, match=r"s\.sqlite"):
        Store(path)


def test_processes_share_a_store(tmp_path: Path) -> None:
    """Several processes that start at once on a new store all keep their replies in it."""
    path = tmp_path / "s.sqlite"
    writers = [writer(path, name, 20) for name in "abcd"]
    for process in writers:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert out.split()[-1] == "19"
    store = Store(path)
    assert all(store.get(f"{name}-{i}") for name in "abcd" for i in range(20))
    store.close()


def test_killed(tmp_path: Path) -> None:
    """What `put` has returned is there after a SIGKILL, and the store opens as if nothing had been."""
    path = tmp_path / "s.sqlite"
    process = writer(path, "a", 100_000)
    assert process.stdout
    for _ in range(20):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    kept = 20 + len(process.stdout.read().splitlines())
    process.communicate()
    store = Store(path)
    assert all(store.get(f"a-{i}") for i in range(kept))
    assert put(store, ("more", b"1")) == [b"1"]
    store.close()


def test_no_room(tmp_path: Path) -> None:
    """When the file can grow no more, `put` says so at once, and what was kept stays readable."""
    path = tmp_path / "s.sqlite"
    began = time.monotonic()
    process = writer(path, "a", 100_000, size=5000, limit=400_000)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 20
    assert process.returncode == 1
    assert "cannot keep answers any more" in err
    assert "Traceback" not in err
    store = Store(path)
    assert all(store.get(f"a-{i}") for i in range(len(out.splitlines())))
    assert put(store, ("more", b"1")) == [b"1"]
    store.close()
