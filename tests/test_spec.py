"""Settings: from YAML or flags, checked, written out, repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.errors import BadInputError
from skillmix_eval.spec import (
    PROTOCOLS,
    ModelSpec,
    RunSpec,
    make_spec,
    option_fields,
    parse_ks,
    read_spec,
    write_spec,
)


def fault(**settings: Any) -> str:
    """Return the one-line error of settings."""
    with pytest.raises(BadInputError) as error:
        make_spec(settings, "spec.yaml")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("given", "ks"),
    [("3", (3,)), ("2,3", (2, 3)), ("1-5", (1, 2, 3, 4, 5)), ("3, 1 - 2,3", (1, 2, 3)), ("20", (20,))],
)
def test_ks(given: str, ks: tuple[int, ...]) -> None:
    """-k takes a number, a list, a range and their mixture; the result is sorted, without repeats."""
    assert parse_ks(given) == ks


@pytest.mark.parametrize("given", ["", "x", "0", "5-2", "21", "-1", "1,,2", "1.5", "2-", "1-99999999"])
def test_bad_ks(given: str) -> None:
    """Anything else is an error that repeats what was given."""
    with pytest.raises(BadInputError, match=r"-k.*" + given):
        parse_ks(given)


@pytest.mark.parametrize("k", [3, "3", [3], (3, 3), "3-3"])
def test_forms_of_k(k: Any) -> None:
    """k may be a number, a list or text in YAML, too."""
    assert make_spec({"k": k}).k == (3,)


def test_k_is_sorted_without_repeats() -> None:
    """A list of k never asks the same question twice."""
    assert make_spec({"k": [3, 2, 3]}).k == (2, 3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"studnet": "x/y"}, "spec.yaml: No setting named 'studnet'"),
        ({"studnet": "x/y"}, "Did you mean 'student'?"),
        ({"student": {"modell": "x"}}, "spec.yaml: student: No setting named 'modell'"),
        ({"split": "heldout"}, "Did you mean 'held-out'?"),
        ({"reduce": "maximum"}, "No value of reduce named 'maximum'; there are: max, mean."),
        ({"sampler": ["balanced"]}, "No value of sampler"),
        ({"protocol": "papers"}, "Did you mean 'paper'?"),
        ({"n": 0}, "spec.yaml: n: Expected int >= 1"),
        ({"n": "ten"}, "spec.yaml: n: Expected int, got str"),
        ({"k": []}, "spec.yaml: k is empty"),
        ({"k": [0]}, "k[0]: Expected int >= 1"),
        ({"k": [300]}, "k[0]: Expected int <= 20"),
        ({"k": True}, "Expected int, got bool"),
        ({"student": {"model": ""}}, "student.model: Expected str of length >= 1"),
        ({"student": {}}, "missing required field model"),
        ({"student": {"model": "x", "temperature": 3}}, "temperature: Expected float <= 2"),
        ({"judge": {"model": "x", "price": "cheap"}}, "judge.price: Expected US dollars per million"),
        ({1: 2}, "No setting named '1'"),
    ],
)
def test_faults(settings: dict[str, Any], said: str) -> None:
    """A wrong setting is one sentence that names it, what was given and what is allowed."""
    with pytest.raises(BadInputError) as error:
        make_spec(settings, "spec.yaml")
    assert said in str(error.value)


@pytest.mark.parametrize("role", ["student", "judge"])
@pytest.mark.parametrize("url", ["http://me:secret@host/v1", "https://host/v1?api_key=secret"])
def test_no_credentials_in_addresses(role: str, url: str) -> None:
    """An address with a name, key or query is refused, and not repeated."""
    said = fault(**{role: {"model": "openai/x", "base_url": url}})
    assert "environment variable" in said
    assert "secret" not in said


def test_model_names_stand_for_models() -> None:
    """A model may be given by its name alone."""
    spec = make_spec({"student": "openai/x", "judge": "rules"})
    assert (spec.student, spec.judge) == (ModelSpec(model="openai/x"), ModelSpec(model="rules"))


words = st.text(min_size=1, max_size=20).filter(lambda s: s.strip())
models = st.fixed_dictionaries(
    {"model": words},
    optional={
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0.01, 1),
        "max_tokens": st.integers(1, 10**6),
        "system": words,
        "revision": words,
        "price": st.just("0.40/1.60"),
    },
)
specs = st.fixed_dictionaries(
    {"student": models},
    optional={
        "judge": models,
        "domain": words,
        "skills": words,
        "public": st.booleans(),
        "split": st.sampled_from(["train", "held-out", "all"]),
        "k": st.lists(st.integers(1, 20), min_size=1, max_size=4),
        "n": st.integers(1, 10**6),
        "seed": st.integers(-(2**62), 2**62),
        "protocol": st.sampled_from(sorted(PROTOCOLS)),
        "refine": st.booleans(),
        "texts": st.integers(1, 9),
        "reduce": st.sampled_from(["mean", "max"]),
    },
)


@given(settings=specs)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, Any]) -> None:
    """A spec that is written and read again is the same spec."""
    spec = make_spec(settings)
    path = tmp_path_factory.mktemp("spec") / "spec.yaml"
    path.write_bytes(write_spec(spec).encode())
    assert make_spec(read_spec(path)) == spec
    assert write_spec(make_spec(read_spec(path))) == write_spec(spec)


def test_settings_repeat_the_default() -> None:
    """Nothing has to be set."""
    assert make_spec({}) == RunSpec()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"k: [2", r"is not valid YAML"),
        (b"- k", "must hold settings"),
        (b"", "must hold settings"),
        (b"\xff", "cannot be read"),
        (b"!!python/object:os.system {}", "is not valid YAML"),
    ],
)
def test_broken_spec(tmp_path: Path, content: bytes, said: str) -> None:
    """A spec file that cannot be read says why."""
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=said):
        read_spec(path)


def test_missing_spec(tmp_path: Path) -> None:
    """A spec file that is not there is named."""
    with pytest.raises(BadInputError, match=r"none\.yaml cannot be read"):
        read_spec(tmp_path / "none.yaml")


def test_protocol_of_the_domain() -> None:
    """Without a protocol of its own, a run follows its domain's."""
    assert RunSpec().resolved_protocol("draft") == PROTOCOLS["draft"]
    assert RunSpec(protocol="paper").resolved_protocol("draft") == PROTOCOLS["paper"]


def test_changed_protocol_says_so() -> None:
    """A changed protocol has its changes in its name, and a change to what it is already is none."""
    changed = RunSpec(protocol="paper", texts=1, refine=False, gradings=3).resolved_protocol("draft")
    assert changed.name == "paper (refine=False, texts=1)"
    assert (changed.texts, changed.refine, changed.gradings, changed.reduce) == (1, False, 3, "max")


def test_unknown_protocol_of_a_domain() -> None:
    """A domain that names an unknown protocol is an error with the nearest one."""
    with pytest.raises(BadInputError, match="Did you mean 'standard'"):
        RunSpec().resolved_protocol("standart")


@pytest.mark.parametrize("kind", [RunSpec, ModelSpec])
def test_every_setting_is_described(kind: type) -> None:
    """Each setting has a description, from which its flag and help come."""
    own = set(kind.__struct_fields__) - {"student", "judge", "panel", "k"}  # type: ignore[attr-defined]
    assert own <= set(option_fields(kind))
