"""Clauses and noun phrases as records whose parts are apart, so that a frame can say them in several ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .words import forms


class Cast(NamedTuple):
    """What the stretches of one text share: who acts, what it is about, and its manner."""

    person: str
    thing: str
    past: bool
    pronoun: str
    terse: bool


class NounPhrase(NamedTuple):
    """A noun phrase and its shorter second mention."""

    full: str
    again: str


@dataclass(frozen=True)
class Clause:
    """A statement whose parts are apart, so that it can be repeated, denied, inverted or made unreal."""

    subject: NounPhrase
    verb: str
    tail: str
    past: bool
    modal: str = ""
    pronoun: str = "it"

    def _join(self, subject: str, verb: str) -> str:
        return f"{subject} {verb}{self.tail}"

    @property
    def finite(self) -> str:
        """The verb as the statement has it."""
        return f"{self.modal} {self.verb}" if self.modal else forms(self.verb)[1 if self.past else 0]

    @property
    def helper(self) -> str:
        """The helping verb of its question and its denial."""
        return self.modal or ("did" if self.past else "does")

    def said(self) -> str:
        """The plain statement."""
        return self._join(self.subject.full, self.finite)

    def again(self) -> str:
        """The statement made a second time."""
        return self._join(self.subject.again, self.finite)

    def denied(self) -> str:
        """The statement denied, at its second mention."""
        return self._join(self.subject.again, f"{self.helper} not {self.verb}")

    def inverted(self) -> str:
        """Helping verb before the subject."""
        return f"{self.helper} {self._join(self.subject.full, self.verb)}"

    def using(self, before: str, form: int | None = None) -> str:
        """Return the statement with another helping verb and the verb's base or given form."""
        verb = self.verb if form is None else forms(self.verb)[form]
        return self._join(self.subject.full, f"{before} {verb}")

    def predicate(self) -> str:
        """Return verb and tail without the subject, the verb in the base form."""
        return self.verb + self.tail
