"""`openai/<model>`: any server that speaks OpenAI's chat completions.

Calls go through aiohttp and msgspec, which take a fifth of the processor time of the openai package's client
(results/calls); that package serves the batch interface.
"""

from __future__ import annotations

import json
import os
import re
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from ..errors import BackendError, CallFailedError, TransientError
from ..records import Reply, Request, Usage
from ..spec import ModelSpec
from ..texts import storable

HOME = "https://api.openai.com/v1"
_SECONDS = 600.0  # for one answer
_SECONDS_TO_CONNECT = 10.0
_RESETS = ("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "insufficient credits")
_TOO_LONG = re.compile(
    r"context.?length|maximum context|context window|too many tokens|prompt is too long", re.I
)
_UNKNOWN_SETTING = re.compile(
    r"unsupported|not support|unrecognized|unknown|not permitted|extra inputs", re.I
)


def create(settings: ModelSpec, model: str) -> OpenAIBackend:
    """Return a backend for `model`; the key is from the environment or a key file, and kept nowhere else.

    Raises BackendError when no key is set and the server is OpenAI's own, or when no request can carry it.
    """
    key, place = read_key(settings)
    if not key and not settings.base_url:
        raise BackendError(
            f"openai/{model} needs an API key in {place}, which is not set; set it, or name a server "
            "that needs none (--base-url for the student, --judge-base-url for the judge)."
        )
    if not (key.isascii() and key.isprintable()):
        raise BackendError(
            f"The API key in {place} holds a line break or another character that no request can "
            "carry; set it anew."
        )
    return OpenAIBackend(settings, model, key)


def read_key(settings: ModelSpec) -> tuple[str, str]:
    """Return the key, empty where there is none, and where it was looked for."""
    if not settings.api_key_file:
        place = f"the environment variable {settings.api_key_env}"
        return os.environ.get(settings.api_key_env, "").strip(), place
    try:
        return Path(
            settings.api_key_file
        ).expanduser().read_text().strip(), f"the file {settings.api_key_file}"
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise BackendError(f"The key file {settings.api_key_file} cannot be read: {why}.") from None


class _Message(msgspec.Struct):
    content: Any = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Used(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    completion_tokens_details: _Details | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Used | None = None


class _StatusError(Exception):
    """A status of 300 or more, with the server's words, its code, and the seconds it asks to wait."""

    def __init__(self, status: int, said: str, code: str, after: float | None) -> None:
        super().__init__(said)
        self.status, self.said, self.code, self.after = status, said, code, after


class OpenAIBackend:
    """Chat completions of one model at one endpoint."""

    def __init__(self, settings: ModelSpec, model: str, key: str) -> None:
        self.limit = settings.max_connections
        self._model, self._key = model, key
        self._where = (settings.base_url or os.environ.get("OPENAI_BASE_URL") or HOME).rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._renamed: dict[
            str, str | None
        ] = {}  # settings that this server calls otherwise, or does not know
        self.identity = {"backend": "openai", "model": model, "endpoint": self._where}
        if settings.revision:
            self.identity["revision"] = settings.revision

    async def complete(self, request: Request) -> Reply:
        """Return the first choice of one chat completion.

        Raises TransientError for what may heal, CallFailedError for this call, BackendError for every call.
        """
        renamed = dict(self._renamed)
        while True:
            sent = self._body(request, renamed)
            try:
                reply = _read(await self._post(sent), self._where)
            except _StatusError as error:
                if not _adapts(error, sent, renamed):
                    raise self._fault(error) from None
            else:
                self._renamed |= renamed  # only what has helped is remembered
                return reply

    def line(self, request: Request) -> dict[str, Any]:
        """Return the body of a request, for a file of many."""
        return self._body(request, self._renamed)

    def answer(self, sent: dict[str, Any], status: int, content: bytes) -> Reply:
        """Read the answer to a body in a file; raises TransientError, CallFailedError or BackendError."""
        if 200 <= status < 300:
            return _read(content, self._where)
        error = _StatusError(status, *_said(content), None)
        if _adapts(error, sent, self._renamed):
            raise TransientError(f"{self._where} takes it in other words: {self._clean(error.said)}")
        raise self._fault(error)

    def client(self) -> Any:
        """Return a client of the openai package for this endpoint, for files and batches."""
        import openai

        return openai.AsyncOpenAI(api_key=self._key or "none", base_url=self._where)

    async def _post(self, body: dict[str, Any]) -> bytes:
        """Send a request and return the answer's bytes; raises TransientError or _StatusError."""
        try:
            async with self._open().post(
                f"{self._where}/chat/completions", data=msgspec.json.encode(body), allow_redirects=False
            ) as answer:
                content = await answer.read()
                if answer.status >= 300:
                    raise _StatusError(answer.status, *_said(content), _after(answer.headers))
                return content
        except TimeoutError:
            raise TransientError(f"{self._where} did not answer in time", wait=True, paid=True) from None
        except aiohttp.InvalidURL:
            raise BackendError(
                f"{self._where} is no address; give one such as http://localhost:8000/v1."
            ) from None
        except aiohttp.ClientConnectorError as error:
            cause = self._clean(str(error.os_error.strerror or error.os_error))
            raise TransientError(f"{self._where} cannot be reached ({cause})", unreached=True) from None
        except (aiohttp.ClientError, OSError) as error:
            said = f"{self._where} cut the connection: {self._clean(repr(error))}"
            raise TransientError(said, paid=True) from None

    def _fault(self, error: _StatusError) -> Exception:
        """Return the error that a status means."""
        said = f"{self._where}: {error.status} {self._clean(error.said)}"
        unwanted = next((n for n in ("temperature", "top_p") if n in error.said), None)
        if error.code in _NO_MONEY or any(words in error.said.lower() for words in _NO_MONEY):
            return BackendError(f"{said}; the account has no credit left. Every answer is kept.")
        if error.status in (401, 403, 404) or error.code == "model_not_found":
            return BackendError(
                f"{self._where} refuses to serve {self._model}: {error.status} {self._clean(error.said)}."
            )
        if error.status in (408, 409, 425) or error.status >= 500 or error.status == 429:
            wait = error.status in (429, 503, 529)
            return TransientError(said, wait=wait, after=error.after)
        if error.status < 400:
            return BackendError(f"{said}; give the address that it names as --base-url.")
        if _TOO_LONG.search(error.said):
            return CallFailedError(f"{said}; the prompt does not fit the model's context")
        if error.status in (400, 422) and unwanted and _UNKNOWN_SETTING.search(error.said):
            return BackendError(f"{said}; leave --{unwanted.replace('_', '-')} out for {self._model}.")
        return CallFailedError(said)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            headers = {"Content-Type": "application/json"}
            for name, variable in (
                ("OpenAI-Organization", "OPENAI_ORG_ID"),
                ("OpenAI-Project", "OPENAI_PROJECT_ID"),
            ):
                if self._where == HOME and os.environ.get(variable):
                    headers[name] = os.environ[variable]
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=_SECONDS, sock_connect=_SECONDS_TO_CONNECT),
                proxy=_proxy(self._where),
            )
        return self._session

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    def _body(self, request: Request, renamed: dict[str, str | None]) -> dict[str, Any]:
        """Return what is sent: no setting that was not given, and each by the name that the server knows."""
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        }
        for name in ("temperature", "top_p", "max_tokens", "seed"):
            value = getattr(request, name)
            if value is not None:
                body[name] = value
        if request.schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "verdict", "strict": True, "schema": request.schema},
            }
        named = ((renamed.get(name, name), value) for name, value in body.items())
        return {name: value for name, value in named if name is not None}

    def _clean(self, words: str) -> str:
        """Return words on one line, without the key that some servers repeat."""
        words = words.replace(self._key, "[key]") if self._key else words
        return " ".join(storable(words).split())[:300]


def _proxy(where: str) -> str | None:
    """Return the proxy that the environment names for an address; asking aiohttp costs a thread per call."""
    url = urllib.parse.urlsplit(where)
    bypassed = url.hostname is None or urllib.request.proxy_bypass(url.hostname)
    return None if bypassed else urllib.request.getproxies().get(url.scheme)


def _adapts(error: _StatusError, sent: dict[str, Any], renamed: dict[str, str | None]) -> bool:
    """Tell whether the server may take what was sent in other words, and note which.

    Left out is only what does not change the distribution of texts: a draw's seed, and the schema, which the
    prompt states as well. Another temperature would be another protocol.
    """
    if error.status not in (400, 422):
        return False
    if "max_completion_tokens" in error.said and "max_tokens" in sent:
        renamed["max_tokens"] = "max_completion_tokens"
    elif "seed" in sent and "seed" in error.said and _UNKNOWN_SETTING.search(error.said):
        renamed["seed"] = None
    elif "response_format" in sent and not _TOO_LONG.search(error.said):
        renamed["response_format"] = None
    else:
        return False
    return True


def _read(content: bytes, where: str) -> Reply:
    """Turn a chat completion into a reply; its separate reasoning is left out, its tokens are counted."""
    answer = _parsed(content)
    if answer is None or not answer.choices:
        raise TransientError(f"{where} sent a reply that is no chat completion", paid=True)
    choice = answer.choices[0]
    refusal = choice.message.refusal
    return Reply(
        text=storable(_words(choice.message.content) or refusal or ""),
        stop="refusal"
        if refusal or choice.finish_reason == "content_filter"
        else "length"
        if choice.finish_reason == "length"
        else "stop",
        usage=_usage(answer.usage or _Used()),
    )


def _usage(said: _Used) -> Usage:
    """Return what a server said of tokens; nothing where it leaves out a count.

    Some leave the reasoning out of the completion and count it in the total only.
    """
    if said.prompt_tokens is None or (said.completion_tokens is None and said.total_tokens is None):
        return Usage()
    output = max(said.completion_tokens or 0, (said.total_tokens or 0) - said.prompt_tokens)
    details = said.completion_tokens_details
    return Usage(said.prompt_tokens, output, (details.reasoning_tokens if details else 0) or 0)


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
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _said(content: bytes) -> tuple[str, str]:
    """Return the message and the code of an error's body, whatever its form."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return "", ""
    found = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(found, dict):
        return str(found), ""
    return str(found.get("message") or found.get("detail") or ""), str(found.get("code") or "")


def _after(headers: Any) -> float | None:
    """Return for how many seconds a server asks not to be asked again."""
    if "retry-after-ms" in headers:
        return _seconds(headers["retry-after-ms"] + "ms")
    if "retry-after" in headers:
        return _seconds(headers["retry-after"] + "s")
    resets = [_seconds(headers[name]) for name in _RESETS if name in headers]
    return max((r for r in resets if r is not None), default=None)


def _seconds(given: str) -> float | None:
    """Read '20', '1.5s', '250ms' or '6m0s'; None for anything else, such as a date."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", given)
    whole = "".join(number + unit for number, unit in parts)
    return sum(float(n) * _UNITS[u] for n, u in parts) if parts and whole == given.strip() else None
