"""Finds plugins: the file is the registration. `openai/gpt-x` is `backends/openai.py`.

Other packages add theirs through the entry point groups `skillmix_eval.backends` and `skillmix_eval.styles`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from types import ModuleType
from typing import Any

from msgspec.structs import replace

from . import backends, methods, styles
from .domain import Domain, names
from .errors import BadInputError, unknown
from .graders.rubric import RubricGrader
from .graders.rules import RulesGrader
from .interfaces import Backend, Grader, JudgeStyle
from .records import Question, Text, TextStatus
from .spec import ModelSpec, Protocol, RunSpec
from .templates import Template, load_template

_FOLDERS = {"backend": backends, "style": styles, "method": methods}


def load_backend(settings: ModelSpec, asked: bool = True) -> Backend:
    """Return the backend that `backend/model` names; one that is not to be asked may need less.

    Raises BadInputError for an unknown name, BackendError for a missing key or extra.
    """
    module, model = find_backend(settings)
    create = module.create if asked else getattr(module, "unasked", module.create)
    backend: Backend = create(settings, model)
    return backend


def find_backend(settings: ModelSpec) -> tuple[ModuleType, str]:
    """Return the module that serves a model and the model's name there; starts nothing."""
    kind, _, model = settings.model.partition("/")
    if settings.model == "embedded":
        model = "default"
    if kind in ("file", "released"):
        raise BadInputError(
            f"The texts of '{settings.model}' came from a file, so there is no student to ask; grade them "
            "again with `skillmix grade RUN` or name a --student."
        )
    if not model:
        raise BadInputError(
            f"A model is named backend/model, for example openai/gpt-4.1-mini, not '{settings.model}'; the "
            f"backends are: {', '.join(plugin_names('backend'))}."
        )
    return _module("backend", kind), model


def load_graders(spec: RunSpec, domain: Domain, protocol: Protocol) -> tuple[Grader, ...]:
    """Return who grades this run's texts, one for each judge of a panel; raises BadInputError."""
    if spec.panel and "rules" in {judge.model for judge in spec.judges}:
        raise BadInputError("A panel is made of judge models; code (`rules`) grades alone, without error.")
    panel = spec.judges or (None,)
    graders = tuple(load_grader(replace(spec, judge=judge), domain, protocol) for judge in panel)
    if len({g.fingerprint for g in graders}) < len(graders):
        raise BadInputError(
            "A judge stands in the panel twice; to ask one judge several times, give --gradings."
        )
    return graders


def load_grader(spec: RunSpec, domain: Domain, protocol: Protocol) -> Grader:
    """Return who grades this run's texts: the domain's code, or the judge that the run names."""
    if domain.about.grading == "rules" and (spec.judge is None or spec.judge.model == "rules"):
        if domain.name not in names():
            raise BadInputError(
                f'The domain folder {domain.name} says grading = "rules", which only built-in ones have; '
                'write grading = "judge" into its domain.toml and name a --judge.'
            )
        if spec.skills or spec.topics:
            raise BadInputError(
                f"The checkers of the domain '{domain.name}' know only its own skills and topics; have your "
                "own lists graded by a judge: --domain language --judge BACKEND/MODEL."
            )
        rules = importlib.import_module(f"{__package__}.domains.{domain.name}.rules")
        return RulesGrader(domain.name, rules, domain.about.rules)
    if spec.judge is None or spec.judge.model == "rules":
        raise BadInputError(
            f"The domain '{domain.name}' is graded by a judge model; name one, for example "
            "--judge openai/gpt-4.1 (with --judge-base-url for a server of your own)."
        )
    module = load_style(protocol.judge_style)
    template = load_template(spec.judge_prompt or module.TEMPLATE.removesuffix(".j2"), "judge", domain.folder)
    style = module.Style()
    _check_prompt(domain, style, template)
    return RubricGrader(spec.judge, style, template)


def _check_prompt(domain: Domain, style: JudgeStyle, template: Template) -> None:
    """Raise BadInputError for a judge's prompt with a fault, before anything is paid for."""
    question, text = Question("", domain.skills[:1], domain.topics[0]), Text("", 0, "", TextStatus.OK)
    prompt = template.render(**style.variables(question, text, 0))
    schema: Any = style.schema(question, text, 0) or {"required": ()}
    if any(key not in prompt for key in schema["required"]):
        raise BadInputError(
            f"The judge's prompt {template.name} does not ask for all that its style reads (a code for each "
            "question and a receipt); start from the style's own prompt in prompts/."
        )


def load_style(name: str) -> ModuleType:
    """Return the module of a judge style: its `Style` and its `TEMPLATE`."""
    return _module("style", name.replace("-", "_"))


def load_method(name: str) -> ModuleType:
    """Return the module of a training method: its `plan`."""
    return _module("method", name.replace("-", "_"))


def plugin_names(kind: str) -> list[str]:
    """Return the names that exist for a kind of plugin."""
    own = [m.name for m in pkgutil.iter_modules(_FOLDERS[kind].__path__) if not m.name.startswith("_")]
    return sorted({*own, *(e.name for e in _entries(kind))})


@cache  # reading what is installed takes a tenth of a second beside lm-eval
def _entries(kind: str) -> EntryPoints:
    return entry_points(group=f"skillmix_eval.{kind}s")


def _module(kind: str, name: str) -> ModuleType:
    for entry in _entries(kind).select(name=name):
        found: ModuleType = entry.load()
        return found
    if name not in plugin_names(kind):
        raise unknown(kind, name.replace("_", "-"), [n.replace("_", "-") for n in plugin_names(kind)])
    return importlib.import_module(f"{_FOLDERS[kind].__name__}.{name}")
