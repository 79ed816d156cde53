"""Request -> text. A pure half reads a reply; two short calls around it ask the student."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import msgspec

from .. import texts
from ..errors import CallFailedError
from ..records import Reply, Request, Text, TextStatus, Usage

Ask = Callable[[Request], Awaitable[Reply]]

# A refusal is no more than that, or speaks of the task: "I can't help but smile" is a text like any other.
_REFUSAL = re.compile(
    r"(?:i['’]?m (?:very |really |so )?sorry|sorry|i apologi[sz]e|unfortunately)?[,.;:!\s]*(?:but )?"
    r"(?:as an ai[^,.]*,? )?i(?: am|['’]m)? "
    r"(?:can(?:no|['’])t|can not|won['’]t|will not|unable to|not able to|must decline to)\s+"
    r"(?:help|assist|fulfil|comply|provide|create|write|generate|do|complete|continue|produce)\w*\b"
    r"(?! (?:but|it|\w+self|\w+ing)\b)"
    r"(?:[\w ]{0,20}[.!]?\Z|(?: you)? with (?:this|that)(?: one)?[.,;!]|[^.!?\n]{0,60}?"
    r"\b(?:requests?|tasks?|prompts?|instructions?|content|pieces? of (?:text|writing))\b)",
    re.IGNORECASE,
)
_MARKER = re.compile(r"\b(?:Answer|ANSWER)[*_]*:")
_EXPLANATION = re.compile(r"\b(?:Explanation|EXPLANATION)\b")


async def generate(request: Request, index: int, ask: Ask, reply_form: str) -> tuple[Text, str]:
    """Ask for a text; return it with the student's whole reply, which a second turn quotes."""
    try:
        reply = await ask(request)
    except CallFailedError as error:
        return failed_text(request, index, str(error)), ""
    return read_text(request, index, reply, reply_form), reply.text


async def refine(request: Request, draft: Text, ask: Ask, reply_form: str) -> Text:
    """Ask for a better text and return it with the draft and the tokens of both turns."""
    try:
        reply = await ask(request)
    except CallFailedError as error:
        return _after(draft, failed_text(request, draft.index, str(error)))
    return read_refined(request, draft, reply, reply_form)


def read_text(request: Request, index: int, reply: Reply, reply_form: str, draft: str = "") -> Text:
    """Turn a student's reply into a text with a status; a reply that is none is not graded as one.

    The student's own `draft`, which the prompt may quote, is no part of the prompt that a text could echo.
    """
    written = extract(texts.storable(reply.text), reply_form)
    whole = reply.stop != "length" or (reply_form == "answer" and _after_marker(reply.text)[1])
    prompt = "\n".join(m.content for m in request.messages if m.role != "assistant")
    prompt = prompt.replace(draft, "\n") if draft else prompt
    status, why = _status(written, reply, prompt, whole)
    return Text(_id(request), index, written, status, why=why, usage=reply.usage)


def refinable(draft: Text) -> bool:
    """Tell whether there is a text that a second turn could make better."""
    return draft.status not in (TextStatus.FAILED, TextStatus.EMPTY, TextStatus.REFUSED)


def read_refined(request: Request, draft: Text, reply: Reply, reply_form: str) -> Text:
    """Turn the reply to a second turn into a text, with the draft and the tokens of both turns."""
    quoted = draft.text if draft.status is TextStatus.OK else ""
    return _after(draft, read_text(request, draft.index, reply, reply_form, quoted))


def _after(draft: Text, text: Text) -> Text:
    return msgspec.structs.replace(text, draft=draft.text, usage=draft.usage + text.usage)


def failed_text(request: Request, index: int, why: str) -> Text:
    """Return the record of a text that could not be had; it is never scored."""
    return Text(_id(request), index, "", TextStatus.FAILED, why=why, usage=Usage())


def extract(reply: str, reply_form: str) -> str:
    """Return the text in a reply: all of it, or (form `answer`) what follows the last 'Answer:'.

    The form `answer` is the public repository's: up to the first 'Explanation' after the marker; without
    the marker the whole reply counts. Quotation marks around the whole text are taken off.
    """
    text = _after_marker(reply)[0] if reply_form == "answer" else reply
    return _unquote(text.strip().strip("*").strip())


def _after_marker(reply: str) -> tuple[str, bool]:
    """Return what follows the last 'Answer:', and whether an explanation has begun after it."""
    *_, last = (m.end() for m in _MARKER.finditer(reply)) if _MARKER.search(reply) else (0,)
    text, *explanation = _EXPLANATION.split(reply[last:], maxsplit=1)
    return text, bool(explanation)


def _unquote(text: str) -> str:
    for opening, closing in (('"', '"'), ("“", "”")):
        inner = text[1:-1]
        if len(text) > 1 and text[0] == opening and text[-1] == closing and opening not in inner:
            return inner.strip() if closing not in inner else text
    return text


def _status(written: str, reply: Reply, prompt: str, whole: bool) -> tuple[TextStatus, str]:
    if reply.stop == "refusal" or _REFUSAL.match(reply.text.strip()):
        return TextStatus.REFUSED, "the student declines the task"
    if not whole:
        return TextStatus.TRUNCATED, "the token limit cut the reply off; raise --max-tokens"
    if not any(c.isalnum() for c in written):
        return TextStatus.EMPTY, "the reply holds no text"
    if texts.echoed(written, prompt):
        return TextStatus.ECHOED, "at least half of the text is copied from the prompt"
    return TextStatus.OK, ""


def _id(request: Request) -> str:
    return request.question.id if request.question else ""
