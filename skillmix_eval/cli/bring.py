"""`skillmix import`: brings records of other harnesses into run folders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from . import options, show


@click.command("import")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/runs/imported"),
    show_default=True,
    help="Folder that gets one run folder per student.",
)
@options.spec_options("skills", "topics", "protocol", "reduce", "sentence_counter")
@options.as_json
def import_(folder: Path, out: Path, json: bool, **given: Any) -> None:
    """Read other harnesses' records (FOLDER) into one run folder per student.

    FOLDER is what lm-eval wrote for our tasks (--output_path with --log_samples), or the public SKILL-MIX
    repository's records; its files tell which. Of the latter the judges' replies are read anew, item by
    item; a reply that gives no point for some item is unreadable, where the reference pads it with zeros.

    Example:

      skillmix import skill-mix/test --out results/runs/released

      skillmix report results/runs/released/gpt-4

      skillmix import lm_eval_output
    """
    from ..evaluate import report_files
    from ..inputs import import_released
    from ..lm_eval_logs import import_lm_eval, is_lm_eval
    from ..runs import open_folder, write_run

    bring = import_lm_eval if is_lm_eval(folder) else import_released
    runs = bring(folder, {k: v for k, v in given.items() if v is not None})
    for name, run in runs:
        open_folder(out / name, run.spec)
        write_run(out / name, run, report_files(run))
    if json:
        done = [{"student": name, "folder": str(out / name), "texts": len(run.samples)} for name, run in runs]
        sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
        return
    for name, run in runs:
        gradings = [g for s in run.samples for g in s.gradings]
        unreadable = sum(g.status != "ok" for g in gradings)
        show.out.print(
            show.escape(
                f"{name}: {len(run.samples)} texts, {len(gradings)} gradings, {unreadable} unreadable "
                f"-> {out / name}"
            ),
            soft_wrap=True,
        )
