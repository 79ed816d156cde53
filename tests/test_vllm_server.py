"""A run against vLLM's own OpenAI-compatible server, with a tiny random model."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import JUDGE, Server, run_files, skillmix, write_lists

PYTHON = os.environ.get("VLLM_PYTHON", "")
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="VLLM_PYTHON does not name a python that has vllm"),
]

MAKE_MODEL = """
import sys
from tokenizers import Tokenizer, models, pre_tokenizers, decoders, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
alphabet = pre_tokenizers.ByteLevel.alphabet()
trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"])
tokenizer.train_from_iterator(["the quay sleeps beside the loom"] * 10, trainer)
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
fast.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\\n{% endfor %}assistant:"
fast.save_pretrained(sys.argv[1])
config = LlamaConfig(
    vocab_size=len(fast), hidden_size=128, intermediate_size=256, num_hidden_layers=2,
    num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=4096,
)
LlamaForCausalLM(config).save_pretrained(sys.argv[1])
"""


@pytest.fixture(scope="module")
def vllm_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a vLLM server that serves a random model named `tiny`."""
    folder = tmp_path_factory.mktemp("vllm")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run([PYTHON, "-c", MAKE_MODEL, folder / "tiny"], check=True, env=env, timeout=300)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--model", folder / "tiny", "--served-model-name", "tiny", "--max-model-len", "4096"]
    options += ["--gpu-memory-utilization", "0.1"]  # of the memory of the CPU too, which others use
    serve = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", *options]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*serve, "--host", "127.0.0.1", "--port", str(port)], env=env, stdout=log, stderr=log
        )
        try:
            _wait(f"http://127.0.0.1:{port}/health", process, folder / "log")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(60)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310
        except OSError:
            assert process.poll() is None, log.read_text(errors="replace")[-9000:]
            time.sleep(1)
        else:
            return
    pytest.fail(log.read_text(errors="replace")[-9000:])


def test_a_run_against_vllm(tmp_path: Path, vllm_url: str) -> None:
    """A random model's texts are written, counted by status, graded and repeated from the store."""
    skills, topics = write_lists(tmp_path)
    student = ["--student", "openai/tiny", "--base-url", vllm_url, "--max-tokens", 40, "--temperature", 1]
    lists = ["--domain", "language", "--skills", skills, "--topics", topics, "--public"]
    with Server() as server:
        judge = ["--judge", f"openai/{JUDGE}", "--judge-base-url", server.url, "--anchors", 0]
        options = [*student, *lists, *judge, "-k", "2,3", "-n", 3, "--store", "store.sqlite"]
        done = skillmix("run", *options, "--out", "run", "--json", cwd=tmp_path, timeout=300)
        assert done.code == 0, done.err
        rows = done.json["figures"]["by_k"]
        assert sum(row["statuses"]["failed"] for row in rows) == 0
        assert done.json["spend"]["student"]["paid"]["output"] > 0
        again = skillmix("run", *options, "--out", "again", cwd=tmp_path)
        assert again.code == 0, again.err
    assert run_files(tmp_path / "run") == run_files(tmp_path / "again")
