"""Checkpoints as they appear in a folder: `skillmix watch`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from skillmix_eval.checkpoints import checkpoints, missing, step_of

from .server import ROOT, one_sentence, skillmix

EARLIER = ROOT / "results" / "devices" / "checkpoints"
OPTIONS = ("--backend", "embedded", "-k", "1,2", "-n", 30, "--split", "train", "--once", "--json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two checkpoints of a training."""
    for name in ("400", "2000"):
        shutil.copytree(EARLIER / name, tmp_path / "out" / f"checkpoint-{name}")
    return tmp_path / "out"


def test_order_is_by_step(folder: Path) -> None:
    """Checkpoints come in the order of their steps, not of their names."""
    assert [step_of(p) for p in checkpoints(folder)] == [400, 2000]


@pytest.mark.parametrize(
    "missing", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]
)
def test_a_part_is_not_whole(folder: Path, missing: str) -> None:
    """A checkpoint without one of its files is left alone."""
    (folder / "checkpoint-400" / missing).unlink()
    assert [step_of(p) for p in checkpoints(folder)] == [2000]


@pytest.mark.parametrize("size", [0, 5, 100, 10_000, -1])
def test_half_written_weights_are_not_whole(folder: Path, size: int) -> None:
    """Weights that are cut off anywhere, even by one byte, are not whole."""
    weights = folder / "checkpoint-400" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:size])
    assert missing(folder / "checkpoint-400")
    weights.write_bytes(content)
    assert not missing(folder / "checkpoint-400")


def test_watch_evaluates_each_once(folder: Path, tmp_path: Path) -> None:
    """Each whole checkpoint gets a run folder; a new one is added later, and nothing is asked twice."""
    late = tmp_path / "late"
    shutil.move(folder / "checkpoint-2000", late)
    first = skillmix("watch", "out", *OPTIONS, cwd=tmp_path)
    assert first.code == 0, first.err
    shutil.move(late, folder / "checkpoint-2000")
    second = skillmix("watch", "out", *OPTIONS, "--baseline", "previous", cwd=tmp_path)
    assert second.code == 0, second.err
    lines = [json.loads(line) for line in second.out.splitlines()]
    assert [Path(line["checkpoint"]).name for line in lines] == ["checkpoint-400", "checkpoint-2000"]
    assert lines[0]["full_marks"] == json.loads(first.out)["full_marks"]
    assert lines[1]["against"] == "checkpoint-400"
    runs = tmp_path / "results" / "runs" / "out"
    assert (runs / "step-2000_checkpoint-2000" / "gate.json").is_file()
    again = skillmix("report", runs / "step-400_checkpoint-400", "--json", cwd=tmp_path)
    assert again.code == 0


def test_a_regression_is_an_exit_code(folder: Path, tmp_path: Path) -> None:
    """A checkpoint that is worse than the baseline makes `--once` exit with 10."""
    good = ["run", "-k", "1,2", "-n", 30, "--split", "train", "--out", "good"]
    assert skillmix(*good, cwd=tmp_path).code == 0
    done = skillmix("watch", "out", *OPTIONS, "--baseline", "good", cwd=tmp_path)
    assert done.code == 10


def test_a_rewritten_checkpoint_is_a_new_one(folder: Path, tmp_path: Path) -> None:
    """Other weights under an old name are evaluated, and gated against those that stood there before."""
    shutil.move(folder / "checkpoint-2000", folder / "last")
    shutil.rmtree(folder / "checkpoint-400")
    options = (*OPTIONS, "--baseline", "previous")
    good = json.loads(skillmix("watch", "out", *options, cwd=tmp_path).out)
    shutil.rmtree(folder / "last")
    shutil.copytree(EARLIER / "400", folder / "last")
    second = skillmix("watch", "out", *options, cwd=tmp_path)
    bad = json.loads(second.out)
    assert good["full_marks"] != bad["full_marks"]
    assert (second.code, bad["gate"], bad["against"]) == (10, "regression", "last")
    again = skillmix("watch", "out", *options, cwd=tmp_path)
    assert (again.code, json.loads(again.out)) == (10, bad)  # a verdict once given stays


def test_the_previous_may_be_gone(folder: Path, tmp_path: Path) -> None:
    """A trainer that keeps one checkpoint is gated all the same: the run before counts, not its folder."""
    late = tmp_path / "late"
    shutil.move(folder / "checkpoint-400", late)
    options = (*OPTIONS, "--baseline", "previous")
    assert skillmix("watch", "out", *options, cwd=tmp_path).code == 0
    shutil.rmtree(folder / "checkpoint-2000")
    shutil.move(late, folder / "checkpoint-3000")
    done = skillmix("watch", "out", *options, cwd=tmp_path)
    assert done.code == 10
    assert json.loads(done.out)["against"] == "checkpoint-2000"


def test_one_that_does_not_load_stops_nothing(folder: Path, tmp_path: Path) -> None:
    """A checkpoint that cannot be loaded and an adapter are named in a line each; the next is evaluated."""
    shutil.rmtree(folder / "checkpoint-400" / "ct2")
    adapter = folder / "checkpoint-500"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    shutil.copy(EARLIER / "400" / "model.safetensors", adapter / "adapter_model.safetensors")
    done = skillmix("watch", "out", *OPTIONS, cwd=tmp_path)
    assert done.code == 3
    assert Path(json.loads(done.out)["checkpoint"]).name == "checkpoint-2000"
    assert "checkpoint-400: cannot be evaluated" in done.err
    assert "checkpoint-500: is left: it holds an adapter" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none"], ["none"]),
        (["empty"], ["no whole checkpoint"]),
        (["out", "--student", "x/y"], ["--backend"]),
    ],
)
def test_what_is_wrong_is_said(folder: Path, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    """A folder that is not there or holds nothing is one sentence."""
    (tmp_path / "empty").mkdir()
    done = skillmix("watch", *arguments, "--once", cwd=tmp_path)
    assert done.code == 2
    one_sentence(done, *words)
