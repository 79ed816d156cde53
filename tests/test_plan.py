"""The plan: how many questions a decision needs, and what they cost."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from skillmix_eval.errors import BadInputError
from skillmix_eval.plan import Assumed, Cost, Planned, cost_of, plan, rate_of, sentences, tables
from skillmix_eval.prices import Price, Prices
from skillmix_eval.records import Usage
from skillmix_eval.runs import write_run

from .pairs import Cli, make_run, make_samples
from .server import one_sentence

LARGE = Assumed(drop=0.1)  # needs fewer questions, so that its simulation is quick
COST = Cost(
    student=Usage(1000, 100),
    judge=Usage(2000, 500),
    student_price=Price(0.5, 2),
    judge_price=Price(2, 8),
)


@pytest.fixture(scope="module")
def found() -> Planned:
    """The plan for a drop of 10 points, with prices."""
    return plan(LARGE, COST)


def test_ways_to_decide(found: Planned) -> None:
    """There is a number of questions for each way to decide; the sequential one is near the table's means."""
    needs = {n.way: n.questions for n in found.needs}
    assert needs["compare, same questions"] == 156
    assert needs["compare, other questions"] == 305
    assert needs["gate, fixed size"] == 263
    assert needs["gate, sequential, no drop"] == pytest.approx(160, rel=0.15)
    assert needs["gate, sequential, drop 0.2"] == pytest.approx(50, rel=0.2)
    assert [s.true_drop for s in found.sequential] == [0.0, 0.05, 0.1, 0.2]


def test_what_questions_see(found: Planned) -> None:
    """The paper's 100 questions see a drop of 12 to 13 points; that is said in words and in a table."""
    sight = {s.questions: s for s in found.sights}[100]
    assert sight.visible_drop == pytest.approx(0.125, abs=0.004)
    assert "100 shared questions show a drop of 0.13 with 80%" in " ".join(sentences(found))
    (paper,) = [t for t in tables(found) if "What 100 questions can see" in t.title]
    assert [row[2] for row in paper.rows][:2] == ["no", "no"]
    assert paper.rows[-1][2] == "yes"


def test_a_drop_too_small_to_simulate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the simulation ends before the gates decide, its mean is said to be a lower end."""
    monkeypatch.setattr("skillmix_eval.plan.LONGEST", 150)
    needs = {n.way: n for n in plan(LARGE).needs}
    assert "are undecided after 150" in needs["gate, sequential, no drop"].note
    assert needs["gate, sequential, drop 0.2"].note.startswith("mean;")


def test_price(found: Planned) -> None:
    """The price is that of student and judge together, per question and for each way."""
    per_text = (1000 * 0.5 + 100 * 2 + 2000 * 2 + 500 * 8) / 1e6
    assert found.dollars_per_question == pytest.approx(per_text)
    assert found.needs[0].dollars == pytest.approx(156 * per_text)
    assert msgspec.structs.replace(COST, judge_price=None).dollars is None


def test_from_a_run() -> None:
    """A run tells its full marks, with n, interval, protocol and judge, and its tokens per text."""
    samples = make_samples([i % 4 > 0 for i in range(40)])
    samples = [
        msgspec.structs.replace(s, text=msgspec.structs.replace(s.text, usage=Usage(100, 30)))
        for s in samples
    ]
    run = make_run("m/a", samples)
    assumed, cost = rate_of(run, LARGE), cost_of(run, Cost(student_price=Price(1, 1)), Prices())
    assert assumed.baseline == 0.75
    for words in ("m/a", "n = 40", "[0.6", "draft", "rules/made"):
        assert words in assumed.source
    assert cost.dollars == pytest.approx(130e-6)


def test_impossible_plans() -> None:
    """A drop larger than the baseline, or a run without a rate, is refused."""
    with pytest.raises(BadInputError, match="impossible"):
        plan(Assumed(baseline=0.05, drop=0.1))
    with pytest.raises(BadInputError, match="--correlation"):
        plan(Assumed(correlation=1.0))
    with pytest.raises(BadInputError, match="--baseline-rate"):
        rate_of(make_run("m/a", make_samples([True] * 5)), LARGE)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command plans from a run or from flags, in Markdown and JSON; a wrong price is one sentence."""
    cli = Cli(capsys)
    write_run(tmp_path / "run", make_run("m/a", make_samples([True, False] * 20)), {})
    document = cli("plan", "--drop", "0.1", "--run", tmp_path / "run", "--json").json
    assert document["assumed"]["baseline"] == 0.5
    shown = cli("plan", "--drop", "0.1", "--price", "0.5/2", "--judge-price", "2/8", "--markdown").out
    assert "| compare, same questions | 156 | $" in shown
    listed = cli("plan", "--drop", "0.1", "--student", "openai/gpt-4.1-mini", "--markdown").out
    assert "| compare, same questions | 156 | $0.09 |" in listed
    unknown = cli("plan", "--student", "openai/nobody")
    assert unknown.code == 2
    one_sentence(unknown, "The price of 'openai/nobody' is not known")
    wrong = cli("plan", "--price", "cheap")
    assert wrong.code == 2
    one_sentence(wrong, "'cheap' must be two numbers")
