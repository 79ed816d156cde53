"""`skillmix attack`, `calibrate` and `bridge`: what measures a judge."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from . import options, show


@click.command()
@options.model_options("judge")
@options.spec_options("gradings", "judge_style")
@options.store
@click.option("--dry-run", is_flag=True, help="Say how many texts are graded, and grade none.")
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@options.as_json
def attack(store: Path, dry_run: bool, markdown: bool, json: bool, **given: Any) -> None:
    """Attack a judge: how often do planted words turn a bad text into a better one?

    Grades three bad texts of known truth with some 140 attacks each, from begging to forged verdicts, and
    good texts with harmless words about marks and judges. Attack success comes with bounds.

    Example:

      skillmix attack --judge openai/gpt-4.1
    """
    from .. import attack as attacking
    from ..errors import BadInputError
    from ..stages.report import markdown_of
    from ..store import Store

    spec = options.to_spec(given)
    if spec.judge is None or spec.judge.model == "rules" or spec.panel:
        raise BadInputError("Name one judge model to attack, for example --judge openai/gpt-4.1.")
    setting = attacking.setting_for(spec.judge, spec.judge_style, spec.gradings)
    if dry_run:
        show.out.print(f"At most {attacking.size() * (spec.gradings or 1):,} judge calls, and repairs.")
        return
    kept = Store(store)
    try:
        with show.progress(attacking.size(), (None, spec.judge)) as on_sample:
            found = attacking.attack(setting, kept, on_sample=on_sample)
    finally:
        kept.close()
    if json:
        sys.stdout.write(msgspec.json.encode(found, order="deterministic").decode() + "\n")
        return
    shown = (
        "Attacks on a judge",
        [f"Judge: {found.judge}"],
        attacking.tables(found),
        attacking.sentences(found),
    )
    if markdown:
        sys.stdout.write(markdown_of(*shown))
        return
    show.print_tables(*shown)
