"""`skillmix sample`, `report` and `check`: what only looks, and pays for nothing."""

from __future__ import annotations

import gc
import importlib
import itertools
import sys
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from . import options, show


@click.command()
@click.argument("spec_file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@options.spec_options("domain", "split", "n", "seed", "sampler", "skills", "topics", "public")
@options.ks
@click.option("--prompts", is_flag=True, help="Show the whole prompt of each question.")
@options.show_private
@options.as_json
def sample(spec_file: Path | None, prompts: bool, show_private: bool, json: bool, **given: Any) -> None:
    """Show the questions that a run would ask; asks no model.

    The same seed gives the same questions on every machine, and a larger n only adds to them.

    Examples:

      skillmix sample --domain language -k 3 -n 5

      skillmix sample --domain language -k 3 -n 300 --seed 0 --json
    """
    from ..evaluate import prepare

    setting = prepare(options.to_spec(given, spec_file))
    labels = setting.domain.labels(show_private)
    if json:
        _write_json_list(_as_json(setting, q, labels, prompts) for q in setting.questions())
        return
    for q in setting.questions():
        skills = ", ".join(labels[s.id] for s in q.skills)
        show.out.print(show.escape(f"{q.id}  k={q.k}  {labels[q.topic.id]}: {skills}"), soft_wrap=True)
        if prompts:
            show.out.print(show.escape(_prompt(setting, q)) + "\n", soft_wrap=True)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@options.page
@click.option(
    "--frequencies",
    metavar="FILE",
    help="Set full marks against copying from a corpus, with the frequencies of skills and topics that this "
    "YAML file assumes; `assumed` takes ours.",
)
@options.population
@options.show_private
@options.as_json
def report(
    folder: Path,
    markdown: bool,
    frequencies: str | None,
    population: str,
    show_private: bool,
    json: bool,
    **page: Path | None,
) -> None:
    """Show the tables of one run (FOLDER is its run folder), computed anew from its samples.

    Example:

      skillmix report results/runs/A --html a.html --svg figures
    """
    from ..evaluate import (
        read_assumptions,
        report_header,
        report_page,
        report_title,
        run_figures,
        scores_json,
    )
    from ..runs import StoredRun
    from ..stages import report as reporting

    assumptions = read_assumptions(frequencies) if frequencies else ()
    run = StoredRun(folder)
    figures = run_figures(run, show_private, assumptions)
    if json:
        sys.stdout.buffer.write(scores_json(run.info, figures))
        return
    if any(page.values()):
        show.write_page(lambda: report_page(run, figures, show_private), **page)
        return
    title, header = report_title(run.info), report_header(run.info)
    if markdown:
        sys.stdout.write(reporting.markdown(title, header, figures, run.info.reduce))
        return
    show.print_report(title, header, figures, run.info.reduce, population)


@click.command()
@click.argument("text")
@click.option("--domain", default="devices", show_default=True, help="Domain whose checkers are asked.")
@options.as_json
def check(text: str, domain: str, json: bool) -> None:
    """Show which skills of a code-checked domain a TEXT shows, and where; `-` reads it from standard input.

    Example:

      skillmix check "Why wait, why worry, why weep?"
    """
    from ..domain import load_domain
    from ..errors import BadInputError
    from ..texts import storable

    given = sys.stdin.buffer.read().decode("utf-8", "replace") if text == "-" else storable(text)
    if not given.strip():
        raise BadInputError("There is no text to check; quote one, or give - for standard input.")
    loaded = load_domain(domain)
    if loaded.about.grading != "rules":
        raise BadInputError(f"The domain '{domain}' has no checkers in code; use --domain devices.")
    rules = importlib.import_module(f"skillmix_eval.domains.{loaded.name}.rules")
    if not hasattr(rules, "check"):
        raise BadInputError(
            f"The checkers of the domain '{domain}' grade answers to a question, not a text by itself; "
            "use --domain devices."
        )
    verdicts = rules.check(given)
    if json:
        sys.stdout.write(msgspec.json.encode(verdicts).decode() + "\n")
        return
    names = {s.id: s.name for s in loaded.skills}
    width = max(map(len, names.values()))
    for skill, verdict in sorted(verdicts.items(), key=lambda pair: not pair[1].met):
        mark = "[green]yes[/green]" if verdict.met else "[dim]no [/dim]"
        shown = f"{verdict.quote!r}: " if verdict.quote else ""
        line = f"{names[skill]:{width}} {shown}{verdict.reason}"
        show.out.print(f"{mark}  {show.escape(line)}", soft_wrap=True)


class _Row(msgspec.Struct, omit_defaults=True, gc=False):
    """A question as `skillmix sample --json` prints it."""

    id: str
    k: int
    skills: list[str]
    skill_names: list[str]
    topic: str
    topic_name: str
    prompt: str | None = None


def _as_json(setting: Any, q: Any, labels: dict[str, str], prompts: bool) -> _Row:
    skills, topic = [s.id for s in q.skills], q.topic.id
    prompt = _prompt(setting, q) if prompts else None
    return _Row(q.id, len(skills), skills, [labels[s] for s in skills], topic, labels[topic], prompt)


def _prompt(setting: Any, question: Any) -> str:
    from ..stages.prompt import draft_request

    request = draft_request(question, 0, setting.draft, setting.spec.student)
    return "\n\n".join(m.content for m in request.messages)


def _write_json_list(rows: Any) -> None:
    """Write a JSON array in parts: a million questions never stand in memory at once."""
    gc.disable()  # rows hold no cycles, and looking for some takes a third of the time
    encoder, out = msgspec.json.Encoder(), sys.stdout.buffer
    separator = b"[\n"
    for part in _parts(iter(rows), 10_000):
        out.write(separator + b",\n".join(map(encoder.encode, part)))
        separator = b",\n"
    out.write(b"\n]\n" if separator != b"[\n" else b"[]\n")
    out.flush()
    gc.enable()


def _parts(rows: Any, size: int) -> Any:
    while part := list(itertools.islice(rows, size)):
        yield part
