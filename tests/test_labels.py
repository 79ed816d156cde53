"""Labels of people: nothing is lost, nothing is overwritten, and bad files are told in one sentence."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.errors import BadInputError, StoreError
from skillmix_eval.labels import COLUMNS, Label, Labels, read_labels, text_key

AT = "2026-01-02T03:04:05+00:00"


def make_label(
    item: str = "on_topic", met: bool | None = True, rater: str = "ada", text: str = "t1"
) -> Label:
    """Return a label."""
    return Label(text, item, met, rater, AT)


def test_later_stands_in_front(tmp_path: Path) -> None:
    """Of one rater's labels for one item the last one stands; other raters' are their own."""
    labels = Labels(tmp_path / "deep" / "labels.sqlite")
    labels.add([make_label(met=True), make_label(rater="bob")])
    labels.add([make_label(met=None)])
    assert set(labels.all()) == {make_label(met=None), make_label(rater="bob")}


def test_undo(tmp_path: Path) -> None:
    """An undo takes back the rater's own last label, so that the one before it stands again."""
    labels = Labels(tmp_path / "labels.sqlite")
    labels.add([make_label(met=True), make_label(met=False), make_label(rater="bob")])
    assert labels.undo("ada") == make_label(met=False)
    assert set(labels.all()) == {make_label(met=True), make_label(rater="bob")}
    assert labels.undo("ada") == make_label(met=True)
    assert labels.undo("ada") is None
    assert labels.all() == (make_label(rater="bob"),)


def test_killed(tmp_path: Path) -> None:
    """What was added before a kill is there after it."""
    path = tmp_path / "labels.sqlite"
    code = (
        "import os, signal, sys; from pathlib import Path; from skillmix_eval.labels import Label, Labels\n"
        "Labels(Path(sys.argv[1])).add([Label('t1', 'on_topic', True, 'ada', '" + AT + "')])\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert read_labels(path) == (make_label(),)


def test_two_at_once(tmp_path: Path) -> None:
    """Two windows on one file see each other's labels."""
    first, second = Labels(tmp_path / "labels.sqlite"), Labels(tmp_path / "labels.sqlite")
    first.add([make_label()])
    second.add([make_label("makes_sense")])
    assert len(first.all()) == len(second.all()) == 2


def test_csv(tmp_path: Path) -> None:
    """A CSV file with the same columns is read alike; the last line for an item stands."""
    path = tmp_path / "labels.csv"
    path.write_text(
        "text,item,met,rater\nt1,on_topic,Not met,ada\nt1,on_topic,yes,ada\nt1,makes_sense,unsure,ada\n"
    )
    found = read_labels(path)
    assert [(x.item, x.met) for x in found] == [("on_topic", True), ("makes_sense", None)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,item\na,b\n", "no column met, rater"),
        ("text,item,met,rater\nt,i,perhaps,ada\n", "line 2: met is met, not met or unsure, not 'perhaps'"),
        ("text,item,met,rater\nt,,met,ada\n", "line 2: item is empty"),
        ("\x80", "cannot be read as CSV"),
    ],
)
def test_bad_csv(tmp_path: Path, content: str, said: str) -> None:
    """A file that holds no labels says in which line and why."""
    path = tmp_path / "labels.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(BadInputError, match=said):
        read_labels(path)


def test_no_file(tmp_path: Path) -> None:
    """A missing file says what makes one; a broken one does not pass as empty."""
    with pytest.raises(BadInputError, match="skillmix view"):
        read_labels(tmp_path / "none.sqlite")
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"SQLite format 3\0" + b"?" * 5000)
    with pytest.raises((BadInputError, StoreError), match=r"broken\.sqlite"):
        read_labels(broken)


def test_columns() -> None:
    """The columns of a label file are the fields of a label."""
    assert Label.__struct_fields__ == COLUMNS


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_text_key(question: str, words: str, other: str, else_: str) -> None:
    """Two texts have one key only where question and words are the same."""
    ids = (question.encode("utf-8", "ignore").hex(), other.encode("utf-8", "ignore").hex())
    same = (ids[0], words) == (ids[1], else_)
    assert (text_key(ids[0], words) == text_key(ids[1], else_)) == same
