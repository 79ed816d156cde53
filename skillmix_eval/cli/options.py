"""Options that mirror the spec: each setting is declared once, in spec.py, and is a flag and a YAML key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import rich_click as click

from ..spec import CHOICES, ModelSpec, RunSpec, make_spec, option_fields, parse_ks, read_spec

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_STORE = Path("results/store.sqlite")
MODEL_SETTINGS = set(ModelSpec.__struct_fields__) - {"model"}
_JUDGE = "judge_"

as_json = click.option("--json", "json", is_flag=True, help="Print one JSON document and nothing else.")
population = click.option(
    "--population",
    type=click.Choice(["list", "skills"]),
    default="list",
    show_default=True,
    help="Whom intervals speak for: this list of skills, or also new skills of the same kind.",
)
show_private = click.option(
    "--show-private", is_flag=True, help="Show the names of private skills and topics."
)
store = click.option(
    "--store",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_STORE,
    show_default=True,
    help="Where answers are kept; what is there is never paid for again.",
)


def drawings(function: F) -> F:
    """Add --svg and --png: a page's figures for a paper."""
    folder = click.Path(path_type=Path, file_okay=False)
    for kind in ("png", "svg"):
        what = (
            f"Write the page's figures as {kind.upper()} files into this folder (needs Chrome or Chromium)."
        )
        function = click.option(f"--{kind}", type=folder, help=what)(function)
    return function


def page(function: F) -> F:
    """Add --html, a page to read, and its figures."""
    file = click.Path(path_type=Path, dir_okay=False)
    return click.option("--html", type=file, help="Write the page, one self-contained file.")(
        drawings(function)
    )


class _Share(click.ParamType):  # type: ignore[type-arg]
    """A share such as 5% or 0.05."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the share as a number from 0 to 1."""
        words = str(value).strip()
        try:
            found = float(words.removesuffix("%")) / (100 if words.endswith("%") else 1)
        except ValueError:
            found = -1.0
        if not 0 <= found <= 1:
            self.fail(f"'{value}' is no share from 0 to 1 or 0% to 100%", param, ctx)
        return found


def money(function: F) -> F:
    """Add --prices, --max-cost, --max-failed and --batch."""
    for add in (
        click.option(
            "--batch",
            is_flag=True,
            help="Send calls as files by the provider's batch interface: cheaper, within a day, to be closed "
            "and gone on with.",
        ),
        click.option(
            "--max-failed",
            type=_Share(),
            default="5%",
            show_default=True,
            help="Most texts that may fail to be had or graded before the run does not stand (exit code 3).",
        ),
        click.option(
            "--max-cost",
            type=click.FloatRange(min=0),
            help="US dollars that may be spent now; the run stops before it passes them (exit code 3).",
        ),
        click.option(
            "--prices",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Your price table (YAML), in place of the package's.",
        ),
    ):
        function = add(function)
    return function


def take_money(given: dict[str, Any]) -> dict[str, Any]:
    """Take what `money` added out of the given settings, which are the run's own."""
    return {name: given.pop(name) for name in ("prices", "max_cost", "max_failed", "batch")}


def out(help: str) -> Callable[[F], F]:
    """Return the option --out."""
    return click.option("--out", type=click.Path(path_type=Path, file_okay=False), help=help)


def spec_options(*names: str) -> Callable[[F], F]:
    """Return the flags of some of the run's settings, in their order in spec.py."""
    fields = option_fields(RunSpec)

    def add(function: F) -> F:
        for name in reversed([n for n in fields if n in names]):
            kind, text = fields[name]
            function = _flag(name, name, kind, text)(function)
        return function

    return add


def model_options(role: str) -> Callable[[F], F]:
    """Return the flags of the student (`--temperature`) or of the judge (`--judge-temperature`)."""
    prefix = "" if role == "student" else _JUDGE

    def add(function: F) -> F:
        for name, (kind, text) in reversed(option_fields(ModelSpec).items()):
            if name != "model":
                function = _flag(prefix + name, prefix + name, kind, f"{role}: {text}")(function)
        if role == "student":
            text = "Who writes, e.g. openai/gpt-4.1-mini."
            return click.option("--student", metavar="BACKEND/MODEL", help=text)(function)
        text = "Who grades, e.g. openai/gpt-4.1, or `rules`; several times for a panel, which votes."
        return click.option("--judge", metavar="BACKEND/MODEL", multiple=True, help=text)(function)

    return add


def ks(function: F) -> F:
    """Add -k."""
    return click.option(
        "-k", "k", callback=_parse_ks, help="Skills per question: 3, 2,3 or 1-5 [default: 1-5]."
    )(function)


def to_spec(given: dict[str, Any], file: Path | None = None) -> RunSpec:
    """Merge a YAML file with the flags that were given, which win, into a checked spec."""
    return make_spec(merge(given, read_spec(file) if file else {}), str(file) if file else "the options")


def merge(given: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with the flags that were given in their places."""
    settings = dict(settings)
    for role in ("student", "judge"):
        if isinstance(settings.get(role), str):
            settings[role] = {"model": settings[role]}
    models, named = MODEL_SETTINGS, list[str]()
    for name, value in given.items():
        if value is None:
            continue
        short = name.removeprefix(_JUDGE)
        if name == "judge":
            named = [value] if isinstance(value, str) else list(value)
        elif name == "student":
            settings[name] = {**(settings.get(name) or {}), "model": value}
        elif name in models:
            settings["student"] = {**_default_student(), **(settings.get("student") or {}), name: value}
        elif name.startswith(_JUDGE) and short in models:
            settings["judge"] = {**(settings.get("judge") or {}), short: value}
        else:
            settings[name] = value
    if named:  # judges on the command line replace a file's, and share the settings of the first
        first, *others = ({**(settings.get("judge") or {}), "model": model} for model in named)
        settings |= {"judge": first, "panel": others}
    return settings


def _default_student() -> dict[str, Any]:
    return {"model": RunSpec().student.model}


def _parse_ks(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:  # noqa: ARG001
    return None if value is None else parse_ks(value)


def _flag(name: str, target: str, kind: type, text: str) -> Callable[[F], F]:
    flag = "-n" if name == "n" else f"--{name.replace('_', '-')}"
    text = text[0].upper() + text[1:] + _default(name)
    if kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", target, default=None, help=text)
    if name in CHOICES:
        return click.option(flag, target, metavar="|".join(CHOICES[name]), help=text)
    return click.option(flag, target, type=kind, default=None, help=text)


def _default(name: str) -> str:
    """Return ' [default: 100].' for a setting that has a plain default."""
    kind = RunSpec if name in RunSpec.__struct_fields__ else ModelSpec
    fields = {f.name: f.default for f in msgspec.structs.fields(kind)}
    value = fields.get(name.removeprefix(_JUDGE))
    return f" [default: {value}]." if isinstance(value, str | int) and not isinstance(value, bool) else "."


def _panels() -> dict[str, list[dict[str, Any]]]:
    """Group the flags in help texts: who writes, what is asked, how, who grades, where it goes."""
    models = [f"--{n.replace('_', '-')}" for n in option_fields(ModelSpec) if n != "model"]
    questions = ["--domain", "--split", "-k", "-n", "--seed", "--sampler", "--skills", "--topics", "--public"]
    protocol = ["--protocol", "--refine", "--texts", "--gradings", "--reduce", "--prompt", "--refine-prompt"]
    judge = ["--judge", *(f"--judge-{m[2:]}" for m in models), "--judge-style", "--judge-prompt", "--anchors"]
    panels = [
        {"name": "Student: who writes", "options": ["--student", *models]},
        {"name": "Questions: what is asked", "options": questions},
        {"name": "Protocol: how a question becomes points", "options": protocol},
        {"name": "Judge: who grades", "options": [*judge, "--sentence-counter"]},
        {
            "name": "Money and failures",
            "options": ["--dry-run", "--max-cost", "--prices", "--max-failed", "--batch"],
        },
        {
            "name": "Output",
            "options": ["--out", "--store", "--show-private", "--json", "--help"],
        },
    ]
    return {f"skillmix {command}": panels for command in ("run", "grade", "sample")}


click.rich_click.OPTION_GROUPS = _panels()  # type: ignore[assignment]
