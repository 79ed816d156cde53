"""`SkillMixCallback`: evaluates a model while it is trained, in Hugging Face's Trainer and what is built
on it (TRL).

    SkillMixCallback.attach(trainer, every=500, k=(1, 2, 3), n=50)

Each evaluation is a run folder that `skillmix compare`, `gate` and `leaderboard` read. Training goes on
as if nothing had happened: random states, training mode and tokenizer settings are put back. In training
that shards the model (FSDP, DeepSpeed stage 3) use `skillmix watch` instead.
"""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .backends.hf import HuggingFaceBackend
from .checkpoints import check_settings, evaluate_live, judged
from .errors import BackendError, BadInputError
from .evaluate import run_figures
from .figures import METRICS
from .pairing import coverage
from .records import TextStatus
from .runs import Run, read_run
from .spec import RunSpec, make_spec
from .training.found import as_found
from .verdict import Outcome, Policy

if TYPE_CHECKING:
    from transformers import TrainerCallback
else:
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise BackendError(
            "Training callbacks need torch and transformers: pip install 'skillmix-eval[train]'."
        ) from error

_OURS = "skillmix/"
_log = logging.getLogger(__name__)


class SkillMixCallback(TrainerCallback):  # type: ignore[misc]
    """Evaluate every `every` steps, or at each save where that is None, on the same questions each time.

    `out` gets a run folder step-N each; settings are those of a run (domain, k, n, seed, split, ...). With a
    `baseline` (a run folder, or "best": the best so far) each run is gated against it; `stop` ends
    training at a regression, or where too many texts of the model are cut off to tell (it diverged).

    Raises BadInputError or BackendError for a wrong setting or a judge that cannot be asked.
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
        if every is not None and (not isinstance(every, int) or every < 1):
            raise BadInputError(f"SkillMixCallback: every is a number of steps from 1, not {every!r}.")
        if stop and not baseline:
            raise BadInputError(
                "SkillMixCallback: stop=True ends training at a regression, which needs a baseline: a run "
                "folder or 'best'."
            )
        self.every, self.out, self.stop = every, Path(out), stop
        self.policy = policy or Policy()
        self.settings = {"k": (1, 2, 3), "n": 50, "split": "train"} | settings
        check_settings(self._spec("training"))
        self.keep_best = baseline == "best"
        self.baseline = read_run(Path(baseline)) if baseline and not self.keep_best else None
        self.trainer: Any = None

    @classmethod
    def attach(cls, trainer: Any, *args: Any, **settings: Any) -> SkillMixCallback:
        """Add a callback to a trainer, whose trackers (W&B, TensorBoard, ...) then get the figures, too."""
        callback = cls(*args, **settings)
        callback.trainer = trainer
        trainer.add_callback(callback)
        return callback

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Find the best so far again, where a training goes on from a checkpoint."""
        if not self.keep_best:
            return
        self.baseline = None
        logged = {row["step"] for row in state.log_history if any(n.startswith(_OURS) for n in row)}
        for step in sorted(logged | {state.global_step}) if state.global_step else ():
            folder = self.out / f"step-{step}"
            if (folder / "catalogue.json").is_file():
                run = read_run(folder)
                if run.spec == self._spec(self._name(args, step)):
                    self._keep_if_best(run)

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Evaluate where the step is one of those."""
        if self.every and state.global_step % self.every == 0:
            self._evaluate(args, state, control, given)

    def on_save(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Evaluate at a save, unless at fixed steps."""
        if not self.every:
            self._evaluate(args, state, control, given)

    def _spec(self, student: str) -> RunSpec:
        return make_spec({**self.settings, "student": f"hf/{student}"}, "SkillMixCallback")

    def _name(self, args: Any, step: int) -> str:
        return f"{args.output_dir}/checkpoint-{step}"

    def _evaluate(self, args: Any, state: Any, control: Any, given: dict[str, Any]) -> None:
        if not state.is_world_process_zero:
            return
        step, folder = state.global_step, self.out / f"step-{state.global_step}"
        tokenizer = copy.deepcopy(given.get("processing_class") or given.get("tokenizer"))
        if tokenizer is None:
            raise BackendError(
                "SkillMixCallback needs the trainer's tokenizer: pass processing_class to the Trainer."
            )
        with as_found(given["model"]) as model:
            backend = HuggingFaceBackend(
                model, tokenizer, {"backend": "hf", "model": f"step {step} in training"}
            )
            run = evaluate_live(folder, self._spec(self._name(args, step)), backend)
        if (covered := coverage(run.samples)) < self.policy.min_coverage:
            _log.warning(
                f"Step {step}: {covered:.0%} of the texts have a score ({_cut_off(run):.0%} are cut off by "
                f"the token limit), so the figures say little; see {folder / 'report.md'}."
            )
        self._log(state, _figures(run) | self._gate(folder, run, control))

    def _gate(self, folder: Path, run: Run, control: Any) -> dict[str, float]:
        """Return the gate's exit code (0, 10, 11 or 12), where there is a baseline."""
        old, found = self.baseline, {}
        if old is not None:
            verdict = judged(folder, old, run, self.policy)
            found = {f"{_OURS}gate": float(verdict.exit_code)}
            worse = verdict.outcome is Outcome.REGRESSION
            # a verdict may also be invalid since a judge cannot be reached, which is no reason to stop
            diverged = verdict.outcome is Outcome.INVALID and _cut_off(run) > 1 - self.policy.min_coverage
            if self.stop and (worse or diverged):
                control.should_training_stop = True
        if self.keep_best:
            self._keep_if_best(run)
        return found

    def _keep_if_best(self, run: Run) -> None:
        here = _mean(run)
        if here is not None and (self.baseline is None or here > (_mean(self.baseline) or 0.0)):
            self.baseline = run

    def _log(self, state: Any, figures: dict[str, float]) -> None:
        if self.trainer is not None:
            self.trainer.log(dict(figures))
        else:
            state.log_history.append({**figures, "step": state.global_step})


def _figures(run: Run) -> dict[str, float]:
    """Return each metric for each k where a text has a score, and always how many have one."""
    found: dict[str, float] = {}
    for row in run_figures(run).by_k:
        values = {name: row.metrics[name].estimate.value for name in METRICS}
        found |= {f"{_OURS}{name}_k{row.k}": v for name, v in values.items() if v is not None}
        of_k = [s for s in run.samples if s.question.k == row.k]
        found[f"{_OURS}coverage_k{row.k}"] = coverage(of_k)
    return found


def _cut_off(run: Run) -> float:
    return float(np.mean([s.text.status is TextStatus.TRUNCATED for s in run.samples]))


def _mean(run: Run) -> float | None:
    marks = [s.score.marks.full_marks for s in run.samples if s.score]
    return float(np.mean(marks)) if marks else None
