"""`skillmix run` and `skillmix grade`: what asks models, pays and writes run folders."""

from __future__ import annotations

import datetime
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from ..records import Sample
from ..spec import ModelSpec, RunSpec, read_spec
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
@click.option("--dry-run", is_flag=True, help="Say how many calls the run needs, and make none.")
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
    from ..evaluate import evaluate, load_models, prepare
    from ..live import watched
    from ..runs import open_folder
    from ..store import Store

    spec = options.to_spec(given, spec_file)
    setting = prepare(spec)
    models = load_models(setting)
    if dry_run:
        _dry_run(setting, models, store, json)
        return
    folder = out or _dated_folder(spec)
    open_folder(folder, spec)
    kept = Store(store)
    try:
        with (
            show.progress(setting.texts, (spec.student, show.priced_judge(spec))) as bar,
            watched(folder, setting.texts) as note,
        ):
            result = evaluate(setting, models, kept, _both(bar, note))
    finally:
        kept.close()
    _finish(folder, result, show_private, json)


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@options.model_options("judge")
@options.spec_options("domain", "skills", "topics", "public")
@options.spec_options(
    "protocol", "gradings", "reduce", "judge_style", "judge_prompt", "anchors", "sentence_counter"
)
@options.out("Run folder for the new grading (default: a dated one under results/runs).")
@options.store
@options.show_private
@options.as_json
def grade(source: Path, out: Path | None, store: Path, show_private: bool, json: bool, **given: Any) -> None:
    """Grade texts that exist already: an earlier run's (SOURCE is its folder) or a file's.

    Asks no student. A file is JSON Lines or CSV with the columns text, topic and skills (names or ids, joined
    by a semicolon), and is graded by the domain that --domain names.

    Examples:

      skillmix grade results/runs/EARLIER --judge openai/gpt-4.1

      skillmix grade texts.jsonl --domain devices
    """
    from ..evaluate import evaluate, load_models
    from ..inputs import jobs_of_file, jobs_of_run
    from ..live import watched
    from ..runs import open_folder
    from ..store import Store

    earlier = source / "spec.yaml"
    settings = options.merge(given, read_spec(earlier) if earlier.is_file() else {})
    setting, jobs = (jobs_of_run if source.is_dir() else jobs_of_file)(source, settings)
    models = load_models(setting, student=False)
    folder = out or _dated_folder(setting.spec)
    open_folder(folder, setting.spec)
    kept = Store(store)
    try:
        with (
            show.progress(len(jobs), (None, show.priced_judge(setting.spec))) as bar,
            watched(folder, len(jobs)) as note,
        ):
            result = evaluate(setting, models, kept, _both(bar, note), jobs)
    finally:
        kept.close()
    _finish(folder, result, show_private, json)


def _both(first: Callable[[Sample], None], second: Callable[[Sample], None]) -> Callable[[Sample], None]:
    def told(sample: Sample) -> None:
        first(sample)
        second(sample)

    return told


def _dry_run(setting: Any, models: Any, store: Path, json: bool) -> None:
    from ..evaluate import foresee
    from ..store import Store

    kept = Store(store) if store.is_file() else None
    plan = foresee(setting, models, kept)
    if kept:
        kept.close()
    if json:
        sys.stdout.write(msgspec.json.encode(plan).decode() + "\n")
        return
    show.out.print(
        f"{plan.questions:,} questions, {plan.texts:,} texts: at most {plan.student_calls:,} student calls "
        f"and {plan.judge_calls:,} judge calls ({plan.anchors:,} texts of known grade among them); "
        f"{plan.drafts_stored:,} drafts are in the store already."
    )


def _dated_folder(spec: RunSpec) -> Path:
    now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d_%H%M%S")
    name = re.sub(r"[^\w.-]+", "-", f"{now}_{spec.student.model}_{Path(spec.domain).name}")
    return Path("results/runs") / name


def _finish(folder: Path, result: Any, show_private: bool, json: bool) -> None:
    """Write the run folder, then print the report: a table for people, one JSON document for programs."""
    from ..evaluate import report_files, report_header, report_title, run_figures
    from ..live import unwatch
    from ..runs import redacted, write_run

    run = redacted(result.run) if result.run.info.private and not show_private else result.run
    reports = report_files(run, show_private)
    write_run(folder, run, reports)
    unwatch(folder)
    if json:
        document = msgspec.json.decode(reports["scores.json"])
        document |= {"folder": str(folder), "spend": result.spend}
        sys.stdout.write(msgspec.json.encode(document, order="deterministic").decode() + "\n")
        return
    figures = run_figures(run, show_private)
    show.print_report(report_title(run.info), report_header(run.info), figures, run.info.reduce)
    models: tuple[ModelSpec | None, ...] = (run.spec.student, show.priced_judge(run.spec))
    for line in show.spend_lines(result.spend, models):
        show.out.print(line)
    written = f"Written to {folder}: open {folder / 'report.html'}"
    show.out.print(show.escape(written), soft_wrap=True)
