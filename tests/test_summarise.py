"""Samples become figures: the unit is the question, unscored is not zero."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.figures import Figures, KRow
from skillmix_eval.inputs import import_released
from skillmix_eval.records import Sample, TextStatus, Usage
from skillmix_eval.stages.sample import make_question as identify
from skillmix_eval.stages.summarise import summarise

from .makers import make_question, make_sample, make_skill, make_topic

FULL, NONE, TWO = "111111", "000000", "110111"


def samples(*points: str | None, k: int = 3, texts: int = 1) -> list[Sample]:
    """Return samples, `texts` to a question; None is unscored."""
    names = [f"s{i}" for i in range(k)]
    return [
        make_sample(make_question(*names, topic=f"t{i // texts}"), p, index=i % texts)
        for i, p in enumerate(points)
    ]


def row(given: list[Sample], reduce: str = "mean") -> KRow:
    """Return the only row of k."""
    (found,) = summarise(given, reduce, {}).by_k
    return found


def estimates(rows: object) -> dict[str, float | None]:
    """Return the values of group rows by id."""
    return {r.id: r.estimate.value for r in rows}  # type: ignore[attr-defined]


def test_means() -> None:
    """A metric is the mean over questions."""
    found = row(samples(FULL, TWO, NONE, FULL)).metrics
    values = {name: figure.estimate.value for name, figure in found.items()}
    assert values == pytest.approx({"full_marks": 0.5, "all_skills": 0.5, "skill_fraction": 2 / 3})
    assert found["full_marks"].estimate.n == 4


def test_coverage_and_range() -> None:
    """An unscored question lowers coverage and widens the range, and leaves the mean alone."""
    found = row(samples(FULL, NONE, FULL, None))
    figure = found.metrics["full_marks"]
    assert found.coverage == 0.75
    assert (figure.estimate.value, figure.estimate.n) == (pytest.approx(2 / 3), 3)
    assert (figure.lowest, figure.highest) == (0.5, 0.75)


@pytest.mark.parametrize(("reduce", "value", "lowest", "highest"), [("mean", 0, 0, 0.5), ("max", 0, 0, 1)])
def test_range_of_half_scored_questions(reduce: str, value: float, lowest: float, highest: float) -> None:
    """A question with a scored and an unscored text has a range, too."""
    figure = row(samples(NONE, None, texts=2), reduce).metrics["full_marks"]
    assert (figure.estimate.value, figure.lowest, figure.highest) == (value, lowest, highest)


def test_nothing_scored() -> None:
    """Where nothing is scored there is no figure, but the full range."""
    figure = row(samples(None, None)).metrics["full_marks"]
    assert (figure.estimate.value, figure.estimate.n) == (None, 0)
    assert (figure.lowest, figure.highest) == (0.0, 1.0)


def test_no_samples() -> None:
    """No samples make no rows."""
    found = summarise([], "mean", {})
    assert (found.by_k, found.by_skill, found.saturation) == ((), (), None)


@pytest.mark.parametrize(("reduce", "value"), [("mean", 0.5), ("max", 1.0)])
def test_texts_become_one_number(reduce: str, value: float) -> None:
    """Several texts make one number per question, their mean or their maximum, before any interval."""
    found = row(samples(FULL, NONE, NONE, FULL, texts=2), reduce)
    estimate = found.metrics["full_marks"].estimate
    assert (estimate.value, estimate.n, found.texts, found.questions) == (value, 2, 4, 2)


@given(st.lists(st.one_of(st.none(), st.text("01", min_size=6, max_size=6)), min_size=2, max_size=12))
def test_max_is_never_below_mean(points: list[str | None]) -> None:
    """The maximum over texts is never below their mean, and both lie in their range."""
    given = samples(*points, texts=2)
    low, high = (row(given, how).metrics["skill_fraction"] for how in ("mean", "max"))
    assert (low.estimate.value or 0.0) <= (high.estimate.value or 0.0)
    for found in (low, high):
        if found.estimate.value is not None and all(s.score for s in given):
            assert found.lowest == pytest.approx(found.estimate.value) == found.highest
        assert found.lowest <= found.highest  # type: ignore[operator]


@given(st.permutations(list(zip("abcdef", [FULL, NONE, TWO, None, "111110", FULL], strict=True))))
def test_order_is_nothing(pairs: list[tuple[str, str | None]]) -> None:
    """Figures do not depend on the order of the samples."""
    given = [make_sample(make_question(topic=t), p) for t, p in pairs]
    there, back = (
        summarise(given, "mean", {}),
        summarise(sorted(given, key=lambda s: s.question.id), "mean", {}),
    )
    assert there.by_k == back.by_k
    assert estimates(there.by_skill) == pytest.approx(estimates(back.by_skill))


def test_rows_by_k() -> None:
    """Each k has its own row, in order."""
    given = samples("1111", NONE[:4], k=1) + samples(FULL, k=3) + samples("11111", k=2)
    assert [(r.k, r.questions) for r in summarise(given, "mean", {}).by_k] == [(1, 2), (2, 1), (3, 1)]


def test_groups() -> None:
    """Skills, categories, items and topics each have their share of points, weakest first."""
    skills = (make_skill("aa", "one"), make_skill("bb", "one"), make_skill("cc", "two"))
    given = [make_sample(identify(skills, make_topic(t)), p) for t, p in (("x", "100111"), ("y", "111111"))]
    found = summarise(given, "mean", {"aa": "Skill A", "x": "Topic X"})
    assert estimates(found.by_skill) == {"bb": 0.5, "cc": 0.5, "aa": 1.0}
    assert estimates(found.by_category) == {"two": 0.5, "one": 0.75}
    assert estimates(found.by_topic) == {"x": 0.0, "y": 1.0}
    assert estimates(found.by_item)["skills"] == pytest.approx(2 / 3)
    assert [r.label for r in found.by_skill] == ["bb", "cc", "Skill A"]


def test_shares_count_the_naming_deduction() -> None:
    """A skill that a text names earns nothing in the skill's own row."""
    found = summarise([make_sample(make_question(), FULL, text="No metaphor.")], "mean", {})
    assert estimates(found.by_skill) == {"metaphor": 0.0, "modus-ponens": 1.0, "red-herring": 1.0}
    assert found.by_k[0].named == 1


def test_parts() -> None:
    """Skills of train and of held-out categories have a row each where the domain tells them apart."""
    skills = (make_skill("aa", "one"), make_skill("bb", "two"))
    given = [make_sample(identify(skills, make_topic()), "10111")]
    found = summarise(given, "mean", {}, ("two",)).by_part
    assert estimates(found) == {"held-out categories": 0.0, "train categories": 1.0}
    assert summarise(given, "mean", {}).by_part == ()


def saturation_of(*full: int) -> Figures:
    """Return the figures of a run with so many of 100 full marks at k = 1, 2, ..."""
    given: list[Sample] = []
    for k, many in enumerate(full, start=1):
        given += samples(*["1" * (k + 3)] * many, *["0" * (k + 3)] * (100 - many), k=k)
    return summarise(given, "mean", {})


@pytest.mark.parametrize(
    ("full", "k", "certain"),
    [((90, 30, 4, 0), 3, False), ((90, 5), None, None), ((0,), 1, True), ((90, 4, 50), 2, False)],
)
def test_saturation(full: tuple[int, ...], k: int | None, certain: bool | None) -> None:
    """Saturation is at the first k with full marks under 0.05, certain if the whole interval is below."""
    found = saturation_of(*full).saturation
    assert (found and found.k, found and found.certain) == (k, certain)


def test_counts() -> None:
    """Statuses of texts and gradings are counted, ties too; lengths are of proper texts alone."""
    given = [*samples(FULL, None), make_sample(make_question(), FULL, text="", status=TextStatus.EMPTY)]
    found = row(given)
    assert (found.statuses["ok"], found.statuses["empty"], found.statuses["failed"]) == (2, 1, 0)
    assert (found.gradings["ok"], found.gradings["unreadable"]) == (2, 1)
    assert (found.mean_words, found.mean_sentences) == (5.0, 1.0)


def test_usage() -> None:
    """Tokens of student and judge are summed apart."""
    (sample,) = samples(FULL)
    text = msgspec.structs.replace(sample.text, usage=Usage(3, 4))
    grading = msgspec.structs.replace(sample.gradings[0], usage=Usage(1, 2))
    found = summarise([msgspec.structs.replace(sample, text=text, gradings=(grading,) * 2)], "mean", {})
    assert found.usage == {"student": Usage(3, 4), "judge": Usage(2, 4)}


def test_points() -> None:
    """Sums of points lie in their intervals, in points; the rescaled sum is the share to the power k + 3."""
    found = row(samples(FULL, TWO, None)).points
    assert [f.estimate.value for f in found.values()] == pytest.approx([5.5, 2.5, (1 + (5 / 6) ** 6) / 2])
    assert (found["points"].lowest, found["points"].highest) == pytest.approx((11 / 3, 17 / 3))
    for figure, most in zip(found.values(), (6, 3, 1), strict=True):
        estimate = figure.estimate
        assert 0 < estimate.low < estimate.value < estimate.high <= most  # type: ignore[operator]


def test_points_of_the_released_records(released: Path) -> None:
    """GPT-4's second round at k = 3 has the sums and standard errors that the repository's own code gives."""
    run = dict(import_released(released, {}))["gpt-4"]
    (found,) = summarise(run.samples, "max", {}).by_k
    estimates = [f.estimate for f in found.points.values()]
    assert [(round(e.value or 0, 2), round(e.se or 0, 3)) for e in estimates] == [
        (5.4, 0.245),
        (2.4, 0.245),
        (0.6, 0.163),
    ]
