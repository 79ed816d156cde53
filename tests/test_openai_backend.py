"""The backend `openai` against a real server that answers well, badly or not at all."""

from __future__ import annotations

import asyncio
import socket
import time

import msgspec
import pytest

from skillmix_eval.backends.openai import OpenAIBackend, create
from skillmix_eval.calls import Caller
from skillmix_eval.errors import BackendError, CallFailedError
from skillmix_eval.records import Message, Reply, Request, Usage
from skillmix_eval.spec import ModelSpec

from .server import STUDENT, Server, once

REQUEST = Request((Message("user", "Write a line about quays."),))


def ask(server: Server, request: Request = REQUEST, times: int = 1, key: str = "key") -> list[Reply]:
    """Return the replies to a request made `times` times at once by one backend."""
    settings = ModelSpec(model=f"openai/{STUDENT}", base_url=server.url)

    async def session() -> list[Reply]:
        backend = OpenAIBackend(settings, STUDENT, key)
        caller = Caller(backend, None)
        try:
            return list(await asyncio.gather(*(caller(request) for _ in range(times))))
        finally:
            await backend.aclose()

    return asyncio.run(session())


def test_text_and_tokens() -> None:
    """A reply is the first choice's text with the tokens that the server reports."""
    with Server() as server:
        (reply,) = ask(server)
    assert reply.text.startswith("By lot ")
    assert reply.stop == "stop"
    assert (reply.usage.input, reply.usage.output) == (5, 9)


def test_reasoning_that_only_the_total_counts() -> None:
    """Tokens that a server counts in its total only are output; where it counts none, none are known."""
    with Server(fault=lambda call: ("total", "no usage")[call.number]) as server:
        (first,), (second,) = ask(server), ask(server)
    assert (first.usage.input, first.usage.output) == (5, 1009)
    assert second.usage == Usage()


def test_only_given_settings_are_sent() -> None:
    """A setting that is not given is not sent, so that the server's own default holds."""
    with Server() as server:
        ask(server)
        ask(server, Request(REQUEST.messages, temperature=0.0, top_p=0.5, max_tokens=7, seed=3))
    bare, full = (call.body for call in server.calls)
    assert sorted(bare) == ["messages", "model"]
    assert (full["temperature"], full["top_p"], full["max_tokens"], full["seed"]) == (0.0, 0.5, 7, 3)


def test_schema_is_sent() -> None:
    """A request with a schema asks the server to hold the reply to it."""
    schema = {"type": "object"}
    with Server() as server:
        ask(server, Request(REQUEST.messages, schema=schema))
    assert server.calls[0].body["response_format"]["json_schema"]["schema"] == schema


@pytest.mark.parametrize("fault", ["429", "500", "hang-up"])
def test_passing_faults_heal(fault: str) -> None:
    """A call that is turned away once is made again and answered."""
    with Server(fault=once(fault)) as server:
        (reply,) = ask(server)
    assert reply.text
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("fault", "stop"), [("length", "length"), ("refusal", "refusal"), ("filter", "refusal")]
)
def test_how_a_reply_ended(fault: str, stop: str) -> None:
    """A reply that was cut off or declined says so."""
    with Server(fault=lambda _: fault) as server:
        assert ask(server)[0].stop == stop


def test_null_content_is_no_text() -> None:
    """A reply without content is an empty text, not an error."""
    with Server(fault=lambda _: "null") as server:
        assert ask(server)[0].text == ""


def test_half_a_character_is_dropped() -> None:
    """A reply with a lone surrogate, which no file can hold, loses it."""
    with Server(fault=lambda _: "surrogate") as server:
        ask(server)[0].text.encode()


@pytest.mark.parametrize("fault", ["400", "malformed", "html", "no choices", "no message"])
def test_one_call_fails(fault: str) -> None:
    """A reply that is none fails this call alone, with what the server did."""
    with Server(fault=lambda _: fault) as server, pytest.raises(CallFailedError, match=r"127\.0\.0\.1"):
        ask(server)


@pytest.mark.parametrize("fault", ["401", "404"])
def test_no_call_can_succeed(fault: str) -> None:
    """A bad key or an unknown model is found at the first call, which is not repeated."""
    with Server(fault=lambda _: fault) as server:
        with pytest.raises(BackendError, match=STUDENT):
            ask(server)
        assert len(server.calls) == 1


@pytest.mark.parametrize("fault", ["400", "401", "404"])
def test_an_echoed_key_is_not_repeated(fault: str) -> None:
    """An error message in which the server repeats the key comes out without the key."""
    with Server(fault=lambda _: fault) as server:
        with pytest.raises((BackendError, CallFailedError)) as caught:
            ask(server, key="sk-marker-123")
        assert "sk-marker-123" in server.calls[0].headers["authorization"]
    assert "sk-marker-123" not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-marker\n123", "sk-marker–123"])
def test_a_key_that_no_request_can_carry(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with a line break or a typographic dash is refused at once, and not repeated."""
    monkeypatch.setenv("SOME_KEY", key)
    with pytest.raises(BackendError, match="SOME_KEY") as caught:
        create(ModelSpec(model="openai/gpt-x", api_key_env="SOME_KEY"), "gpt-x")
    assert "marker" not in str(caught.value)


def test_nobody_there() -> None:
    """A server that is down is one error that says where, within seconds."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = ModelSpec(model="openai/x", base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        began = time.monotonic()

        async def session() -> None:
            backend = create(settings, "x")
            try:
                await Caller(backend, None)(REQUEST)
            finally:
                await backend.aclose()

        with pytest.raises(BackendError, match="cannot be reached"):
            asyncio.run(session())
    assert time.monotonic() - began < 10


def test_no_key_for_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's own server needs a key, and the error names the variable that holds none."""
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(BackendError, match="SOME_KEY"):
        create(ModelSpec(model="openai/gpt-x", api_key_env="SOME_KEY"), "gpt-x")


def test_separate_reasoning_is_no_text() -> None:
    """Reasoning that the server sends apart is not part of the text; its tokens are counted."""
    with Server(fault=lambda _: "reasoning") as server:
        (reply,) = ask(server)
    assert "think of" not in reply.text
    assert reply.usage.reasoning == 7


def test_a_budget_eaten_by_reasoning() -> None:
    """A reply that is all reasoning was cut off: it has no text and says so."""
    with Server(fault=lambda _: "only reasoning") as server:
        (reply,) = ask(server)
    assert (reply.text, reply.stop) == ("", "length")


@pytest.mark.parametrize(
    ("setting", "value", "said", "sent"),
    [
        (
            "max_tokens",
            50,
            "Unsupported parameter: use 'max_completion_tokens' instead.",
            "max_completion_tokens",
        ),
        ("seed", 3, "Unsupported parameter: 'seed' is not supported.", None),
        ("schema", {"type": "object"}, "response_format json_schema is not supported here.", None),
    ],
)
def test_a_server_that_takes_other_words(setting: str, value: object, said: str, sent: str | None) -> None:
    """What a server calls otherwise, or can do without, is found out once and remembered."""
    name = "response_format" if setting == "schema" else setting
    request = msgspec.structs.replace(REQUEST, **{setting: value})
    with Server(fault=lambda call: f"400:{said}" if name in call.body else None) as server:
        ask(server, request)
        assert len(server.calls) == 2
        assert (sent in server.calls[1].body) if sent else True
        assert name not in server.calls[1].body


def test_a_temperature_that_is_not_taken() -> None:
    """Another temperature would be another protocol: the user is told to leave it out."""
    request = msgspec.structs.replace(REQUEST, temperature=0.2)
    with (
        Server(fault=lambda _: "400:Unsupported value: 'temperature' does not support 0.2.") as server,
        pytest.raises(BackendError, match="leave --temperature out"),
    ):
        ask(server, request)


@pytest.mark.parametrize(
    ("said", "kind", "advice"),
    [
        ("This model's maximum context length is 4096 tokens.", CallFailedError, "does not fit"),
        ("insufficient_quota: you exceeded your quota", BackendError, "no credit left"),
    ],
)
def test_faults_that_do_not_heal(said: str, kind: type[Exception], advice: str) -> None:
    """A prompt that is too long fails one call, an empty account all of them; neither is tried again."""
    with Server(fault=lambda _: f"400:{said}") as server:
        with pytest.raises(kind, match=advice):
            ask(server)
        assert len(server.calls) == 1
