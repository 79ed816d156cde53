"""`skillmix run` and `skillmix grade`: what asks models, pays and writes run folders."""

from __future__ import annotations

import datetime
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import rich_click as click

from ..errors import IncompleteError
from ..records import Sample
from ..spec import RunSpec, read_spec
from . import options, show


@click.command()
@click.argument("spec_file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@options.model_options("student")
@options.spec_options("domain", "split", "n", "seed", "sampler", "skills", "topics", "public")
@options.ks
@options.spec_options("protocol", "refine", "texts", "gradings", "reduce", "prompt", "refine_prompt")
@options.model_options("judge")
@options.spec_options("judge_style", "judge_prompt", "anchors", "sentence_counter")
@options.out("Run folder (default: a dated one under results/runs).")
@options.store
@options.money
@click.option("--dry-run", is_flag=True, help="Foresee calls, tokens and cost, and ask nothing.")
@options.show_private
@options.as_json
def run(
    spec_file: Path | None,
    out: Path | None,
    store: Path,
    dry_run: bool,
    show_private: bool,
    json: bool,
    **given: Any,
) -> None:
    """Evaluate a student: sample questions, have texts written, grade, score, report.

    With no arguments it evaluates the embedded default on the domain `devices`, offline. SPEC_FILE is a YAML
    file with the same settings as the flags (`skillmix run` writes one into each run folder); flags win.

    Killed or interrupted, the same command goes on where it was: every answer is kept the moment it returns.

    Examples:

      skillmix run

      skillmix run --student openai/gpt-4.1-mini -k 2-4 -n 200

      skillmix run --student openai/my-model --base-url http://localhost:8000/v1 --domain language -k 3
      --judge openai/gpt-4.1

      skillmix run results/runs/EARLIER/spec.yaml -n 300
    """
    from ..evaluate import load_models, prepare

    money = options.take_money(given)
    setting = _with_money(prepare(options.to_spec(given, spec_file)), money)
    models = load_models(setting, asked=not dry_run)
    if dry_run:
        _dry_run(setting, models, _Place(out, store, 1.0, money["batch"], show_private, json))
        return
    _evaluate(
        setting, models, None, _Place(out, store, money["max_failed"], money["batch"], show_private, json)
    )


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@options.model_options("judge")
@options.spec_options("domain", "skills", "topics", "public")
@options.spec_options(
    "protocol", "gradings", "reduce", "judge_style", "judge_prompt", "anchors", "sentence_counter"
)
@options.out("Run folder for the new grading (default: a dated one under results/runs).")
@options.store
@options.money
@options.show_private
@options.as_json
def grade(
    source: Path,
    out: Path | None,
    store: Path,
    show_private: bool,
    json: bool,
    **given: Any,
) -> None:
    """Grade texts that exist already: an earlier run's (SOURCE is its folder) or a file's.

    Asks no student. A file is JSON Lines or CSV with the columns text, topic and skills (names or ids, joined
    by a semicolon), and is graded by the domain that --domain names.

    Examples:

      skillmix grade results/runs/EARLIER --judge openai/gpt-4.1

      skillmix grade texts.jsonl --domain devices
    """
    from ..evaluate import load_models
    from ..inputs import jobs_of_file, jobs_of_run

    money = options.take_money(given)
    earlier = source / "spec.yaml"
    settings = options.merge(given, read_spec(earlier) if earlier.is_file() else {})
    setting, jobs = (jobs_of_run if source.is_dir() else jobs_of_file)(source, settings)
    setting = _with_money(setting, money)
    models = load_models(setting, student=False)
    _evaluate(
        setting, models, jobs, _Place(out, store, money["max_failed"], money["batch"], show_private, json)
    )


class _Place(NamedTuple):
    """Where results go, and how they are shown."""

    out: Path | None
    store: Path
    max_failed: float
    batch: bool
    show_private: bool
    json: bool


def _place(money: dict[str, Any], out: Path | None, store: Path, show_private: bool, json: bool) -> _Place:
    return _Place(out, store, money["max_failed"], money["batch"], show_private, json)


def _with_money(setting: Any, given: dict[str, Any]) -> Any:
    from ..prices import Money, priced, read_prices

    table = read_prices(given["prices"])
    return msgspec.structs.replace(
        setting, spec=priced(setting.spec, table), money=Money(given["max_cost"], table)
    )


def _evaluate(setting: Any, models: Any, jobs: Any, place: _Place) -> None:
    """Ask, grade, write the run folder and show it; `jobs` are texts that are there already."""
    from ..evaluate import by_batch, evaluate
    from ..live import watched
    from ..prices import run_prices
    from ..runs import open_folder
    from ..store import Store

    spec = setting.spec
    folder = place.out or _dated_folder(spec)
    open_folder(folder, spec)
    kept = Store(place.store)
    try:
        models = by_batch(models, kept, show.say) if place.batch else models
        texts = setting.texts if jobs is None else len(jobs)
        with (
            show.progress(texts, run_prices(spec, setting.money.prices)) as bar,
            watched(folder, texts) as note,
        ):
            result = evaluate(setting, models, kept, _both(bar, note), jobs)
    finally:
        kept.close()
    _finish(folder, result, setting.money.prices, place)


def _both(first: Callable[[Sample], None], second: Callable[[Sample], None]) -> Callable[[Sample], None]:
    def told(sample: Sample) -> None:
        first(sample)
        second(sample)

    return told


def _dry_run(setting: Any, models: Any, place: _Place) -> None:
    from ..foresight import foresee
    from ..store import Store

    kept = Store(place.store) if place.store.is_file() else None
    try:
        found = foresee(setting, models, kept)
    finally:
        if kept:
            kept.close()
    if place.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    show.out.print(
        f"{found.questions:,} questions, {found.texts:,} texts: at most {found.student_calls:,} student "
        f"calls and {found.judge_calls:,} judge calls ({found.anchors:,} texts of known grade among them); "
        f"the store has {found.student_stored:,} and {found.judge_stored:,} of them already."
    )
    for role, used in found.tokens.items():
        if used.input + used.output:
            show.out.print(f"About {used.input:,} tokens in and {used.output:,} out for the {role}.")
    for line in _cost_foreseen(found, setting, place.batch):
        show.out.print(line)
    verdict = f", of a verdict {found.verdict_length}" if found.judge_calls else ""
    show.out.print(f"Length of a text: {found.text_length}{verdict}; four characters count as a token.")


def _cost_foreseen(found: Any, setting: Any, batch: bool) -> list[str]:
    """Return what is to be said of dollars, and of the options that bound or lower them."""
    if found.dollars is None:
        return ["No price is known for all models: give --price, --judge-price or --prices."]
    if not found.dollars:
        return []
    most, date = setting.money.most, setting.money.prices.date
    lines = [f"About ${found.dollars:.2f} for what the store does not have (price table of {date})."]
    if most is not None and found.dollars > most:
        lines.append(f"That is more than --max-cost {most:g}: the run would stop on the way, all kept.")
    if batch:
        lines.append("What a provider takes off for a --batch is not in this.")
    return lines


def _dated_folder(spec: RunSpec) -> Path:
    now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d_%H%M%S")
    name = re.sub(r"[^\w.-]+", "-", f"{now}_{spec.student.model}_{Path(spec.domain).name}")
    return Path("results/runs") / name


def _finish(folder: Path, result: Any, prices: Any, place: _Place) -> None:
    """Write the run folder, then print the report: a table for people, one JSON document for programs."""
    from ..evaluate import report_files, report_header, report_title, run_figures
    from ..live import unwatch
    from ..prices import run_prices
    from ..runs import redacted, write_run

    show_private = place.show_private
    run = redacted(result.run) if result.run.info.private and not show_private else result.run
    figures = run_figures(run, show_private)
    reports = report_files(run, show_private, figures)
    write_run(folder, run, reports)
    unwatch(folder)
    if place.json:
        document = msgspec.json.decode(reports["scores.json"])
        document |= {"folder": str(folder), "spend": result.spend}
        sys.stdout.write(msgspec.json.encode(document, order="deterministic").decode() + "\n")
    else:
        show.print_report(report_title(run.info), report_header(run.info), figures, run.info.reduce)
        for line in show.spend_lines(result.spend, run_prices(run.spec, prices)):
            show.out.print(line)
        written = f"Written to {folder}: open {folder / 'report.html'}"
        show.out.print(show.escape(written), soft_wrap=True)
    _check_failures(run, place.max_failed)


def _check_failures(run: Any, most: float) -> None:
    """Raise where more than this share of the texts could not be had, or has no grading that can be read."""
    from ..records import GradingStatus, TextStatus

    again = unread = 0
    for s in run.samples:
        lost = s.score is None and any(g.status is GradingStatus.FAILED for g in s.gradings)
        again += s.text.status is TextStatus.FAILED or lost
        unread += s.score is None and s.text.status is TextStatus.OK and not lost
    if again + unread > most * len(run.samples):
        advice = ["the same command tries what failed again"] if again else []
        if unread:
            advice.append(
                "where replies are no verdict, another judge may help (`skillmix grade RUN --judge M`)"
            )
        raise IncompleteError(
            f"{again + unread:,} of {len(run.samples):,} texts could not be had or graded, more than "
            f"--max-failed {most:.0%}, so this run does not stand{_cause(run)}; {', and '.join(advice)}."
        )
    if most < 1 and len(run.samples) and not any(s.score for s in run.samples):
        raise IncompleteError("No text has a score, so this run does not stand; the table of texts says why.")


def _cause(run: Any) -> str:
    """Return why most texts and gradings were lost; nothing of a private list, which that may quote."""
    from ..records import GradingStatus, TextStatus

    said = Counter(s.text.why for s in run.samples if s.text.status is TextStatus.FAILED)
    said += Counter(g.why for s in run.samples for g in s.gradings if g.status is not GradingStatus.OK)
    if not said or run.info.private:
        return ""
    (why, many), *_ = said.most_common(1)
    return f" (most often, {many:,} times: {why.rstrip('.')})"
