"""Grades with a judge model, by rubric: a style owns the prompt's variables and the reading of the reply."""

from __future__ import annotations

from ..errors import UnreadableError
from ..interfaces import JudgeStyle
from ..records import DECOY, Grading, GradingStatus, Message, Question, Reply, Request, Text
from ..spec import ModelSpec, label
from ..templates import Template
from ..texts import storable


class RubricGrader:
    """One judge call per grading, and a second where the first is no verdict."""

    def __init__(self, judge: ModelSpec, style: JudgeStyle, template: Template) -> None:
        self.fingerprint = f"{label(judge)}; {template.name} {template.hash}"
        self._judge, self._style, self._template = judge, style, template

    def ask(self, question: Question, text: Text, call: int) -> Request:
        """Return the judge's call of this number about a text."""
        judge = self._judge
        system = (Message("system", judge.system),) if judge.system else ()
        prompt = self._template.render(**self._style.variables(question, text, call))
        return Request(
            (*system, Message("user", prompt)),
            temperature=judge.temperature,
            top_p=judge.top_p,
            max_tokens=judge.max_tokens,
            seed=call or None,
            draw=f"{question.occurrence}.{text.index}.{call}",
            schema=self._style.schema(question, text, call),
        )

    def read(self, question: Question, text: Text, call: int, reply: Reply | None) -> Grading:
        """Read the judge's reply; one that is no verdict on every item is `unreadable`, with the reason."""
        assert reply is not None  # noqa: S101  ask() always asks
        status, why, verdicts, decoy = GradingStatus.OK, "", {}, None
        try:
            if reply.stop == "length":
                raise UnreadableError("the judge's reply was cut off by the token limit")
            verdicts = dict(self._style.read(question, text, call, reply.text))
            decoy = verdicts.pop(DECOY, None)
        except UnreadableError as error:
            status, why = GradingStatus.UNREADABLE, storable(str(error))  # it may repeat the reply's words
        if decoy and decoy.met:
            status, why, verdicts = GradingStatus.FOOLED, "the judge found a skill that is not there", {}
        decoys = () if decoy is None else (decoy.met,)
        who = (question.id, text.index, call // 2, self.fingerprint)
        return Grading(*who, status, verdicts, why, reply.usage, decoys=decoys)
