"""Spot-checks: what raters see, in which order, and what their labels say."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval import spot
from skillmix_eval.labels import Label
from skillmix_eval.records import SENTENCE_LIMIT
from skillmix_eval.runs import Run
from skillmix_eval.spec import RunSpec

from .makers import make_question, make_sample
from .test_pages import INFO, PART, make_run


def labels_of(task: spot.Task, met: bool | None = True, rater: str = "ada") -> list[Label]:
    """Return a rater's labels for all items of a text."""
    return [Label(task.key, item, met, rater, "2026-01-01T00:00:00+00:00") for item in task.items]


def test_a_text_is_read_once() -> None:
    """A text that two runs hold is one task, unscored texts are none, and the order is the same for all."""
    first, second = make_run(["a", "b", "c"]), make_run(["a", "x", "c"], PART, "m/two")
    third = Run(RunSpec(), INFO, (make_sample(make_question(topic="t9"), None),))
    found = spot.tasks([first, second, third])
    assert sorted(t.sample.text.text for t in found) == ["a", "b", "c", "x"]
    assert [t.key for t in found] == [t.key for t in spot.tasks([second, third, first])]


def test_the_order_is_random() -> None:
    """The first texts are a sample of all: neither in the run's order nor good ones first."""
    runs = [make_run([f"g{i}" for i in range(200)]), make_run([f"b{i}" for i in range(200)], PART)]
    first = spot.tasks(runs)[:100]
    assert 25 <= sum(t.sample.score is not None and t.sample.score.marks.full_marks == 1 for t in first) <= 75


def test_raters_are_blind() -> None:
    """What a rater is sent holds no model, no judge, no verdict, no reason and no score."""
    run = make_run(["The text."], PART, "m/secret")
    sent = msgspec.json.encode(spot.shown(spot.tasks([run])[0], {"metaphor": "metaphor"})).decode()
    assert "The text." in sent
    assert "What metaphor means." in sent
    for hidden in ("m/secret", "judge", 'met":', "reason", "score", "points"):
        assert hidden not in sent


def test_private_lists_stay_private() -> None:
    """Without names to show, a rater is sent ids, and neither definitions nor examples."""
    sent = msgspec.json.encode(spot.shown(spot.tasks([make_run(["x"])])[0], {})).decode()
    assert "What metaphor means." not in sent
    assert "How metaphor looks." not in sent


def test_sentence_limit_is_not_asked() -> None:
    """People decide skills, topic and sense; code counts sentences."""
    task = spot.tasks([make_run(["x"])])[0]
    assert len(task.items) == 5
    assert SENTENCE_LIMIT not in task.items


def test_done() -> None:
    """A text is decided when each item is, be it as unsure."""
    task = spot.tasks([make_run(["x"])])[0]
    said = labels_of(task, None)
    assert spot.is_done(task, spot.by_rater(said)["ada"])
    assert not spot.is_done(task, spot.by_rater(said[1:])["ada"])


def test_agreement_values() -> None:
    """The measures are those of the textbook: 40 of 50 alike, one side giving 25, the other 35."""
    pairs = [(True, True)] * 25 + [(False, True)] * 10 + [(False, False)] * 15
    found = spot.agreement(pairs)
    assert found is not None
    assert found.agree == pytest.approx(0.8)
    assert found.kappa == pytest.approx(0.6)  # (0.8 - 0.5) / (1 - 0.5)
    assert found.ac1 == pytest.approx((0.8 - 0.48) / (1 - 0.48))
    assert (found.only_first, found.only_second) == (0, 10)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_agreement_bounds(pairs: list[tuple[bool, bool]]) -> None:
    """Whatever is said, the measures are at most 1, and 1 only where all agree."""
    found = spot.agreement(pairs)
    assert found is not None
    for value in (found.kappa, found.ac1):
        assert value is None or (value < 1) == (found.agree < 1)


def test_agreement_tables() -> None:
    """Raters are set against the judge by item, and against each other; unsure counts for neither."""
    found = spot.tasks([make_run(["x", "y"], PART)])
    said = [*labels_of(found[0]), *labels_of(found[0], False, "bob"), *labels_of(found[1], None, "bob")]
    grouped = spot.by_rater(said)
    rows = {row[:2]: row[2:] for row in spot.judge_table(found, grouped).rows}
    assert rows["ada", "Skills"][:2] == ("3", "67%")
    assert rows["bob", "Skills"][:2] == ("3", "33%")
    assert spot.raters_table(grouped).rows[0][:4] == ("ada", "bob", "5", "0%")


def test_gain() -> None:
    """After five texts the half-width is told, and more texts make it narrower."""
    found = spot.tasks([make_run([f"x{i}" for i in range(60)])])
    few = spot.by_rater(x for t in found[:4] for x in labels_of(t))
    assert "4 of 60 texts decided without doubt" in spot.gain(found, few)
    some = spot.by_rater(x for t in found[:10] for x in labels_of(t))
    said = spot.gain(found, some)
    now, later = (float(part.split("±")[1][:4]) for part in said.split("known to")[1].split("With"))
    assert 0 < later < now < 1
