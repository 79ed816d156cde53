"""The teacher of `devices`: its texts are accepted, varied and the same on every machine."""

from __future__ import annotations

import csv
import itertools
import random
import re
import tomllib
from importlib import resources

import pytest

from skillmix_eval.domains.devices.teacher import accepted, compose
from skillmix_eval.domains.devices.teacher.clauses import Clause, NounPhrase
from skillmix_eval.domains.devices.teacher.words import article, forms, plural, vocabulary
from skillmix_eval.errors import CallFailedError
from skillmix_eval.records import Question, Skill, Topic

_FOLDER = resources.files("skillmix_eval.domains.devices")


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_FOLDER.joinpath(name).read_text(encoding="utf-8").splitlines()))


SKILLS = {row["id"]: Skill(**row) for row in _rows("skills.csv")}
TOPICS = [Topic(row["topic"], row["topic"], tuple(row["words"].split())) for row in _rows("topics.csv")]
PINNED = (
    "Until the beehive hung proudly, until the humming queen endured, until the colony stirred, our swarm "
    "grew after dark like a song from long ago with no little ambition."
)
EXCLUDED = [
    frozenset(entry["skills"])
    for entry in tomllib.loads(_FOLDER.joinpath("domain.toml").read_text(encoding="utf-8"))["exclusions"]
]


def _question(*skills: str, topic: int = 0) -> Question:
    return Question(id="q", skills=tuple(SKILLS[s] for s in skills), topic=TOPICS[topic % len(TOPICS)])


def _allowed(skills: tuple[str, ...]) -> bool:
    return not any(out <= set(skills) for out in EXCLUDED)


def _sample(k: int, count: int) -> list[Question]:
    rng = random.Random(k)  # noqa: S311
    drawn: list[Question] = []
    while len(drawn) < count:
        skills = tuple(rng.sample(sorted(SKILLS), k))
        if _allowed(skills):
            drawn.append(_question(*skills, topic=rng.randrange(len(TOPICS))))
    return drawn


def _succeeds(question: Question, seed: int) -> bool:
    try:
        return accepted(question, compose(question, seed))
    except CallFailedError:
        return False


@pytest.mark.parametrize("k", range(1, 7))
def test_checkers_accept_nearly_all(k: int) -> None:
    """The checkers give full marks to at least 99 % of the teacher's texts at each k."""
    met = [_succeeds(question, seed) for seed, question in enumerate(_sample(k, 100))]
    assert sum(met) >= 0.99 * len(met)


def test_each_allowed_pair_has_a_witness() -> None:
    """Each pair of skills that is not excluded has a text of one sentence that the checkers accept."""
    pairs = [pair for pair in itertools.combinations(sorted(SKILLS), 2) if _allowed(pair)]
    missing = [p for i, p in enumerate(pairs) if not _succeeds(_question(*p, topic=i), 0)]
    assert missing == []


def test_each_skill_works_on_each_topic() -> None:
    """Each skill alone has an accepted text on each topic."""
    cases = itertools.product(sorted(SKILLS), range(len(TOPICS)))
    assert [c for c in cases if not _succeeds(_question(c[0], topic=c[1]), 1)] == []


def test_same_seed_same_text() -> None:
    """The text depends on the question and the seed alone."""
    questions = _sample(3, 10)
    first = [compose(q, 5) for q in questions]
    vocabulary.cache_clear()
    assert [compose(q, 5) for q in reversed(questions)] == first[::-1]
    assert first != [compose(q, 6) for q in questions]


def test_text_is_pinned() -> None:
    """A kept text comes out word for word on every machine and Python version."""
    assert compose(_question("simile", "anaphora", "litotes"), 11) == PINNED


@pytest.mark.parametrize("skill", sorted(SKILLS)[::3])
def test_texts_vary(skill: str) -> None:
    """Two hundred texts for one skill and one topic hold more than 150 different ones."""
    question = _question(skill, topic=3)
    assert len({compose(question, seed) for seed in range(200)}) > 150


def test_unknown_topic_fails_clearly() -> None:
    """A topic without words is one clear error."""
    question = Question(id="q", skills=(SKILLS["simile"],), topic=Topic("x", "tax law"))
    with pytest.raises(CallFailedError, match="no words for the topic 'tax law'"):
        compose(question, 0)


def test_sentences_end_once() -> None:
    """No text puts a comma after a question mark, doubles a determiner or spaces marks wrongly."""
    texts = [compose(question, seed) for seed, question in enumerate(_sample(3, 200))]
    wrong = re.compile(r"\?[,;:]|  | [,;.]|,,|\b(?:the|a|an|our|this) (?:the|a|an|our|this)\b")
    assert [text for text in texts if wrong.search(text)] == []


def test_impossible_question_fails_clearly() -> None:
    """Skills that claim the same place in one sentence end in one clear error."""
    with pytest.raises(CallFailedError, match="found no text"):
        compose(_question("rhetorical-question", "tag-question"), 0)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("carry", ("carries", "carried", "carrying", "carried")),
        ("fold", ("folds", "folded", "folding", "folded")),
        ("watch", ("watches", "watched", "watching", "watched")),
        ("admire", ("admires", "admired", "admiring", "admired")),
        ("keep still", ("keeps still", "kept still", "keeping still", "kept still")),
    ],
)
def test_verb_forms(base: str, expected: tuple[str, ...]) -> None:
    """Regular verbs are inflected by rule, irregular ones by the table."""
    assert forms(base) == expected


def test_noun_forms() -> None:
    """Plurals keep adjectives and 'of' phrases in place, and articles follow the sound."""
    assert plural("busy colony") == "busy colonies"
    assert plural("wheel of cheddar") == "wheels of cheddar"
    assert [article(w) for w in ("urchin", "unusual hive", "useful lamp", "honest man")] == [
        "an",
        "an",
        "a",
        "an",
    ]


def test_clause_forms() -> None:
    """One clause is said, denied and inverted in the same words."""
    clause = Clause(NounPhrase("the bee", "the bee"), "wait", " in the hive", past=True)
    assert clause.said() == "the bee waited in the hive"
    assert clause.denied() == "the bee did not wait in the hive"
    assert clause.inverted() == "did the bee wait in the hive"
