"""Reads the records of the public SKILL-MIX repository: what students wrote and what judges replied.

Gradings are matched to texts by skills and topic, never by row number. Nothing is scored here; what is odd
about the records goes into `notes`.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from .errors import BadInputError
from .records import Record

_ROUND = re.compile(r"k(\d+)_s(-?\d+)_v(.+)_r(\d+)")
_GRADED = re.compile(r"by_(.+)_on_text_(\d+)_(\d+)_(.+)")
_RECORDS = "records.csv"
_TABLE_ROW = re.compile(r"^\s*\|.*\|", re.MULTILINE)


class ReleasedGrading(Record, frozen=True, gc=False):
    """One judge reply; `points` is the comma-separated string that the repository read from it."""

    judge: str
    prompt: str  # the grading prompt's name
    turn: int  # which turn's text was graded: 1 is the refined one
    run: int
    reply: str
    points: str


class ReleasedRow(Record, frozen=True, gc=False):
    """One question with what the student wrote in its two turns."""

    k: int
    seed: int
    prompt: str  # the generation prompt's name
    round: int
    skills: tuple[str, ...]  # names in prompt order
    topic: str
    draft: str
    text: str
    gradings: tuple[ReleasedGrading, ...] = ()


class ReleasedStudent(Record, frozen=True, gc=False):
    """All rows of one student, by k, seed, prompt and round, and what is odd about them."""

    student: str
    rows: tuple[ReleasedRow, ...]
    notes: tuple[str, ...] = ()


class _Round(NamedTuple):
    k: int
    seed: int
    prompt: str
    round: int


class _Found(NamedTuple):
    """A student's folder in one generation round."""

    student: str
    where: _Round
    folder: Path


_Key = tuple[tuple[str, ...], str]  # skills in prompt order and topic
_Gradings = dict[_Key, list[ReleasedGrading]]


def read_released(folder: Path) -> list[ReleasedStudent]:
    """Return the students whose records a folder holds: the repository's own layout, or its round folders."""
    try:
        return _read(folder)
    except OSError as error:
        where = error.filename or folder
        raise BadInputError(f"{where} cannot be read ({error.strerror}); check its permissions.") from error


def _read(folder: Path) -> list[ReleasedStudent]:
    if not folder.is_dir():
        raise BadInputError(f"{folder} is no folder; give the one that holds the released records.")
    bases = (folder, folder / "records", folder / "test")
    found = next((there for base in bases if (there := list(_students(base)))), [])
    if not found:
        raise BadInputError(
            f"{folder} holds no released records; expected k*_s*_v*_r*/<student>/{_RECORDS} in it, "
            "in its folder 'records' or in its folder 'test'."
        )
    found.sort(key=lambda f: (f.student, f.where))
    return [_student(name, list(group)) for name, group in groupby(found, key=lambda f: f.student)]


def judge_style_for(reply: str) -> Literal["paper-table", "paper-lines"]:
    """Return the style in which a released judge reply is written."""
    return "paper-table" if _TABLE_ROW.search(reply) else "paper-lines"


def _students(base: Path) -> Iterator[_Found]:
    for path in _folders(base):
        if match := _ROUND.fullmatch(path.name):
            k, seed, prompt, number = match.groups()
            where = _Round(int(k), int(seed), prompt, int(number))
            yield from (_Found(p.name, where, p) for p in _folders(path) if _holds_records(p))


def _holds_records(folder: Path) -> bool:
    if (folder / _RECORDS).is_file():
        return True
    if (folder / "graded").is_dir():
        raise BadInputError(f"{folder} holds gradings but no {_RECORDS}; copy the student's records too.")
    return False


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []


def _student(name: str, found: list[_Found]) -> ReleasedStudent:
    rows: list[ReleasedRow] = []
    notes = _missing_rounds(f.where for f in found)
    for one in found:
        more, odd = _round(one)
        rows += more
        notes += [f"{one.folder.parent.name}: {note}" for note in odd]
    return ReleasedStudent(name, tuple(rows), tuple(notes))


def _missing_rounds(found: Iterable[_Round]) -> list[str]:
    rounds: dict[tuple[int, int, str], set[int]] = defaultdict(set)
    for where in found:
        rounds[where[:3]].add(where.round)
    return [
        f"k{k}_s{seed}_v{prompt}: round {number} is missing"
        for (k, seed, prompt), there in rounds.items()
        for number in range(1, max(there))
        if number not in there
    ]


def _round(found: _Found) -> tuple[list[ReleasedRow], list[str]]:
    """Return the rows of a student's folder, each with its gradings, and what is odd about them."""
    rows = _texts(found)
    per_run, notes = _graded(found.folder)
    keys = [(row.skills, row.topic) for row in rows]
    repeated = sum(times - 1 for times in Counter(keys).values())
    if repeated:
        notes.append(f"{repeated} rows repeat a question; their gradings are matched in file order")
    full: list[ReleasedRow] = []
    for row, key in zip(rows, keys, strict=True):
        gradings = tuple(waiting[key].pop(0) for waiting in per_run if waiting.get(key))
        full.append(msgspec.structs.replace(row, gradings=gradings))
    notes += _unmatched(full, per_run)
    return full, notes


def _unmatched(rows: list[ReleasedRow], per_run: list[_Gradings]) -> list[str]:
    left = max((sum(map(len, waiting.values())) for waiting in per_run), default=0)
    bare = sum(not row.gradings for row in rows)
    some = sum(0 < len(row.gradings) < len(per_run) for row in rows)
    notes = [
        (bare, f"{bare} of {len(rows)} rows have no grading"),
        (some, f"{some} of {len(rows)} rows are missing from some grading files"),
        (left, f"{left} gradings belong to no row of {_RECORDS} and are left out"),
    ]
    return [note for count, note in notes if count]


def _texts(found: _Found) -> list[ReleasedRow]:
    path = found.folder / _RECORDS
    rows = []
    for line, row in _table(path, ("k", "skills", "topic", "text_0", "text_1")):
        skills, topic = _key(row)
        if row["k"].strip().removesuffix(".0") != str(found.where.k) or len(skills) != found.where.k:
            raise BadInputError(
                f"{path}, line {line}: k is {row['k']!r} in a folder for k = {found.where.k} and "
                f"{len(skills)} skills are named; correct the row (names may hold no comma)."
            )
        rows.append(ReleasedRow(*found.where, skills, topic, row["text_0"], row["text_1"]))
    return rows


def _graded(folder: Path) -> tuple[list[_Gradings], list[str]]:
    """Return the gradings of each grading file, and a note where several runs are one file copied."""
    per_run: list[_Gradings] = []
    contents: dict[tuple[str, ...], list[bytes]] = defaultdict(list)
    for judge, turn, run, prompt, path in sorted(_grading_files(folder / "graded")):
        per_run.append(_gradings(path, judge, turn, run, prompt))
        contents[judge, str(turn), prompt].append(path.read_bytes())
    notes = [
        f"the {len(files)} grading files are identical: the reference writes the last run to all of them"
        for files in contents.values()
        if len(files) > 1 and len(set(files)) == 1
    ]
    return per_run, notes


def _grading_files(folder: Path) -> Iterator[tuple[str, int, int, str, Path]]:
    for path in _folders(folder):
        match = _GRADED.fullmatch(path.name)
        if match and (path / _RECORDS).is_file():
            judge, turn, run, prompt = match.groups()
            yield judge, int(turn), int(run), prompt, path / _RECORDS


def _gradings(path: Path, judge: str, turn: int, run: int, prompt: str) -> _Gradings:
    gradings: _Gradings = defaultdict(list)
    for _, row in _table(path, ("skills", "topic", "points_0"), ("assistant_0", "[/INST]_0")):
        reply = row.get("assistant_0", row.get("[/INST]_0", ""))
        gradings[_key(row)].append(ReleasedGrading(judge, prompt, turn, run, reply, row["points_0"]))
    return gradings


def _key(row: dict[str, str]) -> _Key:
    """Return skills and topic; the repository joins names by a comma, some spaces and a line break."""
    return tuple(" ".join(name.split()) for name in row["skills"].split(",")), row["topic"].strip()


_Rows = list[tuple[int, dict[str, str]]]


def _table(path: Path, needed: tuple[str, ...], one_of: tuple[str, ...] = ()) -> _Rows:
    """Return the rows of a CSV file with their last line's number; every row must be whole."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns = reader.fieldnames or []
            rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"{path} is no readable CSV file ({error}); copy it again.") from error
    missing = [name for name in needed if name not in columns]
    if one_of and not set(one_of) & set(columns):
        missing.append(" or ".join(one_of))
    if missing:
        raise BadInputError(f"{path} has no column {', '.join(missing)}; copy it again from the repository.")
    for line, row in rows:
        if None in row or None in row.values():
            raise BadInputError(f"{path}, line {line}: the row is not {len(columns)} fields; copy it again.")
    return rows
