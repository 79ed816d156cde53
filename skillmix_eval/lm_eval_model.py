"""lm-eval's `--model skillmix`: any of its models, asked a second time where a task has a second turn.

    skillmix lm-eval --model skillmix --model_args inner=hf,pretrained=MODEL --tasks skillmix_language

lm-eval asks once per document. Here `inner` is the model that is asked, and all other arguments are its own.
A task marks a request that it wants refined with `second_turn`; any other goes to `inner` as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from lm_eval.api.model import LM
from lm_eval.api.registry import get_model

from .errors import BadInputError

SecondTurn = Callable[[str], list[dict[str, str]] | None]
"""The reply to the first turn -> the chat that asks for a better one; None where there is none to improve."""


class Refined(str):
    """A reply to the second turn, which is all that lm-eval sees of it, and the reply to the first."""

    draft: str

    def __new__(cls, text: str, draft: str = "") -> Refined:
        """Return the reply; both turns are kept where lm-eval's cache pickles it."""
        self = super().__new__(cls, text)
        self.draft = draft
        return self


def drafted(reply: str) -> str | None:
    """Return the reply to the first turn, None where there was no second."""
    return reply.draft if isinstance(reply, Refined) else None


def mark(request: Any, second_turn: SecondTurn | None) -> None:
    """Mark a request of ours, so that `skillmix` asks it twice; None is a request for a draft alone."""
    request.second_turn = second_turn


class SkillMixLM(LM):  # type: ignore[misc]  # lm-eval has no types
    """A model that drafts and refines; `inner` is a name that lm-eval knows, or one of its models."""

    def __init__(self, inner: str | LM | None = None, **arguments: Any) -> None:
        super().__init__()
        if not inner or inner == "skillmix":
            raise BadInputError(
                "The model 'skillmix' asks another one twice: name its type with inner=, for example --model "
                "skillmix --model_args inner=hf,pretrained=MODEL; all other arguments are for that model."
            )
        if isinstance(inner, str):
            inner = get_model(inner).create_from_arg_obj(arguments)
        self.inner: Any = inner
        self._has_chat = False

    def __getattr__(self, name: str) -> Any:
        """Return what only the inner model has (tokenizer, model information, ...)."""
        if name == "inner":  # not there yet while it is copied or unpickled
            raise AttributeError(name)
        return getattr(self.inner, name)

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Return the replies, to the second turn where there is one.

        Raises BadInputError where prompts of ours are no chats, since a second turn is one.
        """
        if not self._has_chat and any(hasattr(r, "second_turn") for r in requests):
            raise BadInputError(
                "Draft and refine is a chat of two turns: add --apply_chat_template, with a model that has a "
                "chat template; for drafts alone leave out --model skillmix."
            )
        drafts = self.inner.generate_until(list(requests))
        again = [self._second(request, draft) for request, draft in zip(requests, drafts, strict=True)]
        asked = [request for request in again if request is not None]
        refined = iter(self.inner.generate_until(asked) if asked else ())
        return [d if a is None else Refined(next(refined), d) for a, d in zip(again, drafts, strict=True)]

    def _second(self, request: Any, draft: str) -> Any:
        turn: SecondTurn | None = getattr(request, "second_turn", None)
        chat = turn(draft) if turn else None
        if chat is None:
            return None
        second = copy.copy(request)
        second.arguments = (self.inner.apply_chat_template(chat), *request.arguments[1:])
        return second

    def apply_chat_template(self, chat_history: list[dict[str, str]], **given: Any) -> Any:
        """Return a chat in the inner model's form."""
        self._has_chat = True
        return self.inner.apply_chat_template(chat_history, **given)

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """Return the inner model's template."""
        found: str | None = self.inner.chat_template(chat_template)
        return found

    def loglikelihood(self, requests: Sequence[Any], **given: Any) -> Any:
        """Leave it to the inner model."""
        return self.inner.loglikelihood(requests, **given)

    def loglikelihood_rolling(self, requests: Sequence[Any], **given: Any) -> Any:
        """Leave it to the inner model."""
        return self.inner.loglikelihood_rolling(requests, **given)

    def all_gather(self, tensor: Any) -> Any:
        """Leave it to the inner model."""
        return self.inner.all_gather(tensor)

    def gather_object(self, obj: Any, dst: int = 0) -> Any:
        """Leave it to the inner model."""
        return self.inner.gather_object(obj, dst)

    def barrier(self) -> None:
        """Leave it to the inner model."""
        self.inner.barrier()

    @property
    def tokenizer_name(self) -> str:
        """The inner model's."""
        return str(self.inner.tokenizer_name)

    @property
    def device(self) -> Any:
        """The inner model's."""
        return self.inner.device

    @property
    def rank(self) -> int:
        """The inner model's."""
        return int(self.inner.rank)

    @property
    def world_size(self) -> int:
        """The inner model's."""
        return int(self.inner.world_size)


__all__ = ["Refined", "SecondTurn", "SkillMixLM", "drafted", "mark"]
