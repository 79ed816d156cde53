"""What a gate compares with: a run folder, a run's scores.json, or the last accepted run of a repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import yaml

from .errors import BadInputError, StoreError
from .figures import METRICS, Figures
from .pairing import by_question, coverage, metric, question_mean
from .records import Record
from .runs import Run, RunInfo, read_run
from .verdict import read_yaml

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


class _Scores(msgspec.Struct, frozen=True):
    run: RunInfo
    figures: Figures


def read_baseline(given: str, accepted: Path = ACCEPTED) -> Run | Accepted:
    """Read a run folder, a scores.json, or with "last" the accepted file and its run where that still is.

    Raises BadInputError when it is none of these.
    """
    if given == LAST:
        return _last(accepted)
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
    figures = {
        m: {
            r.k: Mean(r.metrics[m].estimate.value or 0.0, r.metrics[m].estimate.n)
            for r in rows
            if r.metrics[m].estimate.n
        }
        for m in METRICS
    }
    texts = sum(r.texts for r in rows)
    return Accepted("", found.run, figures, sum(r.scored_texts for r in rows) / texts if texts else 0.0)


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
