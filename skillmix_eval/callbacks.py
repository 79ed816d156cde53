"""`SkillMixCallback`: evaluates a model while it is trained, in Hugging Face's Trainer and what is built
on it (TRL).

    SkillMixCallback.attach(trainer, every=500, k=(1, 2, 3), n=50)

Each evaluation is a run folder that `skillmix compare`, `gate` and `leaderboard` read. Training goes on
as if nothing had happened: random states, training mode and tokenizer settings are put back. In training
that shards the model (FSDP, DeepSpeed stage 3) use `skillmix watch` instead.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .backends.hf import HuggingFaceBackend
from .checkpoints import evaluate_live, judged
from .errors import BackendError
from .evaluate import run_figures
from .runs import Run, read_run
from .spec import make_spec
from .training.found import as_found
from .verdict import Policy

if TYPE_CHECKING:
    from transformers import TrainerCallback
else:
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise BackendError(
            "Training callbacks need torch and transformers: pip install 'skillmix-eval[train]'."
        ) from error


class SkillMixCallback(TrainerCallback):  # type: ignore[misc]
    """Evaluate every `every` steps, or at each save where that is None, on the same questions each time.

    `out` gets a run folder step-N each; settings are those of a run (domain, k, n, seed, split, ...). With a
    `baseline` (a run folder, or "best": the best so far) each run is gated against it; `stop` ends
    training at a regression.
    """

    def __init__(
        self,
        every: int | None = None,
        out: str | Path = "results/runs/training",
        baseline: str | Path | None = None,
        stop: bool = False,
        policy: Policy | None = None,
        **settings: Any,
    ) -> None:
        self.every, self.out, self.stop = every, Path(out), stop
        self.policy = policy or Policy()
        self.settings = {"k": (1, 2, 3), "n": 50, "split": "train"} | settings
        self.baseline = read_run(Path(baseline)) if baseline and baseline != "best" else None
        self.keep_best = baseline == "best"
        self.trainer: Any = None

    @classmethod
    def attach(cls, trainer: Any, *args: Any, **settings: Any) -> SkillMixCallback:
        """Add a callback to a trainer, whose trackers (W&B, TensorBoard, ...) then get the figures, too."""
        callback = cls(*args, **settings)
        callback.trainer = trainer
        trainer.add_callback(callback)
        return callback

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Evaluate where the step is one of those."""
        if self.every and state.global_step % self.every == 0:
            self._evaluate(args, state, control, given)

    def on_save(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Evaluate at a save, unless at fixed steps."""
        if not self.every:
            self._evaluate(args, state, control, given)

    def _evaluate(self, args: Any, state: Any, control: Any, given: dict[str, Any]) -> None:
        if not state.is_world_process_zero:
            return
        step, folder = state.global_step, self.out / f"step-{state.global_step}"
        student = {"model": f"hf/{args.output_dir}/checkpoint-{step}"}
        spec = make_spec({**self.settings, "student": student})
        tokenizer = copy.deepcopy(given.get("processing_class") or given.get("tokenizer"))
        if tokenizer is None:
            raise BackendError(
                "SkillMixCallback needs the trainer's tokenizer: pass processing_class to the Trainer."
            )
        with as_found(given["model"]) as model:
            backend = HuggingFaceBackend(
                model, tokenizer, {"backend": "hf", "model": f"step {step} in training"}
            )
            run = evaluate_live(folder, spec, backend)
        self._log(state, self._figures(run) | self._gate(folder, run, control))

    def _figures(self, run: Run) -> dict[str, float]:
        rows = run_figures(run).by_k
        figures = {f"skillmix/full_marks_k{row.k}": row.metrics["full_marks"].estimate.value for row in rows}
        return {name: value for name, value in figures.items() if value is not None}

    def _gate(self, folder: Path, run: Run, control: Any) -> dict[str, float]:
        """Return the gate's exit code (0, 10, 11 or 12), where there is a baseline."""
        old, found = self.baseline, {}
        if old is not None:
            verdict = judged(folder, old, run, self.policy)
            found = {"skillmix/gate": float(verdict.exit_code)}
            if self.stop and verdict.exit_code == 10:
                control.should_training_stop = True
        if self.keep_best and (old is None or _mean(run) > _mean(old)):
            self.baseline = run
        return found

    def _log(self, state: Any, figures: dict[str, float]) -> None:
        if self.trainer is not None:
            self.trainer.log(dict(figures))
        else:
            state.log_history.append({**figures, "step": state.global_step})


def _mean(run: Run) -> float:
    marks = [s.score.marks.full_marks for s in run.samples if s.score]
    return float(np.mean(marks)) if marks else 0.0
