"""Runs on the same questions, made of points, and the command line in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from skillmix_eval.cli.main import main
from skillmix_eval.records import Sample
from skillmix_eval.runs import Run, RunInfo, write_run
from skillmix_eval.spec import RunSpec

from .makers import make_question, make_sample
from .server import Done

INFO = RunInfo(
    "m/old", "rules/made", "draft", "mean", "made", "f00d", "all", 0, "balanced", {"draft.j2": "1"}, "0"
)
FULL = {True: "1", False: "0"}


def make_samples(points: Sequence[bool | str | None], k: int = 2, first: int = 0) -> list[Sample]:
    """Return one sample per question of k skills: full marks or none, points as given, or unscored."""
    rubric = k + 3
    found = []
    for i, p in enumerate(points, start=first):
        names = [f"s{(i + j) % 8}" for j in range(k)]
        given = p if isinstance(p, str) or p is None else FULL[p] * rubric
        found.append(make_sample(make_question(*names, topic=f"t{i}"), given))
    return found


def make_run(student: str, samples: Sequence[Sample], **info: object) -> Run:
    """Return a run of samples."""
    return Run(RunSpec(), msgspec.structs.replace(INFO, student=student, **info), tuple(samples))


def pair_of(worse: int, better: int, n: int, k: int = 2, **info: object) -> tuple[Run, Run]:
    """Return two runs on n shared questions with so many regressions and improvements; the rest ties."""
    ties = [i % 2 == 0 for i in range(n - worse - better)]
    old = [*[True] * worse, *[False] * better, *ties]
    new = [*[False] * worse, *[True] * better, *ties]
    return make_run("m/old", make_samples(old, k), **info), make_run("m/new", make_samples(new, k), **info)


def written(folder: Path, *runs: Run) -> list[Path]:
    """Write runs into folders named by their students."""
    folders = [folder / run.info.student.replace("/", "-") for run in runs]
    for place, run in zip(folders, runs, strict=True):
        write_run(place, run, {})
    return folders


class Cli:
    """Runs the command line in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *arguments: object) -> Done:
        """Run a command and return its exit code and what it printed."""
        self._capture.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in arguments])
        printed = self._capture.readouterr()
        return Done(int(end.value.code or 0), printed.out, printed.err)
