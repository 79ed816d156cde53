"""Texts that exist already: files to grade and the public repository's records."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from skillmix_eval.domain import load_domain
from skillmix_eval.errors import BadInputError
from skillmix_eval.evaluate import report_files, run_figures
from skillmix_eval.figures import METRICS
from skillmix_eval.inputs import import_released, jobs_of_file
from skillmix_eval.pipeline import Job
from skillmix_eval.records import GradingStatus, TextStatus
from skillmix_eval.runs import Run, open_folder, read_run, write_run
from skillmix_eval.stages.sample import sample

ROW = {"text": "A hem is a promise.", "topic": "falconry", "skills": ["metaphor", "simile"]}
SETTINGS = {"domain": "language"}
POINTS = {
    "Sewing": "110111",
    "Beekeeping": "111111",
    "Gardening": "011111",
    "Triathlons": "111111",
    "Urbanism": "101111",
}


def jobs(folder: Path, *rows: Any, name: str = "texts.jsonl") -> list[Job]:
    """Write rows (dictionaries, or lines as they are) into a file and read its jobs."""
    lines = [r if isinstance(r, str) else json.dumps(r, ensure_ascii=False) for r in rows]
    (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return jobs_of_file(folder / name, SETTINGS)[1]


@pytest.fixture(scope="module")
def runs(released: Path) -> dict[str, Run]:
    """Return the released students' runs."""
    return dict(import_released(released, {}))


def test_jsonl(tmp_path: Path) -> None:
    """Each line with text, topic and skills is a text to grade; empty lines are nothing."""
    (job,) = jobs(tmp_path, "", ROW, " ")
    assert job.text is not None
    assert (job.text.text, job.text.status) == (ROW["text"], TextStatus.OK)
    assert [s.name for s in job.question.skills] == ["metaphor", "simile"]


def test_csv(tmp_path: Path) -> None:
    """In a CSV file, skills are set apart by semicolons."""
    (job,) = jobs(tmp_path, "text,topic,skills", "A hem.,Falconry,Metaphor; simile", name="texts.csv")
    assert [s.id for s in job.question.skills] == ["metaphor", "simile"]


def test_same_question_as_a_run(tmp_path: Path) -> None:
    """A text's question is the one that a run asks, so the two can be compared."""
    (question,) = sample(load_domain("language"), 3, 1, 0)
    row = ROW | {"topic": question.topic.name, "skills": [s.name for s in question.skills]}
    assert jobs(tmp_path, row)[0].question == question


def test_several_texts_for_a_question(tmp_path: Path) -> None:
    """Texts for the same question are numbered in the order of the file."""
    found = jobs(tmp_path, ROW, ROW | {"topic": "bell-ringing"}, ROW | {"text": "Another."})
    assert [job.index for job in found] == [0, 0, 1]


def test_texts_are_read_like_replies(tmp_path: Path) -> None:
    """An empty text has the status that it would have in a run."""
    (job,) = jobs(tmp_path, ROW | {"text": " "})
    assert job.text is not None
    assert job.text.status is TextStatus.EMPTY


def test_line_separators_in_a_text(tmp_path: Path) -> None:
    """Line separators of Unicode inside a text do not end its line."""
    text = "One hem.\u2028Another\x85hem."
    (job,) = jobs(tmp_path, ROW | {"text": text})
    assert job.text is not None
    assert job.text.text == text


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ROW, "{broken"], "line 2 is not JSON"),
        ([ROW, ROW | {"skills": ["metaphr"]}], r"text 2: No skill named 'metaphr'.*Did you mean 'metaphor'"),
        ([ROW | {"topic": "falconery"}], r"text 1: No topic named 'falconery'.*Did you mean 'falconry'"),
        ([ROW | {"skills": ["metaphor", "Metaphor"]}], "text 1 names a skill twice"),
        ([ROW | {"skills": []}], "text 1 has no skills or no topic"),
        ([{"text": "x", "skills": "metaphor"}], "text 1 has no skills or no topic"),
        ([ROW, ROW | {"text": None}], "text 2 has no 'text'"),
        (["[1, 2]"], "holds no texts"),
        ([""], "holds no texts"),
    ],
)
def test_faults(tmp_path: Path, rows: list[Any], said: str) -> None:
    """A broken row of a file to grade is one sentence that says which row."""
    with pytest.raises(BadInputError, match=said):
        jobs(tmp_path, *rows)


def test_broken_csv(tmp_path: Path) -> None:
    """A CSV file that cannot be read is one sentence."""
    with pytest.raises(BadInputError, match=r"texts\.csv is not a CSV file that can be read"):
        jobs(tmp_path, "text,topic,skills", 'A,B,"C"D', name="texts.csv")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_unreadable_file(tmp_path: Path, content: bytes | None) -> None:
    """A file to grade that is missing, or no UTF-8 text, is one sentence."""
    if content:
        (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(BadInputError, match=r"x\.jsonl cannot be read"):
        jobs_of_file(tmp_path / "x.jsonl", SETTINGS)


def test_released_points(runs: dict[str, Run]) -> None:
    """Every judge reply of gpt-4 round 2 parses to the points that the records print."""
    for found in runs["gpt-4"].samples:
        assert len(found.gradings) == 3
        for grading in found.gradings:
            earned = "".join(str(int(v.met)) for v in grading.verdicts.values())
            assert earned == POINTS[found.question.topic.name]


@pytest.mark.parametrize("counter", ["sentencex", "reference"])
def test_released_figures(released: Path, counter: str) -> None:
    """The paper's protocol on gpt-4 round 2 gives the metrics that the reference prints."""
    found = dict(import_released(released, {"sentence_counter": counter}))["gpt-4"]
    (row,) = run_figures(found).by_k
    printed = {
        m: (f"{row.metrics[m].estimate.value:.2f}", f"{row.metrics[m].estimate.se:.3f}") for m in METRICS
    }
    assert printed == {
        "full_marks": ("0.40", "0.245"),
        "all_skills": ("0.40", "0.245"),
        "skill_fraction": ("0.80", "0.082"),
    }
    allowed = row.metrics_naming_allowed
    assert {m: row.metrics[m].estimate for m in METRICS} == {m: allowed[m].estimate for m in METRICS}


def test_released_report(runs: dict[str, Run]) -> None:
    """The report of gpt-4 shows the reference's figures, beside protocol and judge."""
    found = report_files(runs["gpt-4"])["report.md"].decode()
    for said in ("0.40 ± 0.245", "0.80 ± 0.082", "Protocol: paper", "gpt-4", "round 1 is missing"):
        assert said in found


@pytest.mark.parametrize(("student", "gradings"), [("llama2-7b-chat", 12), ("mistral-7b-chat", 3)])
def test_released_gradings_that_are_none(runs: dict[str, Run], student: str, gradings: int) -> None:
    """The gradings of llama2 and mistral are no verdicts, each with its reason: unscored, not zero."""
    found = [g for s in runs[student].samples for g in s.gradings]
    assert len(found) >= gradings
    assert {g.status for g in found} == {GradingStatus.UNREADABLE}
    assert all(g.why for g in found)
    proper = [s for s in runs[student].samples if s.text.status is TextStatus.OK]
    assert {s.score for s in proper} == {None}


def test_released_questions_are_sampled_ones(released: Path, runs: dict[str, Run]) -> None:
    """The released records ask the questions of the reference sampler, with the same ids."""
    domain = load_domain("language", released / "skills.csv", released / "topics.txt", public=True)
    drawn = [q.id for q in sample(domain, 3, 5, 10, sampler="reference")]
    assert [s.question.id for s in runs["gpt-4"].samples] == drawn


def test_lists_elsewhere(released: Path, tmp_path: Path) -> None:
    """Records without their lists are read with lists that are named, and are an error without."""
    shutil.copytree(released / "records", tmp_path / "records")
    lists = {"skills": str(released / "skills.csv"), "topics": str(released / "topics.txt")}
    assert len(import_released(tmp_path, lists)) == 3
    with pytest.raises(BadInputError, match=r"has no topics\.txt.*--topics"):
        import_released(tmp_path, {"skills": lists["skills"]})


def test_imported_run_reads_back(runs: dict[str, Run], tmp_path: Path) -> None:
    """A run that is written and read again is the same, and writing it twice gives the same bytes."""
    for student, run in runs.items():
        for folder in (tmp_path / "a" / student, tmp_path / "b" / student):
            open_folder(folder, run.spec)
            write_run(folder, run, report_files(run))
            assert read_run(folder) == run
    files = [sorted(p for p in (tmp_path / n).rglob("*") if p.is_file()) for n in "ab"]
    assert [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]
