"""Spot-checks: what raters see, in which order, and what their labels say."""

from __future__ import annotations

import msgspec
import pytest

from skillmix_eval import spot
from skillmix_eval.calibrated import draw_from, drawn, key
from skillmix_eval.errors import BadInputError
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
    """The first texts are a sample of all, in which those that the judge failed stand twice as often."""
    runs = [make_run([f"g{i}" for i in range(200)]), make_run([f"b{i}" for i in range(200)], PART)]
    first = spot.tasks(runs)[:120]
    assert 25 <= sum(t.sample.score is not None and t.sample.score.marks.full_marks == 1 for t in first) <= 55


@pytest.mark.parametrize("n", [5, 40, 90])
def test_the_first_are_those_that_calibrate_draws(n: int) -> None:
    """Whoever labels the first texts labels the ones that `skillmix calibrate` draws from the run."""
    good, bad = make_run([f"g{i}" for i in range(50)]), make_run([f"b{i}" for i in range(100)], PART)
    run = Run(good.spec, good.info, (*good.samples, *bad.samples))
    wanted = {key(s) for s in drawn(run.samples, draw_from(run.samples, "judge", n))}
    assert wanted == {task.key for task in spot.tasks([run])[: len(wanted)]}


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


def test_private_runs_are_read_only_when_shown() -> None:
    """Runs on private lists are left out, and where there are only such, how to read them is said."""
    run = make_run(["x"])
    private = Run(run.spec, msgspec.structs.replace(run.info, private=True), run.samples)
    assert spot.readable([run, private], False) == [run]
    assert spot.readable([run, private], True) == [run, private]
    with pytest.raises(BadInputError, match="--show-private"):
        spot.readable([private], False)


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


def test_agreement_tables() -> None:
    """Raters are set against the judge by item, and against each other; unsure counts for neither."""
    *both, last = found = spot.tasks([make_run([str(i) for i in range(13)], PART)])
    said = [label for task in both for label in (*labels_of(task), *labels_of(task, False, "bob"))]
    grouped = spot.by_rater([*said, *labels_of(last, None, "bob")])
    rows = {row[:2]: row[2:] for row in spot.judge_table(found, grouped).rows}
    assert rows["ada", "Skills"][:2] == ("12", "36")
    assert rows["ada", "Skills"][2].startswith("0.67 [")
    assert rows["ada", "Skills"][-2:] == ("0", "12")  # the judge did not give the first skill's point
    assert rows["bob", "Skills"][2].startswith("0.33 [")
    (row,) = spot.raters_table(grouped).rows
    assert row[:4] == ("ada", "bob", "12", "60")
    assert row[4].startswith("0.00 [")


def test_few_texts_give_no_interval() -> None:
    """Agreement on a handful of texts is shown without an interval, which would promise too much."""
    found = spot.tasks([make_run(["x"], PART)])
    rows = spot.judge_table(found, spot.by_rater(labels_of(found[0]))).rows
    assert next(row for row in rows if row[1] == "Skills")[4] == "0.67 (too few for an interval)"


def test_gain() -> None:
    """After five texts the half-width is told, and more texts make it narrower."""
    found = spot.tasks([make_run([f"x{i}" for i in range(60)])])
    few = spot.by_rater(x for t in found[:4] for x in labels_of(t))
    assert "4 of 60 texts decided without doubt" in spot.gain(found, few)
    some = spot.by_rater(x for t in found[:10] for x in labels_of(t))
    said = spot.gain(found, some)
    now, later = (float(part.split("±")[1][:4]) for part in said.split("known to")[1].split("With"))
    assert 0 < later < now < 1
