"""Several gradings and several judges: votes, ties, agreement, kinship."""

from __future__ import annotations

from pathlib import Path

import pytest

from skillmix_eval.families import family, same_family
from skillmix_eval.records import Grading, GradingStatus, Sample, Verdict
from skillmix_eval.stages.agreement import agreements
from skillmix_eval.stages.score import score

from .makers import make_question, make_text
from .server import JUDGE, OTHER_JUDGE, Server, one_sentence, run_options, skillmix


def sample(*votes: tuple[str, str], topic: str = "sewing") -> Sample:
    """Return a sample from (judge, points) pairs."""
    question = make_question(topic=topic)
    text = make_text(question)
    gradings = tuple(
        Grading(
            question.id,
            0,
            i,
            judge,
            GradingStatus.OK,
            {item: Verdict(p == "1") for item, p in zip(question.items, points, strict=True)},
        )
        for i, (judge, points) in enumerate(votes)
    )
    return Sample(question, text, gradings, score(question, text, gradings))


def test_a_panel_votes_per_item() -> None:
    """All gradings of all judges vote on each item; a tie earns no point and is stated."""
    found = sample(("a", "111111"), ("a", "110011"), ("b", "010011"), ("b", "011011")).score
    assert found is not None
    assert [int(met) for met in found.points.values()] == [0, 1, 0, 0, 1, 1]
    assert found.ties == ("skill:metaphor", "skill:modus-ponens")


def test_agreement_within_and_between_judges() -> None:
    """Own gradings and the judges' majorities are compared apart; code and the limit are left out."""
    samples = [
        sample(("a", "111110"), ("a", "111111"), ("b", "000000"), topic="quays"),
        sample(("a", "000001"), ("a", "000001"), ("b", "111111"), topic="looms"),
        sample(("rules/devices", "000001"), ("rules/devices", "000001"), topic="kilns"),
    ]
    own, between = agreements(samples)
    assert (own.who, own.items, own.votes, own.same.value) == ("Own gradings of a", 10, 2.0, 1.0)
    assert own.effective == pytest.approx(1.0)
    assert (between.items, between.same.value, between.same.n) == (10, 0.0, 2)
    assert between.alpha.value is not None
    assert between.alpha.value < 0


def test_one_grading_has_no_agreement() -> None:
    """A single vote says nothing about agreement."""
    assert agreements([sample(("a", "111111"))]) == ()


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("openai/gpt-4.1-mini", "GPT"),
        ("openai/o3-mini", "GPT"),
        ("openai/anthropic/claude-sonnet-4", "Claude"),
        ("vllm/Qwen/Qwen2.5-7B-Instruct", "Qwen"),
        ("hf/deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "DeepSeek"),
        ("openai/my-model", None),
        ("hf/./checkpoints/philosopher", None),
        ("embedded", None),
    ],
)
def test_family(model: str, found: str | None) -> None:
    """A family is read from a model's name, and none is guessed."""
    assert family(model) == found


def test_kinship() -> None:
    """Student and judge are kin as one model, or by family; unknown families are not one family."""
    assert same_family("openai/x", "openai/x") == "are the same model"
    assert same_family("openai/gpt-4o", "openai/gpt-4.1") == "are both of the family GPT"
    assert same_family("openai/gpt-4o", "openai/claude-3") is None
    assert same_family("openai/x", "openai/y") is None


def test_panel_run(tmp_path: Path) -> None:
    """--judge twice asks both judges, says who they are and how far they agree, and repeats for nothing."""
    with Server() as server:
        two: list[object] = ["--judge", f"openai/{OTHER_JUDGE}", "--gradings", 2, "-k", 2, "-n", 4]
        options = [*run_options(server, tmp_path), *two, "--no-refine", "--json", "--out", "one"]
        done = skillmix("run", *options, cwd=tmp_path)
        assert done.code == 0, done.err
        asked = [c.model for c in server.of("judge")]
        again = skillmix("run", "one/spec.yaml", "--store", tmp_path / "store.sqlite", "--json", cwd=tmp_path)
        assert again.code == 0, again.err
        assert len(server.of("judge")) == len(asked)
    assert asked.count(JUDGE) == asked.count(OTHER_JUDGE) == 8
    info = done.json["run"]
    assert f"openai/{JUDGE};" in info["judge"]
    assert f" + openai/{OTHER_JUDGE};" in info["judge"]
    rows = done.json["figures"]["agreement"]
    assert [row["who"].split()[0] for row in rows] == ["Own", "Own", "Judges"]
    assert again.json["figures"] == done.json["figures"]


def test_kin_are_warned_of(tmp_path: Path) -> None:
    """A judge of the student's family is named in the report."""
    with Server() as server:
        options = [*run_options(server, tmp_path), "--judge", "openai/gpt-9"]
        options += ["--student", "openai/gpt-7", "-k", 2, "-n", 1, "--no-refine"]
        done = skillmix("run", *options, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert any("gpt-9 are both of the family GPT" in note for note in done.json["run"]["notes"])


def test_one_judge_twice_is_no_panel(tmp_path: Path) -> None:
    """The same judge twice in a panel is refused, with what to do instead."""
    with Server() as server:
        options = [*run_options(server, tmp_path), "--judge", f"openai/{JUDGE}"]
        one_sentence(skillmix("run", *options, "-k", 2, "-n", 1, cwd=tmp_path), "twice", "--gradings")
