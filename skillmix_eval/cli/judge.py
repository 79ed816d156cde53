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
    from ..prices import read_prices, run_prices
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
        with show.progress(attacking.size(), run_prices(spec, read_prices())) as on_sample:
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


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("-n", type=click.IntRange(2), default=200, show_default=True, help="Texts to draw, about.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False),
    help="People's labels: the file of `skillmix view`, or a CSV file.",
)
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@options.show_private
@options.as_json
def calibrate(
    folder: Path, n: int, labels: Path | None, markdown: bool, show_private: bool, json: bool
) -> None:
    """Measure a run's judge against the truth and correct the run's figures (FOLDER is its run folder).

    Draws about -n texts, those that the judge failed with twice the chance. On `devices` code knows their
    truth; elsewhere people label them, in `skillmix view` or in the CSV file that is written into the folder,
    and --labels reads that. Reports, compare and gate then show corrected figures beside the raw ones.

    Examples:

      skillmix calibrate results/runs/A

      skillmix calibrate results/runs/A --labels results/labels.sqlite
    """
    from .. import calibrate as calibrating
    from ..calibrated import drawn
    from ..labels import read_labels
    from ..runs import read_run, write_file

    run = read_run(folder)
    found: Any = calibrating.start(run, n)
    left_out = ""
    if labels:
        found, left_out = calibrating.by_people(run, found, read_labels(labels))
    else:
        found = calibrating.by_code(run, found) or found
    calibrating.write(folder, run, found, show_private)
    if not found.truth:
        write_file(folder / calibrating.SHEET, calibrating.sheet(run, found, show_private))
        many = len(drawn(run.samples, found))
        if json:
            sys.stdout.write(msgspec.json.encode({"drawn": many, "sheet": calibrating.SHEET}).decode() + "\n")
            return
        show.out.print(
            show.escape(
                f"{many} texts were drawn. Label them with `skillmix view`, or fill in the column met of "
                f"{folder / calibrating.SHEET}; then run `skillmix calibrate {folder} --labels FILE`."
            ),
            soft_wrap=True,
        )
        return
    _print_calibrated(msgspec.structs.replace(run, calibration=found), left_out, markdown, json)


def _print_calibrated(run: Any, left_out: str, markdown: bool, json: bool) -> None:
    from ..calibrated import calibrated
    from ..stages.report import calibrated_tables, markdown_of, measured

    figures = calibrated(run, run.calibration)
    if json:
        sys.stdout.write(msgspec.json.encode(figures, order="deterministic").decode() + "\n")
        return
    said = [*measured(figures), *([f"Left out: {left_out}."] if left_out else [])]
    header = [f"Judge: {run.info.judge}", f"Student: {run.info.student}"]
    shown = ("The judge measured", header, calibrated_tables(figures), said)
    if markdown:
        sys.stdout.write(markdown_of(*shown))
        return
    show.print_tables(*shown)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@options.model_options("judge")
@click.option("-n", type=click.IntRange(3), default=100, show_default=True, help="Texts to grade again.")
@options.store
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@options.as_json
def bridge(folder: Path, n: int, store: Path, markdown: bool, json: bool, **given: Any) -> None:
    """Connect two judges: have another one grade some of a run's texts (FOLDER is its run folder).

    Runs of different judges are never compared or ranked together. This says what the other judge would give
    the whole run, with an interval, and how the two go together.

    Example:

      skillmix bridge results/runs/A --judge openai/gpt-4.1 -n 100
    """
    from .. import bridge as bridging
    from ..errors import BadInputError
    from ..prices import read_prices, run_prices
    from ..runs import read_run
    from ..stages.report import markdown_of
    from ..store import Store

    spec = options.to_spec(given)
    if spec.judge is None or spec.judge.model == "rules" or spec.panel:
        raise BadInputError("Name one other judge model, for example --judge openai/gpt-4.1.")
    run = read_run(folder)
    kept = Store(store)
    try:
        with show.progress(min(n, len(run.samples)), run_prices(spec, read_prices())) as on_sample:
            found = bridging.bridge(run, spec.judge, n, kept, on_sample=on_sample)
    finally:
        kept.close()
    if json:
        sys.stdout.write(msgspec.json.encode(found, order="deterministic").decode() + "\n")
        return
    header = [f"First judge: {found.first}", f"Second judge: {found.second}", f"Student: {run.info.student}"]
    shown = ("Two judges on one run", header, bridging.tables(found), bridging.sentences(found))
    if markdown:
        sys.stdout.write(markdown_of(*shown))
        return
    show.print_tables(*shown)
