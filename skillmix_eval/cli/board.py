"""`skillmix leaderboard` and `skillmix export`: what is made of finished runs for others to read."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
import rich_click as click
from rich.markup import escape

from ..errors import BadInputError
from ..figures import METRICS
from . import options, show


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False))
@options.ks
@click.option(
    "--metric",
    type=click.Choice(list(METRICS)),
    default="full_marks",
    show_default=True,
    help="What models are ranked by.",
)
@options.out("Folder that gets leaderboard.json, .csv, .md and .html, such as results.")
@options.drawings
@click.option(
    "--texts/--no-texts", default=True, show_default=True, help="Whether the page holds the texts to read."
)
@options.as_json
def leaderboard(
    runs: tuple[Path, ...],
    k: tuple[int, ...] | None,
    metric: str,
    out: Path | None,
    texts: bool,
    json: bool,
    **drawings: Path | None,
) -> None:
    """Rank the models of many RUNS (run folders, or folders that hold them), and say how sure the ranks are.

    There is one table for each domain, list, split, protocol and judge: what cannot be compared is never in
    one ranking. A model's runs in a table are pooled by question.

    Examples:

      skillmix leaderboard results/runs/* --out results

      skillmix leaderboard results/runs/A results/runs/B -k 3
    """
    from ..board_page import board_header, board_summary, files
    from ..leaderboard import leaderboard
    from ..runs import read_run, write_file

    read = [read_run(folder) for folder in _run_folders(runs)]
    found = leaderboard(read, metric, k)
    if out:
        for name, content in files(found, read if texts else ()).items():
            write_file(out / name, content)
    if any(drawings.values()):
        show.write_page(lambda: files(found)["leaderboard.html"].decode(), None, **drawings)
    if json:
        sys.stdout.buffer.write(files(found)["leaderboard.json"])
        return
    for board in found.boards:
        for line in board_header(board):
            show.out.print(f"[dim]{escape(line)}[/dim]", soft_wrap=True)
        show.print_table(board_summary(board))
        for note in board.notes:
            show.out.print(escape(f"Note: {note}"))
        show.out.print()
    show.out.print(f"[dim]{escape(found.method)}[/dim]")
    if out:
        show.out.print(f"Written to {out}: leaderboard.json, .csv, .md, .html", soft_wrap=True)


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--to", metavar="eee|jsonl|csv|parquet", required=True, help="Format of the export.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder that gets the files.",
)
@click.option("--organization", default="unknown", show_default=True, help="eee: who publishes the figures.")
@click.option("--model-id", help="eee: the student as its developer names it, such as org/model.")
@options.show_private
@options.as_json
def export(
    run: Path, to: str, out: Path, organization: str, model_id: str | None, show_private: bool, json: bool
) -> None:
    """Write the texts and figures of RUN (a run folder) in another tool's format.

    eee is Every Eval Ever 0.3.0, the shared schema of evaluation results. Of a private list no name,
    definition or example is written, also not where a text repeats it, unless --show-private.

    Examples:

      skillmix export results/runs/A --to parquet --out exported

      skillmix export results/runs/A --to eee --out datastore --model-id meta-llama/Llama-3.1-8B-Instruct
    """
    from ..exports import Publisher, export
    from ..runs import read_run, write_file

    publisher = Publisher(organization, model_id, int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    written = export(read_run(run), to, show_private, publisher)
    for name, content in written.items():
        write_file(out / name, content)
    if json:
        sys.stdout.write(msgspec.json.encode([str(out / name) for name in written]).decode() + "\n")
        return
    for name, content in written.items():
        show.out.print(f"{out / name}: {len(content):,} bytes", soft_wrap=True)


def _run_folders(given: Iterable[Path]) -> list[Path]:
    """Return the run folders among the given ones and directly in them."""
    found: dict[Path, None] = {}
    for folder in given:
        here = [folder] if (folder / "samples.parquet").is_file() else []
        inside = here or [p.parent for p in sorted(folder.glob("*/samples.parquet"))]
        if not inside:
            raise BadInputError(
                f"{folder} is no finished run, and holds none; give folders of `skillmix run`."
            )
        found |= dict.fromkeys(p.resolve() for p in inside)
    return list(found)
