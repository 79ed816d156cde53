"""vLLM's engine in this process: LoRA adapters, errors, and student and judge that take turns."""

from __future__ import annotations

import ast
import json
import os
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from skillmix_eval.backends import embedded
from skillmix_eval.errors import BadInputError, CallFailedError
from skillmix_eval.evaluate import evaluate, load_models, prepare
from skillmix_eval.plugins import load_backend
from skillmix_eval.records import Message, Reply, Request
from skillmix_eval.spec import ModelSpec, make_spec

from .batch_server import BatchServer
from .server import JUDGE, ROOT, STUDENT, Server, run_files, write_lists
from .test_batches import ask, requests

PYTHON = os.environ.get("VLLM_PYTHON", "")
ARGUMENTS = {"dtype": "float32", "gpu_memory_utilization": 0.2, "enforce_eager": True}
needs_vllm = pytest.mark.skipif(not PYTHON, reason="VLLM_PYTHON does not name a python that has vllm")


def run(folder: Path, *options: object, **arguments: object) -> subprocess.CompletedProcess[str]:
    """Run skillmix with vLLM's python on three questions."""
    given = ["-k", 2, "-n", 3, "--no-refine", "--store", folder / "store.sqlite", *options]
    return subprocess.run(
        [PYTHON, "-m", "skillmix_eval", "run", *map(str, given)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "SKILLMIX_VLLM_ARGS": json.dumps(ARGUMENTS | arguments)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def make_adapter(folder: Path) -> Path:
    """Write a LoRA adapter of rank 1 that changes nothing: its second factors are zero."""
    folder.mkdir()
    tensors: dict[str, object] = {}
    size = 128 * 4
    for layer in range(4):
        for name, shape in (("A", [1, 128]), ("B", [128, 1])):
            key = f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora_{name}.weight"
            at = len(tensors) * size
            tensors[key] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
    head = json.dumps(tensors).encode()
    content = struct.pack("<Q", len(head)) + head + bytes(len(tensors) * size)
    (folder / "adapter_model.safetensors").write_bytes(content)
    base = {"base_model_name_or_path": str(embedded.PACKAGED), "r": 1, "lora_alpha": 1, "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(base | {"target_modules": ["q_proj"]}))
    return folder


@pytest.mark.vllm
@pytest.mark.slow
@needs_vllm
def test_an_adapter_on_its_base(tmp_path: Path) -> None:
    """A folder with an adapter is served on its base model: one of zeros scores as the base does."""
    scores = []
    for name in (embedded.PACKAGED, make_adapter(tmp_path / "adapter")):
        done = run(tmp_path, "--student", f"vllm/{name}", "--json", "--out", f"run-{len(scores)}")
        assert done.returncode == 0, done.stderr
        scores.append(json.loads(done.stdout))
    base, adapted = scores
    assert base["figures"]["by_k"] == adapted["figures"]["by_k"]
    assert adapted["spend"]["student"]["paid_calls"] == 3


@pytest.mark.vllm
@pytest.mark.slow
@needs_vllm
def test_two_models_in_turn(tmp_path: Path) -> None:
    """Student and judge that both run by vLLM are loaded one after the other; run again, neither is."""
    both = ["--student", f"vllm/{embedded.PACKAGED}", "--judge", f"vllm/{embedded.PACKAGED}"]
    lists = ["--domain", "language", "--anchors", 0]
    done = run(tmp_path, *both, *lists, "--out", "run", gpu_memory_utilization=0.3)
    assert done.returncode in (0, 3), done.stderr
    again = run(tmp_path, *both, *lists, "--out", "again")
    assert again.returncode == done.returncode, again.stderr
    assert "EngineCore" not in again.stderr + again.stdout
    assert run_files(tmp_path / "run") == run_files(tmp_path / "again")


@pytest.mark.vllm
@pytest.mark.slow
@needs_vllm
def test_too_little_memory(tmp_path: Path) -> None:
    """A model that does not fit ends the run with a sentence that names the settings to change."""
    student = ["--student", f"vllm/{embedded.PACKAGED}", "--out", "run"]
    done = run(tmp_path, *student, gpu_memory_utilization=None, kv_cache_memory_bytes=1000)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr.splitlines()[-1]
    assert "gpu_memory_utilization" in done.stderr.splitlines()[-1]


SCHEMA = {"enum": ["a ship", "no ship"]}
HELD = """
import asyncio, sys
from skillmix_eval.plugins import load_backend
from skillmix_eval.records import Message, Request
from skillmix_eval.spec import ModelSpec

backend = load_backend(ModelSpec(model="vllm/" + sys.argv[1], max_tokens=20))
asked = [Request((Message("user", "A text, please."),), max_tokens=20, schema=s) for s in (SCHEMA, None)]

async def ask():
    found = [await backend.complete(a) for a in asked]
    await backend.aclose()
    return found

held, free = asyncio.run(ask())
print("REPLIES", [held.text, free.text])
"""


@pytest.mark.vllm
@pytest.mark.slow
@needs_vllm
def test_a_schema_holds_the_model(tmp_path: Path) -> None:
    """A request with a JSON schema gets a reply that follows it, from a model that else writes prose."""
    done = subprocess.run(
        [PYTHON, "-c", HELD.replace("SCHEMA", repr(SCHEMA)), str(embedded.PACKAGED)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "SKILLMIX_VLLM_ARGS": json.dumps(ARGUMENTS)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    held, free = ast.literal_eval(done.stdout.rpartition("REPLIES ")[2])
    assert json.loads(held) in SCHEMA["enum"]
    assert free not in SCHEMA["enum"]


KILLED = """
import asyncio, sys, time
from skillmix_eval.plugins import load_backend
from skillmix_eval.records import Message, Request
from skillmix_eval.spec import ModelSpec

backend = load_backend(ModelSpec(model="vllm/" + sys.argv[1]))
asyncio.run(backend.complete(Request((Message("user", "A text, please."),), max_tokens=2)))
print("READY", flush=True)
time.sleep(600)
"""


def below(pid: int) -> set[int]:
    """Return the processes that a process has started, directly or not."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    children = {int(n) for n in path.read_text().split()} if path.exists() else set()
    return children.union(*(below(child) for child in children))


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended may still wait to be noticed."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.vllm
@pytest.mark.slow
@needs_vllm
def test_an_engine_does_not_outlive_its_run(tmp_path: Path) -> None:
    """A run that is killed leaves no process of the engine behind, which would hold the device's memory."""
    command = [PYTHON, "-c", KILLED, str(embedded.PACKAGED)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "SKILLMIX_VLLM_ARGS": json.dumps(ARGUMENTS)}
    with subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert any(line.startswith("READY") for line in process.stdout)
        engine = below(process.pid)
        process.kill()
    assert engine
    end = time.monotonic() + 30
    while any(map(alive, engine)) and time.monotonic() < end:
        time.sleep(0.2)
    assert not [Path(f"/proc/{pid}/cmdline").read_text() for pid in engine if alive(pid)]


class VllmBatches(BatchServer):
    """A server that has vLLM's own batch runner work on its files."""

    def work(self, batch: dict[str, Any]) -> None:
        """Run the uploaded file as it is."""
        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
            given.write_bytes(self.files[batch["input_file_id"]])
            options = ["--model", embedded.PACKAGED, "--served-model-name", STUDENT, "--enforce-eager"]
            options += ["--dtype", "float32", "--gpu-memory-utilization", "0.2", "-i", given, "-o", made]
            run_batch = [PYTHON, "-m", "vllm.entrypoints.openai.run_batch", *map(str, options)]
            subprocess.run(run_batch, check=True, capture_output=True, timeout=600)
            batch["output_file_id"] = self.keep(made.read_bytes())
        batch["status"] = "completed"


@pytest.mark.vllm
@pytest.mark.slow
@needs_vllm
def test_files_by_vllms_batch_runner(tmp_path: Path) -> None:
    """vLLM's batch runner takes the files as they are; a prompt that is too long fails alone."""
    asked = [*requests(3), Request((Message("user", "sea " * 5000),))]
    with VllmBatches() as server:
        *replies, failed = ask(server, tmp_path, asked)
        assert server.sizes() == [4]
    assert all(isinstance(reply, Reply) and reply.text and reply.usage.output for reply in replies)
    assert isinstance(failed, CallFailedError)
    assert "context" in str(failed)


def test_writing_before_judging(tmp_path: Path) -> None:
    """Where student and judge each fill the device, all texts are written before the first is graded."""
    skills, topics = write_lists(tmp_path)
    with Server(student_s=0.02) as server:
        models = {
            "student": {"model": f"openai/{STUDENT}", "base_url": server.url, "max_connections": 2},
            "judge": {"model": f"openai/{JUDGE}", "base_url": server.url},
        }
        lists = {"domain": "language", "skills": str(skills), "topics": str(topics), "public": True}
        setting = prepare(make_spec({**models, **lists, "k": 2, "n": 6}))
        loaded = load_models(setting)
        for backend in (loaded.student, *loaded.judges):
            vars(backend)["fills_device"] = True
        result = evaluate(setting, loaded, None)
        written = [call.ended for call in server.of("student")]
        assert len(written) == 12
        assert max(written) <= min(call.began for call in server.of("judge"))
    assert all(sample.score for sample in result.run.samples)


def test_a_broken_adapter(tmp_path: Path) -> None:
    """An adapter without a base model is one sentence."""
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(BadInputError, match="base_model_name_or_path"):
        load_backend(ModelSpec(model=f"vllm/{tmp_path}"))
