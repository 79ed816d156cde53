"""lm-eval's sample logs of our tasks become runs like our own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skillmix_eval.compare import compare
from skillmix_eval.errors import BadInputError
from skillmix_eval.evaluate import evaluate, load_models, prepare, run_figures
from skillmix_eval.lm_eval_logs import import_lm_eval, is_lm_eval
from skillmix_eval.runs import Run, StoredRun
from skillmix_eval.spec import make_spec

from .pairs import Cli
from .server import one_sentence

WHEN = "2026-01-02T03-04-05.678901"
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def ours() -> Run:
    """A run of ours on two k, graded by code."""
    spec = make_spec(
        {"student": "teacher/devices", "domain": "devices", "k": "1,2", "n": 6, "protocol": "draft"}
    )
    setting = prepare(spec)
    return evaluate(setting, load_models(setting), None).run


def logged(folder: Path, run: Run, **other: Any) -> Path:
    """Write a run as lm-eval logs it: a file of samples per task, and the results beside."""
    configs = {}
    for k in (1, 2):
        task = f"skillmix_devices_k{k}"
        about = {"domain": "devices", "k": k, "n": 6, "seed": 0, "split": "all", "sampler": "balanced"}
        about |= {"protocol": "draft", "texts": 1, "reduce": "mean", "lists": run.info.lists}
        (name, digest), *_ = run.info.prompts.items()
        about |= {"prompt": f"{name} {digest}", "skillmix_eval": run.info.version, "judge": run.info.judge}
        configs[task] = {"metadata": about | other}
        lines = []
        for s in run.samples:
            if s.question.k == k:
                graded = {"index": 0, "status": str(s.text.status), "gradings": s.gradings}
                if s.score:
                    graded |= {"marks": s.score.marks, "points": s.score.points, "named": s.score.named}
                doc = {
                    "id": s.question.id,
                    "skills": [x.id for x in s.question.skills],
                    "topic": s.question.topic.id,
                }
                filtered = [[msgspec.json.encode(graded).decode()]]
                lines.append(json.dumps({"doc": doc, "resps": [[s.text.text]], "filtered_resps": filtered}))
        (folder / f"samples_{task}_{WHEN}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / f"results_{WHEN}.json").write_text(json.dumps({"configs": configs, "model_name": "org/m"}))
    return folder


def test_logs_become_a_run(tmp_path: Path, ours: Run) -> None:
    """Tasks of several k become one run, with our figures, that can be compared with our own."""
    ((name, run),) = import_lm_eval(logged(tmp_path, ours), {})
    assert name.startswith("org-m-2026")
    assert run.info.student == "lm-eval/org/m"
    assert run_figures(run).by_k == run_figures(ours).by_k
    found = compare(ours, run)
    assert (found.shared.shared, found.overall[0].difference.value) == (12, 0.0)


def test_settings_that_differ_are_runs_apart(tmp_path: Path, ours: Run) -> None:
    """Logs of other settings in the same folder are a run of their own."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    logged(tmp_path / "a", ours)
    logged(tmp_path / "b", ours, judge="rules/other")
    assert len(import_lm_eval(tmp_path, {})) == 2


def test_what_is_no_log(tmp_path: Path, ours: Run) -> None:
    """Logs without results, of other tasks or lists, or cut, are one sentence."""
    assert not is_lm_eval(tmp_path)
    logged(tmp_path, ours, lists="beef")
    with pytest.raises(BadInputError, match="other lists"):
        import_lm_eval(tmp_path, {})
    logged(tmp_path, ours)
    path = tmp_path / f"samples_skillmix_devices_k1_{WHEN}.jsonl"
    path.write_text(path.read_text()[:-30])
    with pytest.raises(BadInputError, match="line 6 is not as our tasks write it"):
        import_lm_eval(tmp_path, {})
    (tmp_path / f"results_{WHEN}.json").write_text('{"configs": {"skillmix_devices_k1": {"metadata": {}}}}')
    with pytest.raises(BadInputError, match="not a log of a skillmix task"):
        import_lm_eval(tmp_path, {})
    (tmp_path / f"results_{WHEN}.json").unlink()
    with pytest.raises(BadInputError, match="--log_samples"):
        import_lm_eval(tmp_path, {})


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], ours: Run) -> None:
    """`skillmix import` writes a run folder that reports and leaderboards read."""
    (tmp_path / "logs").mkdir()
    logged(tmp_path / "logs", ours)
    done = Cli(capsys)("import", tmp_path / "logs", "--out", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    (made,) = done.json
    assert run_figures(StoredRun(Path(made["folder"]))).by_k == run_figures(ours).by_k
    wrong = Cli(capsys)("import", tmp_path / "nothing", "--out", tmp_path / "runs")
    assert wrong.code == 2
    one_sentence(wrong, "nothing")


@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed")
def test_what_lm_eval_wrote(tmp_path: Path) -> None:
    """The logs of a real lm-eval become a run with its own n, graded by code."""
    tasks = "skillmix_devices_k1,skillmix_devices_k2"
    command = ["-m", "lm_eval", "--model", "dummy", "--tasks", tasks, "--include_path", str(ROOT / "tasks")]
    command += ["--metadata", '{"n": 4}', "--output_path", str(tmp_path / "out"), "--log_samples"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    ((_, run),) = import_lm_eval(tmp_path / "out", {})
    assert [(r.k, r.questions, r.texts) for r in run_figures(run).by_k] == [(1, 4, 4), (2, 4, 4)]
    assert run.info.judge.startswith("rules/devices")
