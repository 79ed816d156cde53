"""A run's settings as one value: from YAML or flags, written into the run folder, repeated from there."""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
import yaml
from msgspec import Meta, Struct

from .errors import BadInputError, unknown

Text = Annotated[str, Meta(min_length=1)]
CONNECTIONS = 64  # calls in flight at once where no number is given
_SHORTEST_KEY = 8  # a shorter one may be part of an address by chance
PRICE = Annotated[str, Meta(pattern=r"^\d+(\.\d+)?/\d+(\.\d+)?$")]


class ModelSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model and how it is asked. Keys are never here: only the name of the variable that holds one."""

    model: Annotated[Text, Meta(description="backend/model, for example openai/gpt-4.1-mini")]
    base_url: Annotated[
        Text | None, Meta(description="address of an OpenAI-compatible server, ending in /v1")
    ] = None
    api_key_env: Annotated[
        Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")],
        Meta(description="environment variable that holds the API key"),
    ] = "OPENAI_API_KEY"
    api_key_file: Annotated[
        Text | None, Meta(description="file that holds the API key, in place of a variable")
    ] = None
    revision: Annotated[
        Text | None, Meta(description="what tells versions of the model behind this name apart, if anything")
    ] = None
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=2)] | None, Meta(description="sampling temperature")
    ] = None
    top_p: Annotated[Annotated[float, Meta(gt=0, le=1)] | None, Meta(description="nucleus sampling")] = None
    max_tokens: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="most tokens of a reply")] = (
        None
    )
    system: Annotated[str | None, Meta(description="system message, none by default")] = None
    price: Annotated[
        PRICE | None,
        Meta(description="US dollars per million input/output tokens, such as 0.40/1.60, to see the cost"),
    ] = None
    max_connections: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)] | None,
        Meta(description=f"calls in flight at once ({CONNECTIONS}); at one endpoint, of all its models"),
    ] = None

    @property
    def connections(self) -> int:
        """How many calls to the model may be in flight at once."""
        return self.max_connections or CONNECTIONS


def label(model: ModelSpec) -> str:
    """Return a model with all settings that can change its replies: the name it has in results."""
    names = ("base_url", "revision", "temperature", "top_p", "max_tokens")
    settings = {name: getattr(model, name) for name in names}
    if model.system:
        settings["system"] = hashlib.blake2b(model.system.encode(), digest_size=6).hexdigest()
    return "; ".join([model.model, *(f"{n} {value}" for n, value in settings.items() if value is not None)])


class Protocol(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a question becomes points."""

    name: str
    refine: bool = True
    texts: int = 1
    gradings: int = 1
    reduce: str = "mean"
    prompt: str = "draft"
    refine_prompt: str = "refine"
    judge_style: str = "json-items"
    sentence_counter: str = "sentencex"


PROTOCOLS = {
    "standard": Protocol(name="standard"),
    "draft": Protocol(name="draft", refine=False),
    "paper": Protocol(
        name="paper",
        texts=3,
        gradings=3,
        reduce="max",
        prompt="paper_draft",
        refine_prompt="paper_refine",
        judge_style="paper-table",
    ),
}
Positive = Annotated[int, Meta(ge=1)]
SkillCount = Annotated[int, Meta(ge=1, le=20)]


class RunSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides a run's result. `None` means the domain's or the protocol's own choice."""

    student: ModelSpec = ModelSpec(model="embedded")
    judge: ModelSpec | None = None
    panel: tuple[ModelSpec, ...] = ()  # more judges: each item is decided by the majority of all gradings
    domain: Annotated[Text, Meta(description="built-in domain or a folder with a domain.toml")] = "devices"
    skills: Annotated[Text | None, Meta(description="CSV file with your own skills")] = None
    topics: Annotated[Text | None, Meta(description="text file with your own topics, one a line")] = None
    public: Annotated[bool, Meta(description="your own lists are no secret: show their names")] = False
    split: Annotated[str, Meta(description="train, held-out or all categories and topics")] = "all"
    sampler: Annotated[str, Meta(description="balanced, or reference (the public repository's draw)")] = (
        "balanced"
    )
    k: tuple[SkillCount, ...] = (1, 2, 3, 4, 5)
    n: Annotated[Positive, Meta(description="questions for each k")] = 100
    seed: Annotated[int, Meta(description="seed of the questions")] = 0
    protocol: Annotated[str | None, Meta(description="standard, draft or paper (default: the domain's)")] = (
        None
    )
    refine: Annotated[bool | None, Meta(description="ask for a better text after the draft")] = None
    texts: Annotated[Positive | None, Meta(description="texts per question")] = None
    gradings: Annotated[Positive | None, Meta(description="gradings per text, majority per item")] = None
    reduce: Annotated[str | None, Meta(description="mean or max over a question's texts")] = None
    prompt: Annotated[Text | None, Meta(description="your own template for the first turn (.j2)")] = None
    refine_prompt: Annotated[Text | None, Meta(description="your own template for the second turn")] = None
    judge_prompt: Annotated[Text | None, Meta(description="your own template for the judge")] = None
    judge_style: Annotated[
        Text | None, Meta(description="form of the judge's verdict: json-items, paper-table or paper-lines")
    ] = None
    anchors: Annotated[
        Annotated[int, Meta(ge=0)],
        Meta(description="texts of known grade graded along to check a judge model; 0 for none"),
    ] = 30
    sentence_counter: Annotated[
        str | None, Meta(description="sentencex, or reference (the public repository's expression)")
    ] = None

    @property
    def judges(self) -> tuple[ModelSpec, ...]:
        """All judges, first the one that most runs have alone."""
        return (*((self.judge,) if self.judge else ()), *self.panel)

    def resolved_protocol(self, default: str) -> Protocol:
        """Return the protocol with the run's own changes; a changed one says so in its name."""
        name = self.protocol or default
        if name not in PROTOCOLS:
            raise unknown("protocol", name, PROTOCOLS)
        base = PROTOCOLS[name]
        own = {f: getattr(self, f) for f in Protocol.__struct_fields__ if f != "name"}
        changes = {f: v for f, v in own.items() if v is not None and v != getattr(base, f)}
        if not changes:
            return base
        label = ", ".join(f"{f}={v}" for f, v in sorted(changes.items()))
        return msgspec.structs.replace(base, name=f"{name} ({label})", **changes)


CHOICES = {
    "reduce": ("mean", "max"),
    "sentence_counter": ("sentencex", "reference"),
    "split": ("train", "held-out", "all"),
    "sampler": ("balanced", "reference"),
    "protocol": tuple(PROTOCOLS),
}


def parse_ks(given: str) -> tuple[int, ...]:
    """Read '3', '2,3' or '1-5' as numbers of skills."""
    found: list[int] = []
    for part in given.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if not match:
            raise BadInputError(f"-k takes a number, a list or a range such as 3, 2,3 or 1-5, not '{given}'.")
        low, high = int(match[1]), int(match[2] or match[1])
        if not 1 <= low <= high <= 20:
            raise BadInputError(
                f"-k {given}: k goes from 1 to 20, and a range from the smaller to the larger."
            )
        found.extend(range(low, high + 1))
    return tuple(sorted(set(found)))


def make_spec(settings: dict[str, Any], source: str = "the options") -> RunSpec:
    """Check settings (from YAML, flags, or both merged) and return them as a RunSpec.

    Raises BadInputError that names the setting, what was given, and the nearest known name.
    """
    settings = dict(settings)
    for role in ("student", "judge", "panel"):
        settings |= {role: _model(settings[role], f"{source}: {role}")} if role in settings else {}
    if isinstance(settings.get("k"), str):
        settings["k"] = parse_ks(settings["k"])
    elif isinstance(settings.get("k"), int):
        settings["k"] = (settings["k"],)
    _known(settings, RunSpec, source)
    for name, allowed in CHOICES.items():
        if settings.get(name) is not None and settings[name] not in allowed:
            raise unknown(f"value of {name}", str(settings[name]), allowed)
    spec = _converted(settings, source)
    for model in (spec.student, *spec.judges):
        if model and model.base_url:
            check_address(model.base_url, f"{source}: a base_url")
    if not spec.k:
        raise BadInputError(f"{source}: k is empty; give at least one number of skills.")
    return msgspec.structs.replace(spec, k=tuple(sorted(set(spec.k))))


def check_address(address: str, what: str, key: str = "") -> None:
    """Raise BadInputError for an address that holds a secret, or may; it is not repeated."""
    try:
        urllib.parse.urlsplit(address)
    except ValueError:
        raise BadInputError(f"{what} is no address; give one such as http://localhost:8000/v1.") from None
    if re.search(r"[@?#]", address) or (len(key) >= _SHORTEST_KEY and key in address):
        raise BadInputError(
            f"{what} must not hold a name, key or query, since it is written into results; "
            "put the key into an environment variable and name that with --api-key-env."
        )


def _converted(settings: dict[str, Any], source: str) -> RunSpec:
    try:
        return msgspec.convert(settings, RunSpec)
    except msgspec.ValidationError as error:
        fault, _, place = str(error).replace("`", "").partition(" - at $.")
        if "regex" in fault:  # say what it is to be, not how that is checked
            fault = f"Expected {option_fields(ModelSpec)[place.rpartition('.')[2]][1]}"
        raise BadInputError(f"{source}: {place or 'settings'}: {fault}.") from None


def _model(given: Any, source: str) -> Any:
    """Return a model's settings with its bare name spelled out, or those of each of several models."""
    if isinstance(given, list | tuple):
        return [_model(each, source) for each in given]
    if isinstance(given, str):
        return {"model": given}
    if isinstance(given, dict):
        _known(given, ModelSpec, source)
    return given


def read_spec(path: Path) -> dict[str, Any]:
    """Read a YAML spec into settings that flags may still override."""
    return read_yaml(path, "spec", "'k: [2, 3]'")


def read_yaml(path: Path, what: str, example: str) -> dict[str, Any]:
    """Read a YAML file of settings; raises BadInputError where it is none."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"The {what} {path} cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        raise BadInputError(f"The {what} {path} is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(found, dict):
        raise BadInputError(f"The {what} {path} must hold settings such as {example}, one a line.")
    return found


def write_spec(spec: RunSpec) -> str:
    """Return the spec as YAML that repeats the run, defaults included, since those may change."""
    return yaml.safe_dump(_without_none(msgspec.to_builtins(spec)), sort_keys=False, allow_unicode=True)


def _without_none(settings: dict[str, Any]) -> dict[str, Any]:
    inner = {k: _without_none(v) if isinstance(v, dict) else v for k, v in settings.items()}
    return {k: _listed(v) for k, v in inner.items() if v is not None and v != ()}


def _listed(value: Any) -> Any:
    if not isinstance(value, tuple | list):
        return value
    return [_without_none(v) if isinstance(v, dict) else v for v in value]


def option_fields(kind: type[Struct]) -> dict[str, tuple[Any, str]]:
    """Return each setting's plain type and its description: one source for YAML, flags and help."""
    hints = get_type_hints(kind, include_extras=True)
    found: dict[str, tuple[Any, str]] = {}
    for name, hint in hints.items():
        text = next((m.description for m in getattr(hint, "__metadata__", ()) if m.description), None)
        if text:
            found[name] = (_plain(hint), text)
    return found


def _plain(hint: Any) -> Any:
    """Find the plain type under Annotated and unions with None."""
    inside = [
        _plain(part) for part in get_args(hint) if not isinstance(part, Meta) and part is not type(None)
    ]
    return inside[0] if inside else hint


def _known(settings: dict[str, Any], kind: type[Struct], source: str) -> None:
    for name in settings:
        if name not in kind.__struct_fields__:
            raise BadInputError(f"{source}: {unknown('setting', str(name), kind.__struct_fields__)}")
