"""Keeps the reply of every model call, durably, the moment it returns: one SQLite file, shared by all runs.

A reply is on disk before `put` returns. Calls that return together are committed together by one thread.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from .errors import StoreError

_SCHEMA_VERSION = 1


class _Job(NamedTuple):
    key: str
    value: bytes
    done: Future[bytes]


class Store:
    """A durable map from call keys to replies. The first reply for a key is the one that stays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _check(path)
            self._reader = _open(path)
            _prepare(self._reader)
            connection = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise _fault(path, "cannot be opened for writing", error) from None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = threading.Thread(
            target=self._write_loop, args=(connection,), name="skillmix-store", daemon=True
        )
        self._writer.start()

    def get(self, key: str) -> bytes | None:
        """Return the reply kept under a key, or None."""
        try:
            row = self._reader.execute("SELECT value FROM calls WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise _fault(self.path, "cannot be read", error) from None
        return row[0] if row else None

    async def put(self, key: str, value: bytes) -> bytes:
        """Keep a reply and return the one that is kept (another process may have been first).

        Raises StoreError when it cannot be made durable, for example because the disk is full.
        """
        done: Future[bytes] = Future()
        done.set_running_or_notify_cancel()  # from here on only the wait for it can be cancelled
        self._jobs.put(_Job(key, value, done))
        return await asyncio.wrap_future(done)

    def close(self) -> None:
        """Wait for what is being written, then close."""
        self._jobs.put(None)
        self._writer.join()
        self._reader.close()

    def _write_loop(self, connection: sqlite3.Connection) -> None:
        while batch := self._next_batch():
            try:
                kept = _commit(connection, batch)
            except sqlite3.Error as error:
                failure = StoreError(
                    f"The store {self.path} cannot keep answers any more ({error}); nothing more is asked. "
                    "Make room or choose another place with --store, then run the same command again."
                )
                for job in batch:
                    job.done.set_exception(failure)
            else:
                for job, value in zip(batch, kept, strict=True):
                    job.done.set_result(value)
        connection.close()

    def _next_batch(self) -> list[_Job]:
        """Return everything that waits, at least one; empty when the store closes."""
        first = self._jobs.get()
        batch = [first] if first else []
        while batch and len(batch) < 500:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            batch.append(job)
        return batch


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a commit outlives a power cut, not only a kill
    return connection


def _check(path: Path) -> None:
    """Raise StoreError for a database that is none of ours, before anything in it is changed."""
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        columns = [row[1] for row in connection.execute("PRAGMA table_info(calls)")]
        others = connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,)
    if version > _SCHEMA_VERSION:
        raise StoreError(
            f"The store {path} was written by a newer skillmix-eval; update the package, or choose another "
            "place with --store."
        )
    if others and columns != ["key", "value"]:
        raise StoreError(
            f"{path} is a database, but no store of this version's, and is left as it is; choose another "
            "place with --store."
        )


def _prepare(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID"
        )
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")


def _fault(path: Path, what: str, error: Exception) -> StoreError:
    """Return what the user reads; sqlite3 calls what is damaged, or no database, a DatabaseError itself."""
    damaged = type(error) is sqlite3.DatabaseError
    advice = "it is damaged, or no store: put back a copy, or choose" if damaged else "choose"
    return StoreError(f"The store {path} {what} ({error}); {advice} another place with --store.")


def _commit(connection: sqlite3.Connection, batch: list[_Job]) -> list[bytes]:
    with connection:
        connection.executemany("INSERT OR IGNORE INTO calls VALUES (?, ?)", [(j.key, j.value) for j in batch])
    select = "SELECT value FROM calls WHERE key = ?"
    return [connection.execute(select, (job.key,)).fetchone()[0] for job in batch]
