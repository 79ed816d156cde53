"""Texts become gradings, by a judge or by code; sentences are always counted."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from skillmix_eval.errors import CallFailedError
from skillmix_eval.graders.rubric import RubricGrader
from skillmix_eval.graders.rules import RulesGrader
from skillmix_eval.records import (
    SENTENCE_LIMIT,
    Grading,
    GradingStatus,
    Message,
    Question,
    Reply,
    Request,
    TextStatus,
    Usage,
    Verdict,
)
from skillmix_eval.spec import ModelSpec
from skillmix_eval.stages.grade import grade, settle
from skillmix_eval.styles._decoys import DECOYS
from skillmix_eval.styles.json_items import TEMPLATE, Style
from skillmix_eval.templates import load_template

from .makers import make_grading, make_question, make_text

QUESTION = make_question()
TEXT = make_text(QUESTION, "A hem is a promise.")
JUDGE = ModelSpec(model="openai/judge", temperature=0.0, max_tokens=500)


def make_grader(**settings: object) -> RubricGrader:
    """Return a judge of the default style."""
    template = load_template(TEMPLATE[:-3], "judge")
    fields = {f: getattr(JUDGE, f) for f in ("model", "temperature", "max_tokens")} | settings
    return RubricGrader(ModelSpec(**fields), Style(), template)


async def agreeable(request: Request) -> Reply:
    """Reply as a judge that finds everything in the text."""
    return Reply(
        json.dumps(replied(request, {c: c not in decoys(request) for c in codes(request)})),
        usage=Usage(10, 5),
    )


async def credulous(request: Request) -> Reply:
    """Reply as a judge that says yes to everything, also to what is not there."""
    return Reply(json.dumps(replied(request, dict.fromkeys(codes(request), True))), usage=Usage(10, 5))


def codes(request: Request) -> list[str]:
    """Return the codes of a request's questions."""
    assert request.schema is not None
    return [key for key in request.schema["required"] if key != "receipt"]


def decoys(request: Request) -> list[str]:
    """Return the codes of a request's decoys."""
    prompt = request.messages[-1].content
    return [
        c
        for c in codes(request)
        if any(f'{c}: Does the text show the skill "{d}"?' in prompt for d in DECOYS)
    ]


def replied(request: Request, met: dict[str, bool]) -> dict[str, object]:
    """Return a reply's object with these verdicts and the receipt that was asked for."""
    answers = {c: {"reason": "Yes.", "quote": "A hem is a promise", "met": m} for c, m in met.items()}
    return {**answers, "receipt": re.findall(r'"receipt": "(\w+)"', request.messages[-1].content)[0]}


async def silent(request: Request) -> Reply:
    """Reply nothing, cut off."""
    return Reply("", stop="length")


async def failing(request: Request) -> Reply:
    """Fail every call."""
    raise CallFailedError("no judge is there")


def graded(ask: object, gradings: int = 1, status: TextStatus = TextStatus.OK) -> tuple[Grading, ...]:
    """Grade the text."""
    text = make_text(QUESTION, TEXT.text, status)
    return asyncio.run(grade(QUESTION, text, make_grader(), ask, gradings, "sentencex"))  # type: ignore[arg-type]


def test_a_judge_is_read() -> None:
    """A readable reply gives a verdict on every rubric item, in the rubric's order."""
    (found,) = graded(agreeable)
    assert found.status is GradingStatus.OK
    assert tuple(found.verdicts) == QUESTION.items
    assert all(v.met for v in found.verdicts.values())
    assert found.usage == Usage(10, 5)


def test_gradings_are_independent_draws() -> None:
    """Each grading of a text is a call of its own."""
    draws: list[str] = []

    async def ask(request: Request) -> Reply:
        draws.append(request.draw)
        return await agreeable(request)

    assert [g.index for g in graded(ask, 3)] == [0, 1, 2]
    assert len(set(draws)) == 3


@pytest.mark.parametrize("status", [s for s in TextStatus if s is not TextStatus.OK])
def test_no_judge_for_no_text(status: TextStatus) -> None:
    """What is no text is not sent to a judge."""
    assert graded(failing, 3, status) == ()


def test_failed_judge() -> None:
    """A judge that cannot be reached is a failed grading with the reason."""
    (found,) = graded(failing)
    assert (found.status, found.why) == (GradingStatus.FAILED, "no judge is there")


def test_cut_off_judge() -> None:
    """A judge's reply that the token limit cut off is unreadable, and says so."""
    (found,) = graded(silent)
    assert found.status is GradingStatus.UNREADABLE
    assert found.why == "the judge's reply was cut off by the token limit"
    assert found.verdicts == {}


def test_an_unreadable_reply_is_asked_for_once_more() -> None:
    """A reply that is no verdict is repaired by one more call, with codes of its own; both are paid for."""
    asked: list[Request] = []

    async def ask(request: Request) -> Reply:
        asked.append(request)
        return Reply("Well...", usage=Usage(3, 1)) if len(asked) == 1 else await agreeable(request)

    (found,) = graded(ask)
    assert (found.status, found.calls, found.usage) == (GradingStatus.OK, 2, Usage(13, 6))
    assert set(codes(asked[0])).isdisjoint(codes(asked[1]))


def test_two_unreadable_replies_are_counted() -> None:
    """There is no third call."""
    asked: list[Request] = []

    async def ask(request: Request) -> Reply:
        asked.append(request)
        return Reply("Well...", usage=Usage(3, 1))

    found = graded(ask, 2)
    assert [g.status for g in found] == [GradingStatus.UNREADABLE] * 2
    assert [(g.index, g.calls, g.usage) for g in found] == [(0, 2, Usage(6, 2)), (1, 2, Usage(6, 2))]
    assert len({r.draw for r in asked}) == 4


def test_a_repair_that_fails_leaves_the_first_reason() -> None:
    """Where the second call fails, the grading stays unreadable and says why."""
    asked: list[Request] = []

    async def ask(request: Request) -> Reply:
        asked.append(request)
        return Reply("Well...") if len(asked) == 1 else await failing(request)

    (found,) = graded(ask)
    assert found.status is GradingStatus.UNREADABLE
    assert "no complete JSON object" in found.why


def test_a_judge_that_finds_the_decoy_is_fooled() -> None:
    """Points from a judge that also sees what is not there do not count, and are not zero either."""
    (found,) = graded(credulous)
    assert (found.status, found.verdicts, found.decoys) == (GradingStatus.FOOLED, {}, (True, True))
    (sound,) = graded(agreeable)
    assert sound.decoys == (False,)


@pytest.mark.parametrize(("text", "met"), [("One. Two.", True), ("One. Two. Three.", False)])
@pytest.mark.parametrize("said", ["111110", "111111"])
def test_sentences_are_counted(text: str, met: bool, said: str) -> None:
    """The point for the sentence limit is counted, whatever the judge says of it."""
    found = settle(QUESTION, make_text(QUESTION, text), make_grading(QUESTION, said), "sentencex")
    assert found.verdicts[SENTENCE_LIMIT].met is met
    assert "at most 2 allowed" in found.verdicts[SENTENCE_LIMIT].reason


def test_counter_is_chosen() -> None:
    """The reference counter finds one sentence where line breaks separate three."""
    text, grading = make_text(QUESTION, "One.\nTwo.\nThree."), make_grading(QUESTION, "111111")
    found = [
        settle(QUESTION, text, grading, c).verdicts[SENTENCE_LIMIT].met for c in ("sentencex", "reference")
    ]
    assert found == [False, True]


def test_unreadable_stays_unreadable() -> None:
    """Counting adds nothing to a grading that is none."""
    grading = make_grading(QUESTION, None)
    assert settle(QUESTION, TEXT, grading, "sentencex") is grading


def test_judge_request() -> None:
    """A judge is asked with its own settings and system message, for its style's schema."""
    request = make_grader(system="Be fair.").ask(QUESTION, TEXT, 0)
    assert request.messages[0] == Message("system", "Be fair.")
    assert TEXT.text in request.messages[1].content
    assert (request.temperature, request.max_tokens) == (0.0, 500)
    assert request.schema is not None


def test_fingerprint_tells_judges_apart() -> None:
    """Judges that differ in model, endpoint, a setting or system message have different fingerprints."""
    settings: list[dict[str, object]] = [
        {},
        {"model": "openai/other"},
        {"base_url": "http://localhost/v1"},
        {"revision": "2"},
        {"temperature": 0.5},
        {"temperature": None, "top_p": 0.5},
        {"temperature": None, "max_tokens": 1},
        {"system": "Be fair."},
        {"system": "Be harsh."},
    ]
    assert len({make_grader(**s).fingerprint for s in settings}) == len(settings)


class Lenient:
    """Rules that find everything."""

    def verdicts(self, question: Question, text: str) -> dict[str, Verdict]:  # noqa: ARG002
        """Return a met verdict for all items but the sentence limit."""
        return {item: Verdict(True) for item in question.items if item != SENTENCE_LIMIT}


def test_rules_need_no_judge() -> None:
    """A domain's code grades without a call, and its sentences are counted like any other's."""
    text = make_text(QUESTION, "One. Two. Three.")
    (found,) = asyncio.run(grade(QUESTION, text, RulesGrader("made", Lenient()), None, 1, "sentencex"))
    assert found.judge == "rules/made"
    assert RulesGrader("made", Lenient(), 2).fingerprint == "rules/made 2"
    assert [item for item, v in found.verdicts.items() if not v.met] == [SENTENCE_LIMIT]
