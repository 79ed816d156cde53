"""`openai/<model>`: any server that speaks OpenAI's chat completions, with the openai package."""

from __future__ import annotations

import os
from typing import Any

import openai

from ..errors import BackendError, CallFailedError
from ..records import Reply, Request, Usage
from ..spec import ModelSpec

_RETRIES = 6  # with the openai package's exponential back-off; it honours Retry-After
_SECONDS = 600.0


def create(settings: ModelSpec, model: str) -> OpenAIBackend:
    """Return a backend for `model`; the key comes from the environment and is not kept anywhere else.

    Raises BackendError when no key is set and the server is OpenAI's own, or when no request can carry it.
    """
    key = os.environ.get(settings.api_key_env, "").strip()
    if not key and not settings.base_url:
        raise BackendError(
            f"openai/{model} needs an API key in the environment variable {settings.api_key_env}, which is "
            "not set; set it, or give --base-url for a server that needs none."
        )
    if not (key.isascii() and key.isprintable()):
        raise BackendError(
            f"The API key in {settings.api_key_env} holds a line break or another character that no request "
            "can carry; set it anew."
        )
    return OpenAIBackend(settings, model, key or "none")


class OpenAIBackend:
    """Chat completions of one model at one endpoint."""

    def __init__(self, settings: ModelSpec, model: str, key: str) -> None:
        self.limit = settings.max_connections
        self._model, self._key = model, key
        self._client = openai.AsyncOpenAI(
            api_key=key, base_url=settings.base_url, max_retries=_RETRIES, timeout=_SECONDS
        )
        self._answered = False
        self._takes_schema = True
        self._where = str(self._client.base_url).rstrip("/")
        self.identity = {"backend": "openai", "model": model, "endpoint": self._where}
        if settings.revision:
            self.identity["revision"] = settings.revision

    async def complete(self, request: Request) -> Reply:
        """Return the first choice of one chat completion."""
        try:
            answer = await self._create(self._body(request))
        except (
            openai.AuthenticationError,
            openai.PermissionDeniedError,
            openai.NotFoundError,
        ) as error:
            raise BackendError(
                f"{self._where} refuses to serve {self._model}: {self._said(error)}."
            ) from None
        except openai.APIConnectionError as error:
            cause = self._clean(str(error.__cause__ or error))
            if not self._answered and not isinstance(error, openai.APITimeoutError):
                raise BackendError(
                    f"{self._where} cannot be reached ({cause}); check the address and that the server is up."
                ) from None
            raise CallFailedError(f"{self._where} could not be reached: {cause}") from None
        except openai.OpenAIError as error:
            raise CallFailedError(f"{self._where}: {self._said(error)}") from None
        except ValueError:
            raise CallFailedError(f"{self._where} sent a reply that is no JSON") from None
        self._answered = True
        if not getattr(answer, "choices", None) or answer.choices[0].message is None:
            raise CallFailedError(f"{self._where} sent a reply that is no chat completion")
        return _read(answer)

    async def _create(self, body: dict[str, Any]) -> Any:
        """Ask; a server that knows no JSON schema is asked again, and from then on, without one."""
        if not self._takes_schema:
            body.pop("response_format", None)
        try:
            return await self._client.chat.completions.create(**body)
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            if "response_format" not in body:
                raise
            body.pop("response_format")
            answer = await self._client.chat.completions.create(**body)
            self._takes_schema = False
            return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _body(self, request: Request) -> dict[str, Any]:
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
        return body

    def _said(self, error: openai.OpenAIError) -> str:
        """Return what the server said, without the request, which could hold a key."""
        body = getattr(error, "body", None)
        message = body.get("message") if isinstance(body, dict) else None
        return self._clean(f"{getattr(error, 'status_code', '')} {message or type(error).__name__}")

    def _clean(self, words: str) -> str:
        """Return words on one line, without the key that some servers repeat."""
        return " ".join(words.replace(self._key, "[key]").split())[:300]


def _read(answer: Any) -> Reply:
    choice = answer.choices[0]
    usage = answer.usage
    refusal = getattr(choice.message, "refusal", None)
    refused = bool(refusal) or choice.finish_reason == "content_filter"
    return Reply(
        text=_storable(choice.message.content or refusal or ""),
        stop="refusal" if refused else "length" if choice.finish_reason == "length" else "stop",
        usage=Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0) if usage else Usage(),
    )


def _storable(words: str) -> str:
    """Return words without lone surrogates, which JSON escapes can write and no file can hold."""
    return words.encode("utf-8", "ignore").decode()
