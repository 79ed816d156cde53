"""Corrected figures: right whatever the judge's errors are, by simulation, with bounds that cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.statistics.correction import Labelled, corrected, influence, rogan_gladen, share
from skillmix_eval.stats import wilson


def drawn(
    random: np.random.RandomState,
    theta: float,
    sens: float,
    spec: float,
    n: int,
    m: int,
    likelier: float = 1.0,
) -> Labelled:
    """Return n texts judged with these errors, about m of them labelled; failed ones `likelier` so."""
    true = (random.rand(n) < theta).astype(float)
    judged = (random.rand(n) < np.where(true == 1, sens, 1 - spec)).astype(float)
    weight = np.where(judged == 1, 1.0, likelier)
    chance = np.minimum(1.0, m * weight / weight.sum())
    known = random.rand(n) < chance
    return Labelled(judged, np.where(known, true, np.nan), chance, np.arange(n))


@pytest.mark.parametrize(
    ("theta", "sens", "spec", "n", "m", "likelier"),
    [(0.6, 0.92, 0.75, 400, 100, 1.0), (0.6, 0.92, 0.75, 400, 100, 2.0), (0.3, 0.9, 0.7, 120, 60, 2.0)],
)
def test_coverage(theta: float, sens: float, spec: float, n: int, m: int, likelier: float) -> None:
    """The corrected interval covers the truth in about 95 % of runs where the judge's own fails."""
    random = np.random.RandomState(5)
    hits = {"corrected": 0, "naive": 0, "inverted": 0}
    runs = 300
    for _ in range(runs):
        data = drawn(random, theta, sens, spec, n, m, likelier)
        found, inverted = corrected(data), rogan_gladen(data)
        low, high = wilson(float(data.judged.mean()), n)
        hits["naive"] += low <= theta <= high
        hits["corrected"] += found.low <= theta <= found.high  # type: ignore[operator]
        hits["inverted"] += inverted.low <= theta <= inverted.high  # type: ignore[operator]
    assert 0.915 <= hits["corrected"] / runs <= 0.985
    assert hits["inverted"] / runs >= 0.93
    assert hits["naive"] / runs < 0.7


def test_a_biased_judge_is_corrected_on_average() -> None:
    """The corrected mean has no bias, however the labels are spread by known chances."""
    random = np.random.RandomState(6)
    means = [corrected(drawn(random, 0.5, 0.95, 0.5, 300, 100, 3.0)).value for _ in range(300)]
    assert np.mean(means) == pytest.approx(0.5, abs=0.01)  # type: ignore[arg-type]


def test_a_good_judge_narrows_the_interval() -> None:
    """With a good judge the interval is far narrower than from the labels alone."""
    random = np.random.RandomState(7)
    data = drawn(random, 0.5, 0.99, 0.99, 2000, 200)
    found, known = corrected(data), data.true[data.known]
    low, high = wilson(float(known.mean()), len(known))
    assert found.high - found.low < 0.5 * (high - low)  # type: ignore[operator]


def test_all_labelled_is_the_truth() -> None:
    """Where each text is labelled, the corrected mean is that of the labels, whatever the judge said."""
    true = np.array([1.0, 0, 1, 1, 0, 1, 0, 0, 1, 1])
    found = corrected(Labelled(1 - true, true, np.ones(10), np.arange(10)))
    assert found.value == pytest.approx(0.6)


def test_texts_of_a_question_are_one_unit() -> None:
    """Copies of each text make the interval no narrower."""
    random = np.random.RandomState(8)
    once = drawn(random, 0.6, 0.9, 0.8, 200, 90)
    twice = Labelled(*(np.concatenate([column, column]) for column in once))
    assert influence(twice) == pytest.approx(influence(once))
    wide, same = (share(d.judged, d.true == 1, d) for d in (once, twice))
    assert (same.value, same.n) == (pytest.approx(wide.value), 2 * wide.n)
    assert same.high - same.low == pytest.approx(wide.high - wide.low, rel=0.1)  # type: ignore[operator]


def test_rates_are_recovered() -> None:
    """Sensitivity and specificity are found within their intervals, though failed texts are over-sampled."""
    random = np.random.RandomState(9)
    hits = 0
    for _ in range(200):
        data = drawn(random, 0.6, 0.92, 0.75, 400, 120, 2.0)
        sens = share(data.judged, data.true == 1, data)
        spec = share(1 - data.judged, data.true == 0, data)
        hits += sens.low <= 0.92 <= sens.high and spec.low <= 0.75 <= spec.high  # type: ignore[operator]
    assert hits >= 170  # two intervals of 95 % each


@pytest.mark.parametrize(("p", "q1", "q0", "theta"), [(0.652, 0.92, 0.75, 0.6), (0.27, 0.95, 0.9, 0.2)])
def test_rogan_gladen(p: float, q1: float, q0: float, theta: float) -> None:
    """With exact rates from many labels, inverting them gives the true share."""
    n = 100_000
    true = np.arange(n) < theta * n
    judged = np.concatenate(
        [np.arange(int(theta * n)) < q1 * theta * n, np.arange(n - int(theta * n)) >= q0 * (1 - theta) * n]
    )
    assert judged.mean() == pytest.approx(p, abs=0.001)
    found = rogan_gladen(Labelled(judged.astype(float), true.astype(float), np.ones(n), np.arange(n)))
    assert found.value == pytest.approx(theta, abs=0.001)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 1.0, np.nan]), st.floats(0.05, 1)),
        min_size=1,
        max_size=30,
    )
)
def test_any_data(rows: list[tuple[float, float, float]]) -> None:
    """Whatever the data, there is no error, and ends lie in order in [0, 1] where there are any."""
    columns = [np.array(c, dtype=float) for c in zip(*rows, strict=True)]
    data = Labelled(*columns, np.arange(len(rows)) // 2)
    for found in (corrected(data), rogan_gladen(data), share(data.judged, data.true == 1, data)):
        if found.value is not None:
            assert 0 <= found.low <= found.value <= found.high <= 1  # type: ignore[operator]
