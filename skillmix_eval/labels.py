"""What people say of rubric items, kept durably: one SQLite file that is only ever added to.

A label is on disk before `add` returns. Nothing is overwritten: a later label of the same rater for the same
item of the same text stands in front of the earlier one, and an undo is a row of its own.
"""

from __future__ import annotations

import csv
import hashlib
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

from .errors import BadInputError, StoreError
from .records import Record

DEFAULT = Path("results/labels.sqlite")
COLUMNS = ("text", "item", "met", "rater", "at", "note")
_MET = {"met": True, "true": True, "1": True, "yes": True}
_NOT_MET = {"not met": False, "false": False, "0": False, "no": False}
_WORDS: dict[str, bool | None] = {**_MET, **_NOT_MET, "unsure": None, "": None}
_TABLE = """CREATE TABLE IF NOT EXISTS labels (id INTEGER PRIMARY KEY, text TEXT NOT NULL, item TEXT NOT NULL,
met INTEGER, rater TEXT NOT NULL, at TEXT NOT NULL, note TEXT NOT NULL)"""
_UNDONE = "CREATE TABLE IF NOT EXISTS undone (label INTEGER PRIMARY KEY REFERENCES labels)"
_SCHEMA_VERSION = 1


class Label(Record, frozen=True, gc=False):
    """One person's verdict on one rubric item of one text."""

    text: str  # text_key of what was read: the label holds for every run that has these words
    item: str  # rubric item id
    met: bool | None  # None: the person is unsure
    rater: str
    at: str  # when, ISO 8601 with the time zone
    note: str = ""


def text_key(question_id: str, words: str) -> str:
    """Return the key of a text: a hash of its question and its words, the same in every run."""
    return hashlib.blake2b(f"{question_id}\0{words}".encode(), digest_size=16).hexdigest()


class Labels:
    """The file of labels. Several processes may hold it open; threads of one may share this object."""

    def __init__(self, path: Path = DEFAULT) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=60, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")  # a label outlives a power cut, not only a kill
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version <= _SCHEMA_VERSION:
                with self._db:
                    self._db.execute(_TABLE)
                    self._db.execute(_UNDONE)
                    self._db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"The labels {path} cannot be opened for writing: {error}; choose another --labels."
            ) from None
        if version > _SCHEMA_VERSION:
            raise StoreError(f"The labels {path} were written by a newer skillmix-eval; update the package.")

    def add(self, labels: Iterable[Label]) -> None:
        """Keep labels; they are on disk when this returns. Raises StoreError when that cannot be done."""
        rows = [(x.text, x.item, x.met, x.rater, x.at, x.note) for x in labels]
        insert = "INSERT INTO labels (text, item, met, rater, at, note) VALUES (?, ?, ?, ?, ?, ?)"
        try:
            with self._lock, self._db:
                self._db.executemany(insert, rows)
        except sqlite3.Error as error:
            raise StoreError(f"The labels {self.path} cannot be written: {error}.") from None

    def undo(self, rater: str) -> Label | None:
        """Take back a rater's last label and return it; None when there is none. Raises StoreError."""
        last = (
            f"SELECT id, {', '.join(COLUMNS)} FROM labels WHERE rater = ? "  # noqa: S608  fixed names
            "AND id NOT IN (SELECT label FROM undone) ORDER BY id DESC LIMIT 1"
        )
        try:
            with self._lock, self._db:
                self._db.execute("BEGIN IMMEDIATE")  # two windows of one rater take back two labels
                row = self._db.execute(last, (rater,)).fetchone()
                if row:
                    self._db.execute("INSERT INTO undone VALUES (?)", row[:1])
        except sqlite3.Error as error:
            raise StoreError(f"The labels {self.path} cannot be written: {error}.") from None
        return _label(row[1:]) if row else None

    def all(self) -> tuple[Label, ...]:
        """Return what stands: per text, item and rater the latest label that was not taken back."""
        select = (
            f"SELECT {', '.join(COLUMNS)} FROM labels "  # noqa: S608  fixed names
            "WHERE id NOT IN (SELECT label FROM undone) ORDER BY id"
        )
        try:
            with self._lock:
                rows = self._db.execute(select).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"The labels {self.path} cannot be read: {error}.") from None
        return _latest(map(_label, rows))

    def close(self) -> None:
        """Release the file."""
        self._db.close()


def read_labels(path: Path) -> tuple[Label, ...]:
    """Read the labels that stand from their SQLite file, or from a CSV file with the same columns.

    In a CSV, `met` is met, not met or unsure (also true/false, yes/no, 1/0, empty); `at` and `note` may be
    missing; a later line stands in front of an earlier one. Raises BadInputError for anything else.
    """
    try:
        with path.open("rb") as file:
            is_sqlite = file.read(15) == b"SQLite format 3"
    except OSError as error:
        raise BadInputError(
            f"The labels {path} cannot be read ({error.strerror}); `skillmix view` makes them, or give a CSV "
            f"file with the columns {','.join(COLUMNS)}."
        ) from None
    if not is_sqlite:
        return _read_csv(path)
    labels = Labels(path)
    try:
        return labels.all()
    except StoreError as error:
        raise BadInputError(str(error)) from None
    finally:
        labels.close()


def _read_csv(path: Path) -> tuple[Label, ...]:
    found = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [c for c in COLUMNS[:4] if c not in (reader.fieldnames or ())]
            if missing:
                raise BadInputError(
                    f"The labels {path} have no column {', '.join(missing)}; a label file is SQLite or a CSV "
                    f"file with the columns {','.join(COLUMNS)}."
                )
            for row in reader:
                found.append(_from_row(row, f"{path}, line {reader.line_num}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"The labels {path} cannot be read as CSV: {error}.") from None
    return _latest(found)


def _from_row(row: dict[str, str | None], place: str) -> Label:
    values = {name: (row.get(name) or "").strip() for name in COLUMNS}
    met = values["met"].casefold()
    if met not in _WORDS:
        raise BadInputError(f"{place}: met is met, not met or unsure, not '{values['met'][:40]}'.")
    for name in ("text", "item", "rater"):
        if not values[name]:
            raise BadInputError(f"{place}: {name} is empty.")
    return Label(values["text"], values["item"], _WORDS[met], values["rater"], values["at"], values["note"])


def _label(row: tuple[str, str, int | None, str, str, str]) -> Label:
    text, item, met, rater, at, note = row
    return Label(text, item, None if met is None else bool(met), rater, at, note)


def _latest(labels: Iterable[Label]) -> tuple[Label, ...]:
    standing: dict[tuple[str, str, str], Label] = {}
    for label in labels:
        key = (label.text, label.item, label.rater)
        standing.pop(key, None)  # so that the order is that of the labels that stand
        standing[key] = label
    return tuple(standing.values())
