"""The public repository's records: read, matched by content, graded again by the styles."""

from __future__ import annotations

import csv
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skillmix_eval.errors import BadInputError, UnreadableError
from skillmix_eval.records import Question, Skill, Text, TextStatus, Topic
from skillmix_eval.released import ReleasedRow, ReleasedStudent, judge_style_for, read_released
from skillmix_eval.styles import paper_lines, paper_table

RELEASED = Path(__file__).parents[2] / "shared" / "skillmix_released"
STYLES = {"paper-table": paper_table.Style(), "paper-lines": paper_lines.Style()}
GPT4 = {
    "Sewing": "110111",
    "Beekeeping": "111111",
    "Gardening": "011111",
    "Triathlons": "111111",
    "Urbanism": "101111",
}
REST = "on_topic, makes_sense, sentence_limit"
COMPLEX = "skill:complex question (loaded question with implicit assumption )"
LLAMA2 = {
    "Sewing": f"missing: {REST}",
    "Beekeeping": f"missing: skill:metaphor, {REST}",
    "Gardening": f"the point for {COMPLEX} is '0.5', neither 0 nor 1",
    "Triathlons": f"missing: skill:emotional self regulation, {REST}",
    "Urbanism": f"missing: skill:emotional self regulation, {REST}",
}
IDENTICAL = "the 3 grading files are identical: the reference writes the last run to all of them"
SKILLS = "red herring, \nmetaphor"

needs_released = pytest.mark.skipif(
    not RELEASED.is_dir(), reason=f"the released records are not in {RELEASED}"
)


def graded(row: ReleasedRow) -> dict[int, str]:
    """Return, by run, the points that a style reads from each judge reply, or why it reads none."""
    skills = tuple(Skill(name, name, "", "", "") for name in row.skills)
    question = Question("q", skills, Topic("t", row.topic))
    text = Text("q", 0, row.text, TextStatus.OK)
    found = {}
    for grading in row.gradings:
        try:
            verdicts = STYLES[judge_style_for(grading.reply)].read(question, text, 0, grading.reply)
            found[grading.run] = "".join(str(int(v.met)) for v in verdicts.values())
        except UnreadableError as error:
            found[grading.run] = str(error)
    return found


def put(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write rows as a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def text_row(topic: str, text: str = "t", skills: str = SKILLS) -> dict[str, str]:
    """Return one row of a student's records."""
    return {"k": "2", "skills": skills, "topic": topic, "text_0": "draft", "text_1": text}


def grading_row(topic: str, reply: str, skills: str = SKILLS, column: str = "assistant_0") -> dict[str, str]:
    """Return one row of a grading file."""
    return {"skills": skills, "topic": topic, column: reply, "points_0": "1.0"}


def student(folder: Path, texts: list[dict[str, str]], *runs: list[dict[str, str]]) -> Path:
    """Write a student's folder with one grading file a run and return it."""
    home = folder / "k2_s10_vdefault_r1" / "m"
    put(home / "records.csv", texts)
    for run, rows in enumerate(runs, 1):
        put(home / "graded" / f"by_gpt-4_on_text_1_{run}_llama_k_greater_2" / "records.csv", rows)
    return home


def only(folder: Path) -> ReleasedStudent:
    """Return the one student of a folder."""
    (found,) = read_released(folder)
    return found


def refused(folder: Path) -> str:
    """Return why a folder cannot be read."""
    with pytest.raises(BadInputError) as caught:
        read_released(folder)
    return str(caught.value)


# --- the released records


@needs_released
@pytest.mark.parametrize("folder", [RELEASED, RELEASED / "records"], ids=["whole", "rounds"])
def test_released_students(folder: Path) -> None:
    """Both layouts give the three students with their five questions and what is odd about them."""
    found = {s.student: s for s in read_released(folder)}
    assert {name: len(s.rows) for name, s in found.items()} == {
        "gpt-4": 5,
        "llama2-7b-chat": 5,
        "mistral-7b-chat": 5,
    }
    assert found["gpt-4"].notes == (
        "k3_s10_vdefault: round 1 is missing",
        f"k3_s10_vdefault_r2: {IDENTICAL}",
    )
    assert found["mistral-7b-chat"].notes == (
        f"k3_s10_vdefault_r1: {IDENTICAL}",
        "k3_s10_vdefault_r1: 4 of 5 rows have no grading",
    )


@needs_released
def test_released_row() -> None:
    """A row holds its question, both turns' texts and every grading with its origin."""
    row = read_released(RELEASED)[0].rows[0]
    assert (row.k, row.seed, row.prompt, row.round, row.topic) == (3, 10, "default", 2, "Sewing")
    assert row.skills[1] == "complex question (loaded question with implicit assumption )"
    assert row.text.startswith('"Given that most tailors')
    assert row.draft != row.text
    assert [(g.judge, g.prompt, g.turn, g.run) for g in row.gradings] == [
        ("gpt-4", "gpt", 1, 1),
        ("gpt-4", "gpt", 1, 2),
        ("gpt-4", "gpt", 1, 3),
    ]


@needs_released
def test_gpt4_points() -> None:
    """Every judge reply on gpt-4 reads to the points that the repository printed."""
    rows = read_released(RELEASED)[0].rows
    assert {row.topic: graded(row) for row in rows} == {
        topic: dict.fromkeys((1, 2, 3), points) for topic, points in GPT4.items()
    }
    for row in rows:
        printed = [str(int(float(p))) for p in row.gradings[0].points.split(",")]
        assert "".join(printed) == GPT4[row.topic]


@needs_released
def test_cut_replies_are_unreadable() -> None:
    """No judge reply on llama2 or mistral is a verdict, and each has its reason."""
    _, llama2, mistral = read_released(RELEASED)
    assert {row.topic: graded(row)[1] for row in llama2.rows} == LLAMA2
    assert graded(mistral.rows[0]) == dict.fromkeys((1, 2, 3), f"missing: {REST}")


@needs_released
def test_style_of_each_student() -> None:
    """The judge wrote tables for gpt-4 and lines for the others."""
    for released in read_released(RELEASED):
        replies = {grading.reply for row in released.rows for grading in row.gradings}
        expected = "paper-table" if released.student == "gpt-4" else "paper-lines"
        assert {judge_style_for(reply) for reply in replies} == {expected}


# --- matching


def test_gradings_follow_the_question(tmp_path: Path) -> None:
    """Gradings in another order, or spaced otherwise, go to the text with the same skills and topic."""
    swapped = [grading_row("B", "for B", "red herring,  \nmetaphor"), grading_row("A", "for A")]
    student(tmp_path, [text_row("A"), text_row("B")], swapped)
    assert [row.gradings[0].reply for row in only(tmp_path).rows] == ["for A", "for B"]


def test_skill_order_is_part_of_the_question(tmp_path: Path) -> None:
    """A grading of the same skills in another order belongs to no row."""
    student(tmp_path, [text_row("A")], [grading_row("A", "r", "metaphor, \nred herring")])
    found = only(tmp_path)
    assert found.rows[0].gradings == ()
    assert any("1 gradings belong to no row" in note for note in found.notes)


def test_repeated_questions_match_in_order(tmp_path: Path) -> None:
    """A question that occurs twice takes its gradings in file order, and a note says so."""
    texts = [text_row("A", "one"), text_row("B"), text_row("A", "two")]
    runs = [[grading_row("A", f"one {r}"), grading_row("A", f"two {r}")] for r in "12"]
    student(tmp_path, texts, *runs)
    found = only(tmp_path)
    assert [[g.reply for g in row.gradings] for row in found.rows] == [
        ["one 1", "one 2"],
        [],
        ["two 1", "two 2"],
    ]
    assert any("1 rows repeat a question" in note for note in found.notes)


def test_short_grading_file(tmp_path: Path) -> None:
    """A run that stopped early leaves its missing rows without that run's grading, and a note says so."""
    both = [grading_row("A", "a"), grading_row("B", "b")]
    student(tmp_path, [text_row("A"), text_row("B")], both, both[:1])
    found = only(tmp_path)
    assert [len(row.gradings) for row in found.rows] == [2, 1]
    assert found.notes == ("k2_s10_vdefault_r1: 1 of 2 rows are missing from some grading files",)


def test_gradings_that_differ(tmp_path: Path) -> None:
    """Grading files that differ are not called identical, and odd prompt names are read whole."""
    student(tmp_path, [text_row("A")], [grading_row("A", "x")], [grading_row("A", "y")])
    found = only(tmp_path)
    assert found.notes == ()
    assert {g.prompt for g in found.rows[0].gradings} == {"llama_k_greater_2"}


def test_llama_judge(tmp_path: Path) -> None:
    """A llama2 judge's reply stands in a column of another name."""
    student(tmp_path, [text_row("A")], [grading_row("A", "r", column="[/INST]_0")])
    assert only(tmp_path).rows[0].gradings[0].reply == "r"


def test_rounds_of_one_student(tmp_path: Path) -> None:
    """A student's rounds come as one student in order, and a gap is noted."""
    home = student(tmp_path / "test", [text_row("A")])
    for number in (3, 10):
        shutil.copytree(home.parent, tmp_path / "test" / f"k2_s10_vdefault_r{number}")
    found = only(tmp_path)
    assert [row.round for row in found.rows] == [1, 3, 10]
    assert "k2_s10_vdefault: round 2 is missing" in found.notes
    assert len([note for note in found.notes if "is missing" in note]) == 7


# --- broken folders


def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there, or a file, is named."""
    assert "is no folder" in refused(tmp_path / "nothing")
    file = tmp_path / "file"
    file.touch()
    assert "is no folder" in refused(file)


def test_no_records(tmp_path: Path) -> None:
    """A folder without records says what was expected where."""
    (tmp_path / "k2_s10_vdefault_r1" / "conv").mkdir(parents=True)
    assert "expected k*_s*_v*_r*/<student>/records.csv" in refused(tmp_path)


def test_gradings_without_texts(tmp_path: Path) -> None:
    """Gradings without the student's own records are an error, not an empty student."""
    (student(tmp_path, [text_row("A")], [grading_row("A", "r")]) / "records.csv").unlink()
    assert "holds gradings but no records.csv" in refused(tmp_path)


@pytest.mark.parametrize("gone", ["k", "skills", "topic", "text_0", "text_1"])
def test_missing_text_column(tmp_path: Path, gone: str) -> None:
    """A column that is missing from a student's records is named with its file."""
    row = text_row("A")
    del row[gone]
    home = student(tmp_path, [row])
    assert refused(tmp_path).startswith(f"{home / 'records.csv'} has no column {gone};")


@pytest.mark.parametrize("gone", ["skills", "topic", "assistant_0", "points_0"])
def test_missing_grading_column(tmp_path: Path, gone: str) -> None:
    """A column that is missing from a grading file is named."""
    row = grading_row("A", "r")
    del row[gone]
    student(tmp_path, [text_row("A")], [row])
    assert f"has no column {gone}" in refused(tmp_path)


def test_comma_in_a_name(tmp_path: Path) -> None:
    """A skill name with a comma shows as a count that is not k."""
    student(tmp_path, [text_row("A", skills="modus ponens, strict, \nmetaphor")])
    assert "line 3: k is '2' in a folder for k = 2 and 3 skills are named" in refused(tmp_path)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\xff\xfe\x00",
        b"k,skills,topic,text_0,text_1\n2,a",
        b'k,skills,topic,text_0,text_1\n2,"a, b',
        b"k,skills,topic,text_0,text_1\n2,a,b,c,d,e,f\n",
        b'k,skills,topic,text_0,text_1\n"2"x,a,b,c,d\n',
        b"k,skills,topic,text_0,text_1\nx,a,b,c,d\n",
        b"k,skills,topic,text_0,text_1\n2," + b"a" * 200_000 + b",b,c,d\n",
    ],
)
def test_broken_csv(tmp_path: Path, broken: bytes) -> None:
    """A broken file is named in one sentence."""
    path = student(tmp_path, [text_row("A")]) / "records.csv"
    path.write_bytes(broken)
    assert refused(tmp_path).startswith(str(path))


def test_no_rows(tmp_path: Path) -> None:
    """A student's file with a head and no rows gives a student without rows."""
    path = student(tmp_path, [text_row("A")]) / "records.csv"
    path.write_text("k,skills,topic,text_0,text_1\n")
    assert only(tmp_path).rows == ()


@given(cut=st.integers(0, 400), byte=st.binary(max_size=3), which=st.sampled_from(["records", "grading"]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files(tmp_path: Path, cut: int, byte: bytes, which: str) -> None:
    """Files cut off or overwritten anywhere are read or refused, never a crash."""
    texts = [text_row("A", 'says "no"'), text_row("B")]
    home = student(tmp_path, texts, [grading_row("A", "| a | 1 |\n"), grading_row("B", "b")])
    path = home / "records.csv" if which == "records" else next(home.glob("graded/*/records.csv"))
    whole = path.read_bytes()
    path.write_bytes(whole[:cut] + byte + (whole[cut + 1 :] if byte else b""))
    with suppress(BadInputError):
        assert len(read_released(tmp_path)) == 1


@pytest.mark.parametrize(
    ("reply", "style"),
    [
        ("| a | b |\n|---|---|\n| x | 1 |", "paper-table"),
        ("  | x | 1 |", "paper-table"),
        ("a: b. Point earned: 1", "paper-lines"),
        ("a|b: Point earned: 1", "paper-lines"),
        ("", "paper-lines"),
    ],
)
def test_judge_style(reply: str, style: str) -> None:
    """A reply with a table row is a table; every other reply is read as lines."""
    assert judge_style_for(reply) == style
