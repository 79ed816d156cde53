"""What a run would ask for at most, in calls, tokens and dollars, before anything is asked."""

from __future__ import annotations

import msgspec

from .calls import call_key, without_thoughts
from .evaluate import Models, Setting
from .pipeline import jobs_for
from .prices import Price, price_of
from .records import Question, Reply, Request, Text, TextStatus, Usage
from .stages.prompt import draft_request, refine_request
from .store import Store

_LOOKED_AT = 200  # texts from which lengths are taken
_CHARACTERS = 4.0  # per token, as in English
_TEXT = 80  # tokens of a text, where the store holds none of this run
_VERDICT = 60  # tokens of one rubric item's reason and quote


class Foreseen(msgspec.Struct, frozen=True):
    """What a run would ask for at most; tokens are estimates, and dollars None where a price is unknown."""

    questions: int
    texts: int
    student_calls: int
    judge_calls: int  # those on anchors among them
    anchors: int
    drafts_stored: int
    tokens: dict[str, Usage]
    dollars: float | None
    text_tokens: str  # where the length of a text was taken from


def foresee(setting: Setting, models: Models, store: Store | None, prices: dict[str, Price]) -> Foreseen:
    """Count the calls that a run needs and estimate their tokens; makes none."""
    spec, protocol, texts = setting.spec, setting.protocol, setting.texts
    stored, lengths, student, judge = 0, [], Usage(), Usage()
    jobs = list(jobs_for(setting.questions(), protocol.texts))
    looked_at = jobs[:: max(1, len(jobs) // _LOOKED_AT)]
    for job in jobs if store else ():
        reply = _kept(models, store, draft_request(job.question, job.index, setting.draft, spec.student))
        stored += reply is not None
        lengths += [reply.usage.output] if reply and reply.usage.output else []
    length = round(sum(lengths) / len(lengths)) if lengths else _TEXT
    for job in looked_at:
        student += _writing(setting, job.question, job.index, length)
        judge += _grading(models, job.question, job.index, length)
    graders = sum(j is not None for j in models.judges)
    graded = texts + (anchors := spec.anchors if graders else 0)
    judge = _scaled(judge, graded * protocol.gradings / max(1, len(looked_at)))
    tokens = {"student": _scaled(student, texts / max(1, len(looked_at))), "judge": judge}
    found = [(price_of(spec.student, prices), tokens["student"])]
    for model in (m for m in spec.judges if m.model != "rules"):
        found.append((price_of(model, prices), _scaled(tokens["judge"], 1 / graders)))
    return Foreseen(
        questions=texts // protocol.texts,
        texts=texts,
        student_calls=texts * (2 if protocol.refine else 1),
        judge_calls=graded * protocol.gradings * graders,
        anchors=anchors,
        drafts_stored=stored,
        tokens=tokens,
        dollars=None if any(p is None for p, _ in found) else sum(p.of(used) for p, used in found if p),
        text_tokens=f"{len(lengths)} stored replies" if lengths else "a guess",
    )


def _kept(models: Models, store: Store | None, request: Request) -> Reply | None:
    assert models.student is not None  # noqa: S101  only what asks a student is foreseen
    kept = store.get(call_key(models.student.identity, request)) if store else None
    return without_thoughts(msgspec.json.decode(kept, type=Reply)) if kept else None


def _writing(setting: Setting, question: Question, index: int, length: int) -> Usage:
    """Return about the tokens of one text: of its draft and, where there is one, of the second turn."""
    first = draft_request(question, index, setting.draft, setting.spec.student)
    used = Usage(_tokens(first), length)
    if setting.refine:
        words = "x" * int(length * _CHARACTERS)
        used += Usage(_tokens(refine_request(first, words, words, setting.refine)), length)
    return used


def _grading(models: Models, question: Question, index: int, length: int) -> Usage:
    """Return about the tokens of grading a text once, by every judge."""
    text = Text(question.id, index, "x" * int(length * _CHARACTERS), TextStatus.OK)
    asked = (grader.ask(question, text, 0) for grader in models.graders)
    return sum((Usage(_tokens(r), _VERDICT * (question.k + 3)) for r in asked if r), Usage())


def _tokens(request: Request) -> int:
    messages = sum(len(m.content) for m in request.messages)
    schema = len(msgspec.json.encode(request.schema)) if request.schema else 0
    return round((messages + schema) / _CHARACTERS)


def _scaled(used: Usage, scale: float) -> Usage:
    return Usage(round(used.input * scale), round(used.output * scale))
