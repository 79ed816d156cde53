"""`skillmix watch`: evaluates checkpoints as they appear in a folder, whatever writes them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from . import options, show


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--backend", default="hf", show_default=True, help="Backend that loads them: hf, vllm or embedded."
)
@options.model_options("student")
@options.spec_options("domain", "split", "n", "seed")
@options.ks
@options.model_options("judge")
@options.out("Folder that gets one run folder per checkpoint [default: results/runs/<name of FOLDER>].")
@options.store
@click.option("--baseline", help="Run folder to gate against, or `previous`: the checkpoint before.")
@click.option("--once", is_flag=True, help="Evaluate what is there, and end; exit code 10 at a regression.")
@click.option("--poll", type=click.IntRange(1), default=30, show_default=True, help="Seconds between looks.")
@options.as_json
def watch(
    folder: Path, backend: str, out: Path | None, store: Path, once: bool, poll: int, **given: Any
) -> None:
    """Evaluate each checkpoint in FOLDER as it appears, for any trainer that writes Hugging Face folders.

    A checkpoint that is still being written is left until it is whole. Stopped and started again, it
    goes on where it was: what is evaluated is not evaluated again. Ctrl-C ends it.

    Example:

      skillmix watch out/ -k 1-3 -n 100 --split train --baseline previous
    """
    from ..errors import BadInputError
    from ..store import Store

    json, baseline = given.pop("json"), given.pop("baseline")
    if given.pop("student") is not None:
        raise BadInputError("`skillmix watch` finds its students in FOLDER; --backend says what loads them.")
    if not folder.is_dir():
        raise BadInputError(f"There is no folder {folder} to watch.")
    place = out or Path("results/runs") / folder.resolve().name
    kept = Store(store)
    codes: dict[str, int | None] = {}
    try:
        while True:
            _look(folder, place, kept, (backend, baseline, json, given), codes)
            if once:
                break
            time.sleep(poll)
    finally:
        kept.close()
    if not codes:
        raise BadInputError(
            f"{folder} holds no whole checkpoint: a folder with config.json, tokenizer.json and safetensors."
        )
    sys.exit(10 if 10 in codes.values() else 0)


def _look(folder: Path, place: Path, kept: Any, asked: tuple[str, str | None, bool, Any], codes: Any) -> None:
    """Evaluate the checkpoints that are new, oldest first."""
    from ..checkpoints import checkpoints, evaluate_into, judged, step_of
    from ..runs import read_run
    from ..verdict import Policy

    backend, baseline, json, given = asked
    before = read_run(Path(baseline)) if baseline and baseline != "previous" else None
    against = baseline if before else ""
    for checkpoint in checkpoints(folder):
        name = f"step-{step_of(checkpoint)}_{checkpoint.name}"
        spec = options.to_spec({**given, "student": f"{backend}/{checkpoint}"})
        run = evaluate_into(place / name, spec, kept)
        verdict = judged(place / name, before, run, Policy()) if before else None
        if name not in codes:
            codes[name] = verdict.exit_code if verdict else None
            _show(checkpoint, run, against or "", verdict, json)
        if baseline == "previous":
            before, against = run, checkpoint.name


def _show(checkpoint: Path, run: Any, against: str, verdict: Any, json: bool) -> None:
    from ..evaluate import run_figures

    rows = run_figures(run).by_k
    outcome = verdict.outcome.value if verdict else ""
    if json:
        figures = {row.k: row.metrics["full_marks"].estimate for row in rows}
        line = {"checkpoint": str(checkpoint), "full_marks": figures, "against": against, "gate": outcome}
        sys.stdout.write(msgspec.json.encode({**line, "judge": run.info.judge}).decode() + "\n")
        sys.stdout.flush()
        return
    marks = (
        f"k={row.k} {e.value:.2f} [{e.low:.2f}, {e.high:.2f}] n={e.n}"
        for row in rows
        if (e := row.metrics["full_marks"].estimate).value is not None
    )
    gate = f"; {outcome} against {against}" if outcome else ""
    show.out.print(show.escape(f"{checkpoint.name}: full marks {', '.join(marks)}{gate}"), soft_wrap=True)
