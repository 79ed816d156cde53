"""Small builders of records for tests: everything has a default, so a test states only what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skillmix_eval.domain import Domain, DomainFile, Exclusion
from skillmix_eval.records import (
    Grading,
    GradingStatus,
    Question,
    Request,
    Sample,
    Skill,
    Text,
    TextStatus,
    Topic,
    Verdict,
)
from skillmix_eval.stages.sample import make_question as identify
from skillmix_eval.stages.score import score

SKILLS = ("metaphor", "red herring", "modus ponens")


def make_skill(name: str = "metaphor", category: str = "literary", **fields: str) -> Skill:
    """Return a skill; its id is its name with hyphens."""
    content = {"definition": f"What {name} means.", "example": f"How {name} looks."} | fields
    return Skill(name.replace(" ", "-"), name, category, content["definition"], content["example"])


def make_topic(name: str = "sewing") -> Topic:
    """Return a topic; its id is its name with hyphens."""
    return Topic(name.replace(" ", "-"), name)


def make_question(*names: str, topic: str = "sewing") -> Question:
    """Return a question of skills by name, three by default."""
    return identify(tuple(make_skill(n) for n in names or SKILLS), make_topic(topic))


def make_domain(
    skills: int = 10, topics: int = 10, exclusions: Sequence[Sequence[str]] = (), **about: Any
) -> Domain:
    """Return a domain of skills s0, s1, ... (category even or odd) and topics t0, t1, ..."""
    pairs = tuple(Exclusion(tuple(e), "they clash") for e in exclusions)
    found = tuple(make_skill(f"s{i}", ("even", "odd")[i % 2]) for i in range(skills))
    return Domain(
        "made",
        DomainFile("Made", "judge", exclusions=pairs, **about),
        found,
        tuple(make_topic(f"t{i}") for i in range(topics)),
        Path(),
    )


def make_text(
    question: Question, text: str = "A hem is a promise.", status: TextStatus = TextStatus.OK, index: int = 0
) -> Text:
    """Return a text for a question."""
    return Text(question.id, index, text, status)


def make_grading(question: Question, points: str | None = None, index: int = 0) -> Grading:
    """Return a grading by points such as '110111', in the rubric's order; None makes an unreadable one."""
    if points is None:
        return Grading(question.id, 0, index, "judge", GradingStatus.UNREADABLE, why="no verdict")
    verdicts = {item: Verdict(p == "1") for item, p in zip(question.items, points, strict=True)}
    return Grading(question.id, 0, index, "judge", GradingStatus.OK, verdicts)


def make_sample(question: Question, points: str | None = None, **text: Any) -> Sample:
    """Return a sample with one grading, scored as the pipeline does it."""
    written = make_text(question, **text)
    gradings = (make_grading(question, points),)
    return Sample(question, written, gradings, score(question, written, gradings))


def make_request(question: Question | None = None) -> Request:
    """Return a request without messages."""
    return Request((), question=question or make_question())
