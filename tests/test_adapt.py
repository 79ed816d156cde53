"""`skillmix adapt`: from a run and a pool to chat data and a mixture."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from skillmix_eval.adapt import read_graph, read_pool
from skillmix_eval.domain import load_domain
from skillmix_eval.errors import BadInputError

from .server import ROOT, one_sentence, skillmix


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a weak student's run, a teacher's run, and their store."""
    folder = tmp_path_factory.mktemp("adapt")
    weak = f"embedded/{ROOT}/results/devices/checkpoints/400"
    for student, name in ((weak, "weak"), ("teacher/devices", "teacher")):
        options = ["--student", student, "--split", "train", "-k", "1,2", "-n", 40, "--out", name]
        assert skillmix("run", *options, cwd=folder).code == 0
    return folder


def test_what_was_missed_is_trained(place: Path) -> None:
    """STAT-Sel's data are chat messages of the harness's own prompts, and its mixture follows the misses."""
    options = ["--run", "weak", "--pool", "teacher", "--out", "next", "-n", 60, "--json"]
    done = skillmix("adapt", "stat_sel", *options, cwd=place)
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in (place / "next" / "train.jsonl").read_text().splitlines()]
    assert len(rows) == done.json["examples"] == 60
    assert {tuple(m["role"] for m in row["messages"]) for row in rows} == {("user", "assistant")}
    assert all(row["messages"][0]["content"].startswith("Write one short, natural piece") for row in rows)
    assert json.loads((place / "next" / "mixture.json").read_text()) == done.json
    assert sum(done.json["realised"].values()) == pytest.approx(1)
    missed = {s for row in rows for s in row["skills"]}
    assert missed <= set(done.json["mixture"])


def test_the_same_again(place: Path) -> None:
    """The same command writes the same bytes."""
    for name in ("one", "two"):
        options = ["--pool", "teacher", "--out", name, "-n", 30, "--seed", 4]
        assert skillmix("adapt", "skill_composition", *options, "--set", "most=1", cwd=place).code == 0
    files = [(place / name / "train.jsonl").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]


def test_a_graph_steers(place: Path) -> None:
    """Skill-It takes its graph from a file, and trains more on the skill that helps."""
    graph = {"skills": ["anaphora", "rhyme"], "rows": [[1, 0.5], [0, 1]]}
    (place / "graph.json").write_text(json.dumps(graph))
    options = [
        "--run",
        "weak",
        "--pool",
        "teacher",
        "--graph",
        "graph.json",
        "--out",
        "it",
        "-n",
        20,
        "--json",
    ]
    done = skillmix("adapt", "skill_it", *options, "--set", "eta=2", cwd=place)
    assert done.code == 0, done.err
    assert set(done.json["mixture"]) == {"anaphora", "rhyme"}


def pool_row(**known: Any) -> str:
    """Return a line of a pool."""
    topic = load_domain("devices").part("train")[1][0].id
    return json.dumps({"topic": topic, "skills": ["rhyme"], "text": "A cat sat on a mat."} | known)


@pytest.mark.parametrize(
    "known", [{"loss": "abc"}, {"loss": [1]}, {"loss": -1}, {"full_marks": "perhaps"}, {"text": " "}], ids=str
)
def test_a_pool_with_a_value_that_is_none_names_the_text(known: dict[str, Any], tmp_path: Path) -> None:
    """Which text, which column, what was wrong."""
    (tmp_path / "pool.jsonl").write_text(pool_row() + "\n" + pool_row(**known) + "\n")
    with pytest.raises(BadInputError, match=f"text 2: '{next(iter(known))}' cannot be used"):
        read_pool(tmp_path / "pool.jsonl", load_domain("devices"))


def test_files_nested_without_end_are_refused(tmp_path: Path) -> None:
    """A line of brackets is no text, and no graph."""
    (tmp_path / "deep.jsonl").write_text("[" * 100_000)
    with pytest.raises(BadInputError, match=r"deep.jsonl line 1 is not JSON"):
        read_pool(tmp_path / "deep.jsonl", load_domain("devices"))
    with pytest.raises(BadInputError, match=r"deep.jsonl is not of the form"):
        read_graph(tmp_path / "deep.jsonl")


def test_words_for_no_are_no_and_what_no_file_can_hold_is_dropped(tmp_path: Path) -> None:
    """CSV has words for everything, JSON may have, too; a text keeps all but half characters."""
    (tmp_path / "pool.jsonl").write_text(
        "\n".join(pool_row(full_marks=no) for no in ("false", "False", 0, False))
        + "\n"
        + pool_row(text="a\ud800")
    )
    topic = json.loads(pool_row())["topic"]
    rows = "text,topic,skills,loss,full_marks\n" + "".join(
        f"a,{topic},rhyme,{loss},{full}\n" for loss, full in (("", "False"), ("1.5", "0"), ("2", ""))
    )
    (tmp_path / "pool.csv").write_text(rows)
    read = [read_pool(tmp_path / f"pool.{kind}", load_domain("devices")) for kind in ("jsonl", "csv")]
    assert [e.item.full_marks for e in read[0]] == [False] * 4 + [True]
    assert read[0][-1].messages[-1].content == "a"
    assert [(e.item.loss, e.item.full_marks) for e in read[1]] == [(None, False), (1.5, False), (2.0, True)]


def test_targets_can_be_named_and_what_the_pool_lacks_is_told(place: Path) -> None:
    """DMT's first round is of the named skill alone; skills that no text shows are listed."""
    done = skillmix(
        "adapt", "dmt", "--pool", "teacher", "--targets", "rhyme", "-n", 9, "--out", "d", cwd=place
    )
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in (place / "d" / "train.jsonl").read_text().splitlines()]
    assert all("rhyme" in row["skills"] for row in rows)
    (place / "one.jsonl").write_text(pool_row() + "\n")
    done = skillmix("adapt", "uniform_skills", "--pool", "one.jsonl", "--out", "u", "--json", cwd=place)
    assert done.json["mixture"] == {"rhyme": 1.0}
    assert "anaphora" in done.json["not_in_pool"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], ["nope", "stat-sel"]),
        (["stat_sel", "--pool", "teacher"], ["questions that the student failed"]),
        (["stat_sel", "--run", "weak"], ["--pool"]),
        (["skill_it", "--run", "weak", "--pool", "teacher"], ["--graph"]),
        (["skill_it", "--run", "weak", "--graph", "none.json"], ["none.json"]),
        (["stat_sel", "--run", "weak", "--pool", "teacher", "--set", "per=3"], ["per", "per_skill"]),
        (["uniform_items", "--pool", "broken.jsonl"], ["broken.jsonl", "'text'"]),
        (["uniform_items", "--pool", "bare.jsonl"], ["bare.jsonl", "text 1 has no skills"]),
        (["skill_it", "--pool", "teacher", "--graph", "wide.json"], ["2 rows of 3 numbers"]),
        (["uniform_items", "--pool", "teacher", "--set", "x"], ["name=value"]),
        (["skill_it", "--pool", "teacher", "--set", "eta=[1"], ["eta=[1", "no value"]),
        (["skill_it", "--pool", "teacher", "--graph", "other.json"], ["'nosuch'"]),
        (["skill_it", "--pool", "one.jsonl", "--graph", "absent.json"], ["'anaphora', which no text"]),
        (["dmt", "--pool", "teacher"], ["--targets"]),
    ],
    ids=lambda found: " ".join(found)[:40],
)
def test_what_is_missing_is_said(place: Path, arguments: list[str], words: list[str]) -> None:
    """A method without what it needs says so in one sentence, and writes nothing."""
    (place / "bare.jsonl").write_text('{"topic": "x", "text": "y"}\n')
    (place / "wide.json").write_text('{"skills": ["rhyme", "anaphora"], "rows": [[1, 2, 3], [1, 2, 3]]}')
    files = {"other": ("rhyme", "nosuch"), "absent": ("rhyme", "anaphora")}
    for name, skills in files.items():
        graph = {"skills": skills, "rows": [[1, 2], [1, 2]]}
        (place / f"{name}.json").write_text(json.dumps(graph))
    (place / "one.jsonl").write_text(pool_row() + "\n")
    (place / "broken.jsonl").write_text('{"topic": "x"}\n')
    done = skillmix("adapt", *arguments, "--out", "none", cwd=place)
    assert done.code == 2
    one_sentence(done, *words)
    assert not (place / "none").exists()


def simulations() -> ModuleType:
    """Return the experiment's module."""
    path = ROOT / "experiments" / "adaptive" / "simulations.py"
    spec = importlib.util.spec_from_file_location("simulations", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_skill_it_in_its_own_world() -> None:
    """In the world that Skill-It assumes it beats all arms; in another, with a wrong graph, it does not."""
    assumed, wrong, right = simulations().skill_it_table().values()
    assert list(assumed.values()) == pytest.approx([0.195, 0.114, 0.110, 0.091, 0.089], abs=6e-4)
    assert wrong["skill_it"] > wrong["stratified"] > right["skill_it"]


def test_stat_in_a_world_of_mastery() -> None:
    """STAT-Sel beats hard-only, which beats uniform, at equal picks, with and without noise in the labels."""
    for arms in simulations().stat_table(seeds=3).values():
        mean = {arm: sum(values) / 3 for arm, values in arms.items()}
        assert mean["STAT-Sel"] > mean["hard only"] > mean["uniform"] > mean["before"]
