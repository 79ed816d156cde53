"""Prompt files: checked when they are read; what models or lists say is a value, never a template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.domain import load_domain, names
from skillmix_eval.errors import BadInputError
from skillmix_eval.plugins import load_style, plugin_names
from skillmix_eval.records import Question
from skillmix_eval.spec import ModelSpec
from skillmix_eval.stages.prompt import draft_request, refine_request
from skillmix_eval.stages.sample import make_question as identify
from skillmix_eval.stages.sample import sample
from skillmix_eval.templates import VARIABLES, data_folder, load_template

from .makers import make_question, make_skill, make_text

STUDENT = ModelSpec(model="x/y")
SHIPPED = sorted(p.stem for p in data_folder("prompts").glob("*.j2"))
HOSTILE = ["{{ 7*7 }}", "{% include 'secrets' %}", "{# gone #}", "{{ topic.__class__ }}", "{% raw %}"]
ROLES = {name: next((r for r in ("refine", "judge") if r in name), "draft") for name in SHIPPED}


def prompt_file(folder: Path, body: str, header: str = "") -> str:
    """Write a prompt file and return its path."""
    path = folder / "mine.j2"
    path.write_text(f"{{#---\n{header}\n---#}}\n{body}" if header else body, encoding="utf-8")
    return str(path)


def fault(folder: Path, body: str, header: str = "", role: str = "draft") -> str:
    """Return the one-line error of a prompt file."""
    with pytest.raises(BadInputError) as error:
        load_template(prompt_file(folder, body, header), role)
    return str(error.value)


def rendered(name: str, question: Question) -> str:
    """Render a shipped prompt for a question, whatever its role."""
    template = load_template(name, ROLES[name])
    if ROLES[name] == "judge":
        style = next(s for s in map(load_style, plugin_names("style")) if name == s.TEMPLATE[:-3])
        return template.render(**style.Style().variables(question, make_text(question), 0))
    first = draft_request(question, 0, load_template("draft", "draft"), STUDENT)
    if ROLES[name] == "draft":
        first = draft_request(question, 0, template, STUDENT)
        return first.messages[-1].content
    return refine_request(first, "r", "d", template).messages[-1].content


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("domain", names())
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_prompts_render(name: str, domain: str, k: int) -> None:
    """Every shipped prompt renders for every built-in domain and names the question's topic and skills."""
    for question in sample(load_domain(domain), k, 3, 0):
        prompt = rendered(name, question)
        assert question.topic.name in prompt
        assert all(skill.name in prompt for skill in question.skills)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_prompts_say_what_they_are(name: str) -> None:
    """Every shipped prompt has a header with its role, version, variables and reply form."""
    header = load_template(name, ROLES[name]).header
    assert header.role == ROLES[name]
    assert header.version >= 1
    assert header.variables
    assert header.reply


def test_undefined_variable(tmp_path: Path) -> None:
    """A variable that the role does not have is named with the nearest one, before anything is asked."""
    assert "Did you mean 'topic'" in fault(tmp_path, "About {{ topics }}.")


def test_syntax_error(tmp_path: Path) -> None:
    """A broken template is named with its line."""
    assert "mine.j2 line 2: " in fault(tmp_path, "one\n{% if k %}")


def test_unknown_filter(tmp_path: Path) -> None:
    """A filter that does not exist is found when the file is read."""
    assert "No filter named 'shout'" in fault(tmp_path, "{{ topic | shout }}")


def test_wrong_role(tmp_path: Path) -> None:
    """A judge's prompt is not taken for a student's."""
    said = fault(tmp_path, "x", "role: judge")
    assert said.endswith("is a prompt for the role 'judge', but a draft prompt is needed.")


def test_unknown_reply_form(tmp_path: Path) -> None:
    """An unknown reply form is named with the nearest one."""
    assert "Did you mean 'answer'" in fault(tmp_path, "x", "reply: answers")


@pytest.mark.parametrize("header", ["colour: red", "version: new", "role: [", "- a"])
def test_broken_header(tmp_path: Path, header: str) -> None:
    """A header that cannot be read is named."""
    assert fault(tmp_path, "x", header).startswith("The header of the prompt ")


def test_header_behind_byte_order_mark(tmp_path: Path) -> None:
    """A header counts in a file that begins with a byte order mark, too."""
    path = Path(prompt_file(tmp_path, "x", "reply: answer"))
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_template(str(path), "draft").header.reply == "answer"


def test_unknown_name() -> None:
    """An unknown prompt name is named with the nearest shipped one, a missing file with its path."""
    with pytest.raises(BadInputError, match="Did you mean 'paper_draft'"):
        load_template("paper_drafts", "draft")
    with pytest.raises(BadInputError, match=r"There is no prompt file nowhere/x\.j2"):
        load_template("nowhere/x.j2", "draft")


def test_not_text(tmp_path: Path) -> None:
    """A prompt file that is no UTF-8 text is named."""
    (tmp_path / "x.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInputError, match=r"x\.j2 cannot be read"):
        load_template(str(tmp_path / "x.j2"), "draft")


def test_domain_prompts_come_first(tmp_path: Path) -> None:
    """A domain's own prompt is used in place of the shipped one of the same name."""
    (tmp_path / "draft.j2").write_text("Own: {{ topic }}")
    assert load_template("draft", "draft", tmp_path).render(topic="x") == "Own: x"


@pytest.mark.parametrize("words", HOSTILE)
def test_words_are_values(words: str) -> None:
    """Template syntax in a topic, a skill or a student's text is inserted as it stands."""
    topic = make_question(topic=words).topic
    question = identify((make_skill(words, definition=words, example=words),), topic)
    text = make_text(question, words)
    for name in SHIPPED:
        assert words in rendered(name, question)
    for style in map(load_style, plugin_names("style")):
        template = load_template(style.TEMPLATE[:-3], "judge")
        assert words in template.render(**style.Style().variables(question, text, 0))


@given(st.text(max_size=60))
def test_any_topic_is_inserted_verbatim(words: str) -> None:
    """A template inserts any value unchanged."""
    body = load_template("draft", "draft")
    question = make_question()
    shown = {"skills": question.skills, "k": 3, "limit": 2, "limit_words": "two sentences"}
    marked = body.render(topic=f"<{words}>", **shown)
    assert f"<{words}>" in marked


@pytest.mark.parametrize(
    "attack",
    [
        "{{ topic.__class__.__mro__ }}",
        "{{ skills.append(1) }}",
        "{{ k.__init__.__globals__ }}",
        "{{ ''.format.__globals__ }}",
        "{% include 'other.j2' %}",
        "{{ skills[9].name }}",
        "{{ 1 / 0 }}",
        "{{ range(10**9) | list }}",
    ],
)
def test_sandbox(tmp_path: Path, attack: str) -> None:
    """A prompt file that reaches for the program's inside, or fails, is one sentence."""
    variables: dict[str, Any] = dict.fromkeys(VARIABLES["draft"], "x") | {"skills": [make_skill()]}
    with pytest.raises(BadInputError, match=r"mine\.j2"):
        load_template(prompt_file(tmp_path, attack), "draft").render(**variables)


def test_hash_is_of_the_content(tmp_path: Path) -> None:
    """A prompt's hash follows its words and nothing else."""
    hashes = [load_template(prompt_file(tmp_path, body), "draft").hash for body in ("a", "b", "a")]
    assert hashes[0] == hashes[2] != hashes[1]
