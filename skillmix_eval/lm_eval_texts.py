"""A model's replies in lm-eval -> texts as a run of our own reads them. Needs no lm-eval."""

from __future__ import annotations

import msgspec

from .calls import without_thoughts
from .evaluate import Setting
from .lm_eval_settings import STUDENT
from .records import Grading, Marks, Question, Reply, Text
from .stages.generate import failed_text, read_refined, read_text, refinable
from .stages.prompt import draft_request, refine_request


class Graded(msgspec.Struct, frozen=True):
    """What became of one text: a line of JSON in lm-eval's samples. Not scored is `marks` null, never 0."""

    index: int
    status: str
    marks: Marks | None = None
    points: dict[str, bool] = {}
    named: tuple[str, ...] = ()
    gradings: tuple[Grading, ...] = ()
    why: str = ""
    draft: str | None = None  # the reply to the first turn, where there was a second


def by_judge(setting: Setting) -> bool:
    """Tell whether a judge model grades."""
    judge = setting.spec.judge
    return setting.domain.about.grading == "judge" or bool(judge and judge.model != "rules")


def second_turn(setting: Setting, question: Question, reply: str) -> list[dict[str, str]] | None:
    """Return the chat that asks for a better text; None where the first reply holds nothing to improve."""
    assert setting.refine is not None  # noqa: S101  only then is there a second turn
    first = draft_request(question, 0, setting.draft, STUDENT)
    found = _reply(reply)
    draft = read_text(first, 0, found, setting.draft.header.reply)
    if not refinable(draft):
        return None
    messages = refine_request(first, found.text, draft.text, setting.refine).messages
    return [{"role": m.role, "content": m.content} for m in messages]


def read(setting: Setting, question: Question, index: int, reply: str, draft_reply: str | None) -> Text:
    """Turn a model's replies into a text; `draft_reply` is None where there was one turn."""
    first = draft_request(question, index, setting.draft, STUDENT)
    drafted = _reply(reply if draft_reply is None else draft_reply)
    draft = read_text(first, index, drafted, setting.draft.header.reply)
    if setting.refine is None or not refinable(draft):
        return draft
    if draft_reply is None:
        return failed_text(first, index, "lm-eval's --use_cache gave a draft in place of a refined text")
    second = refine_request(first, drafted.text, draft.text, setting.refine)
    return read_refined(second, draft, _reply(reply), setting.refine.header.reply)


def _reply(text: str) -> Reply:
    """Return a model's words without its thoughts; lm-eval does not tell when the token limit cut them."""
    cut = text.lstrip().startswith("<think>") and "</think>" not in text
    return without_thoughts(Reply(str(text), stop="length" if cut else "stop"))
