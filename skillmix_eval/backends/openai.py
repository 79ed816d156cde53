"""`openai/<model>`: any server that speaks OpenAI's chat completions.

Calls go through aiohttp and msgspec, which take a fifth of the processor time of the openai package's client
(results/calls); that package serves the batch interface.
"""

from __future__ import annotations

import os
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from ..errors import BackendError, CallFailedError, TransientError
from ..records import Reply, Request
from ..spec import ModelSpec, check_address
from ._faults import NoReplyError, Secrets, adapts, after, error_of, said
from ._replies import read

HOME = "https://api.openai.com/v1"
_SECONDS = 600.0  # for one answer
_SECONDS_TO_CONNECT = 10.0
_TRIES_TO_REACH = 3  # of a call, where nothing was ever answered: about three seconds
_MOST_BYTES = 32 * 2**20  # of one answer


def create(settings: ModelSpec, model: str) -> OpenAIBackend:
    """Return a backend for `model`; the key is from the environment or a key file, and kept nowhere else.

    Raises BackendError when no key is set and the server is OpenAI's own, or when no request can carry it,
    BadInputError for an address that holds a secret.
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
    place = "The base_url" if settings.base_url else "The environment variable OPENAI_BASE_URL"
    check_address(_address(settings), place, key)
    return OpenAIBackend(settings, model, key)


def unasked(settings: ModelSpec, model: str) -> OpenAIBackend:
    """Return a backend that is only looked at, which needs no key."""
    return OpenAIBackend(settings, model, "")


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


class OpenAIBackend:
    """Chat completions of one model at one endpoint."""

    def __init__(self, settings: ModelSpec, model: str, key: str) -> None:
        self.limit = settings.connections
        self._model, self._key = model, key
        self._where = _address(settings)
        self._proxy = _proxy(self._where)
        self._secrets = Secrets(key, urllib.parse.urlsplit(self._proxy or "").password)
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
                reply = self._read(await self._post(sent))
            except NoReplyError as fault:
                if not adapts(fault, sent, renamed):
                    raise self._error(fault) from None
            else:
                self._renamed |= renamed  # only what has helped is remembered
                return reply

    def line(self, request: Request) -> dict[str, Any]:
        """Return the body of a request, for a file of many."""
        return self._body(request, self._renamed)

    def answer(self, sent: dict[str, Any], status: int, content: bytes) -> Reply:
        """Read the answer to a body in a file; raises TransientError, CallFailedError or BackendError."""
        try:
            if 200 <= status < 300:
                return self._read(content)
            raise NoReplyError(status, *said(content))
        except NoReplyError as fault:
            if adapts(fault, sent, self._renamed):
                words = self.clean(fault.said)
                raise TransientError(f"{self._where} takes it in other words: {words}") from None
            raise self._error(fault) from None

    def client(self) -> Any:
        """Return a client of the openai package for this endpoint, for files and batches."""
        import openai

        return openai.AsyncOpenAI(api_key=self._key or "none", base_url=self._where)

    def clean(self, words: str) -> str:
        """Return what the server said on one line, without the key that some servers repeat."""
        return self._secrets.line(words)

    async def _post(self, body: dict[str, Any]) -> bytes:
        """Send a request and return the answer's bytes; raises NoReplyError, or what `complete` raises."""
        try:
            async with self._open().post(
                f"{self._where}/chat/completions", data=msgspec.json.encode(body), allow_redirects=False
            ) as answer:
                content = await self._content(answer)
                if answer.status >= 300:
                    raise NoReplyError(answer.status, *said(content), after(answer.headers, time.time()))
                return content
        except TimeoutError:
            raise TransientError(f"{self._where} did not answer in time", wait=True, paid=True) from None
        except aiohttp.InvalidURL:
            raise BackendError(
                f"{self._where} is no address; give one such as http://localhost:8000/v1."
            ) from None
        except aiohttp.ClientConnectorError as error:
            cause = self.clean(str(error.os_error.strerror or error.os_error))
            raise TransientError(
                f"{self._where} cannot be reached ({cause}); check the address and that the server is up",
                stops_after=_TRIES_TO_REACH,
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            words = f"{self._where} cut the connection: {self.clean(repr(error))}"
            raise TransientError(words, paid=True) from None

    async def _content(self, answer: aiohttp.ClientResponse) -> bytes:
        """Return an answer's bytes; raises CallFailedError where they never seem to end."""
        parts: list[bytes] = []
        size = 0
        async for part in answer.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES:
                raise CallFailedError(f"{self._where} sent an answer of more than {_MOST_BYTES >> 20} MB")
        return b"".join(parts)

    def _read(self, content: bytes) -> Reply:
        reply = read(content)
        return msgspec.structs.replace(reply, text=self._secrets.text(reply.text))

    def _error(self, fault: NoReplyError) -> Exception:
        words = self.clean(fault.said).rstrip(".")
        return error_of(fault, " ".join(f"{self._where}: {fault.status or ''} {words}".split()), self._model)

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
                proxy=self._proxy,
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


def _address(settings: ModelSpec) -> str:
    return (settings.base_url or os.environ.get("OPENAI_BASE_URL") or HOME).rstrip("/")


def _proxy(where: str) -> str | None:
    """Return the proxy that the environment names for an address; asking aiohttp costs a thread per call."""
    url = urllib.parse.urlsplit(where)
    bypassed = url.hostname is None or urllib.request.proxy_bypass(url.hostname)
    return None if bypassed else urllib.request.getproxies().get(url.scheme)
