"""A chat completion's bytes -> a reply: the one place that reads a choice."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ..records import Reply, Usage
from ..texts import storable
from ._faults import NoReplyError, said

# How a choice may end, but for "stop": cut off by its limit, kept back by a filter, or broken off.
_CUT = ("length", "max_tokens")
_FILTERED = ("content_filter", "safety", "recitation", "sensitive", "blocklist", "prohibited_content")
_BROKEN = ("error", "abort", "network_error", "insufficient_system_resource")
_TEXT = (None, "text", "output_text")  # parts of a content that are the answer, not the way to it


class _Message(msgspec.Struct):
    content: Any = None
    refusal: Any = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: Any = None
    error: Any = None


class _Used(msgspec.Struct):
    prompt_tokens: Any = None
    completion_tokens: Any = None
    total_tokens: Any = None
    completion_tokens_details: Any = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Used | None = None


def read(content: bytes) -> Reply:
    """Return the first choice; its separate reasoning is left out, its tokens are counted.

    Raises NoReplyError for what is none, and for a reply that the provider broke off or kept back, which is
    no doing of the model.
    """
    answer = _parsed(content)
    if answer is None or not answer.choices:
        raise _instead(content)
    choice, used = answer.choices[0], answer.usage or _Used()
    end = choice.finish_reason.lower() if isinstance(choice.finish_reason, str) else ""
    if end in _BROKEN:
        raise _broken(choice.error)
    if end in _FILTERED:
        raise NoReplyError(0, f"it ended the reply with {end} (content filter)", paid=True)
    refusal, written = choice.message.refusal, choice.message.content
    if written is None and not refusal and end not in _CUT and _count(used.completion_tokens) == 0:
        raise NoReplyError(0, "it sent a reply without content or tokens", paid=True)
    stop = "refusal" if refusal else "length" if end in _CUT else "stop"
    return Reply(storable(_words(written) or str(refusal or "")), stop, _usage(used))


def _instead(content: bytes) -> NoReplyError:
    """Return the fault of a body that is no completion, which may hold an error with a status of its own."""
    words, code = said(content)
    if not words and not code:
        return NoReplyError(0, "it sent a reply that is no chat completion", paid=True)
    status = _count(code) or 0
    return NoReplyError(status if 400 <= status < 600 else 0, words or f"it sent the error {code}", code)


def _broken(error: Any) -> NoReplyError:
    words, code = said({"error": error} if error else {})
    status = _count(code) or 0
    reason = words or "it broke the reply off"
    return NoReplyError(status if 400 <= status < 600 else 0, reason, code, paid=True)


def _usage(used: _Used) -> Usage:
    """Return what a server said of tokens; nothing where it leaves out a count.

    Some leave the reasoning out of the completion and count it in the total only.
    """
    given, written, total = map(_count, (used.prompt_tokens, used.completion_tokens, used.total_tokens))
    if given is None or (written is None and total is None):
        return Usage()
    details = used.completion_tokens_details
    reasoning = _count(details.get("reasoning_tokens")) if isinstance(details, dict) else 0
    return Usage(given, max(written or 0, (total or 0) - given), reasoning or 0)


def _count(given: Any) -> int | None:
    """Return a number that some servers send as a text or with a point."""
    try:
        return max(0, int(float(given)))
    except (TypeError, ValueError, OverflowError):
        return None


def _parsed(content: bytes) -> _Answer | None:
    """Return a chat completion, None for what is none."""
    try:
        return msgspec.json.decode(content, type=_Answer)
    except msgspec.MsgspecError:
        pass  # perhaps half of a surrogate pair, which only the standard parser reads
    try:
        return msgspec.convert(json.loads(content), _Answer)
    except (ValueError, msgspec.ValidationError, RecursionError):
        return None


def _words(content: Any) -> str:
    """Return the text of a message's content, which some servers send in parts."""
    if isinstance(content, list):
        parts = (part for part in content if isinstance(part, dict) and part.get("type") in _TEXT)
        return "".join(str(part.get("text") or "") for part in parts)
    return content if isinstance(content, str) else ""
