"""Agreement and judge error: against kept libraries, published values and simulation."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.stages.report import interval
from skillmix_eval.statistics.judging import agreement, effective_votes

TABLES = [  # sensitivity, specificity, prevalence, AC1 (cells of a judge against the truth)
    (0.92, 0.85, 0.6, 0.79),
    (0.95, 0.90, 0.6, 0.87),
    (0.95, 0.75, 0.9, 0.91),
    (0.95, 0.90, 0.9, 0.93),
]


@given(
    st.lists(
        st.lists(st.lists(st.booleans(), min_size=2, max_size=4), min_size=1, max_size=4),
        min_size=1,
        max_size=12,
    )
)
def test_alpha_is_krippendorffs(groups: list[list[list[bool]]]) -> None:
    """Alpha is what the package `krippendorff` computes, with any number of votes per item."""
    votes = [[(len(item), sum(item)) for item in group] for group in groups]
    counts = np.array([[n - yes, yes] for group in votes for n, yes in group])
    found = agreement(votes)["alpha"].value
    if not all(counts.sum(axis=0)):
        assert found is None  # all votes are the same
        return
    expected = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(("sens", "spec", "prevalence", "ac1"), TABLES)
def test_ac1(sens: float, spec: float, prevalence: float, ac1: float) -> None:
    """Gwet's AC1 of a judge of known error against the truth is the published value."""
    n = 2000
    both_yes = round(n * prevalence * sens)
    both_no = round(n * (1 - prevalence) * spec)
    split = n - both_yes - both_no
    found = agreement([[(2, 2)]] * both_yes + [[(2, 0)]] * both_no + [[(2, 1)]] * split)
    assert found["ac1"].value == pytest.approx(ac1, abs=0.006)
    assert found["same"].value == pytest.approx((both_yes + both_no) / n)


def test_agreement_interval_is_over_groups() -> None:
    """Many items of few texts do not make an interval narrow: items of one text are judged together."""
    random = np.random.RandomState(1)
    rates = random.choice([0, 1], 30)
    alike = [[(2, int(2 * rate))] * 20 if i % 3 else [(2, 1)] * 20 for i, rate in enumerate(rates)]
    apart = [[item] for group in alike for item in group]
    wide, narrow = agreement(alike)["alpha"], agreement(apart)["alpha"]
    assert wide.value == narrow.value
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)  # type: ignore[operator]


def test_agreement_interval_covers() -> None:
    """The 95 % interval of AC1 holds the true value in about 95 of 100 draws."""
    random = np.random.RandomState(2)
    hits = 0
    for _ in range(200):
        p = random.beta(4, 2, 80)
        yes = random.binomial(2, p)
        found = agreement([[(2, int(y))] for y in yes])["same"]
        hits += found.low <= 1 - 2 * (4 * 2) / (6 * 7) <= found.high  # type: ignore[operator]
    assert 183 <= hits <= 198


def test_no_votes() -> None:
    """Without votes there is no measure, and no error."""
    assert agreement([])["alpha"].value is None
    assert agreement([[]])["ac1"].n == 0


@pytest.mark.parametrize(("votes", "rho", "worth"), [(3, 0, 3), (3, 1, 1), (3, 0.5, 1.5), (9, 0.44, 1.99)])
def test_effective_votes(votes: int, rho: float, worth: float) -> None:
    """Correlated votes are worth fewer independent ones."""
    assert effective_votes(votes, rho) == pytest.approx(worth, abs=0.01)


def test_a_few_questions_have_no_interval() -> None:
    """Agreement on few questions is a number without an interval, and is shown as such."""
    found = agreement([[(2, 1), (2, 2)]])["same"]
    assert (found.value, found.low, found.high) == (0.5, None, None)
    assert interval(found) == "0.50 (too few for an interval)"
