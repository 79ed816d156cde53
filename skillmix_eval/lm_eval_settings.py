"""lm-eval's metadata -> the spec of a task. Needs no lm-eval."""

from __future__ import annotations

import difflib
import functools
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from .domain import load_domain
from .errors import BadInputError, unknown
from .spec import ModelSpec, RunSpec, make_spec, option_fields, read_spec

STUDENT = ModelSpec(model="lm-eval/model")
_JUDGE = "judge_"
_SETTINGS = set(RunSpec.__struct_fields__) - {"student", "judge"}
_JUDGE_SETTINGS = set(ModelSpec.__struct_fields__) - {"model"}
_NAMES = _SETTINGS | {"judge", "spec", "store"}
_log = logging.getLogger(__name__)


def task_spec(metadata: Mapping[str, Any], fixed: Mapping[str, Any], refine: bool = False) -> RunSpec:
    """Return the spec behind a task: what the task fixes, then metadata, then a spec file, then environment.

    With `refine` the protocol is `standard` unless it is given; without, there are drafts alone.

    lm-eval mixes the model's arguments (keys among them) into `metadata`: only known names are read.
    A name that is nearly one of ours is warned of. Raises BadInputError where metadata asks for what the
    task fixes, or a setting is wrong.
    """
    _warn_of_near_misses(metadata)
    given = {name: _number(RunSpec, name, metadata[name]) for name in metadata if name in _SETTINGS}
    for name in ("domain", "k"):
        if name in fixed and given.get(name, fixed[name]) != fixed[name]:
            raise BadInputError(
                f"The task has {name}={fixed[name]}, but the metadata asks for {name}={given[name]}; choose "
                f"the task with the {name} you want, and leave {name} out of --metadata."
            )
    file = read_spec(Path(metadata["spec"])) if "spec" in metadata else {}
    if file.get("domain", "devices") != fixed.get("domain", file.get("domain", "devices")):
        file = {name: value for name, value in file.items() if name not in ("skills", "topics", "public")}
    settings = {"protocol": "standard" if refine else "draft", **file, **given, **fixed}
    settings |= {} if refine else {"refine": False, "refine_prompt": None}
    settings["student"] = msgspec.to_builtins(STUDENT)
    settings["judge"] = judge_settings(metadata, file.get("judge"), fixed.get("judge"))
    spec = make_spec(settings, "the task's metadata")
    if not fixed and "judge" not in {*metadata, *file} and load_domain(spec.domain).about.grading == "rules":
        spec = msgspec.structs.replace(spec, judge=None)  # the environment's is for what code cannot grade
    if len(spec.k) != 1:
        raise BadInputError(
            f'A task has one k, not {list(spec.k)}: choose one in --metadata, such as "k": 3.'
        )
    return spec


def judge_settings(metadata: Mapping[str, Any], file: Any, fixed: str | None) -> dict[str, Any] | None:
    """Return the judge's settings: fixed by a task, or metadata over a spec file over the environment."""
    if fixed:
        return {"model": fixed}
    settings = {
        name: os.environ[variable]
        for name, variable in (("model", "SKILLMIX_JUDGE"), ("base_url", "SKILLMIX_JUDGE_BASE_URL"))
        if os.environ.get(variable)
    }
    for found in (file, metadata.get("judge")):
        if found:
            settings = {"model": found} if isinstance(found, str) else dict(found)
    for name, value in metadata.items():
        short = name.removeprefix(_JUDGE)
        if name.startswith(_JUDGE) and name not in _SETTINGS:
            if short not in _JUDGE_SETTINGS:
                raise unknown("setting", name, [_JUDGE + n for n in _JUDGE_SETTINGS])
            settings[short] = _number(ModelSpec, short, value)
    return settings or None


def _number(kind: type[RunSpec | ModelSpec], name: str, value: Any) -> Any:
    """Return a number that is given as text as the number, where the setting is one."""
    plain = option_fields(kind)[name][0] if name in option_fields(kind) else str
    if isinstance(value, str) and plain in (int, float):
        try:
            return plain(value)
        except ValueError:
            return value
    return value


def _warn_of_near_misses(metadata: Mapping[str, Any]) -> None:
    """Name what is meant for us but misspelt; what is unlike our names is lm-eval's or the model's."""
    for name in metadata:
        near = difflib.get_close_matches(name.lower(), _NAMES, 1, 0.75) if name not in _NAMES else []
        if near:
            say_once(f"'{name}' in the metadata is no setting and changes nothing; did you mean '{near[0]}'?")


@functools.cache
def say_once(sentence: str) -> None:
    """Warn, but not again for each of many tasks."""
    _log.warning(sentence)
