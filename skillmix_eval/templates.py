"""The only Jinja: finds, checks, renders prompts. What models or lists say is a value, never a template."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import yaml
from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .errors import BadInputError, unknown

_HEADER = re.compile(r"\A\s*\{#---\n(.*?)\n---#\}\n?", re.DOTALL)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which decides once per kind of object and name what a template may read."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._safe: dict[tuple[type, str], bool] = {}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Tell whether a template may read an attribute; this hangs on the type of the object alone."""
        kind = (type(obj), attr)
        if kind not in self._safe:
            self._safe[kind] = super().is_safe_attribute(obj, attr, value)
        return self._safe[kind]


_ENVIRONMENT = _Sandbox(
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,
)

VARIABLES = {
    "draft": {"skills", "topic", "k", "limit", "limit_words"},
    "refine": {"skills", "topic", "k", "limit", "limit_words", "draft"},
}
REPLY_FORMS = {"draft": {"text", "answer"}, "refine": {"text", "answer"}}


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a prompt file says of itself."""

    role: str = "draft"
    version: int = 0
    variables: tuple[str, ...] = ()
    reply: str = "text"


class Template(msgspec.Struct, frozen=True):
    """A prompt file, checked: it renders with its role's variables and nothing else."""

    name: str
    header: Header
    source: str
    hash: str

    def render(self, **variables: Any) -> str:
        """Return the prompt; raises BadInputError where the template fails on these values."""
        try:
            return _compiled(self.source).render(**variables).strip()
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise BadInputError(f"The prompt {self.name} cannot be rendered: {error}.") from None


@functools.lru_cache(maxsize=64)
def _compiled(source: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(source)


def data_folder(name: str) -> Path:
    """Return the project's `prompts` or `tasks`: inside an installed wheel, or beside the package."""
    here = Path(__file__).parent
    return here / name if (here / name).is_dir() else here.parent / name


def load_template(name: str, role: str, folder: Path | None = None) -> Template:
    """Read a prompt by file path or by the name of a shipped one; a domain's own `folder` comes first.

    Raises BadInputError when the file is missing, its header or syntax is broken, or it uses a variable
    that prompts of this role do not have.
    """
    path = _find(name, folder)
    try:
        source = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"The prompt {path} cannot be read: {error}.") from None
    header = _header(path, source)
    if header.role != role and _HEADER.match(source):
        raise BadInputError(
            f"{path} is a prompt for the role '{header.role}', but a {role} prompt is needed."
        )
    _check(path, source, header, role)
    return Template(path.name, header, source, hashlib.blake2b(source.encode(), digest_size=6).hexdigest())


def _find(name: str, folder: Path | None) -> Path:
    if name.endswith(".j2") or "/" in name:
        places = [Path(name)]
    else:
        places = [place / f"{name}.j2" for place in (folder, data_folder("prompts")) if place]
    for path in places:
        if path.is_file():
            return path
    if name.endswith(".j2") or "/" in name:
        raise BadInputError(f"There is no prompt file {name}.")
    raise unknown("prompt", name, [p.stem for p in data_folder("prompts").glob("*.j2")])


def _header(path: Path, source: str) -> Header:
    found = _HEADER.match(source)
    if not found:
        return Header()
    try:
        return msgspec.convert(yaml.safe_load(found.group(1)), Header)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise BadInputError(f"The header of the prompt {path} cannot be read: {error}.") from None


def _check(path: Path, source: str, header: Header, role: str) -> None:
    try:
        used = meta.find_undeclared_variables(_ENVIRONMENT.parse(source))
    except TemplateSyntaxError as error:
        raise BadInputError(f"The prompt {path} line {error.lineno}: {error.message}.") from None
    allowed = VARIABLES.get(role, set(header.variables))
    for name in sorted(used | set(header.variables)):
        if name not in allowed:
            raise BadInputError(f"The prompt {path}: {unknown(f'{role} variable', name, allowed)}")
    if role in REPLY_FORMS and header.reply not in REPLY_FORMS[role]:
        raise BadInputError(f"The prompt {path}: {unknown('reply form', header.reply, REPLY_FORMS[role])}")
