"""Gradings become points and metrics; unscored is not zero."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.records import Marks, Score, TextStatus
from skillmix_eval.stages.score import marks, score, vote

from .makers import make_grading, make_question, make_text

QUESTION = make_question()  # metaphor, red herring, modus ponens
points = st.lists(st.booleans(), min_size=1, max_size=6)
others = st.lists(st.booleans(), min_size=3, max_size=3)


def scored(*gradings: str | None, text: str = "A hem.", status: TextStatus = TextStatus.OK) -> Score | None:
    """Score a text by gradings such as '110111'; None is an unreadable one."""
    given = [make_grading(QUESTION, g, i) for i, g in enumerate(gradings)]
    return score(QUESTION, make_text(QUESTION, text, status), given)


@pytest.mark.parametrize(
    ("earned", "expected"),
    [
        ("111111", (1, 1, 1)),
        ("110111", (0, 0, 2 / 3)),
        ("111110", (0, 1, 0)),
        ("111100", (0, 0, 0)),
        ("011011", (0, 0, 0)),
        ("000111", (0, 0, 0)),
    ],
)
def test_metrics(earned: str, expected: tuple[float, ...]) -> None:
    """Full marks, all skills with two of the other three, and the skills' share if the others are earned."""
    assert scored(earned).marks == Marks(*map(float, expected))  # type: ignore[union-attr]


@given(points, others)
def test_full_marks_is_the_least(skills: list[bool], rest: list[bool]) -> None:
    """Full marks is never above all skills or skill fraction, and all three lie between 0 and 1."""
    found = marks(skills, rest)
    assert 0 <= found.full_marks <= min(found.all_skills, found.skill_fraction)
    assert max(found.all_skills, found.skill_fraction) <= 1


@given(points, others, st.data())
def test_losing_a_skill_raises_nothing(skills: list[bool], rest: list[bool], data: st.DataObject) -> None:
    """Taking a skill's point away, as naming it does, never raises a metric."""
    fewer = [p and data.draw(st.booleans()) for p in skills]
    less, more = marks(fewer, rest), marks(skills, rest)
    assert less.full_marks <= more.full_marks
    assert less.all_skills <= more.all_skills
    assert less.skill_fraction <= more.skill_fraction


@pytest.mark.parametrize(
    ("gradings", "majority", "ties"),
    [
        (["111111", "110111", "110011"], "110111", 0),
        (["100000", "000000"], "000000", 1),
        (["101010", "010101"], "000000", 6),
        (["111111"], "111111", 0),
    ],
)
def test_vote(gradings: list[str], majority: str, ties: int) -> None:
    """Each item goes to the majority of the gradings; a tie earns no point and is counted."""
    earned, tied = vote([make_grading(QUESTION, g) for g in gradings])
    assert "".join(str(int(earned[item])) for item in QUESTION.items) == majority
    assert len(tied) == ties


@given(st.lists(st.text("01", min_size=6, max_size=6), min_size=1, max_size=5))
def test_order_of_votes_is_nothing(gradings: list[str]) -> None:
    """The vote does not depend on the order of the gradings."""
    there, back = (vote([make_grading(QUESTION, g) for g in way]) for way in (gradings, gradings[::-1]))
    assert there == back


def test_unreadable_gradings_have_no_vote() -> None:
    """Unreadable gradings are left out of the vote."""
    assert scored(None, "110111", None).points["on_topic"]  # type: ignore[union-attr]


@pytest.mark.parametrize("status", [TextStatus.TRUNCATED, TextStatus.FAILED])
def test_cut_off_or_failed(status: TextStatus) -> None:
    """A truncated or failed text is unscored, not zero."""
    assert scored("111111", status=status) is None


@pytest.mark.parametrize("gradings", [(), (None,), (None, None)])
def test_nothing_readable(gradings: tuple[None, ...]) -> None:
    """A text without a readable grading is unscored, not zero."""
    assert scored(*gradings) is None


@pytest.mark.parametrize("status", [TextStatus.EMPTY, TextStatus.ECHOED, TextStatus.REFUSED])
def test_no_text_earns_nothing(status: TextStatus) -> None:
    """An empty, echoed or refused text earns no point, whatever a judge would say."""
    found = scored(status=status)
    assert found is not None
    assert not any(found.points.values())
    assert found.marks == found.marks_naming_allowed == Marks(0.0, 0.0, 0.0)


def test_naming_costs_the_point() -> None:
    """Naming a skill costs its point; the marks without that deduction are kept beside."""
    found = scored("111111", text="My Red-Herrings smell.")
    assert found is not None
    assert found.named == ("red-herring",)
    assert found.marks == Marks(0.0, 0.0, 2 / 3)
    assert found.marks_naming_allowed == Marks(1.0, 1.0, 1.0)
    assert all(found.points.values())


def test_naming_without_a_point() -> None:
    """Naming a skill that is not shown costs nothing more."""
    found = scored("101111", text="red herring")
    assert found is not None
    assert found.marks == found.marks_naming_allowed
