"""The catalogue of the `language` domain, read as plain files."""

from __future__ import annotations

import csv
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import skillmix_eval
from skillmix_eval.texts import named, words

FOLDER = Path(skillmix_eval.__file__).parent / "domains" / "language"
COLUMNS = ["id", "category", "name", "definition", "example"]
CATEGORIES = {"literary", "rhetorical", "logical", "reasoning", "theory of mind", "physical knowledge"}

with (FOLDER / "skills.csv").open(encoding="utf-8", newline="") as file:
    READER = csv.DictReader(file)
    SKILLS = list(READER)
TOPICS = (FOLDER / "topics.txt").read_text(encoding="utf-8").splitlines()
DOMAIN = tomllib.loads((FOLDER / "domain.toml").read_text(encoding="utf-8"))

each_skill = pytest.mark.parametrize("skill", SKILLS, ids=[s["id"] for s in SKILLS])


def test_columns() -> None:
    """The columns are those of a skill record, and every row fills each of them with trimmed text."""
    assert READER.fieldnames == COLUMNS
    for skill in SKILLS:
        assert list(skill) == COLUMNS  # a row with too many cells has a further key
        assert all(value and value == value.strip() for value in skill.values())


def test_size() -> None:
    """There are at least 110 skills, and at least ten in each of the paper's six categories."""
    counts = Counter(s["category"] for s in SKILLS)
    assert len(SKILLS) >= 110
    assert set(counts) == CATEGORIES == set(DOMAIN["categories"])
    assert min(counts.values()) >= 10


@pytest.mark.parametrize("column", ["id", "name", "definition", "example"])
def test_nothing_twice(column: str) -> None:
    """No two skills share an id, a name, a definition or an example, in any case."""
    assert len({s[column].casefold() for s in SKILLS}) == len(SKILLS)


@each_skill
def test_id_is_slug_of_name(skill: dict[str, str]) -> None:
    """An id is the name in lower case without apostrophes, with a hyphen between words."""
    assert skill["id"] == re.sub(r"[^a-z0-9]+", "-", skill["name"].lower().replace("'", "")).strip("-")


@each_skill
def test_definition_is_usable(skill: dict[str, str]) -> None:
    """A definition has 15 to 40 words, and neither it nor the example is contained in the other."""
    assert 15 <= len(skill["definition"].split()) <= 40
    assert skill["example"] not in skill["definition"]
    assert skill["definition"] not in skill["example"]


@each_skill
def test_example_is_short(skill: dict[str, str]) -> None:
    """An example has at most 60 words and runs of no more than four words in common with its definition."""
    text, definition = words(skill["example"]), words(skill["definition"])
    runs = {tuple(definition[i : i + 5]) for i in range(len(definition) - 4)}
    assert 5 <= len(text) <= 60
    assert not any(tuple(text[i : i + 5]) in runs for i in range(len(text) - 4))


@each_skill
def test_example_shows_without_naming(skill: dict[str, str]) -> None:
    """No example names its own or any other skill, since naming costs a text the skill's point."""
    assert [s["name"] for s in SKILLS if named(s["name"], skill["example"])] == []


@each_skill
def test_name_stands_alone(skill: dict[str, str]) -> None:
    """No name holds a comma or another skill's name, so that naming one skill never names two."""
    assert "," not in skill["name"]
    assert [s["name"] for s in SKILLS if s is not skill and named(s["name"], skill["name"])] == []


def test_topics() -> None:
    """There are at least 110 topics, trimmed, each given once, and none of them names a skill."""
    assert len(TOPICS) >= 110
    assert all(topic and topic == topic.strip() for topic in TOPICS)
    assert len({topic.casefold() for topic in TOPICS}) == len(TOPICS)
    assert [(t, s["name"]) for t in TOPICS for s in SKILLS if named(s["name"], t)] == []


def test_held_out_lists_are_real() -> None:
    """Every held-out category and topic is one of the domain's, and is listed once."""
    for held_out, known in (("held_out_categories", CATEGORIES), ("held_out_topics", set(TOPICS))):
        assert set(DOMAIN[held_out]) < known
        assert len(set(DOMAIN[held_out])) == len(DOMAIN[held_out])


def test_splits_are_near_half() -> None:
    """Between 40 and 60 per cent of the skills, and of the topics, are held out."""
    skills = sum(s["category"] in DOMAIN["held_out_categories"] for s in SKILLS)
    assert 0.4 <= skills / len(SKILLS) <= 0.6
    assert 0.4 <= len(DOMAIN["held_out_topics"]) / len(TOPICS) <= 0.6


def test_domain_is_graded_by_a_judge() -> None:
    """The domain has a title and goes to a judge under the standard protocol."""
    assert DOMAIN["title"]
    assert (DOMAIN["grading"], DOMAIN["protocol"]) == ("judge", "standard")
