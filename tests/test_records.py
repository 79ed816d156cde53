"""Records: what a question is worth and which points it can earn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.records import Usage

from .makers import make_question


@pytest.mark.parametrize(("k", "limit"), [(1, 1), (2, 1), (3, 2), (5, 4)])
def test_sentence_limit(k: int, limit: int) -> None:
    """A text may have k - 1 sentences, and one where k is 1."""
    assert make_question(*(f"s{i}" for i in range(k))).sentence_limit == limit


def test_rubric_items() -> None:
    """The rubric has one item per skill in the question's order, then topic, sense and sentence limit."""
    question = make_question("red herring", "metaphor")
    assert question.k == 2
    assert question.items == (
        "skill:red-herring",
        "skill:metaphor",
        "on_topic",
        "makes_sense",
        "sentence_limit",
    )


def test_records_are_values() -> None:
    """Two records with the same content are equal, and none can be changed."""
    question = make_question()
    assert question == make_question()
    with pytest.raises(AttributeError):
        question.id = "other"  # type: ignore[misc]


@given(*[st.integers(0, 10**9)] * 4)
def test_usage_adds_up(a: int, b: int, c: int, d: int) -> None:
    """Tokens of several calls add up by direction."""
    assert Usage(a, b) + Usage(c, d) == Usage(a + c, b + d)
