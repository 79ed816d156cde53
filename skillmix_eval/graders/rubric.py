"""Grades with a judge model, by rubric: a style owns the prompt's variables and the reading of the reply."""

from __future__ import annotations

from ..errors import UnreadableError
from ..interfaces import JudgeStyle
from ..records import Grading, GradingStatus, Message, Question, Reply, Request, Text
from ..spec import ModelSpec, label
from ..templates import Template


class RubricGrader:
    """One judge call per grading."""

    def __init__(self, judge: ModelSpec, style: JudgeStyle, template: Template) -> None:
        self.fingerprint = f"{label(judge)}; {template.name} {template.hash}"
        self._judge, self._style, self._template = judge, style, template

    def ask(self, question: Question, text: Text, index: int) -> Request:
        """Return the judge call for grading number `index` of a text."""
        judge = self._judge
        system = (Message("system", judge.system),) if judge.system else ()
        prompt = self._template.render(**self._style.variables(question, text, index))
        return Request(
            (*system, Message("user", prompt)),
            temperature=judge.temperature,
            top_p=judge.top_p,
            max_tokens=judge.max_tokens,
            seed=index or None,
            draw=f"{question.occurrence}.{text.index}.{index}",
            schema=self._style.schema(question, text, index),
        )

    def read(self, question: Question, text: Text, index: int, reply: Reply | None) -> Grading:
        """Read the judge's reply; one that is no verdict on every item is `unreadable`, with the reason."""
        assert reply is not None  # noqa: S101  ask() always asks
        verdicts, status, why = {}, GradingStatus.OK, ""
        try:
            verdicts = self._style.read(question, text, index, reply.text)
        except UnreadableError as error:
            status, why = GradingStatus.UNREADABLE, str(error)
            if reply.stop == "length":
                why = f"the judge's reply was cut off by the token limit; {why}"
        return Grading(question.id, text.index, index, self.fingerprint, status, verdicts, why, reply.usage)
