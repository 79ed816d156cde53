"""Exports hold what a run holds, hide what is private, and are what their formats say."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from skillmix_eval.evaluate import run_figures
from skillmix_eval.exports import Publisher, export, model_id
from skillmix_eval.hiding import WITHHELD
from skillmix_eval.runs import Run, write_run

from .makers import make_question, make_sample
from .pairs import Cli, make_run, make_samples
from .server import one_sentence

EEE = shutil.which("every_eval_ever")
PUBLISHER = Publisher("lab", "org/model", 1_700_000_000)


@pytest.fixture
def run() -> Run:
    """A run with scored and unscored texts, two to one question."""
    question = make_question(topic="two texts")
    texts = [
        make_sample(question, p, index=i, text=f"A hem, {i}.") for i, p in enumerate(("111111", "110111"))
    ]
    return make_run("hf/org/model", [*make_samples([True, False, None]), *texts])


def test_jsonl_holds_every_text(run: Run) -> None:
    """JSON Lines have one row per text, scored or not, with points, gradings, judge and protocol."""
    rows = [json.loads(line) for line in export(run, "jsonl")["samples.jsonl"].splitlines()]
    assert [r["scored"] for r in rows] == [True, True, False, True, True]
    assert rows[2]["full_marks"] is None
    for row, sample in zip(rows, run.samples, strict=True):
        assert (row["question"], row["text"]) == (sample.question.id, sample.text.text)
        assert row["points"] == (sample.score.points if sample.score else {})
        assert (row["judge"], row["protocol"], len(row["gradings"])) == ("rules/made", "draft", 1)


def test_csv_and_parquet_hold_the_same(run: Run) -> None:
    """CSV and Parquet hold the rows of JSON Lines, nested columns as JSON."""
    rows = [json.loads(line) for line in export(run, "jsonl")["samples.jsonl"].splitlines()]
    table = list(csv.DictReader(io.StringIO(export(run, "csv")["samples.csv"].decode())))
    frame = pd.read_parquet(io.BytesIO(export(run, "parquet")["samples.parquet"]))
    assert [json.loads(r["points"]) for r in table] == [r["points"] for r in rows]
    assert [json.loads(x) for x in frame["gradings"]] == [r["gradings"] for r in rows]
    assert frame["full_marks"].mean() == pytest.approx(2 / 4)
    assert [r["skills"].split(";") for r in table] == [list(x) for x in frame["skills"]]


def test_no_samples() -> None:
    """A run without texts exports to files without rows."""
    for to in ("jsonl", "csv", "parquet", "eee"):
        assert export(make_run("m/none", []), to, publisher=PUBLISHER)


def test_private_words_are_hidden() -> None:
    """Of a private list no name, definition or example is exported, also not from texts and reasons."""
    question = make_question(topic="secret garden")
    long = "What metaphor means. " + " ".join(f"w{i}" for i in range(9))
    skill = msgspec.structs.replace(question.skills[0], definition=long)
    question = msgspec.structs.replace(question, skills=(skill, *question.skills[1:]))
    said = [
        make_sample(question, "111111", text=t, index=i)
        for i, t in enumerate(("In the Secret  garden.", long))
    ]
    run = make_run("m/a", said, private=True)
    for to in ("jsonl", "csv", "eee"):
        for content in export(run, to, publisher=PUBLISHER).values():
            lower = content.decode().lower()
            assert "secret garden" not in lower
            assert "secret  garden" not in lower
            assert "w1 w2 w3" not in lower
            assert "red herring" not in lower
    assert WITHHELD in export(run, "jsonl")["samples.jsonl"].decode()
    assert "Secret" in export(run, "jsonl", show_private=True)["samples.jsonl"].decode()


def test_eee_figures(run: Run) -> None:
    """Every Eval Ever gets each metric of each k with n, interval, judge, protocol and coverage."""
    (path,) = [n for n in export(run, "eee", publisher=PUBLISHER) if n.endswith(".json")]
    document = json.loads(export(run, "eee", publisher=PUBLISHER)[path])
    assert path.startswith("data/skillmix-made/org/model/")
    figures = {f"k{row.k}.{m}": f for row in run_figures(run).by_k for m, f in row.metrics.items()}
    results = {r["evaluation_result_id"]: r for r in document["evaluation_results"]}
    assert results.keys() == figures.keys()
    for name, result in results.items():
        details, found = result["score_details"], figures[name].estimate
        assert details["score"] == found.value
        assert details["uncertainty"]["num_samples"] == found.n
        interval = details["uncertainty"]["confidence_interval"]
        assert (interval["lower"], interval["upper"]) == (found.low, found.high)
        assert result["metric_config"]["metric_parameters"]["protocol"] == "draft"
        assert result["metric_config"]["additional_details"]["graded_by"] == "rules/made"


def test_eee_samples(run: Run) -> None:
    """Every Eval Ever gets a row per scored text, none for one without a score, and a checksum of all."""
    files = export(run, "eee", publisher=PUBLISHER)
    (rows,) = [content for name, content in files.items() if name.endswith(".jsonl")]
    (document,) = [json.loads(content) for name, content in files.items() if name.endswith(".json")]
    assert len(rows.splitlines()) == document["detailed_evaluation_results"]["total_rows"] == 4
    assert export(run, "eee", publisher=PUBLISHER) == files


@pytest.mark.skipif(EEE is None, reason="every-eval-ever is not on the path: pip install every-eval-ever")
@pytest.mark.parametrize("judge", ["rules/made", "openai/gpt-4.1; json-items 12ab"])
def test_eee_is_valid(tmp_path: Path, run: Run, judge: str) -> None:
    """Every Eval Ever's own validator passes both files."""
    run = make_run("hf/org/model", run.samples, judge=judge)
    files = export(run, "eee", publisher=PUBLISHER)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [str(EEE), "validate", *files], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "0 failed (0 errors, 0 warnings)" in done.stdout


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        ("hf/org/model", "org/model"),
        ("openai/gpt-4.1; temperature 0", "openai/gpt-4.1"),
        ("embedded", "skillmix/embedded"),
        ("hf/../runs/my model", "local/my-model"),
    ],
)
def test_model_id(student: str, expected: str) -> None:
    """A student is named developer/model, without settings or folders."""
    assert model_id(student) == expected


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Run) -> None:
    """The command writes a run's export and prints where; an unknown format is one sentence."""
    write_run(tmp_path / "run", run, {})
    done = Cli(capsys)("export", tmp_path / "run", "--to", "jsonl", "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert (tmp_path / "out" / "samples.jsonl").read_bytes() == export(run, "jsonl")["samples.jsonl"]
    assert done.json == [str(tmp_path / "out" / "samples.jsonl")]
    wrong = Cli(capsys)("export", tmp_path / "run", "--to", "jsnl", "--out", tmp_path / "out")
    assert wrong.code == 2
    one_sentence(wrong, "Did you mean 'jsonl'")
