"""The backend `openai` against a real server that answers well, badly or not at all."""

from __future__ import annotations

import asyncio
import socket
import time

import msgspec
import pytest

from skillmix_eval.backends._faults import NoReplyError, after
from skillmix_eval.backends._replies import read
from skillmix_eval.backends.openai import OpenAIBackend, create
from skillmix_eval.calls import Caller
from skillmix_eval.errors import BackendError, BadInputError, CallFailedError
from skillmix_eval.limits import Limit
from skillmix_eval.records import Message, Reply, Request, Usage
from skillmix_eval.spec import ModelSpec

from .server import STUDENT, Call, Server, once

REQUEST = Request((Message("user", "Write a line about quays."),))


def ask(server: Server, request: Request = REQUEST, times: int = 1, key: str = "key") -> list[Reply]:
    """Return the replies to a request made `times` times, one after another, by one backend."""
    found = talk(server, [request] * times, key)
    for reply in found:
        if isinstance(reply, CallFailedError):
            raise reply
    return [reply for reply in found if isinstance(reply, Reply)]


def talk(
    server: Server, requests: list[Request], key: str = "key", limit: Limit | None = None, at_once: int = 1
) -> list[Reply | CallFailedError]:
    """Return the replies or failures of requests, so many `at_once`, by one backend."""
    settings = ModelSpec(model=f"openai/{STUDENT}", base_url=server.url, max_connections=at_once)

    async def one(caller: Caller, request: Request) -> Reply | CallFailedError:
        try:
            return await caller(request)
        except CallFailedError as error:
            return error

    async def session() -> list[Reply | CallFailedError]:
        backend = OpenAIBackend(settings, STUDENT, key)
        caller = Caller(backend, None, limit)
        try:
            return list(await asyncio.gather(*(one(caller, request) for request in requests)))
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


@pytest.mark.parametrize(("fault", "stop"), [("length", "length"), ("refusal", "refusal")])
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


@pytest.mark.parametrize("fault", ["400", "no message"])
def test_one_call_fails(fault: str) -> None:
    """A reply that is none fails this call alone, with what the server did."""
    with Server(fault=lambda _: fault) as server, pytest.raises(CallFailedError, match=r"127\.0\.0\.1"):
        ask(server)


@pytest.mark.parametrize("body", [b'{"choices": [{"mess', b"<html>", b'{"choices": []}', b"[1]", b"null"])
def test_what_is_no_reply(body: bytes) -> None:
    """A body that is no completion is a fault, whatever it is."""
    with pytest.raises(NoReplyError, match="no chat completion"):
        read(body)


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
        ("max_tokens", 50, "Unsupported parameter: 'max_tokens'.", "max_completion_tokens"),
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


def test_an_unrelated_fault_switches_nothing_off() -> None:
    """A refusal that names no setting fails its call alone; the next one sends the schema as before."""
    request = msgspec.structs.replace(REQUEST, schema={"type": "object"})
    with Server(fault=lambda c: None if c.number else "400:Bad request: upstream hiccup") as server:
        first, second = talk(server, [request, request])
    assert isinstance(first, CallFailedError)
    assert isinstance(second, Reply)
    assert all("response_format" in call.body for call in server.calls)


@pytest.mark.parametrize(
    ("said", "kind", "advice"),
    [
        ("400:This model's maximum context length is 4096 tokens.", CallFailedError, "does not fit"),
        ("400:prompt (length 5000) is longer than the maximum model length", CallFailedError, "does not fit"),
        ("400:the request exceeds the available context size", CallFailedError, "does not fit"),
        ("429:Request too large: Limit 100, Requested 500", CallFailedError, "does not fit"),
        ("403:Your input was flagged by moderation", CallFailedError, "keeps the text back"),
        ("filter", CallFailedError, "keeps the text back, not the model"),
        ("endless", CallFailedError, "more than 32 MB"),
        ("400:insufficient_quota: you exceeded your quota", BackendError, "no credit left"),
        ("402:Insufficient Balance", BackendError, "no credit left"),
        ("400:Your credit balance is too low to access this API.", BackendError, "no credit left"),
        ("400:API key not valid. Please pass a valid API key.", BackendError, "check the key"),
        ("400:x/y is not a valid model ID", BackendError, "check the key, the address and the model's name"),
        ("400:Invalid model name passed in model=x.", BackendError, "check the key"),
        ('body:{"error": {"message": "Invalid API key", "code": 401}}', BackendError, "401 Invalid"),
        ("302:", BackendError, "--base-url"),
    ],
)
def test_faults_that_do_not_heal(said: str, kind: type[Exception], advice: str) -> None:
    """What is wrong with one prompt fails one call, with key, model or account all; neither is repeated."""
    with Server(fault=lambda _: said) as server:
        with pytest.raises(kind, match=advice):
            ask(server)
        assert len(server.calls) == 1


@pytest.mark.parametrize(
    "fault",
    [
        "403:",
        "404:",
        "finish:error",
        'body:{"error": {"message": "Slow down", "code": 429}}',
        'body:{"choices": [{"message": {"content": null}}], "usage": {"completion_tokens": 0}}',
    ],
)
def test_a_fault_among_answers_heals(fault: str) -> None:
    """Where others are answered, what a gateway or provider breaks is that call's, and is tried again."""
    with Server(fault=lambda call: fault if call.number == 1 else None) as server:
        assert len(ask(server, times=3)) == 3
        assert len(server.calls) == 4


def test_a_server_that_dies() -> None:
    """Once a server is down it is asked by one call at a time, and not for ever: then the run stops."""
    with Server(fault=lambda call: None if call.number < 20 else "500") as server:
        began = time.monotonic()
        with pytest.raises(BackendError, match="nothing was answered"):
            talk(server, [REQUEST] * 300, limit=Limit(40, patience=0.5), at_once=40)
        assert len(server.calls) < 120
    assert time.monotonic() - began < 10


def test_waiting_its_turn_is_no_failure() -> None:
    """A call that is asked to wait is not given up while others are answered, however long that takes."""
    until = time.monotonic() + 1.0
    waits = msgspec.structs.replace(REQUEST, seed=1)

    def fault(call: Call) -> str | None:
        return "429" if call.body.get("seed") and time.monotonic() < until else None

    with Server(student_s=0.05, fault=fault) as server:
        found = talk(server, [waits] + [REQUEST] * 30, limit=Limit(2, patience=0.02), at_once=2)
        refused = sum(call.fault == "429" for call in server.calls)
    assert refused > 3
    assert all(isinstance(reply, Reply) for reply in found)


@pytest.mark.parametrize("said", ["KEY is wrong", "sent: sk-AB%2bC%2fmarker", "sent: sk-AB%2BC%2Fmarker"])
def test_a_key_in_any_form(said: str) -> None:
    """A key that a server repeats, in an error or in a reply, as it is or quoted, is not handed on."""
    key = "sk-AB+C/marker"
    with Server(fault=lambda _: f"400:{said}") as server:
        (error,) = talk(server, [REQUEST], key=key)
        server.fault = lambda _: "say:" + said.replace("KEY", key)
        (reply,) = ask(server, key=key)
    assert "marker" not in f"{error} {reply}"


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("http://h/v1?k=sk-marker", "k"),
        ("http://u:sk-marker@h/v1", "k"),
        ("http://h/v1#sk-marker", "k"),
        ("http://h/sk-marker/v1", "sk-marker"),
        ("http://[sk-marker/v1", "k"),
    ],
)
def test_an_address_that_holds_a_secret(address: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address with a name, key or query is refused, wherever it was given, and not repeated."""
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    for settings in (ModelSpec(model="openai/x"), ModelSpec(model="openai/x", base_url=address)):
        with pytest.raises(BadInputError) as caught:
            create(settings, "x")
        assert "marker" not in str(caught.value)


@pytest.mark.parametrize("given", ['"12"', "12.0", "12"])
def test_tokens_in_any_form(given: str) -> None:
    """Counts of tokens that a server sends as texts or with a point are counted all the same."""
    usage = f'{{"prompt_tokens": {given}, "completion_tokens": {given}}}'
    body = f'{{"choices": [{{"message": {{"content": "So."}}}}], "usage": {usage}}}'
    with Server(fault=lambda _: f"body:{body}") as server:
        (reply,) = ask(server)
    assert (reply.usage.input, reply.usage.output) == (12, 12)


def test_parts_that_are_reasoning() -> None:
    """Of a reply in parts only those that are text are the text."""
    parts = '[{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "So."}]'
    with Server(fault=lambda _: f'body:{{"choices": [{{"message": {{"content": {parts}}}}}]}}') as server:
        assert ask(server)[0].text == "So."


_AT = 1_794_992_800.0  # 2026-11-18 09:06:40 UTC


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Wed, 18 Nov 2026 09:06:50 GMT"}, 10),
        ({"retry-after": "Soon"}, None),
        ({"x-ratelimit-reset-requests": "3s", "x-ratelimit-reset-tokens": "6m0s"}, 3),
        (
            {
                "x-ratelimit-reset-requests": "3s",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "0",
            },
            360,
        ),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """A server's wish to wait is read as seconds or a date; of two limits, that which is used up."""
    assert after(headers, _AT) == seconds
