"""How calls flow: grading starts when a text arrives, limits hold, faults become statuses."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from .server import Call, Server, one_sentence, run_options, skillmix


def run(server: Server, folder: Path, *options: object) -> Any:
    """Return the JSON of a run of one question per topic, without a second turn."""
    given = [
        *run_options(server, folder),
        "-k",
        1,
        "-n",
        5,
        "--no-refine",
        "--out",
        "run",
        "--max-failed",
        "100%",
        *options,
        "--json",
    ]
    done = skillmix("run", *given, cwd=folder)
    assert (done.code, done.err) == (0, "")
    return done.json


def by_topic(role: str, **faults: str) -> Any:
    """Return the rule that a role's calls on a topic go wrong in a way."""

    def fault(call: Call) -> str | None:
        found = [f for topic, f in faults.items() if f" about {topic}" in call.prompt]
        return found[0] if found and call.role == role else None

    return fault


def test_grading_starts_when_a_text_arrives(tmp_path: Path) -> None:
    """The first judge call begins before the last student call does."""
    with Server(student_s=0.2) as server:
        run(server, tmp_path, "--max-connections", 1)
        student, judge = server.of("student"), server.of("judge")
    assert judge[0].began < student[-1].began


def test_calls_in_flight(tmp_path: Path) -> None:
    """Student and judge each stay within their own limit, and make use of it."""
    with Server(student_s=0.1, judge_s=0.2) as server:
        run(server, tmp_path, "-n", 15, "--max-connections", 3, "--judge-max-connections", 2)
        assert server.most_in_flight == {"student": 3, "judge": 2}


def test_one_limit_for_one_endpoint(tmp_path: Path) -> None:
    """A limit given for the student alone holds for all calls to an endpoint that the judge shares."""
    with Server(student_s=0.02, judge_s=0.05) as server:
        run(server, tmp_path, "-n", 15, "--max-connections", 3)
        assert max(server.most_in_flight.values()) == 3
        times = [(c.began, 1) for c in server.calls] + [(c.ended, -1) for c in server.calls]
    assert max(itertools.accumulate(step for _, step in sorted(times))) == 3


def test_texts_that_are_none(tmp_path: Path) -> None:
    """Truncated, refused, empty and failed texts are counted, and only zero where the student is to blame."""
    fault = by_topic("student", quays="length", looms="refusal", kilns="null", tides="400")
    with Server(fault=fault) as server:
        (row,) = run(server, tmp_path)["figures"]["by_k"]
        assert len(server.of("judge")) == 1
    found = {status: n for status, n in row["statuses"].items() if n}
    assert found == dict.fromkeys(("ok", "truncated", "refused", "empty", "failed"), 1)
    assert (row["texts"], row["scored_texts"]) == (5, 3)
    marks = row["metrics"]["skill_fraction"]
    assert marks["estimate"]["n"] == 3
    assert marks["highest"] - marks["lowest"] == pytest.approx(2 / 5)


def test_verdicts_that_are_none(tmp_path: Path) -> None:
    """Unreadable and failed gradings are counted and leave a text unscored, never at zero."""
    with Server(fault=by_topic("judge", quays="gibberish", looms="length", kilns="400")) as server:
        (row,) = run(server, tmp_path)["figures"]["by_k"]
    assert row["gradings"] == {"ok": 2, "unreadable": 2, "fooled": 0, "failed": 1}
    assert row["scored_texts"] == 2
    assert row["metrics"]["full_marks"]["estimate"]["n"] == 2


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    """The next run asks for the texts and gradings that failed, and for nothing else."""
    with Server(
        fault=lambda c: by_topic("student", quays="400")(c) or by_topic("judge", looms="400")(c)
    ) as server:
        assert run(server, tmp_path)["figures"]["by_k"][0]["scored_texts"] == 3
        server.forget()
        server.fault = lambda _: None
        assert run(server, tmp_path)["figures"]["by_k"][0]["scored_texts"] == 5
        assert sorted(c.turn for c in server.calls) == ["draft", "judge", "judge"]


@pytest.mark.parametrize("fault", ["429", "500", "hang-up"])
def test_passing_faults_leave_no_trace(tmp_path: Path, fault: str) -> None:
    """A run in which calls are turned away once is complete."""
    with Server(fault=lambda c: fault if c.attempt == 0 and "about quays" in c.prompt else None) as server:
        assert run(server, tmp_path)["figures"]["by_k"][0]["scored_texts"] == 5


@pytest.mark.parametrize("role", ["student", "judge"])
@pytest.mark.parametrize("fault", ["401", "404"])
def test_a_model_that_cannot_be_used(tmp_path: Path, role: str, fault: str) -> None:
    """A bad key or an unknown model ends the run with one sentence after a handful of calls."""
    with Server(student_s=0.01, fault=lambda c: fault if c.role == role else None) as server:
        options = [*run_options(server, tmp_path), "-n", 50, "-k", 2, "--out", "run"]
        limits = ["--max-connections", 2, "--judge-max-connections", 2]
        done = skillmix("run", *options, *limits, cwd=tmp_path)
        assert done.code == 2
        one_sentence(done, server.url, f"good-{role}")
        assert len(server.of(role)) <= 4
        assert len(server.calls) < 20
