"""What a gate compares with: a run folder, its scores.json, a leaderboard's row, or the last accepted run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import yaml

from .errors import BadInputError, StoreError, unknown
from .figures import METRICS, Figure
from .pairing import by_question, coverage, metric, question_mean
from .records import Record
from .runs import Run, RunInfo, read_run
from .spec import read_yaml

LAST = "last"
ACCEPTED = Path(".skillmix-baseline")
_HEAD = "# Written by `skillmix gate --accept`; `--baseline last` reads it. Commit it with the model.\n"


class Mean(Record, frozen=True, gc=False):
    """A metric's mean over so many questions, of texts averaged first."""

    value: float
    n: int


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last accepted run: where it is, and its figures, should it be gone."""

    run: str
    info: RunInfo
    figures: dict[str, dict[int, Mean]]  # by metric, then by k
    coverage: float


class _OfK(msgspec.Struct, frozen=True):
    """What is read of one k's figures; there is more in the files."""

    k: int
    texts: int
    scored_texts: int
    metrics: dict[str, Figure]


class _Figures(msgspec.Struct, frozen=True):
    by_k: tuple[_OfK, ...]


class _Scores(msgspec.Struct, frozen=True):
    run: RunInfo
    figures: _Figures


class _Place(msgspec.Struct, frozen=True):
    student: str
    coverage: float
    by_k: tuple[_OfK, ...]


class _Board(msgspec.Struct, frozen=True):
    domain: str
    lists: str
    split: str
    protocol: str
    judge: str
    prompts: dict[str, str]
    places: tuple[_Place, ...]


class _Boards(msgspec.Struct, frozen=True):
    boards: tuple[_Board, ...]


def read_baseline(given: str, accepted: Path = ACCEPTED, like: RunInfo | None = None) -> Run | Accepted:
    """Read a run folder, a scores.json, a row as leaderboard.json#student, or with "last" the accepted file.

    The accepted file leads to its run where that still is. Of the tables in which a student has a row, that
    of runs like `like` is taken. Raises BadInputError when it is none of these.
    """
    if given == LAST:
        return _last(accepted)
    file, row, student = given.partition(".json#")
    if row:
        return _of_leaderboard(Path(file + ".json"), student, like)
    path = Path(given)
    if path.is_file() and path.suffix == ".json":
        return _of_scores(path)
    if path.is_file():
        return _last(path)
    return read_run(path)


def _last(file: Path) -> Run | Accepted:
    if not file.is_file():
        raise BadInputError(
            f"There is no {file}: accept a first run with `skillmix gate --baseline RUN --candidate RUN "
            "--accept`, the same run twice."
        )
    settings = read_yaml(file, "accepted baseline", "'run: results/runs/first'")
    try:
        found = msgspec.convert(settings, Accepted, strict=False)
    except msgspec.ValidationError as error:
        raise BadInputError(f"{file} is no accepted baseline: {error}.") from None
    folder = file.parent / found.run
    return read_run(folder) if (folder / "samples.parquet").is_file() else found


def _of_scores(path: Path) -> Accepted:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Scores)
    except (msgspec.MsgspecError, OSError) as error:
        raise BadInputError(f"{path} is not the scores.json of a run: {error}.") from None
    if found.run.reduce == "max":
        raise BadInputError(
            f"{path} holds the best of several texts, which is never compared; give the run folder instead."
        )
    rows = found.figures.by_k
    texts = sum(r.texts for r in rows)
    covered = sum(r.scored_texts for r in rows) / texts if texts else 0.0
    return Accepted("", found.run, _means(rows), covered)


def _means(rows: Iterable[_OfK]) -> dict[str, dict[int, Mean]]:
    found: dict[str, dict[int, Mean]] = {m: {} for m in METRICS}
    for row in rows:
        for m in METRICS:
            of_k = row.metrics[m].estimate
            if of_k.n:
                found[m][row.k] = Mean(of_k.value or 0.0, of_k.n)
    return found


def _of_leaderboard(path: Path, student: str, like: RunInfo | None) -> Accepted:
    try:
        boards = msgspec.json.decode(path.read_bytes(), type=_Boards).boards
    except (msgspec.MsgspecError, OSError) as error:
        raise BadInputError(f"{path} is no leaderboard.json: {error}.") from None
    rows = [_row(board, place) for board in boards for place in board.places if place.student == student]
    if not rows:
        raise unknown("model of this leaderboard", student, {p.student for b in boards for p in b.places})
    if like and len(rows) > 1:
        alike = [row for row in rows if _comparable(row.info) == _comparable(like)]
        if not alike:
            raise BadInputError(
                f"{student} has {len(rows)} rows in {path}, none with the candidate's domain, lists, split, "
                "protocol, prompts and judge."
            )
        return alike[0]
    return rows[0]


def _row(board: _Board, place: _Place) -> Accepted:
    info = RunInfo(
        student=place.student,
        judge=board.judge,
        protocol=board.protocol,
        reduce="mean",
        domain=board.domain,
        lists=board.lists,
        split=board.split,
        seed=0,
        sampler="",
        prompts=board.prompts,
        version="",
    )
    return Accepted("", info, _means(place.by_k), place.coverage)


def _comparable(info: RunInfo) -> tuple[object, ...]:
    return info.domain, info.lists, info.split, info.protocol, info.prompts, info.judge


def accept(run: Run, where: str) -> Accepted:
    """Return what is written down when a run passes."""
    figures: dict[str, dict[int, Mean]] = {}
    for name in METRICS:
        by_k: dict[int, list[float]] = {}
        for samples in by_question(run.samples).values():
            if any(s.score for s in samples):
                by_k.setdefault(samples[0].question.k, []).append(question_mean(samples, metric(name)))
        figures[name] = {k: Mean(sum(v) / len(v), len(v)) for k, v in sorted(by_k.items())}
    return Accepted(where, run.info, figures, coverage(run.samples))


def write_accepted(file: Path, folder: Path, run: Run) -> None:
    """Write the accepted file, whole or not at all; the run's folder is noted relative to it."""
    where = os.path.relpath(folder.resolve(), file.resolve().parent)
    settings = _plain(msgspec.to_builtins(accept(run, where)))
    part = file.with_name(file.name + ".part")
    try:
        part.write_text(_HEAD + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), "utf-8")
        part.replace(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
