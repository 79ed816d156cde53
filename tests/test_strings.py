"""The domain `strings`: functions composed k deep, right or wrong to the letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.domain import load_domain
from skillmix_eval.domains.strings.functions import FUNCTIONS, compose
from skillmix_eval.domains.strings.rules import verdicts
from skillmix_eval.records import Question, Topic
from skillmix_eval.stages.sample import make_question, sample
from skillmix_eval.templates import load_template

DOMAIN = load_domain("strings")
BY_ID = {s.id: s for s in DOMAIN.skills}


@pytest.mark.parametrize("skill", DOMAIN.skills, ids=lambda s: s.id)
def test_every_example_is_true(skill: object) -> None:
    """Each function's example in the prompt is what the function returns."""
    example = BY_ID[skill.id]  # type: ignore[attr-defined]
    given_, _, result = example.example.partition(" becomes ")
    assert FUNCTIONS[example.id](given_) == result


def test_the_parts() -> None:
    """There are 25 functions, 13 for composing in training and 12 held out of it."""
    assert set(BY_ID) == set(FUNCTIONS)
    assert (len(DOMAIN.part("train")[0]), len(DOMAIN.part("held-out")[0])) == (13, 12)


@pytest.mark.parametrize(
    ("skills", "text", "result"),
    [
        (["reverse", "prefix"], "cab", "bacuq"),
        (["prefix", "reverse"], "cab", "qubac"),
        (["hyphenate", "double"], "ab", "a-a-b-b"),
        (["caesar"], "xyZ-1", "abC-1"),
        (["stride"], "abcdef", "afedcb"),
        (["weave"], "ab", "awbxyz"),
        (["palindrome", "mirror"], "ab", "abba"),
        (["rotate-left-two"], "a", "a"),
    ],
)
def test_the_innermost_comes_first(skills: list[str], text: str, result: str) -> None:
    """The function named last is applied first."""
    assert compose(skills, text) == result


@given(st.sampled_from(sorted(FUNCTIONS)), st.text(max_size=30))
def test_functions_take_any_string(name: str, text: str) -> None:
    """No function fails on any string."""
    assert isinstance(FUNCTIONS[name](text), str)


def question(*skills: str, topic: str = "cab") -> Question:
    """Return a question of the domain."""
    return make_question(tuple(BY_ID[s] for s in skills), Topic(topic, topic))


@pytest.mark.parametrize(
    ("text", "met"), [("bacuq", True), ("`bacuq`", True), (" bacuq\n", True), ("Bacuq", False), ("", False)]
)
def test_all_or_nothing(text: str, met: bool) -> None:
    """Every rubric item is met by the exact answer, and none by another."""
    found = verdicts(question("reverse", "prefix"), text)
    assert {v.met for v in found.values()} == {met}
    assert len(found) == 4


def test_the_prompt_says_what_to_compute() -> None:
    """The prompt nests the functions as the grader does, and defines each."""
    template = load_template("draft", "draft", DOMAIN.folder)
    asked = question("reverse", "prefix")
    shown = template.render(skills=asked.skills, topic="cab", k=2, limit=1, limit_words="one sentence")
    assert 'f_reverse(f_prefix("cab"))' in shown
    assert "reverses the order" in shown


def test_no_answer_is_empty() -> None:
    """No question of the domain has an empty answer, which would count as no text."""
    for k in (1, 2, 3, 4):
        for asked in sample(DOMAIN, k, 200, 0, "all", "balanced"):
            assert any(c.isalnum() for c in compose([s.id for s in asked.skills], asked.topic.name))
