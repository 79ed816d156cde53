"""Keys and private lists stay where they belong, and hostile names and texts do no harm."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .server import Call, Server, files_of, models, run_options, skillmix, write_lists

KEY = "sk-marker-4711"
MARK = "zzsecretzz "
HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "[red]rich[/bold]",
    "<b>bold</b> | *md* `x`",
    "ends \\",
    ":smile: [link=x]y",
    "a\rb\x07",
]


def found(folder: Path, mark: str, *printed: str) -> list[str]:
    """Return where a mark is found: files below a folder, or what was printed."""
    files = [name for name, data in files_of(folder).items() if mark.encode() in data]
    return files + [p for p in printed if mark in p]


def test_keys_are_nowhere(tmp_path: Path) -> None:
    """A key that the server repeats in its errors is in nothing that is printed or written."""

    def fault(call: Call) -> str | None:
        return "400" if " about quays" in call.prompt else None

    with Server(fault=fault) as server:
        options = [*run_options(server, tmp_path), "-k", 1, "-n", 5, "--out", "run"]
        done = skillmix("run", *options, cwd=tmp_path, OPENAI_API_KEY=KEY)
        assert done.code == 3
        assert {c.headers["authorization"] for c in server.calls} == {f"Bearer {KEY}"}
        server.fault = lambda _: "401"
        refused = skillmix("run", *options, "-n", 9, cwd=tmp_path, OPENAI_API_KEY=KEY)
        assert refused.code == 2
    assert found(tmp_path, KEY, done.out, done.err, refused.out, refused.err) == []


def test_each_model_has_its_own_key(tmp_path: Path) -> None:
    """Student and judge are sent the keys of the variable and of the file that they name."""
    with Server() as server:
        options = [*run_options(server, tmp_path), "-k", 1, "-n", 1, "--out", "run"]
        (tmp_path / "theirs").write_text("two\n")
        names = ["--api-key-env", "MINE", "--judge-api-key-file", "theirs"]
        skillmix("run", *options, *names, cwd=tmp_path, MINE="one")
        keys = {c.role: c.headers["authorization"] for c in server.calls}
    assert keys == {"student": "Bearer one", "judge": "Bearer two"}


@pytest.fixture
def lists(tmp_path: Path) -> list[object]:
    """The options for private lists in a folder of their own."""
    (tmp_path / "lists").mkdir()
    skills, topics = write_lists(tmp_path / "lists", mark=MARK)
    return ["--domain", "language", "--skills", skills, "--topics", topics, "-k", 2, "-n", 4]


def test_private_words_are_nowhere(tmp_path: Path, lists: list[object]) -> None:
    """A run on private lists writes and prints none of their words, in any form."""
    with Server() as server:
        options = [*lists, *models(server), "--anchors", 0, "--store", "store.sqlite", "--out", "run"]
        printed = [skillmix("run", *options, *form, cwd=tmp_path) for form in ([], ["--json"])]
        assert all(MARK in c.prompt for c in server.calls)
    printed += [skillmix("report", "run", *form, cwd=tmp_path) for form in ([], ["--json"], ["--markdown"])]
    assert [done.code for done in printed] == [0] * 5, printed[-1].err
    assert found(tmp_path / "run", MARK.strip(), *(d.out + d.err for d in printed)) == []


def test_an_echo_of_the_prompt_is_not_kept(tmp_path: Path, lists: list[object]) -> None:
    """A student that repeats the prompt does not carry private words into the run folder."""

    def fault(call: Call) -> str | None:
        return f"say:{call.body['messages'][0]['content']}" if call.role == "student" else None

    with Server(fault=fault) as server:
        options = [*lists, *models(server), "--store", "store.sqlite", "--out", "run"]
        done = skillmix("run", *options, "--json", cwd=tmp_path)
    assert done.json["figures"]["by_k"][0]["statuses"]["echoed"] == 4
    assert found(tmp_path / "run", MARK.strip(), done.out) == []


def test_private_words_on_request(tmp_path: Path, lists: list[object]) -> None:
    """--show-private shows the names in the report."""
    with Server() as server:
        options = [*lists, *models(server), "--store", "store.sqlite", "--out", "run"]
        assert skillmix("run", *options, cwd=tmp_path).code == 0
    assert MARK in skillmix("report", "run", "--show-private", cwd=tmp_path).out
    assert MARK in skillmix("report", "run", "--show-private", "--json", cwd=tmp_path).out


def test_private_samples(tmp_path: Path, lists: list[object]) -> None:
    """`skillmix sample` shows ids for private names unless asked."""
    for form in ([], ["--json"]):
        assert MARK not in skillmix("sample", *lists, *form, cwd=tmp_path).out
        assert MARK in skillmix("sample", *lists, *form, "--show-private", cwd=tmp_path).out


def test_changed_lists(tmp_path: Path, lists: list[object]) -> None:
    """A run on private lists cannot be read once they have changed or gone, and says so."""
    with Server() as server:
        options = [*lists, *models(server), "--store", "store.sqlite", "--out", "run"]
        assert skillmix("run", *options, cwd=tmp_path).code == 0
    topics = tmp_path / "lists" / "topics.txt"
    topics.write_text(topics.read_text() + "one more\n")
    changed = skillmix("report", "run", cwd=tmp_path)
    assert (changed.code, changed.out) == (2, "")
    assert "changed since" in changed.err
    topics.unlink()
    gone = skillmix("report", "run", cwd=tmp_path)
    assert (gone.code, gone.out) == (2, "")
    assert "topics.txt" in gone.err
    assert "Traceback" not in gone.err


def test_a_wrong_name_does_not_give_the_others_away(tmp_path: Path, lists: list[object]) -> None:
    """A name that is not in a private list is reported without the names that are."""
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": "x", "topic": "quayz", "skills": ["turn q"]}))
    given = ["--judge", "openai/x", "--judge-base-url", "http://127.0.0.1:9/v1", "--out", "run"]
    done = skillmix("grade", "texts.jsonl", *lists[:6], *given, cwd=tmp_path)
    assert done.code == 2
    assert MARK.strip() not in done.err


def write_hostile_lists(folder: Path) -> list[object]:
    """Write public lists whose names are hostile to terminals, Markdown and HTML."""
    import csv

    with (folder / "skills.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["category", "name", "definition", "example"])
        rows.writerows([["literary", f"skill {n}", f"def {n}", f"ex {n}"] for n in HOSTILE])
    (folder / "topics.txt").write_text("\n".join(f"topic {n}" for n in HOSTILE if "\r" not in n))
    lists = ["--skills", folder / "skills.csv", "--topics", folder / "topics.txt"]
    return ["--domain", "language", *lists, "--public", "-k", 2, "-n", 6]


def test_hostile_names_and_texts(tmp_path: Path) -> None:
    """Escape codes, rich markup, Markdown and HTML in names and texts are shown as they are, or left out."""
    said = iter(HOSTILE * 100)
    with Server(fault=lambda c: f"say:A line {next(said)} here." if c.role == "student" else None) as server:
        options = [*write_hostile_lists(tmp_path), *models(server), "--store", "store.sqlite"]
        done = skillmix("run", *options, "--out", "[red]run[/bold]", cwd=tmp_path)
        sampled = skillmix("sample", *options[:11], cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    folder = tmp_path / "[red]run[/bold]"
    for shown in (done.out, skillmix("report", folder, cwd=tmp_path).out, sampled.out):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", shown)
    assert "[red]rich[/bold]" in sampled.out
    assert ":smile:" in sampled.out
    assert "[red]run[/bold]" in done.out
    markdown = (folder / "report.md").read_text()
    assert "<b>" not in markdown.replace("\\<", "")
    assert "\x1b" not in markdown
    assert "<b>bold" not in (folder / "report.html").read_text()
