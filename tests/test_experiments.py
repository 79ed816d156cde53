"""The published figures on intervals and the gate, by the same scripts, on fewer draws."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "experiments"


def script(name: str) -> ModuleType:
    """Return a script of the folder experiments."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def intervals() -> ModuleType:
    """The script on intervals."""
    return script("interval_coverage")


@pytest.fixture(scope="module")
def gates() -> ModuleType:
    """The script on the gate."""
    return script("gate_simulation")


def test_binary_intervals(intervals: ModuleType) -> None:
    """Intervals of 0/1 scores hold the truth in 93 % or more, none wider than Clopper-Pearson's."""
    rows = list(intervals.binary())
    assert len(rows) == 15
    for row in rows:
        assert row["coverage"] >= 0.93, row
        assert row["width"] <= row["clopper_pearson"], row


def test_graded_intervals(intervals: ModuleType) -> None:
    """So do those of graded scores, as far as few draws tell."""
    for row in intervals.graded(400):
        assert row["coverage"] >= 0.93 - 0.03, row
        assert row["width"] <= row["clopper_pearson"], row


def test_differences(intervals: ModuleType) -> None:
    """Intervals of paired differences hold the truth, as far as few draws tell."""
    assert min(row["coverage"] for row in intervals.differences(1000)) >= 0.93 - 0.02


@pytest.mark.slow
def test_crossed_intervals(intervals: ModuleType) -> None:
    """Intervals for the list and for new skills hold the truth in worlds whose skills differ."""
    rows = list(intervals.crossed(20))
    for population in ("this list", "new skills"):
        found = [r["coverage"] for r in rows if r["case"].endswith(population)]
        assert sum(found) / len(found) >= 0.93


def test_sequential_gate(gates: ModuleType) -> None:
    """The gate errs in at most one of twenty cases, and asks about as few questions as published."""
    for row in gates.sequential(150, {0.10: 1500}):
        error = {0.0: row["alarms"], 0.1: row["passes"], 0.2: row["passes"]}.get(row["true_drop"], 0.0)
        assert error <= 0.05 + 0.04, row
        expected = {0.0: 180, 0.05: 350, 0.1: 180, 0.2: 60}[row["true_drop"]]
        assert row["mean"] <= 1.15 * expected, row


def test_fixed_lists(gates: ModuleType) -> None:
    """On a fixed list in random order, a list's own drop of zero or of the allowed one errs as rarely."""
    for row in gates.finite(150):
        assert (row["alarms"] if row["true_drop"] == 0 else row["passes"]) <= 0.05 + 0.04, row
