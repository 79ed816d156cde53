"""Our filter and metrics in tasks of other people, and the entry points by which lm-eval finds them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="lm-eval is not installed: pip install 'skillmix-eval[lm-eval]'")

from lm_eval.api import registry
from lm_eval.tasks import TaskManager

from skillmix_eval.domains.devices.teacher import compose
from skillmix_eval.evaluate import prepare
from skillmix_eval.spec import make_spec
from skillmix_eval.stages.prompt import draft_request

from .lm_eval_help import Fixed, Serve, harness, judge, student
from .server import ROOT

pytestmark = pytest.mark.filterwarnings("ignore")  # lm-eval's own and its dependencies'
GROUPS = {
    "lm_eval.models": registry.model_registry,
    "lm_eval.filters": registry.filter_registry,
    "lm_eval.metrics": registry.metric_registry,
}
OWN = """
task: mine
custom_dataset: !function questions.load
test_split: test
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: ""
generation_kwargs: {{until: [], do_sample: false}}
filter_list:
  - name: graded
    filter:
      - {{function: !function skillmix_eval.lm_eval_parts.SkillMixFilter, {settings}}}
metric_list:
  - {{metric: skillmix_full_marks}}
  - {{metric: skillmix_full_marks_stderr}}
  - {{metric: skillmix_coverage}}
"""


def declared(group: str) -> list[EntryPoint]:
    """Return the package's entry points of a group."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][group]
    return [EntryPoint(name, value, group) for name, value in points.items()]


@pytest.mark.parametrize("group", GROUPS)
def test_entry_points_lead_to_what_they_name(group: str) -> None:
    """Every name that a newer lm-eval would find stands for the part itself, and hides none of lm-eval's."""
    for point in declared(group):
        assert point.name.startswith("skillmix")
        found = point.load()
        if group == "lm_eval.metrics":
            assert registry.get_metric(point.name) is found
            assert registry.get_metric_aggregation(point.name)([1.0, None, 0.0]) == 0.5
        else:
            fresh: Any = registry.Registry(group)
            fresh.register(point.name, target=point)
            assert fresh.get(point.name) is found


@pytest.mark.skipif(
    not hasattr(registry, "import_plugins"), reason="this lm-eval (0.4.13 or older) reads no entry points"
)
def test_a_newer_lm_eval_finds_them_by_itself() -> None:
    """Without an import of ours, lm-eval knows the model, the filter and the metrics by name."""
    code = (
        "from lm_eval.api.registry import get_filter, get_metric, get_model; print(get_model('skillmix'), "
        "get_filter('skillmix_grade'), get_metric('skillmix_full_marks'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.count("skillmix") >= 2, done.stderr


def own_task(folder: Path, settings: str, **wrong: Any) -> list[str]:
    """Write a task of one's own with questions of ours, and return prompts in their order."""
    setting = prepare(make_spec({"domain": "devices", "k": 2, "n": 8, "seed": 4, "split": "train"}))
    rows = []
    for question in setting.questions():
        prompt = draft_request(question, 0, setting.draft, setting.spec.student).messages[-1].content
        row = {"prompt": prompt, "skills": [s.id for s in question.skills], "topic": question.topic.id}
        rows.append(row | wrong)
    folder.mkdir()
    (folder / "mine.yaml").write_text(OWN.format(settings=settings))
    load = f"import datasets\ndef load(**_):\n    return {{'test': datasets.Dataset.from_list({rows!r})}}\n"
    (folder / "questions.py").write_text(load)
    return [str(row["prompt"]) for row in rows]


def run(folder: Path, write: Any) -> dict[str, Any]:
    """Run the task."""
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return harness(["mine"], {}, Fixed(write), manager=manager)


def test_a_task_of_ones_own_has_our_points_and_errors(tmp_path: Path) -> None:
    """With filter and metrics by name, a foreign task has the figures of the shipped one."""
    prompts = own_task(tmp_path / "mine", "domain: devices")
    setting = prepare(make_spec({"domain": "devices", "k": 2, "n": 8, "seed": 4, "split": "train"}))
    asked = zip(prompts, setting.questions(), strict=True)
    texts = {prompt: compose(q, 0) if n % 3 else "Hm." for n, (prompt, q) in enumerate(asked)}
    found = run(tmp_path / "mine", lambda prompt, _: texts[prompt])
    metadata = {"n": 8, "seed": 4, "split": "train"}
    ours = harness(["skillmix_devices_k2"], metadata, Fixed(lambda prompt, _: texts[prompt]))
    own, shipped = found["results"]["mine"], ours["results"]["skillmix_devices_k2"]
    assert 0 < own["skillmix_full_marks,graded"] < 1
    for name in ("full_marks", "full_marks_stderr", "coverage"):
        assert own[f"skillmix_{name},graded"] == shipped[f"{name},rules"]


def test_a_task_of_ones_own_can_have_a_judge(tmp_path: Path, serve: Serve) -> None:
    """The filter asks a judge that its settings name, in one go and through the store."""
    grader = serve(judge)
    store = f"judge: openai/j, judge_base_url: '{grader.url}', store: '{tmp_path / 's.sqlite'}'"
    own_task(tmp_path / "mine", f"domain: devices, {store}")
    found = run(tmp_path / "mine", lambda prompt, _: student(prompt))
    asked = grader.calls
    assert found["results"]["mine"]["skillmix_coverage,graded"] == 1
    run(tmp_path / "mine", lambda prompt, _: student(prompt))
    assert grader.calls == asked >= 8


@pytest.mark.parametrize(
    ("settings", "wrong", "said"),
    [
        ("domain: devices", {"topic": "nowhere"}, "No topic named 'nowhere'"),
        ("domain: divices", {}, "Did you mean 'devices'?"),
        ("domain: language", {}, "needs a judge"),
    ],
)
def test_what_is_wrong_loses_no_texts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, settings: str, wrong: dict[str, str], said: str
) -> None:
    """A filter that cannot grade says why, and every text is without a score: lm-eval still writes them."""
    own_task(tmp_path / "mine", settings, **wrong)
    found = run(tmp_path / "mine", lambda prompt, _: student(prompt))
    assert said in caplog.text
    assert math.isnan(found["results"]["mine"]["skillmix_full_marks,graded"])
    assert found["results"]["mine"]["skillmix_coverage,graded"] == 0
    assert json.loads(found["samples"]["mine"][0]["filtered_resps"][0][0])["marks"] is None
