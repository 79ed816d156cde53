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
    """Read the public SKILL-MIX repository's records (FOLDER) into one run folder per student.

    The judges' replies are read anew, item by item; a reply that gives no point for some item is counted as
    unreadable, where the reference pads it with zeros.

    Example:

      skillmix import skill-mix/test --out results/runs/released

      skillmix report results/runs/released/gpt-4
    """
    from ..evaluate import report_files
    from ..inputs import import_released
    from ..runs import open_folder, write_run

    runs = import_released(folder, {k: v for k, v in given.items() if v is not None})
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
