"""Plugins are found by file name, and unknown ones are named with the nearest."""

from __future__ import annotations

from pathlib import Path

import pytest

from skillmix_eval.domain import load_domain
from skillmix_eval.errors import BackendError, BadInputError
from skillmix_eval.plugins import load_backend, load_grader, load_style, plugin_names
from skillmix_eval.spec import PROTOCOLS, ModelSpec, RunSpec

from .makers import make_domain

PROTOCOL = PROTOCOLS["standard"]


def test_files_are_plugins() -> None:
    """Each file of backends and styles is a plugin; those whose names begin with _ are none."""
    assert {"openai", "teacher"} <= set(plugin_names("backend"))
    assert {"json_items", "paper_lines", "paper_table"} <= set(plugin_names("style"))
    assert not [n for kind in ("backend", "style") for n in plugin_names(kind) if n.startswith("_")]


@pytest.mark.parametrize("name", plugin_names("style"))
def test_styles_have_their_parts(name: str) -> None:
    """Each style has a template and a class, under its name with hyphens, too."""
    module = load_style(name.replace("_", "-"))
    assert module.TEMPLATE.endswith(".j2")
    assert module.Style().variables


def test_unknown_backend() -> None:
    """An unknown backend is named with the nearest one."""
    with pytest.raises(BadInputError, match=r"No backend named 'opanai'.*Did you mean 'openai'"):
        load_backend(ModelSpec(model="opanai/x"))


@pytest.mark.parametrize("model", ["gpt-4", "openai/", "openai"])
def test_model_without_backend(model: str) -> None:
    """A model without its backend is an error that shows the form."""
    with pytest.raises(BadInputError, match="A model is named backend/model"):
        load_backend(ModelSpec(model=model))


def test_missing_key() -> None:
    """A missing key is an error that names the variable, before any call."""
    with pytest.raises(BackendError, match="NO_SUCH_KEY_IS_SET"):
        load_backend(ModelSpec(model="openai/x", api_key_env="NO_SUCH_KEY_IS_SET"))


def test_unknown_style() -> None:
    """An unknown judge style is named with the nearest one, as users write it."""
    with pytest.raises(BadInputError, match="Did you mean 'json-items'"):
        load_style("json-item")


def test_unknown_teacher() -> None:
    """A domain without a teacher is an error that says which has one."""
    with pytest.raises(BadInputError, match="The domain 'nowhere' has no teacher"):
        load_backend(ModelSpec(model="teacher/nowhere"))


@pytest.mark.parametrize("judge", [None, ModelSpec(model="rules")])
def test_language_needs_a_judge(judge: ModelSpec | None) -> None:
    """A domain that a judge grades is an error without one."""
    with pytest.raises(BadInputError, match="graded by a judge model"):
        load_grader(RunSpec(judge=judge), load_domain("language"), PROTOCOL)


@pytest.mark.parametrize("style", plugin_names("style"))
def test_judges_by_style(style: str) -> None:
    """Each style makes a grader whose fingerprint names the judge and the prompt."""
    spec = RunSpec(judge=ModelSpec(model="openai/judge"), judge_style=style)
    grader = load_grader(spec, make_domain(), spec.resolved_protocol("standard"))
    assert grader.fingerprint.startswith("openai/judge; ")
    assert load_style(style).TEMPLATE in grader.fingerprint


def test_own_folder_has_no_rules(tmp_path: Path) -> None:
    """A user's domain folder that asks for code of its own is an error, not a traceback."""
    (tmp_path / "domain.toml").write_text('title = "T"\ngrading = "rules"')
    (tmp_path / "skills.csv").write_text("category,name,definition,example\na,b,c,d\n")
    (tmp_path / "topics.txt").write_text("Sewing\n")
    with pytest.raises(BadInputError, match="only built-in ones have"):
        load_grader(RunSpec(), load_domain(str(tmp_path)), PROTOCOL)


def test_judge_prompt_is_tried(tmp_path: Path) -> None:
    """A judge prompt that asks for what its style does not have is found before anything is paid for."""
    path = tmp_path / "mine.j2"
    path.write_text("{#---\nrole: judge\nvariables: [txt]\n---#}\n{{ txt }}")
    spec = RunSpec(judge=ModelSpec(model="openai/judge"), judge_prompt=str(path))
    with pytest.raises(BadInputError, match=r"mine\.j2 cannot be rendered: 'txt' is undefined"):
        load_grader(spec, make_domain(), PROTOCOL)
