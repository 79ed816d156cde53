"""Points that a reply claims for labelled rubric items, and the one way to settle them into verdicts.

Shared by the styles whose replies are prose: a claim that cannot be placed is a fault, never a guess.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import ClassVar, NamedTuple

from skillmix_eval.errors import UnreadableError
from skillmix_eval.interfaces import JudgeStyle
from skillmix_eval.records import Question, Text, Verdict

from ._labels import Labels

_POINT = re.compile(r"[01](?:\.0+)?")
_SHOWN = 60


class Claim(NamedTuple):
    """One point as a reply states it; `fault` says why it cannot be placed."""

    item: str = ""
    point: str = ""
    reason: str = ""
    fault: str = ""


def shown(words: str) -> str:
    """Return a reply's words on one line, cut for an error message."""
    line = " ".join(words.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def settle(question: Question, claims: list[Claim], planted: list[Claim]) -> dict[str, Verdict]:
    """Return one verdict per rubric item, or raise UnreadableError.

    `planted` are the claims that the student's text itself makes. A claim of the reply that is one of
    them may be the judge's own or a quotation, which nothing can tell apart, so neither counts.
    """
    verdicts: dict[str, Verdict] = {}
    for claim in claims:
        if claim.fault:
            raise UnreadableError(claim.fault)
        if claim.item in verdicts:
            raise UnreadableError(f"two points for {claim.item}")
        verdicts[claim.item] = Verdict(met=_met(claim), reason=claim.reason)
    missing = [item for item in question.items if item not in verdicts]
    if missing:
        raise UnreadableError(f"missing: {', '.join(missing)}")
    for claim in claims:
        if claim[:2] in {c[:2] for c in planted}:
            raise UnreadableError(f"the point for {claim.item} stands in the student's text itself")
    return {item: verdicts[item] for item in question.items}


def is_point(words: str) -> bool:
    """Tell whether words are a point: 0 or 1, also written as 1.0."""
    return _POINT.fullmatch(words) is not None


def _met(claim: Claim) -> bool:
    if not is_point(claim.point):
        raise UnreadableError(f"the point for {claim.item} is '{shown(claim.point)}', neither 0 nor 1")
    return claim.point.startswith("1")


class LabelStyle(JudgeStyle):
    """A style whose judge labels each point with the rubric item's wording."""

    wording: ClassVar[str]

    def variables(self, question: Question, text: Text, call: int) -> dict[str, object]:  # noqa: ARG002
        """Return the variables of the style's template."""
        return {
            "question": question,
            "text": text.text,
            "rubric": self.labels(question),
            "limit_words": question.limit_words,
        }

    def labels(self, question: Question) -> list[str]:
        """Return the label of each rubric item as the prompt shows it."""
        return list(Labels(question, self.wording).shown.values())

    def schema(self, question: Question, text: Text, call: int) -> dict[str, object] | None:  # noqa: ARG002
        """Return None: these replies are prose."""
        return None

    def read(self, question: Question, text: Text, call: int, reply: str) -> dict[str, Verdict]:  # noqa: ARG002
        """Return one verdict per rubric item, matched by label; raises UnreadableError."""
        labels = Labels(question, self.wording)
        return settle(question, self.claims(labels, reply), self.claims(labels, text.text))

    @abstractmethod
    def claims(self, labels: Labels, reply: str) -> list[Claim]:
        """Return every point that a reply claims, in its order; never raises."""
