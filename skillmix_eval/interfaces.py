"""The extension points, on one page; a file in `backends/`, `graders/` or `styles/` implements one."""

from __future__ import annotations

from typing import Protocol

from .records import Grading, Question, Reply, Request, Text, Verdict


class Backend(Protocol):
    """A model that answers one chat request. Batched engines gather concurrent calls by themselves."""

    identity: dict[str, str]
    """Everything outside the request that can change a reply: model, revision or content hash, endpoint."""
    limit: int
    """How many calls may be in flight at once."""

    async def complete(self, request: Request) -> Reply:
        """Return the model's reply.

        Raises CallFailedError when this call cannot be had, BackendError when no call can.
        """
        ...

    async def aclose(self) -> None:
        """Release what the backend holds."""
        ...


class Grader(Protocol):
    """Two pure halves around a model call. Grading i has the calls 2i and, if that is no verdict, 2i + 1."""

    fingerprint: str
    """Who grades: judge model, endpoint, settings, prompt hash; or the name of the code."""

    def ask(self, question: Question, text: Text, call: int) -> Request | None:
        """Return the judge's call of this number, or None when code decides alone."""
        ...

    def read(self, question: Question, text: Text, call: int, reply: Reply | None) -> Grading:
        """Turn the judge's reply into a grading; an unreadable reply is a status, not an exception."""
        ...


class JudgeStyle(Protocol):
    """The contract between a judge prompt and its parser: what is asked is what is read."""

    def variables(self, question: Question, text: Text, call: int) -> dict[str, object]:
        """Return the variables of the style's template."""
        ...

    def schema(self, question: Question, text: Text, call: int) -> dict[str, object] | None:
        """Return the JSON schema of the reply, or None for a style that has none."""
        ...

    def read(self, question: Question, text: Text, call: int, reply: str) -> dict[str, Verdict]:
        """Return one verdict per rubric item that the judge was asked about, and on the decoy if it had one.

        Raises UnreadableError when an item is missing, twice, odd or the reply is not a verdict.
        """
        ...
