"""Which batches are under way: noted in the store's file before they are paid for, until all is kept."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from typing import Any

from .errors import StoreError
from .store import Store


class Ledger:
    """The batches that are under way, in the store's file: whose they are, and the keys of their calls."""

    def __init__(self, store: Store) -> None:
        self._path, self._lock = store.path, threading.Lock()
        try:
            self._file = sqlite3.connect(store.path, timeout=60, check_same_thread=False)
        except sqlite3.Error as error:
            raise StoreError(f"The store {store.path} cannot be opened: {error}.") from None
        self._do(
            "CREATE TABLE IF NOT EXISTS batches (file TEXT PRIMARY KEY, who TEXT, batch TEXT, keys TEXT)", ()
        )

    def under_way(self, who: str) -> list[tuple[str, str, set[str]]]:
        """Return an endpoint's batches: input file, batch id (empty until it is known), keys."""
        rows = self._do("SELECT file, batch, keys FROM batches WHERE who = ? ORDER BY rowid", (who,))
        return [(file, batch, set(keys.split())) for file, batch, keys in rows]

    def note(self, file: str, who: str, batch: str, keys: Iterable[str]) -> None:
        """Keep a batch, durably, before or after it has an id."""
        self._do("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)", (file, who, batch, " ".join(keys)))

    def forget(self, file: str) -> None:
        """Drop a batch whose answers are all in the store."""
        self._do("DELETE FROM batches WHERE file = ?", (file,))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _do(self, statement: str, values: tuple[str, ...]) -> list[Any]:
        try:
            with self._lock, self._file:
                return self._file.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"The store {self._path} cannot keep its batches: {error}.") from None
