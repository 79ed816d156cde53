"""The student in the package, and the other engines that run a model in this process."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from skillmix_eval.backends import embedded
from skillmix_eval.backends._batching import MicroBatcher
from skillmix_eval.domain import load_domain
from skillmix_eval.domains.devices.teacher import accepted
from skillmix_eval.errors import BackendError, BadInputError, CallFailedError
from skillmix_eval.interfaces import Backend
from skillmix_eval.plugins import load_backend
from skillmix_eval.records import Message, Question, Reply, Request
from skillmix_eval.spec import ModelSpec
from skillmix_eval.stages.prompt import draft_request
from skillmix_eval.stages.sample import sample
from skillmix_eval.templates import load_template

LARGEST = 8 * 1000 * 1000
TIE = 1e-4
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None,
    reason="torch and transformers (extra hf) are not installed",
)
needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None, reason="vLLM (extra vllm) is not installed"
)


def questions(n: int, ks: Sequence[int] = (1, 2, 3, 4, 5), split: str = "all") -> list[Question]:
    """Return n questions for each k."""
    domain = load_domain("devices")
    return list(itertools.chain.from_iterable(sample(domain, k, n, 5, split) for k in ks))


def requests(asked: Sequence[Question], **settings: float) -> list[Request]:
    """Return the requests that a run would send."""
    template = load_template("draft", "draft")
    student = ModelSpec(model="embedded/default", **settings)  # type: ignore[arg-type]
    return [draft_request(q, 0, template, student) for q in asked]


def replies(backend: Backend | str, asked: Sequence[Request]) -> list[Reply]:
    """Ask all at once."""
    used = load_backend(ModelSpec(model=backend)) if isinstance(backend, str) else backend

    async def ask() -> list[Reply]:
        try:
            return await asyncio.gather(*map(used.complete, asked))
        finally:
            await used.aclose()

    return asyncio.run(ask())


def test_size() -> None:
    """The packaged model takes at most eight megabytes."""
    sizes = [p.stat().st_size for p in embedded.PACKAGED.rglob("*") if p.is_file()]
    assert 0 < sum(sizes) <= LARGEST


def test_a_skill_of_the_train_split_is_one_token() -> None:
    """The line of each trained skill, in its present wording, is one token of the packaged student."""
    known = (embedded.PACKAGED / "ct2" / "vocabulary.json").read_text(encoding="utf-8")
    tokens = set(json.loads(known))
    for skill in load_domain("devices").part("train")[0]:
        assert f"- {skill.name}: {skill.definition} For example: {skill.example}" in tokens, skill.id


def test_bare_name() -> None:
    """`embedded` alone means the packaged model in int8."""
    short, long = (load_backend(ModelSpec(model=m)) for m in ("embedded", "embedded/default"))
    other = load_backend(ModelSpec(model="embedded/float32"))
    assert short.identity == long.identity != other.identity
    assert short.identity["model"] == other.identity["model"]


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.8}, {"temperature": 1.0, "top_p": 0.9}])
def test_replies_do_not_depend_on_the_batch(settings: dict[str, float]) -> None:
    """A request has the same reply alone, in any company, and again."""
    asked = requests(questions(4 if settings else 12), **settings)
    together = replies("embedded", asked)
    assert replies("embedded", asked[::-1])[::-1] == together
    assert [replies("embedded", [request])[0] for request in asked[::5]] == together[::5]


def test_sampled_texts_differ_by_draw() -> None:
    """Several texts for one question differ when a temperature is given."""
    question = questions(1, ks=(3,))[0]
    template, student = load_template("draft", "draft"), ModelSpec(model="embedded", temperature=1.0)
    found = replies("embedded", [draft_request(question, i, template, student) for i in range(6)])
    assert len({reply.text for reply in found}) > 1


def test_cut_reply() -> None:
    """A reply that the token limit cuts off says so, and its tokens are counted."""
    (request,) = requests(questions(1, ks=(3,)), max_tokens=5)
    (reply,) = replies("embedded", [request])
    assert (reply.stop, reply.usage.output) == ("length", 5)
    (whole,) = replies("embedded", requests(questions(1, ks=(1,))))
    assert whole.stop == "stop"
    assert 5 < whole.usage.input < 40


def test_prompts_that_are_too_long() -> None:
    """A prompt beyond the student's length fails by itself, and its neighbours do not."""
    (good,) = requests(questions(1, ks=(1,)))
    long = Request((Message("user", "bees and knights " * 4000),))

    async def ask() -> list[Reply | BaseException]:
        backend = load_backend(ModelSpec(model="embedded"))
        found = await asyncio.gather(backend.complete(long), backend.complete(good), return_exceptions=True)
        await backend.aclose()
        return found

    failed, reply = asyncio.run(ask())
    assert isinstance(failed, CallFailedError)
    assert isinstance(reply, Reply)


def test_engine_that_fails_on_one_request() -> None:
    """A request that an engine cannot do fails alone, though it came in a batch."""

    def run(batch: Sequence[Request]) -> list[Reply]:
        if any(r.draw == "bad" for r in batch):
            raise RuntimeError("no such token")
        return [Reply(r.draw) for r in batch]

    async def ask() -> list[Reply | BaseException]:
        batcher = MicroBatcher(run, 8)
        asked = [Request((), draw=d) for d in ("a", "bad", "b")]
        found = await asyncio.gather(*map(batcher, asked), return_exceptions=True)
        await batcher.aclose()
        return found

    first, failed, last = asyncio.run(ask())
    assert (first, last) == (Reply("a"), Reply("b"))
    assert isinstance(failed, CallFailedError)
    assert "RuntimeError: no such token" in str(failed)


def test_no_such_model(tmp_path: Path) -> None:
    """A folder without a model is named with what to give instead."""
    with pytest.raises(BadInputError, match="use embedded/default"):
        load_backend(ModelSpec(model=f"embedded/{tmp_path}"))


@pytest.mark.parametrize(("backend", "module"), [("hf", "torch"), ("vllm", "vllm")])
def test_missing_extras(backend: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing extra is one sentence with the command that brings it."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BackendError, match=rf"needs {module}.*pip install 'skillmix-eval\[{backend}\]'"):
        load_backend(ModelSpec(model=f"{backend}/some-model"))


def full_marks(backend: str, asked: Sequence[Question]) -> dict[int, float]:
    """Return the share of texts with full marks for each k."""
    found: dict[int, list[bool]] = {}
    for question, reply in zip(asked, replies(backend, requests(asked)), strict=True):
        found.setdefault(question.k, []).append(reply.stop == "stop" and accepted(question, reply.text))
    return {k: sum(marks) / len(marks) for k, marks in found.items()}


def test_more_skills_are_harder() -> None:
    """On sixty questions the student is good at one skill and falls off as more are asked for."""
    share = full_marks("embedded", questions(12, split="train"))
    assert share[1] >= 0.5
    assert share[1] > (share[2] + share[3]) / 2 > share[5]
    assert (share[1] + share[2]) / 2 > (share[4] + share[5]) / 2 + 0.2


@pytest.mark.slow
def test_int8_scores_like_float32() -> None:
    """Quantising costs no more than the interval of one run."""
    asked = questions(60, ks=(1, 2, 3), split="train")
    exact, quantised = full_marks("embedded/float32", asked), full_marks("embedded", asked)
    for k, share in exact.items():
        assert abs(share - quantised[k]) <= 2.8 * max(0.05, (share * (1 - share) / 60) ** 0.5), k


def ties(asked: Sequence[Request], one: Sequence[Reply], other: Sequence[Reply]) -> list[float]:
    """For each pair of replies that differ, return how far the two best logits are apart at the first step
    where they do.
    """
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(embedded.PACKAGED)
    model = transformers.AutoModelForCausalLM.from_pretrained(embedded.PACKAGED, dtype=torch.float32)
    gaps = []
    for request, a, b in zip(asked, one, other, strict=True):
        if a.text == b.text:
            continue
        chat = [{"role": m.role, "content": m.content} for m in request.messages]
        prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        pairs = zip(tokenizer(a.text).input_ids, tokenizer(b.text).input_ids, strict=False)
        same = [x for x, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)]
        with torch.inference_mode():
            logits = model(torch.tensor([tokenizer(prompt).input_ids + same])).logits[0, -1]
        best, second = logits.topk(2).values.tolist()
        gaps.append(best - second)
    return gaps


@pytest.mark.slow
@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_same_text_by_transformers() -> None:
    """Transformers writes the same greedy texts for a hundred prompts, but for at most two ties."""
    asked = requests(questions(20))
    one, other = replies("embedded/float32", asked), replies(f"hf/{embedded.PACKAGED}", asked)
    gaps = ties(asked, one, other)
    assert len(gaps) <= 2
    assert all(gap < TIE for gap in gaps)
    assert [r.usage.input for r in one] == [r.usage.input for r in other]


@pytest.mark.vllm
@needs_vllm
@pytest.mark.filterwarnings("ignore")
def test_same_text_by_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM writes the same greedy texts for a hundred prompts, but for at most two ties."""
    arguments = '{"dtype": "float32", "gpu_memory_utilization": 0.4, "enforce_eager": true}'
    monkeypatch.setenv("SKILLMIX_VLLM_ARGS", os.environ.get("SKILLMIX_VLLM_ARGS", arguments))
    asked = requests(questions(20))
    one, other = replies("embedded/float32", asked), replies(f"vllm/{embedded.PACKAGED}", asked)
    gaps = ties(asked, one, other)
    assert len(gaps) <= 2
    assert all(gap < TIE for gap in gaps)
