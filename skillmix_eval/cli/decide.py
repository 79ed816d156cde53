"""`skillmix compare`, `gate` and `plan`: what decides between models."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import rich_click as click

from . import options, show

_folder = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("old", type=_folder)
@click.argument("new", type=_folder)
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@options.population
@options.show_private
@options.as_json
def compare(
    old: Path, new: Path, markdown: bool, population: str, show_private: bool, json: bool
) -> None:
    """Compare two runs (their folders) on the questions that both answered.

    Differences are NEW minus OLD, paired by question, with 95 % intervals. Runs with another judge, protocol,
    prompt or list are refused, with what to do about it.

    Example:

      skillmix compare results/runs/OLD results/runs/NEW
    """
    from .. import compare as comparing
    from ..runs import read_run
    from ..stages.report import markdown_of

    found = comparing.compare(read_run(old), read_run(new), show_private)
    if json:
        _write(msgspec.json.encode(found, order="deterministic"))
        return
    title = f"{found.new} against {found.old}"
    header = [f"Judge: {found.judge}", f"Protocol: {found.protocol}; mean over texts"]
    tables, said = comparing.tables(found, population), comparing.sentences(found)
    if markdown:
        sys.stdout.write(markdown_of(title, header, tables, said))
        return
    show.print_tables(title, header, tables, said)


def _write(document: bytes) -> None:
    sys.stdout.buffer.write(document + b"\n")
    sys.stdout.buffer.flush()
