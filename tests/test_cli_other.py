"""What is wrong with what was given: one sentence, exit code 2, nothing written, nothing asked."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from .server import Server, command, environment, files_of, one_sentence, run_options, skillmix

LANGUAGE = ("--domain", "language")
STUDENT = ("--student", "openai/x", "--base-url", "http://127.0.0.1:9/v1")
JUDGE = ("--judge", "openai/y", "--judge-base-url", "http://127.0.0.1:9/v1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], ["rnu", "'run'"]),
        (["run", *STUDENT, *JUDGE, "--domain", "langauge"], ["langauge", "'language'"]),
        (["run", *LANGUAGE, *JUDGE, "--student", "opnai/x"], ["opnai", "'openai'"]),
        (["run", *LANGUAGE, *JUDGE, "--student", "gpt-4"], ["gpt-4", "backend/model"]),
        (["run", *LANGUAGE, *STUDENT, "--judge", "opnai/y"], ["opnai", "'openai'"]),
        (["run", *LANGUAGE, *STUDENT], ["judge", "--judge"]),
        (["run", *LANGUAGE, *STUDENT, *JUDGE, "--protocol", "papr"], ["papr", "'paper'"]),
        (["run", *LANGUAGE, *STUDENT, *JUDGE, "--judge-style", "tabel"], ["tabel"]),
        (["run", *LANGUAGE, *STUDENT, *JUDGE, "--reduce", "median"], ["median", "max"]),
        (["run", *LANGUAGE, *STUDENT, *JUDGE, "--prompt", "none.j2"], ["none.j2"]),
        (["run", *LANGUAGE, *STUDENT, *JUDGE, "-n", "0"], ["n", ">= 1"]),
        (["run", *LANGUAGE, *STUDENT, *JUDGE, "-k", "0"], ["-k 0", "1 to 20"]),
        (["run", *LANGUAGE, *STUDENT, *JUDGE, "-k", "3-2"], ["3-2"]),
        (["run", *LANGUAGE, *STUDENT, *JUDGE, "-k", "two"], ["two", "1-5"]),
        (["run", *LANGUAGE, *STUDENT, *JUDGE, "-k", "1", "-n", "9999999"], ["9,999,999", "There are"]),
        (["run", *LANGUAGE, *STUDENT, *JUDGE, "--temperature", "9"], ["temperature"]),
        (["run", *LANGUAGE, *STUDENT, *JUDGE, "--skills", "none.csv"], ["none.csv"]),
        (["run", "none.yaml"], ["none.yaml"]),
        (["run", "broken.yaml"], ["broken.yaml", "line 2"]),
        (["run", "list.yaml"], ["list.yaml"]),
        (["run", "odd.yaml"], ["odd.yaml", "studnt", "'student'"]),
        (["sample", *LANGUAGE, "--split", "tran"], ["tran", "'train'"]),
        (["sample", *LANGUAGE, "-k", "2", "-n", "0", "--json"], ["n", ">= 1"]),
        (["report", "nowhere"], ["nowhere"]),
        (["grade", "nowhere.jsonl", *LANGUAGE, *JUDGE], ["nowhere.jsonl"]),
        (["grade", "texts.jsonl", *LANGUAGE, *JUDGE], ["texts.jsonl", "metafor", "'metaphor'"]),
        (["grade", "broken.jsonl", *LANGUAGE, *JUDGE], ["broken.jsonl", "line 1"]),
        (["import", "nowhere"], ["nowhere"]),
    ],
    ids=lambda found: " ".join(found).replace("/", "-")[:60],
)
def test_wrong_input(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    """Wrong input is one sentence with what was given and the nearest name, and leaves nothing behind."""
    (tmp_path / "broken.yaml").write_text("k: [2\nn: {")
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "odd.yaml").write_text("studnt: openai/x\n")
    (tmp_path / "texts.jsonl").write_text('{"text": "x", "topic": "falconry", "skills": ["metafor"]}\n')
    (tmp_path / "broken.jsonl").write_text("{\n")
    before = files_of(tmp_path)
    place = ["--out", "made", "--store", "made.sqlite"] if arguments[0] in ("run", "grade") else []
    done = skillmix(*arguments, *place, cwd=tmp_path)
    assert done.code == 2, done.err
    one_sentence(done, *words)
    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--sed", "1"], ["--sed", "--seed", "skillmix run --help"]),
        (["run", "-n", "ten"], ["-n", "ten", "integer"]),
        (["run", "a.yaml", "b.yaml"], ["b.yaml"]),
        (["run", "--price", "cheap"], ["student.price", "US dollars", "0.40/1.60"]),
        (["run", "-k", ""], ["-k takes"]),
        (["run", "--prompt", ""], ["prompt"]),
        (["run", "--judge-style", "nope"], ["nope", "json-items"]),
        (["run", "--student", "file/texts.jsonl"], ["file/texts.jsonl", "skillmix grade"]),
    ],
    ids=lambda found: " ".join(found)[:30],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    """A wrong option or value is one line that says what is wanted, with exit code 2."""
    done = skillmix(*arguments, cwd=tmp_path)
    assert done.code == 2
    one_sentence(done, *words)
    assert files_of(tmp_path) == {}


def test_a_corrected_command(tmp_path: Path) -> None:
    """A corrected command may use the folder of one that could not begin."""
    with Server() as server:
        options = [*run_options(server, tmp_path), "-k", 2, "-n", 1, "--out", "run"]
        assert skillmix("run", *options, "--judge", "opnai/y", cwd=tmp_path).code == 2
        assert skillmix("run", *options, cwd=tmp_path).code == 0


def test_a_wrong_base_url(tmp_path: Path) -> None:
    """A base URL with the wrong path is one sentence after a call or two."""
    with Server() as server:
        lists = run_options(server, tmp_path)
        options = [*lists, "--base-url", server.url.removesuffix("/v1"), "-k", 2, "-n", 9, "--out", "run"]
        done = skillmix("run", *options, cwd=tmp_path)
    assert done.code == 2
    one_sentence(done, "404", server.url.removesuffix("/v1"))


def test_a_spec_in_a_run_folder_is_not_for_reading(tmp_path: Path) -> None:
    """A run folder that is not finished says so, and how to finish it."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "spec.yaml").write_text("n: 1\n")
    done = skillmix("report", "run", cwd=tmp_path)
    assert done.code == 2
    one_sentence(done, "not a finished run", "skillmix run")


@pytest.mark.parametrize("name", ["", "run", "grade", "sample", "report", "import", "check"])
def test_help(tmp_path: Path, name: str) -> None:
    """Every command has a help text, in plain text when piped."""
    done = skillmix(*name.split(), "--help", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "Usage: skillmix" in done.out
    assert "\x1b" not in done.out


def test_a_closed_pipe(tmp_path: Path) -> None:
    """Output that nobody reads to the end, as with `| head`, is no error."""
    process = subprocess.Popen(
        command("sample", *LANGUAGE, "-k", 3, "-n", 20000),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) in (0, 1)


def test_no_key(tmp_path: Path) -> None:
    """A key that is not set is named by its variable, and the same command works once it is."""
    done = skillmix(
        "run", *LANGUAGE, *JUDGE, "--student", "openai/x", "--api-key-env", "NO_KEY", cwd=tmp_path
    )
    assert done.code == 2
    one_sentence(done, "NO_KEY", "--base-url")


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    """A full device is one sentence, an early end of reading none, and any encoding of a terminal will do."""
    sample = [*command("sample", "-k", "2", "-n", "40")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            sample, cwd=tmp_path, env=environment(), stdout=full, stderr=-1, text=True, check=False
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "no space" in done.stderr
    head = " ".join(map(shlex.quote, sample))
    script = f"set -o pipefail; {head} | head -1"
    cut = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert (cut.returncode, cut.stderr) == (0, "")
    plain = skillmix("plan", "--help", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert plain.code == 0, plain.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", ""], ["no text", "standard input"]),
        (["check", " \n"], ["no text"]),
        (["check", "--domain", "strings", "banana"], ["'strings'", "--domain devices"]),
        (["check", "--domain", "language", "banana"], ["'language'", "--domain devices"]),
    ],
)
def test_what_cannot_be_checked(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    """No text, or a domain without checkers of texts, is one clear sentence."""
    done = skillmix(*arguments, cwd=tmp_path)
    assert done.code == 2
    one_sentence(done, *words)


def test_check_reads_standard_input_and_any_bytes(tmp_path: Path) -> None:
    """`check -` reads a text from a pipe, broken bytes make no crash, and verdicts stand in one column."""
    done = subprocess.run(
        command("check", "-"),
        cwd=tmp_path,
        env=environment(),
        input=b"\xff\xfe The lamp shone like a moon.",
        capture_output=True,
        check=True,
    )
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("yes  simile  ")
    assert all(line[5:32].endswith(" ") and line[32] != " " for line in lines)
    argument = subprocess.run(
        [*map(os.fsencode, command("check")), b"\xff\xfe bad"], cwd=tmp_path, env=environment(), check=False
    )
    assert argument.returncode == 0
