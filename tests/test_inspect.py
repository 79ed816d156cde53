"""Inspect AI runs our questions with our rubric; skipped where it is not installed."""

from __future__ import annotations

import gc
import json
import math
import subprocess
import sys
import zlib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from .server import ROOT, Call, Server, environment, skillmix

pytest.importorskip("inspect_ai", reason="Inspect AI is not installed: pip install 'skillmix-eval[inspect]'")

from inspect_ai import eval as inspect_eval
from inspect_ai.model import get_model

from skillmix_eval import inspect_plugin

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Have what Inspect leaves open collected here, where its warnings are let pass."""
    yield
    gc.collect()


def evaluated(task: Any, server: Server, folder: Path, **roles: Any) -> Any:
    """Return the log of a task whose student is the local server."""
    student = get_model("openai/good-student", base_url=server.url, api_key="key", responses_api=False)
    (log,) = inspect_eval(
        task,
        model=student,
        model_roles=roles,
        log_dir=str(folder / "logs"),
        display="none",
        log_level="error",
    )
    assert log.status == "success", log.error
    return log


def figures(log: Any) -> dict[str, float]:
    """Return the metrics by name, as the log has them."""
    (scores,) = log.results.scores
    return {name: m.value for name, m in scores.metrics.items()}


def assert_same(log: Any, rows: list[Any]) -> None:
    """Check that the log has our means and standard errors."""
    found = figures(log)
    for row in rows:
        for metric, figure in row["metrics"].items():
            name, expected = f"{metric}_k{row['k']}", figure["estimate"]
            assert found[name] == pytest.approx(expected["value"])
            assert found[f"{name}_stderr"] == pytest.approx(expected["se"])
        assert found[f"coverage_k{row['k']}"] == pytest.approx(row["scored_texts"] / row["texts"])


def ours(folder: Path, server: Server, *options: object) -> list[Any]:
    """Return the figures of `skillmix run` by k."""
    asked = [
        "run",
        "--student",
        "openai/good-student",
        "--base-url",
        server.url,
        "--out",
        "run",
        *options,
        "--json",
    ]
    done = skillmix(*asked, cwd=folder)
    assert done.code == 0, done.err
    rows: list[Any] = done.json["figures"]["by_k"]
    return rows


def test_devices_have_the_figures_of_a_run(tmp_path: Path) -> None:
    """Means and standard errors by k are those of `skillmix run` on the same texts."""
    with Server() as server:
        log = evaluated(inspect_plugin.devices(k="1-2", n=6), server, tmp_path)
        rows = ours(tmp_path, server, "-k", "1-2", "-n", 6)
    assert_same(log, rows)
    assert figures(log)["coverage"] == 1
    errors = [row["metrics"]["full_marks"]["estimate"]["se"] for row in rows]
    assert figures(log)["full_marks_stderr"] == pytest.approx(math.hypot(*errors) / 2)


def test_a_list_of_ks_is_what_inspect_makes_of_it() -> None:
    """`-T k=1,3`, which Inspect hands over as a list, asks for these ks."""
    task = inspect_plugin.devices(k=[1, 3], n=2)
    assert [s.metadata["k"] for s in task.dataset] == [1, 1, 3, 3]


def test_a_wrong_option_is_one_sentence(tmp_path: Path) -> None:
    """What is wrong with -T is shown by Inspect itself as a sentence, not as a traceback."""
    code = (
        "from inspect_ai import eval; from skillmix_eval.inspect_plugin import devices; import sys;"
        "from inspect_ai._util.error import exception_hook; sys.excepthook = exception_hook();"
        "devices(k=1, n=2, split='trian')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1
    assert "Did you mean 'train'?" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("protocol", ["standard", "paper"])
def test_language_has_the_figures_of_a_run(tmp_path: Path, protocol: str) -> None:
    """With draft, refine, several texts and the role `grader`, figures are those of `skillmix run`."""

    def fault(call: Call) -> str | None:
        """Write what depends on the messages alone; decline some, and grade some beyond reading."""
        chance = zlib.crc32(json.dumps(call.body["messages"]).encode())
        if call.role == "judge":
            return "gibberish" if chance % 3 == 0 else None
        return (
            f"say:By lot {chance:x} the lamp fades beside us."
            if chance % 4
            else "say:I cannot help with that."
        )

    with Server(fault=fault) as server:
        judge = get_model("openai/good-judge", base_url=server.url, api_key="key", responses_api=False)
        log = evaluated(inspect_plugin.language(k=2, n=6, protocol=protocol), server, tmp_path, grader=judge)
        options = ["--domain", "language", "-k", 2, "-n", 6, "--protocol", protocol]
        options += [
            "--judge",
            "openai/good-judge",
            "--judge-base-url",
            server.url,
            "--anchors",
            0,
            "--max-failed",
            "100%",
        ]
        rows = ours(tmp_path, server, *options)
    assert_same(log, rows)


def test_it_is_found_by_name() -> None:
    """The package announces its tasks, so that `inspect eval skillmix_eval/devices` finds them."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["inspect_ai"] == {"skillmix_eval": "skillmix_eval.inspect_plugin"}


@pytest.mark.slow
@pytest.mark.skipif(
    not any(e.name == "skillmix_eval" for e in entry_points(group="inspect_ai")),
    reason="skillmix-eval is not installed beside Inspect AI: pip install -e .",
)
def test_the_command_line_finds_tasks_and_judge(tmp_path: Path) -> None:
    """`inspect eval skillmix_eval/language -T k=3` prints our figures by name; it wants a judge first."""
    inspect = str(Path(sys.executable).with_name("inspect"))
    with Server() as server:
        base = [inspect, "eval", "skillmix_eval/language", "-T", "k=3", "-T", "n=4", "--display", "plain"]
        base += [
            "--model",
            "openai/good-student",
            "--model-base-url",
            server.url,
            "-M",
            "responses_api=false",
        ]
        arguments = f"{{base_url: {server.url}, responses_api: false}}"
        role = f"grader={{model: openai/good-judge, model_args: {arguments}}}"
        env = environment()
        alone = subprocess.run(base, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert "Model role 'grader' is required" in alone.stdout + alone.stderr
        assert not server.calls
        done = subprocess.run(
            [*base, "--model-role", role], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert (len(server.of("student")), len(server.of("judge"))) == (8, 4)
    for name in ("full_marks_k3", "full_marks_k3_stderr", "skill_fraction_k3", "coverage_k3"):
        assert f"\n{name} " in done.stdout, done.stdout
