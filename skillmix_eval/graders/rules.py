"""Grades by code alone: a domain's own exact checkers."""

from __future__ import annotations

from typing import Protocol

from ..records import Grading, GradingStatus, Question, Reply, Request, Text, Verdict


class Rules(Protocol):
    """The `rules` module of a domain."""

    def verdicts(self, question: Question, text: str) -> dict[str, Verdict]:
        """Return a verdict for each rubric item but the sentence limit."""
        ...


class RulesGrader:
    """No call, no cost, no judge error."""

    def __init__(self, domain: str, rules: Rules, version: int | None = None) -> None:
        self.fingerprint = f"rules/{domain}" if version is None else f"rules/{domain} {version}"
        self._rules = rules

    def ask(self, question: Question, text: Text, call: int) -> Request | None:  # noqa: ARG002
        """Return None: code needs no judge."""
        return None

    def read(self, question: Question, text: Text, call: int, reply: Reply | None) -> Grading:  # noqa: ARG002
        """Return the checkers' verdicts."""
        verdicts = self._rules.verdicts(question, text.text)
        return Grading(question.id, text.index, call // 2, self.fingerprint, GradingStatus.OK, verdicts)
