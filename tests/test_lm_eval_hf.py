"""lm-eval's own engines on the checkpoint that ships with the package: texts and figures of a run of ours.

lm-eval computes in the type that a checkpoint is stored in, here float16; a run of ours on a CPU in float32.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="lm-eval is not installed: pip install 'skillmix-eval[lm-eval]'")

from skillmix_eval.backends.embedded import PACKAGED
from skillmix_eval.lm_eval_model import SkillMixLM

from .lm_eval_help import assert_same, harness, our_figures
from .server import ROOT

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]  # lm-eval's own warnings
TASK = "skillmix_devices_k3"
SETTINGS = {"n": 12, "seed": 2, "split": "train"}
MODEL = {"pretrained": str(PACKAGED), "dtype": "float32", "device": "cpu", "batch_size": 12}
PYTHON = os.environ.get("VLLM_PYTHON", "")


@pytest.fixture
def torch() -> Any:
    """Return torch, or skip where lm-eval's hf model cannot run."""
    pytest.importorskip("transformers", reason="lm-eval's hf model needs torch and transformers")
    return pytest.importorskip("torch", reason="lm-eval's hf model needs torch and transformers")


def both(folder: Path, model: Any, protocol: str, **options: Any) -> tuple[Any, Any, Any]:
    """Return lm-eval's results, and our run and figures by the same engine."""
    given = {**SETTINGS, "protocol": protocol}
    found = harness([TASK], given, model, apply_chat_template=True, **options)
    student = {"student": {"model": f"hf/{PACKAGED}"}}
    return found, *our_figures(folder, {"domain": "devices", "k": 3, **given, **student})


def test_a_checkpoint_by_hf_has_the_texts_and_figures_of_a_run(tmp_path: Path, torch: Any) -> None:
    """`--model hf` on a CPU writes what `skillmix run --student hf/...` does, and gets the same figures."""
    found, run, row = both(tmp_path, "hf", "draft", model_args=MODEL)
    assert 0 < row.metrics["full_marks"].estimate.value < 1
    assert_same(found["results"][TASK], row, "rules")
    said = [s["resps"][0][0].strip() for s in found["samples"][TASK]]
    assert said == [s.text.text for s in run.samples]


def test_a_checkpoint_by_hf_refines_as_in_a_run(tmp_path: Path, torch: Any) -> None:
    """`--model skillmix` around it has the drafts and the refined texts of the protocol `standard`."""
    found, run, row = both(tmp_path, SkillMixLM("hf", **MODEL), "standard")
    assert_same(found["results"][TASK], row, "rules")
    replies = [s["resps"][0][0] for s in found["samples"][TASK]]
    assert [r.strip() for r in replies] == [s.text.text for s in run.samples]
    assert [r.draft.strip() for r in replies] == [s.text.draft for s in run.samples]
    assert any(s.text.text != s.text.draft for s in run.samples)


@pytest.mark.vllm
@pytest.mark.skipif(not PYTHON, reason="VLLM_PYTHON does not name a python that has vllm")
def test_a_checkpoint_by_vllm_has_the_figures_of_a_run(tmp_path: Path) -> None:
    """`--model vllm` gets the figures of `skillmix run --student vllm/...`."""
    engine = {"dtype": "float32", "gpu_memory_utilization": 0.2, "enforce_eager": True}
    env = {**os.environ, "SKILLMIX_VLLM_ARGS": json.dumps(engine)}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])

    def skillmix(*arguments: str) -> str:
        command = [PYTHON, "-m", "skillmix_eval", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        for missing in ("lm-eval is not installed", "No package metadata was found for vllm"):
            if missing in done.stderr:
                pytest.skip(f"lm-eval's vllm model cannot run: {missing}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    arguments = ",".join(f"{name}={value}" for name, value in engine.items())
    skillmix(
        "lm-eval", "--model", "vllm", "--model_args", f"pretrained={PACKAGED},{arguments},max_model_len=2048",
        "--tasks", TASK, "--metadata", json.dumps(SETTINGS), "--output_path", "out",
    )  # fmt: skip
    (results,) = tmp_path.glob("out/*/results_*.json")
    asked = ["-k", "3", "-n", "12", "--seed", "2", "--split", "train", "--student", f"vllm/{PACKAGED}"]
    (row,) = json.loads(skillmix("run", *asked, "--json"))["figures"]["by_k"]
    found = json.loads(results.read_text())["results"][TASK]
    for metric, figure in row["metrics"].items():
        assert found[f"{metric},rules"] == pytest.approx(figure["estimate"]["value"])
        assert found[f"{metric}_stderr,rules"] == pytest.approx(figure["estimate"]["se"])
