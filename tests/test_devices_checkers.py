"""The domain `devices` accepts what shows a device and refuses what nearly does."""

import csv
import tomllib
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from skillmix_eval import texts
from skillmix_eval.domains.devices import rules
from skillmix_eval.records import MAKES_SENSE, ON_TOPIC, Question, Skill, Topic, skill_item

DOMAIN = Path(rules.__file__).parent
DATA = Path(__file__).parent / "data" / "devices"
CASES: dict[str, dict[str, list[str]]] = {}
for _path in sorted(DATA.glob("*.yaml")):
    CASES |= yaml.safe_load(_path.read_text(encoding="utf-8"))
POSITIVES = [(skill, text) for skill, cases in CASES.items() for text in cases["positive"]]
SENSE = yaml.safe_load((DATA / "sense.yml").read_text(encoding="utf-8"))
NEGATIVES = [(skill, text) for skill, cases in CASES.items() for text in cases["negative"]]

with (DOMAIN / "skills.csv").open(encoding="utf-8", newline="") as _file:
    SKILLS = [Skill(**row) for row in csv.DictReader(_file)]
with (DOMAIN / "topics.csv").open(encoding="utf-8", newline="") as _file:
    TOPICS = [Topic(r["topic"], r["topic"], tuple(r["words"].split())) for r in csv.DictReader(_file)]
CONFIG: dict[str, Any] = tomllib.loads((DOMAIN / "domain.toml").read_text(encoding="utf-8"))
BEES = next(topic for topic in TOPICS if topic.id == "beekeeping")


@pytest.mark.parametrize(("skill", "text"), POSITIVES)
def test_a_device_is_found(skill: str, text: str) -> None:
    """A text that shows the device earns its point."""
    verdict = rules.check(text)[skill]
    assert verdict.met, verdict.reason


@pytest.mark.parametrize("text", [text for _, text in POSITIVES])
def test_a_text_that_shows_a_device_makes_sense(text: str) -> None:
    """No text that is written to show a device fails the proxy for sense."""
    assert sensible(text)


@pytest.mark.parametrize(("skill", "text"), NEGATIVES)
def test_a_near_miss_is_refused(skill: str, text: str) -> None:
    """A text that nearly shows the device earns no point."""
    verdict = rules.check(text)[skill]
    assert not verdict.met, verdict.quote


@pytest.mark.parametrize("skill", SKILLS, ids=lambda s: s.id)
def test_the_example_shows_its_skill(skill: Skill) -> None:
    """A skill's example is sensible English, passes its checker and does not name the skill."""
    question = Question(id="q", skills=(skill,), topic=BEES)
    verdicts = rules.verdicts(question, skill.example)
    assert verdicts[skill_item(skill.id)].met
    assert verdicts[MAKES_SENSE].met, verdicts[MAKES_SENSE].reason
    assert not texts.named(skill.name, skill.example)
    assert texts.count_sentences(skill.example) == 1


def test_every_skill_has_a_checker_and_cases() -> None:
    """Table, checkers and cases name the same skills, with at least twelve cases on either side."""
    assert [skill.id for skill in SKILLS] == list(rules.CHECKERS)
    assert set(CASES) == set(rules.CHECKERS)
    assert all(len(set(cases)) >= 12 for sides in CASES.values() for cases in sides.values())


def test_the_splits_name_what_exists() -> None:
    """Held-out categories and topics and excluded pairs exist in the tables."""
    assert set(CONFIG["held_out_categories"]) < {skill.category for skill in SKILLS}
    assert set(CONFIG["held_out_topics"]) < {topic.id for topic in TOPICS}
    pairs = [tuple(table["skills"]) for table in CONFIG["exclusions"]]
    assert all(a != b and {a, b} <= set(rules.CHECKERS) for a, b in pairs)
    assert all(table["why"] for table in CONFIG["exclusions"])


def test_a_device_seldom_brings_another_along() -> None:
    """No device shows in a third of the texts that show another, save listed kin."""
    kin = {
        ("anaphora", "asyndeton"),
        ("anaphora", "isocolon"),
        ("epistrophe", "isocolon"),
        ("antimetabole", "anadiplosis"),
        ("antimetabole", "epanalepsis"),
        ("asyndeton", "isocolon"),
        ("isocolon", "asyndeton"),
    }
    found = {skill: [rules.check(text) for text in cases["positive"]] for skill, cases in CASES.items()}
    for skill, other in product(CASES, CASES):
        share = sum(verdicts[other].met for verdicts in found[skill]) / len(found[skill])
        assert skill == other or (skill, other) in kin or share < 1 / 3, (skill, other, share)


def test_verdicts_answer_the_skills_topic_and_sense() -> None:
    """A question gets one verdict per skill, one on the topic and one on sense."""
    question = Question(id="q", skills=tuple(SKILLS[:5]), topic=BEES)
    got = rules.verdicts(question, "We watched the hive, we watched the bees, we watched the sky.")
    assert set(got) == {skill_item(s.id) for s in SKILLS[:5]} | {ON_TOPIC, MAKES_SENSE}
    assert got["skill:anaphora"].quote.startswith("We watched the hive")
    assert got[ON_TOPIC].met


def topical(text: str, topic: Topic = BEES) -> bool:
    """Tell whether a text is on topic."""
    return rules.verdicts(Question(id="q", skills=(), topic=topic), text)[ON_TOPIC].met


@pytest.mark.parametrize(
    "text",
    [
        "The bees came back to their hives.",
        "Beekeeping asks for calm hands.",
        "The QUEEN’S colony slept.",
        "A honey-coloured drone flew.",
    ],
)
def test_two_words_of_the_family_or_the_name_are_on_topic(text: str) -> None:
    """Two words of the topic's family in any number or case, or its name, make a text on topic."""
    assert topical(text)


@pytest.mark.parametrize("text", ["The bee flew.", "The cat slept.", "", "Been there, hived off."])
def test_fewer_words_are_off_topic(text: str) -> None:
    """One word of the family alone does not make a text on topic."""
    assert not topical(text)


def sensible(text: str) -> bool:
    """Tell whether a text passes the proxy for making sense."""
    return rules.verdicts(Question(id="q", skills=(), topic=BEES), text)[MAKES_SENSE].met


@pytest.mark.parametrize("text", SENSE["sense"])
def test_natural_english_makes_sense(text: str) -> None:
    """English as people write it passes the proxy for sense."""
    assert sensible(text)


@pytest.mark.parametrize("text", SENSE["nonsense"])
def test_word_salad_makes_no_sense(text: str) -> None:
    """Shuffled words, keyword lists, fragments and echoing words fail the proxy for sense."""
    assert not sensible(text)
