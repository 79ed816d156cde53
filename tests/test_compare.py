"""Two runs are compared question by question, and only where that has a meaning."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from skillmix_eval.compare import compare, sentences, tables
from skillmix_eval.errors import BadInputError
from skillmix_eval.pairing import pair
from skillmix_eval.runs import Run

from .makers import make_question, make_sample
from .pairs import Cli, make_run, make_samples, pair_of, written
from .server import one_sentence


def text_of(old: Run, new: Run) -> str:
    """Return all that is said of a comparison, in one line."""
    return " ".join(sentences(compare(old, new)))


def test_difference() -> None:
    """The difference is new minus old over shared questions, with its interval, p and what could be seen."""
    found = compare(*pair_of(10, 2, 100)).overall[0].difference
    assert (found.value, found.n, found.worse, found.better) == (pytest.approx(-0.08), 100, 10, 2)
    assert found.p == pytest.approx(0.0225, abs=1e-3)
    assert found.low is not None
    assert found.high is not None
    assert found.low < -0.08 < found.high < 0
    assert found.detectable == pytest.approx(2.8 * (0.12 / 100) ** 0.5, rel=0.1)


def test_finding_in_words() -> None:
    """The finding stands first, with its test; where none is sure, it says what could be seen."""
    assert "full marks: worse, -0.08 [" in text_of(*pair_of(10, 2, 100))
    assert "mid-p McNemar; 2 better, 10 worse" in text_of(*pair_of(10, 2, 100))
    assert "full marks: better" in text_of(*pair_of(2, 10, 100))
    unsure = text_of(*pair_of(3, 2, 100))
    assert "no sure difference" in unsure
    assert "would be missed more often than one time in five with these 100 questions" in unsure


def test_a_run_against_itself() -> None:
    """A run against itself has no difference, and the interval says how far that can be trusted."""
    old, _ = pair_of(0, 0, 40)
    found = compare(old, old).overall[0].difference
    assert (found.value, found.p) == (0.0, 1.0)
    assert found.high == pytest.approx(-(found.low or 0))
    assert found.high


def test_shared_questions() -> None:
    """Only shared scored questions count, and it is said how many others there are, and why."""
    old = make_run("m/old", make_samples([True, True, None, True, None, False]))
    new = make_run("m/new", make_samples([None, True, True, None, False, True, True], first=1))
    found = compare(old, new)
    assert msgspec.structs.astuple(found.shared) == (2, 1, 2, 1, 1, 1)
    assert found.overall[0].difference.n == 2
    said = " ".join(sentences(found))
    assert "2 questions are shared" in said
    for why in (
        "1 only in the old run",
        "2 only in the new run",
        "1 unscored in the old run",
        "1 unscored in both",
    ):
        assert why in said


def test_texts_become_one_number() -> None:
    """Several texts of a question are one pair, by their mean, also where the runs report the maximum."""
    question = make_question()
    texts = [make_sample(question, p, index=i, text=f"T{i}.") for i, p in enumerate(("111111", "000000"))]
    old = make_run("m/old", texts, reduce="max")
    new = make_run("m/new", [make_sample(question, "000000")], reduce="max")
    found = compare(old, new)
    assert (found.overall[0].old, found.overall[0].difference.n) == (0.5, 1)
    assert any("best of several texts" in note for note in found.notes)


def test_rows() -> None:
    """Each metric, k, category and skill has a row; p is Holm's over k, Benjamini-Hochberg's over groups."""
    old, new = pair_of(8, 1, 40)
    more = pair_of(2, 2, 40, k=3)
    old, new = (
        msgspec.structs.replace(one, samples=one.samples + other.samples)
        for one, other in zip((old, new), more, strict=True)
    )
    found = compare(old, new)
    assert [r.id for r in found.by_k[:2]] == ["k=2 full_marks", "k=3 full_marks"]
    first = found.by_k[0]
    assert first.p_adjusted == pytest.approx(min(1, 2 * (first.difference.p or 0)))
    assert {r.id for r in found.by_skill} == {f"s{i}" for i in range(8)}
    assert [r.shrunk for r in found.by_skill] == sorted(r.shrunk or 0 for r in found.by_skill)
    for row in found.by_skill:
        assert abs(row.shrunk or 0) <= 1
        assert (row.p_adjusted or 0) >= (row.difference.p or 0) - 1e-12
    assert all(row.new_skills for row in found.overall)


def test_what_else_changed() -> None:
    """Longer texts and named skills are reported with n and interval, and named where they are sure."""
    questions = [make_question(topic=f"t{i}") for i in range(40)]
    old = make_run("m/old", [make_sample(q, "111111", text="One short text.") for q in questions])
    new = make_run(
        "m/new",
        [make_sample(q, "111111", text="A metaphor, and many more words than before.") for q in questions],
    )
    found = compare(old, new)
    changes = {c.label: c for c in found.changes}
    assert (changes["Words"].value, changes["Words"].n) == (5, 40)
    assert changes["Texts that name a skill"].low > 0.5
    assert changes["Full marks, naming allowed"].value == 0
    said = " ".join(sentences(found))
    assert "Words changed too" in said
    assert "Texts that name a skill changed too" in said
    assert "Sentences changed" not in said


@pytest.mark.parametrize(
    ("name", "other", "advice"),
    [
        ("judge", "openai/j", "skillmix grade"),
        ("protocol", "paper", "--protocol"),
        ("prompts", {"draft.j2": "2"}, "prompts"),
        ("lists", "beef", "definitions are part of the question"),
        ("domain", "language", "--domain"),
    ],
)
def test_unlike_runs_are_refused(name: str, other: object, advice: str) -> None:
    """Runs with another judge, protocol, prompt, list or domain are refused, with what to do."""
    old, new = pair_of(1, 1, 10)
    new = msgspec.structs.replace(new, info=msgspec.structs.replace(new.info, **{name: other}))
    with pytest.raises(BadInputError, match=f"{name} differs") as error:
        compare(old, new)
    assert advice in str(error.value)


def test_nothing_shared() -> None:
    """Runs without a shared scored question are refused."""
    old, new = make_run("m/old", make_samples([True])), make_run("m/new", make_samples([True], first=5))
    with pytest.raises(BadInputError, match="share no scored question"):
        pair(old, new)


def test_another_release_is_noted() -> None:
    """Another release forbids no comparison, but is said where code is the judge, as that may differ."""
    old, new = pair_of(1, 1, 10)
    new = msgspec.structs.replace(new, info=msgspec.structs.replace(new.info, version="9"))
    assert "the judge is code, which may have changed" in text_of(old, new)


def test_tables_have_n_and_interval() -> None:
    """Every table of differences has a column of n and intervals in each row."""
    for table in tables(compare(*pair_of(5, 3, 30)), "skills"):
        assert "n" in table.columns
        for row in table.rows:
            assert any("[" in cell for cell in row), table.title


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the finding, Markdown or JSON; each names judge and protocol."""
    cli = Cli(capsys)
    folders = written(tmp_path, *pair_of(10, 2, 60))
    plain, markdown, document = (
        cli("compare", *folders, *flag) for flag in ((), ("--markdown",), ("--json",))
    )
    assert (plain.code, markdown.code, document.code) == (0, 0, 0)
    for done in (plain, markdown):
        assert "rules/made" in done.out
        assert "draft" in done.out
        assert "worse" in done.out
    found = json.loads(document.out)
    assert (found["judge"], found["protocol"], found["shared"]["shared"]) == ("rules/made", "draft", 60)


def test_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there, and runs of two judges, are one sentence and exit code 2."""
    cli = Cli(capsys)
    old, new = pair_of(1, 1, 10)
    other = msgspec.structs.replace(new, info=msgspec.structs.replace(new.info, judge="openai/j"))
    folders = written(tmp_path, old, other)
    done = cli("compare", folders[0], tmp_path / "none")
    assert done.code == 2
    one_sentence(done, "There is no run folder")
    done = cli("compare", *folders)
    assert done.code == 2
    one_sentence(done, "judge differs", "rules/made against openai/j")
