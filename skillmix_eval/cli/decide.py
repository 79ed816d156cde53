"""`skillmix compare`, `gate` and `plan`: what decides between models."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import rich_click as click

from . import options, show

if TYPE_CHECKING:
    from ..prices import Price, Prices
    from ..runs import Run
    from ..verdict import Policy, Verdict

_file = click.Path(path_type=Path, dir_okay=False)
_folder = click.Path(path_type=Path, file_okay=False)
_ROLES = (("student", ""), ("judge", "judge_"))


@click.command()
@click.argument("old", type=_folder)
@click.argument("new", type=_folder)
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@options.page
@options.population
@options.show_private
@options.as_json
def compare(
    old: Path,
    new: Path,
    markdown: bool,
    population: str,
    show_private: bool,
    json: bool,
    **page: Path | None,
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

    first, second = read_run(old), read_run(new)
    found = comparing.compare(first, second, show_private)
    if any(page.values()):
        from ..pair_page import compare_page

        show.write_page(lambda: compare_page(found, first, second, show_private), **page)
        return
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


@click.command()
@click.option(
    "--baseline", required=True, help="Run folder, a run's scores.json, leaderboard.json#MODEL, or `last`."
)
@click.option("--candidate", type=_folder, help="Run folder of the model in question.")
@options.model_options("student")
@click.option("--sequential", is_flag=True, help="Ask only as many questions as the decision needs.")
@click.option("--max", "most", type=click.IntRange(1), help="Most questions of a sequential gate.")
@click.option("--order-seed", type=int, default=0, show_default=True, help="Order of a sequential gate.")
@click.option("--policy", type=_file, help="YAML with checks, drops and error rates; flags win.")
@click.option("--drop", type=float, help="Smallest drop that must not pass [default: 0.05].")
@click.option("--alpha", type=float, help="Chance of an alarm when nothing got worse [default: 0.05].")
@click.option("--beta", type=float, help="Chance of a pass at such a drop [default: 0.05].")
@click.option("--min-coverage", type=float, help="Least share of texts with a score [default: 0.95].")
@click.option("--accept", is_flag=True, help="On a pass, note the candidate as the last accepted run.")
@click.option("--baseline-file", type=_file, default=Path(".skillmix-baseline"), show_default=True)
@click.option("--junit", type=_file, help="Write JUnit XML.")
@click.option("--summary", type=_file, envvar="GITHUB_STEP_SUMMARY", help="Append Markdown to this file.")
@click.option("--html", type=_file, help="Write a page with the verdict and both runs' texts.")
@options.store
@options.as_json
@click.pass_context
def gate(
    ctx: click.RichContext, /, json: bool, junit: Path | None, summary: Path | None, **given: Any
) -> None:
    """Decide whether a candidate is worse than a baseline, for a build to act on.

    Exit code 0: pass. 10: regression. 11: inconclusive. 12: invalid, too many texts without a score.

    With --candidate both runs are finished. With --sequential and --student the candidate is asked the
    baseline's questions in random order until the answer is safe, which is soon when the change is large;
    the error rates hold however often it looks.

    Examples:

      skillmix gate --baseline results/runs/OLD --candidate results/runs/NEW --drop 0.05

      skillmix gate --baseline last --sequential --student openai/my-model --base-url http://localhost:8000/v1
    """
    from .. import verdict as saying
    from ..errors import BadInputError

    if given["html"] and not given["candidate"]:
        raise BadInputError("--html shows the texts of two finished runs: give --candidate too.")
    found = _decide(given)
    if junit:
        _put(junit, saying.junit(found))
    if summary:
        _put(summary, saying.markdown(found).encode(), append=True)
    if given["html"]:
        _gate_page(found, given)
    if json:
        _write(msgspec.json.encode(found, order="deterministic"))
    else:
        title = f"Gate: {found.outcome.value}"
        show.print_tables(title, saying.header(found), saying.tables(found), saying.sentences(found))
    ctx.exit(found.exit_code)


def _decide(given: dict[str, Any]) -> Verdict:
    """Read what is named, ask what is missing, and judge."""
    from .. import gate as gating
    from ..baseline import Accepted, read_baseline, write_accepted
    from ..errors import BadInputError
    from ..runs import read_run

    if given["most"] and not given["sequential"]:
        raise BadInputError("--max is for a sequential gate; add --sequential.")
    policy = _policy(given)
    new = read_run(given["candidate"]) if given["candidate"] else None
    old = read_baseline(given["baseline"], given["baseline_file"], new.info if new else None)
    if new is None:
        if isinstance(old, Accepted):
            raise BadInputError("A sequential gate needs the baseline's run folder, not only its figures.")
        return _ask(old, policy, given)
    if given["student"]:
        raise BadInputError("Give --candidate (a finished run) or --student (to be asked), not both.")
    if isinstance(old, Accepted):
        found = gating.unpaired(old, new, policy)
    elif given["sequential"]:
        found = gating.replay(old, new, policy, gating.Limits(given["most"], given["order_seed"]))
    else:
        found = gating.fixed(old, new, policy)
    if given["accept"] and found.exit_code == 0:
        write_accepted(given["baseline_file"], given["candidate"], new)
    return found


def _gate_page(found: Verdict, given: dict[str, Any]) -> None:
    from ..baseline import Accepted, read_baseline
    from ..compare import compare as compared
    from ..errors import BadInputError
    from ..pair_page import gate_page
    from ..runs import read_run

    old = read_baseline(given["baseline"], given["baseline_file"])
    if isinstance(old, Accepted):
        raise BadInputError("--html shows the texts of two finished runs: give run folders to both sides.")
    new = read_run(given["candidate"])
    _put(given["html"], gate_page(found, compared(old, new), old, new).encode())


def _ask(old: Run, policy: Policy, given: dict[str, Any]) -> Verdict:
    from .. import gate as gating
    from ..errors import BadInputError
    from ..prices import read_prices, run_prices
    from ..store import Store

    if not given["student"] or not given["sequential"]:
        raise BadInputError(
            "Give --candidate with a finished run, or --sequential and --student with a model to ask."
        )
    if given["accept"]:
        raise BadInputError(
            "--accept notes a finished run: run the student with `skillmix run` (its answers are in the "
            "store) and give that with --candidate."
        )
    student = options.to_spec({n: given[n] for n in ("student", *options.MODEL_SETTINGS)}).student
    asked = msgspec.structs.replace(old.spec, student=student)
    kept = Store(given["store"])
    try:
        texts = len(old.samples) if given["most"] is None else min(given["most"], len(old.samples))
        with show.progress(texts, run_prices(asked, read_prices())) as on_sample:
            limits = gating.Limits(given["most"], given["order_seed"])
            return gating.sequential(old, student, kept, policy, limits, on_sample)
    finally:
        kept.close()


def _policy(given: dict[str, Any]) -> Policy:
    from ..verdict import make_policy, read_policy

    settings = read_policy(given["policy"]) if given["policy"] else {}
    flags = {n: given[n] for n in ("drop", "alpha", "beta", "min_coverage") if given[n] is not None}
    return make_policy(settings | flags, str(given["policy"] or "the options"))


_share = click.FloatRange(0, 1)


@click.command()
@click.option("--drop", type=_share, default=0.05, show_default=True, help="Drop that matters.")
@click.option("--power", type=_share, default=0.8, show_default=True, help="Chance to see it.")
@click.option(
    "--baseline-rate", type=_share, help="Full marks of the old model [default: 0.6, or the run's]."
)
@click.option("--correlation", type=_share, default=0.5, show_default=True, help="As `compare` prints it.")
@click.option("--alpha", type=_share, default=0.05, show_default=True, help="Chance of a false alarm.")
@click.option("--beta", type=_share, default=0.05, show_default=True, help="A gate's chance of a false pass.")
@click.option("--run", "folder", type=_folder, help="Run that tells full marks, tokens per text and prices.")
@click.option("--student", metavar="BACKEND/MODEL", help="Student whose price the table has.")
@click.option("--judge", metavar="BACKEND/MODEL", help="Judge whose price the table has.")
@click.option("--price", help="Student: US dollars per million input/output tokens, such as 0.40/1.60.")
@click.option("--judge-price", help="Judge: the same.")
@click.option("--prices", type=_file, help="Your price table (YAML), in place of the package's.")
@click.option("--tokens", default="900/150", show_default=True, help="Student: tokens in/out per question.")
@click.option("--judge-tokens", default="900/400", show_default=True, help="Judge: the same.")
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@options.as_json
def plan(folder: Path | None, markdown: bool, json: bool, **given: Any) -> None:
    """Say how many questions a decision needs, and what they cost; asks no model.

    Shows the questions for a comparison and for a gate of fixed size, how many a sequential gate uses, and
    what 30 to 3,000 questions can and cannot see.

    Examples:

      skillmix plan --drop 0.05 --power 0.9

      skillmix plan --student openai/gpt-4.1-mini --judge openai/gpt-4.1

      skillmix plan --run results/runs/OLD
    """
    from .. import plan as planning
    from ..prices import read_prices
    from ..runs import read_run
    from ..stages.report import markdown_of

    table = read_prices(given["prices"])
    assumed, cost = _assumptions(given, table)
    if folder:
        run = read_run(folder)
        cost = planning.cost_of(run, cost, table)
        assumed = assumed if given["baseline_rate"] is not None else planning.rate_of(run, assumed)
    priced = cost.student_price or cost.judge_price
    found = planning.plan(assumed, cost if priced else None)
    if json:
        _write(msgspec.json.encode(found, order="deterministic"))
        return
    shown = ("Plan", (), planning.tables(found), planning.sentences(found))
    if markdown:
        sys.stdout.write(markdown_of(*shown))
        return
    show.print_tables(*shown)


def _assumptions(given: dict[str, Any], table: Prices) -> tuple[Any, Any]:
    from ..plan import Assumed, Cost

    names = ("drop", "power", "correlation", "alpha", "beta")
    assumed = Assumed(**{n: given[n] for n in names})
    if given["baseline_rate"] is not None:
        assumed = msgspec.structs.replace(assumed, baseline=given["baseline_rate"])
    student, judge = (_price(given[role], given[f"{prefix}price"], table) for role, prefix in _ROLES)
    cost = Cost(
        student=_usage(given["tokens"]),
        judge=_usage(given["judge_tokens"]) if judge else _usage("0/0"),
        student_price=student,
        judge_price=judge,
    )
    return assumed, cost


def _price(model: str | None, given: str | None, table: Prices) -> Price | None:
    """Return the price that was given, or a named model's; None where neither is named."""
    from ..errors import BadInputError
    from ..prices import parse_price, price_of
    from ..spec import ModelSpec

    if written := _numbers("price", given):
        return parse_price(written)
    found = price_of(ModelSpec(model=model), table) if model else None
    if model and found is None:
        raise BadInputError(f"The price of '{model}' is not known; give --price, --judge-price or --prices.")
    return found


def _usage(given: str) -> Any:
    from ..records import Usage

    tokens_in, tokens_out = str(_numbers("tokens", given)).split("/")
    return Usage(round(float(tokens_in)), round(float(tokens_out)))


def _numbers(what: str, given: str | None) -> str | None:
    from ..errors import BadInputError

    if given is not None and not re.fullmatch(r"\d+(\.\d+)?/\d+(\.\d+)?", given):
        raise BadInputError(f"The {what} '{given}' must be two numbers, in/out, such as 0.40/1.60.")
    return given


def _put(path: Path, content: bytes, append: bool = False) -> None:
    from ..errors import StoreError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab" if append else "wb") as file:
            file.write(content)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from None


def _write(document: bytes) -> None:
    sys.stdout.buffer.write(document + b"\n")
    sys.stdout.buffer.flush()
