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

    A checkpoint that is still being written is left until it is whole; one that cannot be loaded is named,
    and tried again at the next look. Stopped and started again, it goes on where it was: the same files are
    not evaluated twice, and other files under an old name are. Ctrl-C ends it.

    Example:

      skillmix watch out/ -k 1-3 -n 100 --split train --baseline previous
    """
    from ..checkpoints import Watch, check_settings
    from ..errors import BadInputError
    from ..runs import read_run
    from ..store import Store

    json, against = given.pop("json"), given.pop("baseline")
    if given.pop("student") is not None:
        raise BadInputError("`skillmix watch` finds its students in FOLDER; --backend says what loads them.")
    if not folder.is_dir():
        raise BadInputError(f"There is no folder {folder} to watch.")

    def spec_of(checkpoint: Path) -> Any:
        return options.to_spec({**given, "student": f"{backend}/{checkpoint}"})

    check_settings(spec_of(folder))
    baseline = read_run(Path(against)) if against and against != "previous" else against
    kept = Store(store)
    looks = Watch(out or Path("results/runs") / folder.resolve().name, kept, spec_of, baseline)
    codes: dict[Path, int | None] = {}
    try:
        while True:
            for seen in looks.look(folder):
                codes[seen.checkpoint] = _show(seen, against, json)
            if once:
                break
            time.sleep(poll)
    finally:
        kept.close()
    _end(folder, set(codes.values()) - {None})


def _end(folder: Path, codes: set[int | None]) -> None:
    """End with 10 at a regression, else with 3 where a checkpoint could not be evaluated."""
    from ..errors import BadInputError, IncompleteError

    if not codes:
        raise BadInputError(
            f"{folder} holds no whole checkpoint: a folder with config.json, tokenizer.json, "
            "tokenizer_config.json and safetensors."
        )
    if 10 not in codes and IncompleteError.exit_code in codes:
        raise IncompleteError(f"Not every checkpoint in {folder} could be evaluated; see above.")
    sys.exit(10 if 10 in codes else 0)


def _show(seen: Any, given: str | None, json: bool) -> int | None:
    """Show what became of a checkpoint, and return its exit code; none where it is still left."""
    from ..errors import IncompleteError

    if seen.run is None:
        show.say(f"{seen.checkpoint}: {seen.why}.")
        return IncompleteError.exit_code if seen.failed else None
    against = given or ""
    if given == "previous":
        against = Path(seen.verdict.baseline.partition(";")[0]).name if seen.verdict else ""
    _show_run(seen.checkpoint, seen.run, against, seen.verdict, json)
    return seen.verdict.exit_code if seen.verdict else 0


def _show_run(checkpoint: Path, run: Any, against: str, verdict: Any, json: bool) -> None:
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
    show.out.print(
        show.escape(f"{checkpoint.name}: full marks {', '.join(marks) or 'none, no text has a score'}{gate}"),
        soft_wrap=True,
    )
