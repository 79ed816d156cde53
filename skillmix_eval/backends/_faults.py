"""What goes wrong at an endpoint: one table of what it means, and one cleaner of what a server says."""

from __future__ import annotations

import html
import json
import re
import urllib.parse
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any, NamedTuple

from ..errors import BackendError, CallFailedError, SkillMixError, TransientError
from ..texts import storable

_SAID = 2000  # characters of a server's words that are looked at
_SHORTEST = 8  # a key of fewer characters may stand in a text by chance
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LIMITED = ("requests", "tokens")


class NoReplyError(Exception):
    """An answer that is no reply: its status (0 for none), words, code, and the seconds it asks to wait.

    `paid` tells that the call may be on the bill.
    """

    def __init__(
        self, status: int, said: str, code: str = "", after: float | None = None, paid: bool = False
    ) -> None:
        super().__init__(said)
        self.status, self.said, self.code, self.after, self.paid = status, said, code, after, paid


class Kind(Enum):
    """What a fault means for this call and for the others."""

    CREDIT = auto()  # no call can be paid for
    REFUSED = auto()  # wrong key, model or address, unless others were answered
    FILTERED = auto()  # the provider's filter, not the model, keeps the text back
    TOO_LONG = auto()  # the prompt does not fit
    BUSY = auto()  # heals with fewer calls
    PASSING = auto()  # heals
    SETTING = auto()  # a setting that the model does not take
    CALL = auto()  # this call's own


class _Row(NamedTuple):
    statuses: frozenset[int]  # none: any
    words: re.Pattern[str] | None  # in the code or in what is said; None: whatever is said
    kind: Kind


def _row(statuses: str, words: str, kind: Kind) -> _Row:
    numbers: set[int] = set()
    for part in statuses.split():
        low, _, high = part.partition("-")
        numbers.update(range(int(low), int(high or low) + 1))
    return _Row(frozenset(numbers), re.compile(words, re.I) if words else None, kind)


_UNWILLING = r"unsupported|n.t support|not (?:be )?support|unrecognized|unknown|not permitted|extra inputs"
# The first row that holds counts; a status of 0 is a reply of status 200 that is none.
_TABLE = (
    _row("", r"insufficient.(?:quota|credit|balance|funds)|billing_hard_limit", Kind.CREDIT),
    _row("400 403 429", r"credit balance is too low|out of credits", Kind.CREDIT),
    _row("402", "", Kind.CREDIT),
    _row("0 400 403 422 451", r"content.?filter|content.management|moderation|flagged", Kind.FILTERED),
    _row("0 400", r"api.?key (?:is )?(?:not |in)valid|(?:invalid|incorrect).{0,3}api.?key", Kind.REFUSED),
    _row("0 400", r"model.not.found|no such model|(?:not a val|inval)id model", Kind.REFUSED),
    _row("0 400", r"(?:^|\s)model\b.{0,80}\b(?:does not exist|not found)", Kind.REFUSED),
    _row("300-399 401 403-405 407 410", "", Kind.REFUSED),
    _row(
        "0 400 422 500",
        r"context.?(?:length|window|size)|maximum context|maximum model length|max_model_len|"
        r"too many tokens|prompt is too long|prompt too long",
        Kind.TOO_LONG,
    ),
    _row("413", "", Kind.TOO_LONG),
    _row("429", r"request too large", Kind.TOO_LONG),
    _row("429 498 503 529", "", Kind.BUSY),
    _row("0 408 409 425 500-999", "", Kind.PASSING),
    _row("400 422", _UNWILLING, Kind.SETTING),
    _row("", "", Kind.CALL),
)


def kind_of(fault: NoReplyError) -> Kind:
    """Return what a fault means."""
    words = f"{fault.code} {fault.said}"
    return next(
        kind
        for statuses, pattern, kind in _TABLE
        if (not statuses or fault.status in statuses) and (not pattern or pattern.search(words))
    )


def error_of(fault: NoReplyError, words: str, model: str) -> SkillMixError:
    """Return the error that a fault is to its caller; `words` are its own, cleaned, with place and status."""
    unwanted = next((n for n in ("temperature", "top_p") if n in fault.said), None)
    match kind_of(fault):
        case Kind.CREDIT:
            return BackendError(f"{words}; the account has no credit left. Every answer is kept.")
        case Kind.REFUSED:
            advice = "give the address that it names as --base-url" if 300 <= fault.status < 400 else ""
            advice = advice or f"check the key, the address and the model's name, {model}"
            return TransientError(f"{words}; {advice}", stops_after=1, paid=fault.paid)
        case Kind.FILTERED:
            return CallFailedError(
                f"{words}; the provider keeps the text back, not the model", paid=fault.paid
            )
        case Kind.TOO_LONG:
            return CallFailedError(f"{words}; the prompt does not fit the model's context")
        case Kind.BUSY:
            return TransientError(words, wait=True, after=fault.after)
        case Kind.PASSING:
            return TransientError(words, after=fault.after, paid=fault.paid)
        case Kind.SETTING if unwanted:
            return BackendError(f"{words}; leave --{unwanted.replace('_', '-')} out for {model}.")
        case _:
            return CallFailedError(words)


class _Other(NamedTuple):
    setting: str
    words: re.Pattern[str]  # of a server that does not take it so
    name: str | None  # how it may take it; None: not at all


def _other(setting: str, words: str, name: str | None) -> _Other:
    return _Other(setting, re.compile(words.replace("UNWILLING", f"(?:{_UNWILLING})"), re.I | re.S), name)


# Left out is only what does not change the distribution of texts: a draw's seed, and the schema, which the
# prompt states as well. Another temperature would be another protocol.
_OTHER_WORDS = (
    _other(
        "max_tokens",
        r"max_completion_tokens|UNWILLING.*max_tokens|max_tokens.*UNWILLING",
        "max_completion_tokens",
    ),
    _other("seed", r"UNWILLING.*\bseed\b|\bseed\b.*UNWILLING", None),
    _other("response_format", r"response.format|json.?(?:schema|object|mode)|structured.output|guided", None),
)


def adapts(fault: NoReplyError, sent: Mapping[str, Any], renamed: dict[str, str | None]) -> bool:
    """Tell whether the server may take what was sent in other words, and note which.

    Only a server that names the setting is taken at its word: another fault says nothing about settings.
    """
    if fault.status not in (400, 422) or kind_of(fault) not in (Kind.SETTING, Kind.CALL):
        return False
    for setting, words, name in _OTHER_WORDS:
        if setting in sent and words.search(fault.said):
            renamed[setting] = name
            return True
    return False


class Secrets:
    """Hides secrets in what a server says, in each form in which it may repeat them."""

    def __init__(self, *secrets: str | None) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)
        self._long = [form for form in self._forms if len(form) >= _SHORTEST]

    def text(self, words: str) -> str:
        """Return a text that is kept, without secrets that cannot stand in it by chance."""
        for form in self._long:
            if form in words:
                words = words.replace(form, "[key]")
        return words

    def line(self, words: str) -> str:
        """Return words on one line of at most 300 characters, without secrets."""
        for form in self._forms:
            words = words.replace(form, "[key]")
        return " ".join(storable(words).split())[:300]


def _forms(secret: str) -> set[str]:
    quoted = {urllib.parse.quote(secret, safe=safe) for safe in ("", "/")}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), form) for form in quoted}
    escaped = {json.dumps(secret)[1:-1], secret.replace("/", "\\/"), html.escape(secret)}
    return {secret, *quoted, *lower, *escaped}


def said(content: Any) -> tuple[str, str]:
    """Return the message and the code of an error's body (bytes or read JSON), whatever its form."""
    try:
        body = json.loads(content) if isinstance(content, bytes) else content
    except (ValueError, RecursionError):
        return "", ""
    body = body[0] if isinstance(body, list) and body else body  # as Gemini wraps it
    found = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(found, dict):
        return found[:_SAID] if isinstance(found, str) else "", ""
    words = str(found.get("message") or found.get("detail") or "")
    return words[:_SAID], str(found.get("code") or "")


def after(headers: Mapping[str, str], now: float) -> float | None:
    """Return for how many seconds a server asks not to be asked again; `now` in seconds since 1970."""
    if "retry-after-ms" in headers:
        return _seconds(headers["retry-after-ms"] + "ms")
    if "retry-after" in headers:
        given = headers["retry-after"]
        return _until(given, now) if given[:1].isalpha() else _seconds(given + "s")
    # of several limits it is the one that is used up; where none is said to be, the first to be free again
    resets = {n: _seconds(headers.get(f"x-ratelimit-reset-{n}", "")) for n in _LIMITED}
    known = {name: seconds for name, seconds in resets.items() if seconds is not None}
    used_up = [s for n, s in known.items() if headers.get(f"x-ratelimit-remaining-{n}") == "0"]
    return max(used_up, default=min(known.values(), default=None))


def _until(date: str, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _seconds(given: str) -> float | None:
    """Read '20', '1.5s', '250ms' or '6m0s'; None for anything else."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", given)
    whole = "".join(number + unit for number, unit in parts)
    return sum(float(n) * _UNITS[u] for n, u in parts) if parts and whole == given.strip() else None
