"""`SkillMixCallback` in a real Trainer; skipped where torch, transformers or accelerate are not installed."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from .server import ROOT

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'skillmix-eval[train]'")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("accelerate", reason="accelerate, which the Trainer needs, is not installed")

from skillmix_eval.callbacks import SkillMixCallback  # noqa: E402
from skillmix_eval.errors import BadInputError  # noqa: E402
from skillmix_eval.runs import read_run  # noqa: E402
from skillmix_eval.training.found import as_found  # noqa: E402

CHECKPOINT = ROOT / "results" / "devices" / "checkpoints" / "1000"
STEPS = 30
pytestmark = pytest.mark.filterwarnings("ignore")


class Lines(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]
    """Sixteen short examples."""

    def __init__(self, tokenizer: Any) -> None:
        ids = tokenizer("The bees rest, the keeper waits, the smoke drifts.", return_tensors="pt")[
            "input_ids"
        ][0]
        self.rows = [{"input_ids": ids, "labels": ids.clone()} for _ in range(16)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> Any:
        return self.rows[at]


def trained(
    folder: Path, callback: bool, rate: float = 1e-3, resume: bool = False, **settings: Any
) -> tuple[Any, Any]:
    """Return the trainer after its training, and the callback."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(CHECKPOINT)
    model = transformers.AutoModelForCausalLM.from_pretrained(CHECKPOINT, dtype=torch.float32)
    arguments = transformers.TrainingArguments(
        output_dir=str(folder / "out"), max_steps=STEPS, per_device_train_batch_size=4, save_steps=15,
        learning_rate=rate, report_to=[], disable_tqdm=True, use_cpu=True, seed=5, logging_steps=10,
    )  # fmt: skip
    trainer = transformers.Trainer(
        model=model, args=arguments, train_dataset=Lines(tokenizer), processing_class=tokenizer
    )
    added = None
    if callback:
        added = SkillMixCallback.attach(trainer, out=folder / "runs", k=(1,), n=5, **settings)
    trainer.train(resume_from_checkpoint=str(folder / "out" / "checkpoint-15") if resume else None)
    return trainer, added


def test_training_is_the_same_with_it(tmp_path: Path) -> None:
    """Evaluating every ten steps changes no weight, and leaves runs and figures in the log."""
    plain, _ = trained(tmp_path / "a", callback=False)
    with_it, _ = trained(tmp_path / "b", callback=True, every=10)
    for name, weights in plain.model.state_dict().items():
        assert torch.equal(weights, with_it.model.state_dict()[name]), name
    runs = sorted(p.name for p in (tmp_path / "b" / "runs").iterdir())
    assert runs == ["step-10", "step-20", "step-30"]
    assert len(read_run(tmp_path / "b" / "runs" / "step-10").samples) == 5
    logged = [row for row in with_it.state.log_history if "skillmix/full_marks_k1" in row]
    assert [row["step"] for row in logged] == [10, 20, 30]
    assert (
        with_it.processing_class.padding_side
        == transformers.AutoTokenizer.from_pretrained(CHECKPOINT).padding_side
    )


def test_at_saves_and_gated(tmp_path: Path) -> None:
    """Without `every` it evaluates at each save against the best so far, which a resumed training knows."""
    trained(tmp_path, callback=True, baseline="best")
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["step-15", "step-30"]
    verdict = tmp_path / "runs" / "step-30" / "gate.json"
    assert json.loads(verdict.read_text())["exit_code"] in (0, 10, 11, 12)
    verdict.unlink()
    trained(tmp_path, callback=True, baseline="best", resume=True)
    assert json.loads(verdict.read_text())["baseline"].endswith("checkpoint-15")


def test_a_diverged_training_is_seen_and_stopped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A second training into the same folder is evaluated afresh; where texts never end, it is stopped."""
    caplog.set_level(logging.WARNING, "skillmix_eval.callbacks")  # which Inspect's own tests may have raised
    good, _ = trained(tmp_path, callback=True, rate=1e-7, every=10)
    shutil.copytree(tmp_path / "runs" / "step-10", tmp_path / "accepted")
    bad, _ = trained(
        tmp_path, callback=True, rate=5e-2, every=10, baseline=tmp_path / "accepted", stop=True
    )  # fmt: skip
    logged = [row for t in (good, bad) for row in t.state.log_history if "skillmix/coverage_k1" in row]
    assert [row["step"] for row in logged] == [10, 20, 30, 10]
    assert logged[0]["skillmix/coverage_k1"] == 1.0
    assert {"skillmix/all_skills_k1", "skillmix/skill_fraction_k1"} <= logged[0].keys()
    assert (logged[-1]["skillmix/coverage_k1"], logged[-1]["skillmix/gate"]) == (0.0, 12.0)
    assert "0% of the texts have a score" in caplog.text


def test_each_part_keeps_its_mode() -> None:
    """A part that was frozen is still frozen after an evaluation, in a model without a cache setting, too."""
    model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout())
    model.config = transformers.PretrainedConfig()
    before = dict(vars(model.config))
    model[0].eval()
    with as_found(model):
        assert not model[1].training
    assert [m.training for m in model.modules()] == [True, False, True]
    assert vars(model.config) == before


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n": 0}, "n: Expected"),
        ({"domain": "langauge"}, "Did you mean 'language'"),
        ({"every": 0}, "every"),
        ({"stop": True}, "baseline"),
    ],
)
def test_wrong_settings_show_before_the_training(settings: dict[str, Any], words: str) -> None:
    """A setting that cannot work is refused when the callback is made, not after hours of training."""
    with pytest.raises(BadInputError, match=words):
        SkillMixCallback(**settings)
