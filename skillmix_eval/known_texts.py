"""Texts whose true grade code knows: the teacher of `devices` writes them, its rules check them.

They serve as anchors in every run and as the ground of attacks, whatever the domain of the run: a judge is
given the definitions of the skills, so it can grade `devices` as it grades any other list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from .domain import Domain, load_domain
from .domains.devices.rules import verdicts
from .domains.devices.teacher import accepted, compose
from .errors import CallFailedError
from .records import MAKES_SENSE, ON_TOPIC, Question
from .stages.sample import make_question, sample

KS = (2, 3, 4, 5)
_TRIES = 20


@cache
def devices() -> Domain:
    """Return the domain whose truth code knows."""
    return load_domain("devices")


def questions(ks: Sequence[int], n: int, seed: int) -> list[Question]:
    """Return n questions of `devices`, their numbers of skills taken in turn from those of `ks` it can do."""
    usable = [k for k in ks if k <= max(KS)] or list(KS)
    drawn = [iter(sample(devices(), k, n, seed)) for k in usable]
    return [next(drawn[i % len(drawn)]) for i in range(n)]


def truth(question: Question, words: str) -> dict[str, bool]:
    """Return the checkers' verdict on each item that a judge decides."""
    return {item: verdict.met for item, verdict in verdicts(question, words).items()}


def good_text(question: Question, seed: int = 0) -> str:
    """Return a text that earns full marks."""
    return compose(question, seed)


def near_miss(question: Question, seed: int = 0) -> str:
    """Return a text on the topic that shows all skills but one, or none where only one is asked for."""
    skills, others = question.skills[:-1], [s for s in devices().skills if s not in question.skills]
    for attempt in range(_TRIES):
        shown = skills or (others[(seed + attempt) % len(others)],)
        text = _composed(make_question(tuple(shown), question.topic), seed + attempt)
        if text and not all(truth(question, text).values()):
            return text
    return far_miss(question, seed)


def far_miss(question: Question, seed: int = 0) -> str:
    """Return a text about something else that shows none of the skills."""
    for other in _others(question, seed):
        text = _composed(other, seed)
        found = {item for item, met in truth(question, text).items() if met} if text else {ON_TOPIC}
        if found <= {MAKES_SENSE}:
            return text
    raise CallFailedError("No text was found that is surely bad.")  # pragma: no cover  there always is one


def is_good(question: Question, words: str) -> bool:
    """Tell whether a text earns full marks."""
    return accepted(question, words)


def _others(question: Question, seed: int) -> Iterator[Question]:
    """Yield questions on other topics for other skills."""
    asked = {s.id for s in question.skills}
    for other in sample(devices(), 1, 600, seed + 1):
        if other.topic != question.topic and not asked & {s.id for s in other.skills}:
            yield other


def _composed(question: Question, seed: int) -> str:
    try:
        return compose(question, seed)
    except CallFailedError:
        return ""
