"""`SkillMixCallback` in TRL's real trainer; skipped where TRL is not installed."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("trl", reason="TRL is not installed: pip install trl")
pytest.importorskip("torch", reason="torch is not installed: pip install 'skillmix-eval[train]'")

import datasets
import torch
import transformers
import trl

from skillmix_eval.callbacks import SkillMixCallback
from skillmix_eval.runs import read_run

from .server import ROOT

CHECKPOINT = ROOT / "results" / "devices" / "checkpoints" / "1000"
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]
ROWS = [
    {
        "messages": [
            {"role": "user", "content": f"Say something about bees, number {n}."},
            {"role": "assistant", "content": "The bees rest, the keeper waits, the smoke drifts."},
        ]
    }
    for n in range(16)
]


def trained(folder: Path, callback: bool) -> trl.SFTTrainer:
    """Return a trainer after ten steps on chats."""
    arguments = trl.SFTConfig(
        output_dir=str(folder / "out"), max_steps=10, per_device_train_batch_size=1, save_steps=10, seed=5,
        learning_rate=1e-3, report_to=[], disable_tqdm=True, use_cpu=True, logging_steps=10, max_length=128,
        bf16=False,
    )  # fmt: skip
    trainer = trl.SFTTrainer(
        model=transformers.AutoModelForCausalLM.from_pretrained(CHECKPOINT, dtype=torch.float32),
        args=arguments,
        train_dataset=datasets.Dataset.from_list(ROWS),
        processing_class=transformers.AutoTokenizer.from_pretrained(CHECKPOINT),
    )
    if callback:
        SkillMixCallback.attach(trainer, every=5, out=folder / "runs", k=(1,), n=5)
    trainer.train()
    return trainer


def test_fine_tuning_is_the_same_with_it(tmp_path: Path) -> None:
    """In SFTTrainer it logs figures and writes runs, and the weights end as without it."""
    plain, with_it = trained(tmp_path / "a", callback=False), trained(tmp_path / "b", callback=True)
    theirs = with_it.model.state_dict()
    for name, weights in plain.model.state_dict().items():
        assert torch.equal(weights, theirs[name]), name
    logged = [row["step"] for row in with_it.state.log_history if "skillmix/full_marks_k1" in row]
    assert logged == [5, 10]
    assert len(read_run(tmp_path / "b" / "runs" / "step-10").samples) == 5
