"""Whole runs through the command line, against a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .server import (
    JUDGE,
    OTHER_JUDGE,
    STUDENT,
    Done,
    Server,
    models,
    run_files,
    run_options,
    skillmix,
    write_lists,
)

Finished = tuple[Path, Done, Server]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """A folder with a finished run in `run`, what its command printed, and the server it asked."""
    folder = tmp_path_factory.mktemp("finished")
    with Server() as server:
        options = run_options(server, folder)
        done = skillmix("run", *options, "-k", "2-4", "-n", 4, "--out", "run", cwd=folder)
        yield folder, done, server


def test_a_run_is_written_and_shown(finished: Finished) -> None:
    """A run ends with a table for each k, and its folder holds its six files."""
    folder, done, _ = finished
    assert (done.code, done.err) == (0, "")
    assert "Scores by number of skills k" in done.out
    for k in (2, 3, 4):
        assert re.search(rf"^ +{k} +4 +\d\.\d\d", done.out, re.MULTILINE)
    run_files(folder / "run")


def test_piped_output_is_plain(finished: Finished) -> None:
    """Output into a pipe holds no escape codes and no progress."""
    _, done, _ = finished
    assert "\x1b" not in done.out
    assert "\r" not in done.out


def test_draft_refine_judge(finished: Finished) -> None:
    """Each question costs a draft, a second turn that quotes it, and a judge call on the second text."""
    _, _, server = finished
    first = server.calls[: 12 * 3]
    turns = {turn: [c for c in first if c.turn == turn] for turn in ("draft", "refine", "judge")}
    assert {turn: len(calls) for turn, calls in turns.items()} == dict.fromkeys(turns, 12)
    drafts = {c.prompt for c in turns["draft"]}
    for call in turns["refine"]:
        asked, draft, _ = (m["content"] for m in call.body["messages"])
        assert asked in drafts
        assert all(draft not in judged.prompt for judged in turns["judge"])


@pytest.mark.parametrize("form", [[], ["--markdown"], ["--json"]])
def test_report_agrees(finished: Finished, form: list[str]) -> None:
    """`skillmix report` computes from the samples what the run printed and wrote."""
    folder, done, _ = finished
    shown = skillmix("report", "run", *form, cwd=folder)
    assert (shown.code, shown.err) == (0, "")
    if form == ["--json"]:
        assert shown.out.encode() == (folder / "run" / "scores.json").read_bytes()
    elif form == ["--markdown"]:
        assert shown.out.strip() == (folder / "run" / "report.md").read_text().strip()
    else:
        assert done.out.startswith(shown.out)


def test_the_spec_repeats_the_run(finished: Finished) -> None:
    """A run from another's spec.yaml asks nothing and writes the same bytes."""
    folder, _, server = finished
    before = len(server.calls)
    store = ["--store", "store.sqlite"]
    done = skillmix("run", "run/spec.yaml", *store, "--out", "again", cwd=folder)
    assert done.code == 0, done.err
    assert len(server.calls) == before
    assert run_files(folder / "again") == run_files(folder / "run")


def test_json_is_one_document(finished: Finished) -> None:
    """With --json, standard output is the figures, the folder and the spend, and nothing else is printed."""
    folder, _, _ = finished
    done = skillmix("run", "run/spec.yaml", "--store", "store.sqlite", "--out", "j", "--json", cwd=folder)
    assert (done.code, done.err) == (0, "")
    assert done.json["folder"] == "j"
    assert done.json["figures"] == json.loads((folder / "run" / "scores.json").read_text())["figures"]
    assert done.json["spend"]["judge"]["stored_calls"] == 12


def test_flags_win_over_the_spec(finished: Finished) -> None:
    """A flag beside a spec file replaces that setting alone."""
    folder, _, server = finished
    before = len(server.calls)
    options = ["--store", "store.sqlite", "--out", "flags", "--judge-max-tokens", 99]
    done = skillmix("run", "run/spec.yaml", *options, "--json", cwd=folder)
    assert done.code == 0, done.err
    assert done.json["spend"]["student"]["paid_calls"] == 0
    asked = server.calls[before:]
    assert len(asked) == 12
    assert {(c.model, c.body["max_tokens"]) for c in asked} == {(JUDGE, 99)}


def test_more_questions_cost_only_themselves(finished: Finished) -> None:
    """Extending n in the same folder asks the new questions alone and keeps the old ones."""
    folder, _, server = finished
    options = ["--store", "store.sqlite", "--out", "more", "-k", "2"]
    skillmix("run", "run/spec.yaml", *options, cwd=folder)
    server.forget()
    done = skillmix("run", "run/spec.yaml", *options, "-n", 7, "--json", cwd=folder)
    assert done.code == 0, done.err
    assert len(server.calls) == 3 * 3
    assert done.json["figures"]["by_k"][0]["questions"] == 7


def test_another_judge_costs_judge_calls_only(finished: Finished) -> None:
    """`skillmix grade RUN --judge ...` asks the new judge at the old one's server, and no student."""
    folder, _, server = finished
    server.forget()
    options = ["--judge", f"openai/{OTHER_JUDGE}", "--store", "store.sqlite"]
    done = skillmix("grade", "run", *options, "--out", "regraded", "--json", cwd=folder)
    assert done.code == 0, done.err
    assert [c.model for c in server.calls] == [OTHER_JUDGE] * 12
    assert "other-judge" in done.json["run"]["judge"]
    assert done.json["run"]["student"].startswith(f"openai/{STUDENT}")


def test_judge_settings_when_regrading(finished: Finished) -> None:
    """`skillmix grade` takes the judge's settings, as `run` does."""
    folder, _, server = finished
    server.forget()
    options = ["--judge-temperature", 0.5, "--judge-base-url", server.url, "--store", "store.sqlite"]
    done = skillmix("grade", "run", *options, "--out", "warm", cwd=folder)
    assert done.code == 0, done.err
    assert {c.body["temperature"] for c in server.calls} == {0.5}
    assert len(server.calls) == 12


def test_grade_a_file(finished: Finished) -> None:
    """`skillmix grade texts.jsonl` grades given texts, with skills by name or by id."""
    folder, _, server = finished
    rows: list[dict[str, Any]] = [
        {"text": "The quays sleep.", "topic": "quays", "skills": ["turn a", "turn b"]},
        {"text": "The quays wake.", "topic": "Quays", "skills": "turn-a; turn b"},
        {"text": "", "topic": "looms", "skills": "turn c"},
    ]
    (folder / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    server.forget()
    options = [o for o in run_options(server, folder) if o not in ("--student", f"openai/{STUDENT}")]
    options.remove("--base-url")
    options.remove(server.url)
    done = skillmix("grade", "texts.jsonl", *options, "--out", "file", "--json", cwd=folder)
    assert done.code == 0, done.err
    assert [c.role for c in server.calls] == ["judge", "judge"]
    rows_by_k = {row["k"]: row for row in done.json["figures"]["by_k"]}
    assert rows_by_k[2]["texts"] == 2
    assert rows_by_k[2]["questions"] == 1
    assert rows_by_k[1]["statuses"]["empty"] == 1


def test_paper_protocol(tmp_path: Path) -> None:
    """`--protocol paper` takes three texts a question and three gradings a text, each its own request."""
    with Server() as server:
        options = run_options(server, tmp_path)
        done = skillmix("run", *options, "--protocol", "paper", "-k", 3, "-n", 2, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    turns = [c.turn for c in server.calls]
    assert {t: turns.count(t) for t in set(turns)} == {"draft": 6, "refine": 6, "judge": 18}
    by_text = {
        json.dumps([c.body["messages"], c.body.get("seed")]) for c in server.calls if c.role == "judge"
    }
    assert len({c.key for c in server.of("student")}) == 12, "two draws were the same request"
    assert len(by_text) == 18, "two gradings of a text were the same request"
    assert len({json.dumps(c.body["messages"]) for c in server.calls if c.turn == "draft"}) == 2
    (row,) = done.json["figures"]["by_k"]
    assert (row["questions"], row["texts"], row["gradings"]["ok"]) == (2, 6, 18)
    assert done.json["run"]["protocol"] == "paper"
    assert done.json["run"]["reduce"] == "max"


def test_paper_lines(tmp_path: Path) -> None:
    """The judge style `paper-lines` is asked for and read."""
    with Server() as server:
        options = [*run_options(server, tmp_path), "--judge-style", "paper-lines", "--no-refine"]
        done = skillmix("run", *options, "-k", 2, "-n", 3, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert [c.turn for c in server.calls].count("refine") == 0
    assert done.json["figures"]["by_k"][0]["gradings"] == {"ok": 3, "unreadable": 0, "fooled": 0, "failed": 0}


def test_settings_reach_their_model(tmp_path: Path) -> None:
    """Student and judge are sent their own settings, each at its own server."""
    student = ["--temperature", 0.7, "--top-p", 0.9, "--max-tokens", 50, "--system", "Be brief."]
    judge = ["--judge-temperature", 0, "--judge-max-tokens", 500]
    write_lists(tmp_path)
    with Server() as one, Server() as two:
        options = run_options(one, tmp_path)
        options += ["--judge-base-url", two.url, *student, *judge, "-k", 2, "-n", 2]
        done = skillmix("run", *options, cwd=tmp_path)
    assert done.code == 0, done.err
    for call in one.calls:
        assert (call.model, call.body["temperature"], call.body["top_p"]) == (STUDENT, 0.7, 0.9)
        assert call.body["max_tokens"] == 50
        assert call.body["messages"][0] == {"role": "system", "content": "Be brief."}
    for call in two.calls:
        assert (call.model, call.body["temperature"], call.body["max_tokens"]) == (JUDGE, 0, 500)
        assert "top_p" not in call.body
        assert call.body["messages"][0]["role"] == "user"
    assert (len(one.calls), len(two.calls)) == (4, 2)


def test_a_spec_by_hand(tmp_path: Path) -> None:
    """A YAML file written by hand is the same run as its flags."""
    with Server() as server:
        options = [*run_options(server, tmp_path), "-k", "2,3", "-n", 2]
        skillmix("run", *options, "--out", "flags", cwd=tmp_path)
        asked = len(server.calls)
        (tmp_path / "mine.yaml").write_text(
            f"""
student: {{model: openai/{STUDENT}, base_url: "{server.url}"}}
judge: {{model: openai/{JUDGE}, base_url: "{server.url}"}}
domain: language
skills: {tmp_path / "skills.csv"}
topics: {tmp_path / "topics.txt"}
public: true
k: 2-3
n: 2
anchors: 0
"""
        )
        done = skillmix("run", "mine.yaml", "--store", "store.sqlite", "--out", "yaml", cwd=tmp_path)
        assert (done.code, len(server.calls)) == (0, asked), done.err
    assert run_files(tmp_path / "yaml") == run_files(tmp_path / "flags")


def test_default_places(tmp_path: Path) -> None:
    """Without --out and --store, a run goes into a dated folder below results/runs, beside a shared store."""
    with Server() as server:
        options = ["--domain", "language", *models(server), "-k", 2, "-n", 1]
        done = skillmix("run", *options, cwd=tmp_path)
    assert done.code == 0, done.err
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    assert re.match(r"\d{4}-\d\d-\d\d_\d{6}_openai-good-student_language$", folder.name)
    run_files(folder)
    assert (tmp_path / "results" / "store.sqlite").is_file()


def test_dry_run(tmp_path: Path) -> None:
    """--dry-run counts the calls, makes none and writes nothing."""
    with Server() as server:
        options = [*run_options(server, tmp_path), "-k", "2,3", "-n", 3, "--dry-run"]
        before = sorted(tmp_path.iterdir())
        done = skillmix("run", *options, "--json", cwd=tmp_path)
        assert server.calls == []
    counts = {
        "questions": 6,
        "texts": 6,
        "student_calls": 12,
        "judge_calls": 6,
        "anchors": 0,
        "student_stored": 0,
        "judge_stored": 0,
    }
    assert {name: done.json[name] for name in counts} == counts
    assert sorted(tmp_path.iterdir()) == before


def test_dry_run_of_what_is_there(finished: Finished) -> None:
    """--dry-run counts what the store holds as paid, and takes the lengths of the rest from it."""
    folder, _, server = finished
    server.forget()
    options = [*run_options(server, folder), "-k", "2-4", "--price", "1/1", "--judge-price", "1/1"]
    there, more = (skillmix("run", *options, "-n", n, "--dry-run", "--json", cwd=folder).json for n in (4, 9))
    assert there["student_stored"] == there["student_calls"] == 24
    assert there["judge_stored"] == there["judge_calls"] == 12
    assert there["dollars"] == 0
    assert more["dollars"] > 0
    assert more["verdict_length"].endswith("stored replies")
    assert server.calls == []


def test_dry_run_without_a_key(tmp_path: Path) -> None:
    """--dry-run needs no key, names the price table's date, and says where --max-cost would stop the run."""
    paid = ["--student", "openai/gpt-4.1-mini", "--domain", "language", "--judge", "openai/gpt-4.1"]
    done = skillmix("run", *paid, "--dry-run", "--max-cost", "0.1", cwd=tmp_path, OPENAI_API_KEY="")
    assert done.code == 0, done.err
    assert "more than --max-cost 0.1" in done.out
    assert "price table of 20" in done.out


def test_another_run_is_not_written_over(finished: Finished) -> None:
    """A folder that holds another run, or other things, is left as it is."""
    folder, _, server = finished
    held = run_files(folder / "run")
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").write_text("mine")
    server.forget()
    for place in ("run", "mine"):
        done = skillmix("run", "run/spec.yaml", "--seed", 1, "--out", place, cwd=folder)
        assert (done.code, done.out) == (2, "")
        assert "choose another --out" in done.err
    assert run_files(folder / "run") == held
    assert [p.name for p in (folder / "mine").iterdir()] == ["notes.txt"]
    assert server.calls == []
