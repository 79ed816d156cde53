"""Figures become tables and Markdown that nothing in them can break."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.figures import Figures
from skillmix_eval.records import Sample, Usage
from skillmix_eval.stages.report import Table, interval, markdown, sentences, tables
from skillmix_eval.stages.summarise import summarise
from skillmix_eval.stats import Estimate, estimate

from .makers import make_question, make_sample

FULL, TWO = "111111", "110111"
HOSTILE = [
    "a | b",
    "a\n| b | c |\n|---|---|",
    "# heading",
    "<script>alert(1)</script>",
    "`code` *bold* _x_",
    "[click](http://example.org)",
    "![pixel](http://example.org/p.png)",
    "back\\| slash",
    "a\u2028b\x0bc\x85d",
]


def make_figures(*points: str | None, reduce: str = "mean", labels: dict[str, str] | None = None) -> Figures:
    """Return the figures of one sample per topic."""
    given = [make_sample(make_question(topic=f"t{i}"), p) for i, p in enumerate(points or (FULL, TWO, FULL))]
    return summarise(given, reduce, labels or {})


def table(figures: Figures, title: str) -> Table:
    """Return a table by the beginning of its title."""
    return next(t for t in tables(figures) if t.title.startswith(title))


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of all table lines of a Markdown text, split at bars that are not escaped."""
    bare = [line.replace("\\\\", "").replace("\\|", "") for line in text.split("\n")]
    return [line.split("|")[1:-1] for line in bare if line.startswith("|")]


def test_scores() -> None:
    """A metric shows its mean, standard error and interval, beside its n and coverage."""
    (row,) = table(make_figures(), "Scores").rows
    assert row[:2] == ("3", "3")
    assert row[2] == "0.67 ± 0.333 [0.21, 0.94]"
    assert row[-1] == "100%"


def test_points() -> None:
    """Sums of points have their n and interval in points, and are shown where a metric is."""
    (row,) = table(make_figures(), "Points").rows
    assert row[:2] == ("3", "3")
    assert row[2].startswith("5.67 ± 0.333 [")
    assert row[3].startswith("2.67 ± 0.333 [")


def test_unscored_is_shown() -> None:
    """Where questions are unscored, n says of how many, and each metric has its range."""
    found = table(make_figures(FULL, TWO, None), "Scores")
    assert found.rows[0][1] == "2 of 3"
    assert found.rows[0][2].endswith("(0.33 to 0.67)")
    assert found.rows[0][-1] == "67%"
    assert "unscored texts were 0" in found.note


def test_nothing_scored() -> None:
    """Where nothing is scored, the report says that there is no data."""
    found = markdown("T", [], make_figures(None), "mean")
    assert "no data" in found
    assert "nan" not in found.casefold()


def test_naming_table_only_where_named() -> None:
    """The metrics without the deduction are a table of their own where a text names a skill."""
    named = make_sample(make_question(), FULL, text="No metaphor.")
    assert any("without the deduction" in t.title for t in tables(summarise([named], "mean", {})))
    assert not any("without the deduction" in t.title for t in tables(make_figures()))


def test_statuses_are_shown_where_there_are_any() -> None:
    """The table of texts counts unreadable gradings only where there are some."""
    assert "gradings unreadable" in table(make_figures(FULL, None), "Texts").columns
    assert "gradings unreadable" not in table(make_figures(), "Texts").columns


def test_tables_are_rectangular() -> None:
    """Each row of each table has as many cells as the table has columns."""
    for found in tables(make_figures(FULL, TWO, None)):
        assert {len(row) for row in found.rows} == {len(found.columns)}


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels(label: str) -> None:
    """No label, title or header line can break a table, make a heading, a link, an image or HTML."""
    plain = markdown("T", ["x"], make_figures(labels={"metaphor": "x"}), "mean")
    found = markdown(label, [label], make_figures(labels={"metaphor": label, "t0": label}), "mean")
    assert [len(r) for r in rows_of(found)] == [len(r) for r in rows_of(plain)]
    assert len(found.split("\n")) == len(plain.split("\n"))
    live = re.sub(r"\\.", "", found)  # what is not escaped
    assert not [mark for mark in ("<", "](", "`", "*", "_") if mark in live.replace("sentence_limit", "")]


@given(st.text(max_size=30))
def test_any_label(label: str) -> None:
    """Whatever a label holds, the report has the same lines and cells."""
    plain = markdown("T", [], make_figures(), "mean")
    found = markdown("T", [], make_figures(labels={"metaphor": label}), "mean")
    assert [len(r) for r in rows_of(found)] == [len(r) for r in rows_of(plain)]
    assert len(found.split("\n")) == len(plain.split("\n"))


def test_bytes_are_stable() -> None:
    """The same figures give the same report, and so do those read back from JSON."""
    figures = make_figures(FULL, TWO, None)
    back = msgspec.json.decode(msgspec.json.encode(figures), type=Figures)
    assert markdown("T", ["a"], figures, "mean") == markdown("T", ["a"], back, "mean")


def test_saturation_is_said() -> None:
    """The report says in words where saturation is, how sure that is, and where it is not reached."""
    assert "not reached up to k = 3" in " ".join(sentences(make_figures(), "mean"))
    said = " ".join(sentences(make_figures(*[TWO] * 5), "mean"))
    assert "k = 3" in said
    assert "though its interval reaches above" in said
    assert "whole interval is below" in " ".join(sentences(make_figures(*[TWO] * 80), "mean"))


def test_maximum_is_said() -> None:
    """Figures that are the best of several texts say so."""
    given = [make_sample(make_question(), p, index=i) for i, p in enumerate((FULL, TWO))]
    figures = summarise(given, "max", {})
    assert any("best of several texts" in s for s in sentences(figures, "max"))
    assert not any("best of several texts" in s for s in sentences(figures, "mean"))


def test_tokens_are_said() -> None:
    """Tokens are said with thousands set apart, where there are any."""
    sample: Sample = make_sample(make_question(), FULL)
    text = msgspec.structs.replace(sample.text, usage=Usage(12345, 6))
    figures = summarise([msgspec.structs.replace(sample, text=text)], "mean", {})
    assert "Tokens of the student: 12,345 in, 6 out." in sentences(figures, "mean")


def test_interval() -> None:
    """An interval is written with two digits, and no data as such."""
    assert interval(estimate([1, 0, 0, 1])) == "0.50 [0.15, 0.85]"
    assert interval(Estimate(None, None, None, None, 0)) == "no data"
