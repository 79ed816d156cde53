"""Samples as columns: the same from memory and from a run folder."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.columns import Columns, columns_of, reduced
from skillmix_eval.errors import BadInputError
from skillmix_eval.evaluate import run_figures
from skillmix_eval.records import Grading, GradingStatus, Sample, TextStatus, Usage
from skillmix_eval.runs import Run, RunInfo, StoredRun, write_run
from skillmix_eval.spec import RunSpec
from skillmix_eval.stages.score import score

from .makers import make_grading, make_question, make_sample, make_text

INFO = RunInfo("m/a", "judge", "draft", "mean", "made", "f00d", "all", 0, "balanced", {"draft.j2": "1"}, "0")


def every_kind() -> tuple[Sample, ...]:
    """Return samples of several k with all that may happen to a text."""
    two, three = make_question("metaphor", "litotes"), make_question("litotes", "red herring", "metaphor")
    tied = make_text(two, "Two hems. Two promises.")
    gradings = (make_grading(two, "11111"), make_grading(two, "10110", 1))
    lost = Grading(three.id, 0, 0, "judge", GradingStatus.FAILED, why="no answer", usage=Usage(5, 6))
    return (
        make_sample(three, "110111"),
        make_sample(three, "111111", text="This metaphor names itself.", index=1),
        make_sample(make_question(topic="glass"), None),
        Sample(two, tied, gradings, score(two, tied, gradings)),
        make_sample(two, "11111", text="", status=TextStatus.EMPTY, index=1),
        Sample(three, make_text(three, status=TextStatus.FAILED, index=2), (lost,)),
        make_sample(make_question("anaphora"), "1011"),
    )


def same(one: Columns, two: Columns) -> None:
    """Assert that two sets of columns hold the same values."""
    assert (one.skills, one.topics, one.usage, one.faults) == (two.skills, two.topics, two.usage, two.faults)
    assert one.most_gradings == two.most_gradings
    for here, there in zip(one.blocks, two.blocks, strict=True):
        for name in here.__struct_fields__:
            if name == "gradings":
                kinds = {k: n for k, n in there.gradings.items() if n}
                assert dict(here.gradings) == kinds
            else:
                np.testing.assert_array_equal(getattr(here, name), getattr(there, name), err_msg=name)


def stored(folder: Path, samples: tuple[Sample, ...]) -> StoredRun:
    """Write samples into a run folder and return it as it is read back."""
    write_run(folder, Run(RunSpec(), INFO, samples), {})
    return StoredRun(folder)


def test_a_run_folder_gives_the_same_columns(tmp_path: Path) -> None:
    """What is read from a run folder as columns is what its samples are as columns."""
    samples = every_kind()
    run = stored(tmp_path / "run", samples)
    same(columns_of(samples), run.columns)
    assert run.samples == samples
    assert run_figures(run) == run_figures(Run(RunSpec(), INFO, samples))


def test_a_folder_of_an_earlier_release(tmp_path: Path) -> None:
    """A run folder whose texts were not counted yet gives the same columns."""
    samples = every_kind()
    run, path = stored(tmp_path, samples), tmp_path / "samples.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["words", "sentences"]), path)
    same(columns_of(samples), run.columns)


def test_no_samples(tmp_path: Path) -> None:
    """A run without samples has no blocks, from memory and from its folder."""
    assert columns_of(()).blocks == stored(tmp_path, ()).columns.blocks == ()


@given(st.permutations(every_kind()))
def test_order_of_samples(samples: list[Sample]) -> None:
    """The order of samples changes no question's row and no code."""
    found, usual = columns_of(samples), columns_of(every_kind())
    assert (found.skills, found.topics) == (usual.skills, usual.topics)
    for here, there in zip(found.blocks, usual.blocks, strict=True):
        np.testing.assert_array_equal(here.skills, there.skills)


def test_naming_costs_the_point() -> None:
    """A named skill has not earned its point, and the others have."""
    (block,) = columns_of([make_sample(make_question(), "111111", text="No metaphor.")]).blocks
    (skills,) = block.skills
    assert sorted(zip(skills.tolist(), block.earned[0], strict=True)) == [(0, 0.0), (1, 1.0), (2, 1.0)]
    assert block.named.tolist() == [True]


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)), max_size=30), st.sampled_from(["mean", "max"]))
def test_reduced(pairs: list[tuple[int, float]], how: str) -> None:
    """Each group has the mean or maximum of its own values, in a column or several."""
    groups, values = np.array([g for g, _ in pairs], dtype=int), np.array([v for _, v in pairs])
    there, found = reduced(groups, values, how)
    assert there.tolist() == sorted(set(groups.tolist()))
    for group, value in zip(there, found, strict=True):
        own = values[groups == group]
        assert np.isclose(value, own.max() if how == "max" else own.mean())
    columns = np.column_stack([values, 1 - values]) if pairs else np.empty((0, 2))
    np.testing.assert_array_equal(reduced(groups, columns, how)[1][:, 0], found)


def test_unknown_item_is_an_error(tmp_path: Path) -> None:
    """A point for something that was not asked is no run of ours."""
    sample = make_sample(make_question("anaphora"), "1011")
    assert sample.score
    odd = msgspec.structs.replace(sample.score, points=sample.score.points | {"skill:none": True})
    run = stored(tmp_path, (msgspec.structs.replace(sample, score=odd),))
    with pytest.raises(BadInputError, match="is damaged"):
        _ = run.columns
