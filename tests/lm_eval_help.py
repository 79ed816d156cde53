"""Servers, models and runs for tests of lm-eval: real HTTP, the real lm-eval, and our own runs beside it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

from skillmix_eval.evaluate import evaluate, load_models, prepare, run_figures
from skillmix_eval.figures import METRICS
from skillmix_eval.spec import make_spec
from skillmix_eval.store import Store
from skillmix_eval.styles._decoys import DECOYS
from skillmix_eval.templates import data_folder

TASKS = data_folder("tasks").resolve()
SECRET = "sk-never-written-down"  # noqa: S105
Answer = Callable[[str], str | int | tuple[int, str]]


class Server:
    """Chat completions whose answer is a function of all messages; a number is an HTTP error."""

    def __init__(self, answer: Answer, seconds: float = 0.0) -> None:
        self.answer, self.seconds = answer, seconds
        self.calls, self.now, self.most = 0, 0, 0
        self.lock = threading.Lock()
        self.http = _Http(("127.0.0.1", 0), _Handler)
        self.http.owner = self
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.http.server_port}/v1"


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    owner: Server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_POST(self) -> None:
        owner = self.server.owner
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with owner.lock:
            owner.calls, owner.now = owner.calls + 1, owner.now + 1
            owner.most = max(owner.most, owner.now)
        time.sleep(owner.seconds)
        said = owner.answer("\n".join(m["content"] for m in body["messages"]))
        with owner.lock:
            owner.now -= 1
        if not isinstance(said, str):
            status, words = said if isinstance(said, tuple) else (said, "not today")
            self._send(status, {"error": {"message": words}})
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        self._send(
            200, {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        )

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        self.wfile.write(head.encode() + data)


Serve = Callable[..., Server]


def student(prompt: str) -> str:
    """Write a sentence that depends on the prompt."""
    return f"By lot {digest(prompt).hex()} the old lamp turns beside us."


def judge(prompt: str) -> str:
    """Grade as JSON items; about one point in four is not earned."""
    asked = re.findall(r"^(c[0-9a-f]{6,}): (.*)$", prompt, re.MULTILINE)
    codes = [code for code, words in asked if not any(f'"{d}"' in words for d in DECOYS)]
    mark = re.search(r"^----- text (\w+) begins -----\n(.*)$", prompt, re.MULTILINE)
    assert mark
    quote = " ".join(mark[2].split()[:4])
    met = {c: c in codes and digest(c)[0] % 8 > 0 for c, _ in asked}
    answers = {c: {"reason": "So.", "quote": quote, "met": m} for c, m in met.items()}
    return json.dumps({**answers, "receipt": re.findall(r'"receipt": "(\w+)"', prompt)[0]})


def digest(what: str) -> bytes:
    """Return four bytes that depend on all of a string."""
    return hashlib.blake2b(what.encode(), digest_size=4).digest()


class Fixed(LM):
    """A model whose texts are given: the n-th text of a prompt by a function of both."""

    def __init__(self, write: Callable[[str, int], str]) -> None:
        super().__init__()
        self.write, self.asked = write, dict[str, int]()

    def generate_until(self, requests: list[Any], **_: Any) -> list[str]:
        """Return the texts."""
        said = []
        for prompt in (r.args[0] for r in requests):
            self.asked[prompt] = self.asked.get(prompt, -1) + 1
            said.append(self.write(prompt, self.asked[prompt]))
        return said

    def loglikelihood(self, requests: list[Any], **_: Any) -> list[tuple[float, bool]]:
        """Return nothing of use."""
        return [(0.0, False) for _ in requests]

    def loglikelihood_rolling(self, requests: list[Any], **_: Any) -> list[float]:
        """Return nothing of use."""
        return [0.0 for _ in requests]


def harness(
    tasks: list[str], metadata: dict[str, Any], model: Any, manager: TaskManager | None = None, **options: Any
) -> dict[str, Any]:
    """Run lm-eval as a Python user does."""
    manager = manager or TaskManager(include_path=str(TASKS), include_defaults=False, metadata=metadata)
    found: dict[str, Any] = simple_evaluate(
        model=model, tasks=tasks, task_manager=manager, bootstrap_iters=0, **options
    )
    return found


def chat(server: Server, **extra: Any) -> dict[str, Any]:
    """The options of a model behind a server."""
    arguments = {"model": "m", "base_url": f"{server.url}/chat/completions", "num_concurrent": 8, **extra}
    return {"model": "local-chat-completions", "model_args": arguments, "apply_chat_template": True}


def our_figures(tmp_path: Path, settings: dict[str, Any]) -> tuple[Any, Any]:
    """Run our own pipeline and return the run and its row of figures."""
    store = Store(tmp_path / "ours.sqlite")
    try:
        setting = prepare(make_spec(settings))
        run = evaluate(setting, load_models(setting), store).run
    finally:
        store.close()
    (row,) = run_figures(run).by_k
    return run, row


def assert_same(result: dict[str, Any], row: Any, kind: str) -> None:
    """Check that lm-eval shows our values and our standard errors."""
    for metric in METRICS:
        expected = row.metrics[metric].estimate
        assert result[f"{metric},{kind}"] == pytest.approx(expected.value, abs=1e-12)
        assert result[f"{metric}_stderr,{kind}"] == pytest.approx(expected.se, abs=1e-12)
    assert result[f"coverage,{kind}"] == pytest.approx(row.coverage)


def ids(found: dict[str, Any], task: str) -> list[str]:
    """The ids of the questions that a task asked."""
    return [s["doc"]["id"] for s in found["samples"][task]]


def tiny_model(folder: Path) -> None:
    """Write a small model without a chat template."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    end = "<end>"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate([*alphabet, end])}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=257, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=2048, eos_token_id=256, bos_token_id=None,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)


def command(folder: Path, module: str, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a module, or our command line, as its own process."""
    code = "from skillmix_eval.cli import main; main()"
    start = ["-c", code] if module == "skillmix_eval.cli" else ["-m", module]
    env = {k: v for k, v in os.environ.items() if not k.startswith("SKILLMIX_")}
    return subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=folder,
        env=env | {"HF_HUB_OFFLINE": "1", **extra},
        capture_output=True,
        text=True,
        check=False,
    )
