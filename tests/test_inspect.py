"""Inspect AI runs our questions with our rubric; skipped where it is not installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .server import ROOT, Server, skillmix

pytest.importorskip("inspect_ai", reason="Inspect AI is not installed: pip install 'skillmix-eval[inspect]'")

from inspect_ai import eval as inspect_eval
from inspect_ai.model import get_model

from skillmix_eval import inspect_plugin

pytestmark = pytest.mark.filterwarnings("ignore")


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


def figures(log: Any) -> dict[str, dict[str, float]]:
    """Return the metrics by score name."""
    return {s.name: {m.name: m.value for m in s.metrics.values()} for s in log.results.scores}


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
    found = figures(log)
    for row in rows:
        for metric in ("full_marks", "skill_fraction"):
            estimate = row["metrics"][metric]["estimate"]
            assert found[metric][f"k{row['k']}"] == pytest.approx(estimate["value"])
            assert found[metric][f"k{row['k']}_stderr"] == pytest.approx(estimate["se"])
    assert found["coverage"]["k1"] == 1


def test_language_has_the_figures_of_a_run(tmp_path: Path) -> None:
    """With draft, refine and the role `grader` as judge, the figures are those of `skillmix run`."""
    with Server() as server:
        judge = get_model("openai/good-judge", base_url=server.url, api_key="key", responses_api=False)
        log = evaluated(inspect_plugin.language(k=2, n=6), server, tmp_path, grader=judge)
        options = ["--domain", "language", "-k", 2, "-n", 6, "--judge", "openai/good-judge"]
        (row,) = ours(tmp_path, server, *options, "--judge-base-url", server.url, "--anchors", 0)
    mean = row["metrics"]["skill_fraction"]["estimate"]["value"]
    assert figures(log)["skill_fraction"]["k2"] == pytest.approx(mean)


def test_it_is_found_by_name() -> None:
    """The package announces its tasks, so that `inspect eval skillmix_eval/devices` finds them."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["inspect_ai"] == {"skillmix_eval": "skillmix_eval.inspect_plugin"}
