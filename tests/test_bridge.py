"""Two judges are connected by texts that both graded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skillmix_eval.bridge import Bridge, connect, sentences
from skillmix_eval.records import Sample

from .makers import make_question, make_sample
from .scripted import ScriptedJudge
from .server import JUDGE, OTHER_JUDGE, Server, one_sentence, skillmix


def pairs(n: int, seed: int, harsher: float) -> tuple[list[Sample], list[Sample]]:
    """Return texts by a judge, and all of them by one that drops points at a rate."""
    random = np.random.RandomState(seed)
    first, second = [], []
    for i in range(n):
        question = make_question(topic=f"t{i}")
        given = random.rand(5) < 0.8
        kept = given & (random.rand(5) >= harsher)
        first.append(make_sample(question, "".join(str(int(p)) for p in given) + "1"))
        second.append(make_sample(question, "".join(str(int(p)) for p in kept) + "1"))
    return first, second


def told(found: Bridge, metric: str = "full_marks") -> tuple[float, float, float]:
    """Return what the second judge is foreseen to give."""
    row = next(t for t in found.told if t.metric == metric)
    assert row.foreseen.value is not None
    assert row.foreseen.low is not None
    assert row.foreseen.high is not None
    return row.foreseen.low, row.foreseen.value, row.foreseen.high


def test_the_other_judge_is_foreseen() -> None:
    """From a part that both graded, the interval holds what the second judge gives to all."""
    hits = 0
    for seed in range(20):
        first, second = pairs(300, seed, 0.1)
        found = connect("a", "b", first, second[:100])
        true = np.mean([s.score.marks.full_marks for s in second if s.score])
        low, _, high = told(found)
        hits += low <= true <= high
    assert hits >= 17


def test_the_line_between_judges() -> None:
    """A judge that drops one point in five gives a slope of 0.8 through the origin."""
    first, second = pairs(600, 3, 0.2)
    line = connect("a", "b", first, second).line
    assert line is not None
    assert line.slope[1] <= 0.8 <= line.slope[2]
    assert line.intercept[1] <= 0.0 <= line.intercept[2]
    assert line.n == 600


def test_a_judge_with_itself() -> None:
    """The same verdicts give the line y = x and full agreement."""
    first, _ = pairs(50, 4, 0.0)
    found = connect("a", "a", first, first)
    assert found.line is not None
    assert found.line.slope[0] == pytest.approx(1.0)
    assert (found.same.value, found.alpha.value) == (1.0, 1.0)


def test_no_line_where_all_is_alike() -> None:
    """A judge that gives all texts the same cannot be regressed on, which is said."""
    first = [make_sample(make_question(topic=f"t{i}"), "111111") for i in range(5)]
    assert "no line" in sentences(connect("a", "b", first, first))[0]


def test_bridge_command(tmp_path: Path) -> None:
    """`skillmix bridge` asks the other judge about a part of the texts and tells the run in its terms."""
    judges = {JUDGE: ScriptedJudge(0.95, 0.9, "a"), OTHER_JUDGE: ScriptedJudge(0.8, 0.95, "b")}
    with Server(fault=lambda call: f"say:{judges[call.model](call.prompt)}") as server:
        url = ["--judge-base-url", server.url]
        run = ["run", "-k", 1, "-n", 40, "--judge", f"openai/{JUDGE}", *url, "--anchors", 0, "--out", "r"]
        assert skillmix(*run, cwd=tmp_path).code == 0
        server.forget()
        command = ["bridge", "r", "--judge", f"openai/{OTHER_JUDGE}", *url, "-n", 20]
        done = skillmix(*command, "--json", cwd=tmp_path)
        assert done.code == 0, done.err
        assert {c.model for c in server.calls} == {OTHER_JUDGE}
        assert len(server.calls) == 20
        shown = skillmix(*command, cwd=tmp_path)
        same = skillmix("bridge", "r", "--judge", f"openai/{JUDGE}", *url, cwd=tmp_path)
    assert done.json["graded_by_both"] == 20
    assert "The run in the other judge's terms" in shown.out
    one_sentence(same, "very judge")
    one_sentence(skillmix("bridge", "r", cwd=tmp_path), "--judge")
