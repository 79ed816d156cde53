"""Means with intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from skillmix_eval.stats import Estimate, estimate, wilson

share = st.floats(0, 1)


@given(st.integers(1, 500), st.data())
def test_wilson_is_scipys(n: int, data: st.DataObject) -> None:
    """For whole counts the interval is the Wilson interval of scipy, to all digits that matter."""
    x = data.draw(st.integers(0, n))
    expected = binomtest(x, n).proportion_ci(0.95, "wilson")
    assert wilson(x / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("n", "p", "coverage"),
    [(10, 0.05, 0.914), (10, 0.6, 0.982), (30, 0.1, 0.974), (100, 0.05, 0.966), (300, 0.6, 0.948)],
)
def test_wilson_coverage(n: int, p: float, coverage: float) -> None:
    """The interval covers the truth as often as the exact sum over the binomial distribution says."""
    inside = [x for x in range(n + 1) if wilson(x / n, n)[0] <= p <= wilson(x / n, n)[1]]
    assert float(binom.pmf(inside, n, p).sum()) == pytest.approx(coverage, abs=6e-4)


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=60))
def test_binary_values(values: list[float]) -> None:
    """For 0/1 values the interval is the Wilson interval at n, and the error the usual one."""
    found = estimate(values)
    assert (found.low, found.high) == wilson(float(np.mean(values)), len(values))
    assert found.se == pytest.approx(np.std(values, ddof=1) / math.sqrt(len(values)))


@given(st.lists(share, min_size=1, max_size=40))
def test_never_wider_than_binary(values: list[float]) -> None:
    """Values in [0, 1] have an interval around their mean, inside that of 0/1 values with this mean."""
    found = estimate(values)
    low, high = wilson(min(max(found.value or 0.0, 0.0), 1.0), len(values))
    assert low - 1e-9 <= (found.low or 0.0) <= (found.value or 0.0) + 1e-9
    assert (found.value or 0.0) - 1e-9 <= (found.high or 0.0) <= high + 1e-9


@given(share, st.integers(2, 40))
def test_equal_values(value: float, n: int) -> None:
    """Values that are all equal have no error, but an interval as wide as that of 0/1 values."""
    found = estimate([value] * n)
    assert found.se == 0.0
    assert (found.low, found.high) == pytest.approx(wilson(value, n))


def test_no_values() -> None:
    """Nothing is known of no values."""
    assert estimate([]) == Estimate(None, None, None, None, 0)


def test_one_value() -> None:
    """One value has an interval but no standard error."""
    found = estimate([1.0])
    assert (found.value, found.se, found.n) == (1.0, None, 1)
    assert (found.low, found.high) == pytest.approx((0.2065, 1.0), abs=1e-4)


def test_ends_hold_the_mean() -> None:
    """At 0 and 1 the interval reaches to the mean itself."""
    assert estimate([0.0] * 7).low == 0.0
    assert estimate([1.0] * 7).high == 1.0
