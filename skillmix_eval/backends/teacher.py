"""`teacher/<domain>`: a domain's generator in code, which writes what the domain's checkers accept.

It is no language model: it shows what a perfect student's report looks like, and makes training texts.
"""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

from ..errors import BadInputError, CallFailedError
from ..records import Reply, Request
from ..spec import ModelSpec


def create(settings: ModelSpec, model: str) -> TeacherBackend:  # noqa: ARG001  a teacher has no settings
    """Return the teacher of the domain `model`."""
    try:
        teacher = importlib.import_module(f"{__package__.rsplit('.', 1)[0]}.domains.{model}.teacher")
    except ModuleNotFoundError:
        raise BadInputError(
            f"The domain '{model}' has no teacher; teacher/devices and teacher/strings are there."
        ) from None
    return TeacherBackend(model, teacher.compose)


def code_hash(domain: str) -> str:
    """Hash what decides a teacher's texts, so that texts of an older one are never served."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted((Path(__file__).parent.parent / "domains" / domain).rglob("*")):
        if path.suffix in {".py", ".csv", ".toml", ".yaml", ".json"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()


class TeacherBackend:
    """Composes a text for the request's question; reads no prompt."""

    limit = 1

    def __init__(self, domain: str, compose: object) -> None:
        self.identity = {"backend": "teacher", "model": domain, "code": code_hash(domain)}
        self._compose = compose

    async def complete(self, request: Request) -> Reply:
        """Return the teacher's text for the question."""
        if request.question is None:
            raise CallFailedError("the teacher answers questions of its own domain only")
        draw = hashlib.blake2b(request.draw.encode(), digest_size=4).digest()
        return Reply(self._compose(request.question, int.from_bytes(draw, "big")))  # type: ignore[operator]

    async def aclose(self) -> None:
        """Nothing to release."""
