"""Questions become the requests that ask a student for a text."""

from __future__ import annotations

import pytest

from skillmix_eval.records import Message
from skillmix_eval.spec import ModelSpec
from skillmix_eval.stages.prompt import draft_request, refine_request
from skillmix_eval.stages.sample import make_question as identify
from skillmix_eval.templates import load_template

from .makers import make_question

DRAFT, REFINE = load_template("draft", "draft"), load_template("refine", "refine")
STUDENT = ModelSpec(model="x/y", temperature=0.7, top_p=0.9, max_tokens=99)


@pytest.mark.parametrize(
    ("k", "said"), [(1, "one sentence"), (3, "two sentences"), (11, "ten sentences"), (12, "11 sentences")]
)
def test_limit_in_words(k: int, said: str) -> None:
    """The sentence limit is spelled out up to ten."""
    assert make_question(*(f"s{i}" for i in range(k))).limit_words == said


def test_draft_tells_all() -> None:
    """The first turn names the topic, the limit, and each skill with definition and example."""
    question = make_question()
    (message,) = draft_request(question, 0, DRAFT, STUDENT).messages
    told = [question.topic.name, "two sentences"]
    told += [part for s in question.skills for part in (s.name, s.definition, s.example)]
    assert [part for part in told if part not in message.content] == []


def test_student_settings_are_sent() -> None:
    """A request carries the student's sampling settings, in both turns."""
    first = draft_request(make_question(), 0, DRAFT, STUDENT)
    second = refine_request(first, "reply", "draft", REFINE)
    for request in (first, second):
        assert (request.temperature, request.top_p, request.max_tokens) == (0.7, 0.9, 99)


def test_system_message_comes_first() -> None:
    """A system message is sent where the student has one."""
    request = draft_request(make_question(), 0, DRAFT, ModelSpec(model="x/y", system="Be brief."))
    assert request.messages[0] == Message("system", "Be brief.")


def test_draws_are_told_apart() -> None:
    """Several texts for one question, and a question's later occurrences, are different draws."""
    question = make_question()
    again = identify(question.skills, question.topic, occurrence=1)
    requests = [draft_request(q, i, DRAFT, STUDENT) for q in (question, again) for i in (0, 1)]
    assert len({r.draw for r in requests}) == 4
    assert requests[0].seed != requests[1].seed


def test_refine_continues_the_talk() -> None:
    """The second turn follows the first turn and the student's whole reply."""
    first = draft_request(make_question(), 2, DRAFT, STUDENT)
    second = refine_request(first, "Answer: a draft", "a draft", REFINE)
    assert second.messages[:2] == (*first.messages, Message("assistant", "Answer: a draft"))
    assert second.messages[2].role == "user"
    assert (second.draw, second.seed, second.question) == (first.draw, first.seed, first.question)
