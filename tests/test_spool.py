"""Samples that wait in a temporary file are those that were put in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.columns import columns_of
from skillmix_eval.spool import Spool

from .test_columns import every_kind, same

SAMPLES = every_kind()


@given(st.integers(0, 7), st.randoms(use_true_random=False))
def test_spool_gives_back_in_order(kept: int, luck: random.Random) -> None:
    """Whatever stays in memory and in whatever order samples come, they are given back by their numbers."""
    spool, order = Spool(kept), list(range(len(SAMPLES)))
    luck.shuffle(order)
    for number in order:
        spool.put(number, SAMPLES[number])
    found = spool.samples()
    assert list(found) == list(SAMPLES)
    assert list(found[3:]) == list(SAMPLES[3:])
    assert found[-1] == SAMPLES[-1]
    assert len(found[1:7:3]) == 2


def test_spool_figures() -> None:
    """Columns of samples in a file are those of samples in memory."""
    spool = Spool(0)
    for number, sample in enumerate(SAMPLES):
        spool.put(number, sample)
    same(columns_of(spool.samples()), columns_of(SAMPLES))


def test_spool_out_of_range() -> None:
    """A number beyond the last is an IndexError, as for any sequence."""
    spool = Spool(1)
    for number in (0, 1):
        spool.put(number, SAMPLES[number])
    with pytest.raises(IndexError):
        spool.samples()[2]
