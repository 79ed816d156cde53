"""Exercises for training, the graph of skills learnt on them, and `skillmix train` from nothing."""

from __future__ import annotations

import importlib
import itertools
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.adapt import Graph
from skillmix_eval.domains.addition import exercise as addition
from skillmix_eval.domains.lego import exercise as lego
from skillmix_eval.domains.strings import exercise as strings
from skillmix_eval.errors import BadInputError
from skillmix_eval.lessons import FIXED_CHECKS, drawn, exercise, exercises, lessons, of_skills

ALL = {"addition": addition, "lego": lego, "strings": strings}
SEEDS = st.integers(0, 10**9)


@pytest.fixture
def torch() -> Any:
    """Return torch on one thread; skips where the extra `train` is missing."""
    pytest.importorskip("transformers")
    found = pytest.importorskip("torch")
    found.set_num_threads(1)
    return found


def dice(seed: int) -> random.Random:
    """Return repeatable dice."""
    return random.Random(seed)  # noqa: S311


@given(SEEDS, st.sampled_from(lego.SKILLS))
def test_lego_answers_are_the_one_consistent_assignment(seed: int, skill: str) -> None:
    """The answer is the variable's value in the only assignment that fulfils all clauses."""
    question = lego.draw(skill, dice(seed))
    clauses, _, asked = question.partition("?")
    names = sorted({c for c in clauses if c.isalpha()})
    fits = []
    for bits in itertools.product((0, 1), repeat=len(names)):
        value = dict(zip(names, bits, strict=True)) | {"0": 0, "1": 1}
        if all(value[c[0]] == value[c[2]] ^ (c[1] == "!") for c in clauses.split(",")):
            fits.append(value)
    assert len(fits) == 1
    assert lego.answer(question) == f"{asked}{fits[0][asked]}"


@given(SEEDS, st.sampled_from(lego.SKILLS))
def test_lego_asks_for_its_place_in_the_chain(seed: int, skill: str) -> None:
    """Skill i is i - 1 steps from the constant."""
    clauses, _, asked = lego.draw(skill, dice(seed)).partition("?")
    parents, steps = {c[0]: c[2] for c in clauses.split(",")}, 0
    while parents[asked].isalpha():
        asked, steps = parents[asked], steps + 1
    assert steps == lego.SKILLS.index(skill)


@given(SEEDS, st.sampled_from(addition.SKILLS))
def test_addition_answers_are_digits_of_the_sum(seed: int, skill: str) -> None:
    """The digit asked for stands at its place from the right."""
    question = addition.draw(skill, dice(seed))
    total = f"{int(question[:3]) + int(question[4:7]):04}"
    shown = addition.answer(question)
    assert shown[-1] == total[-1 - addition.SKILLS.index(skill)]
    assert (int(shown[-1]) - int(shown[0]) - int(shown[2])) % 10 in (0, 1)


@given(SEEDS, st.sampled_from(strings.SKILLS))
def test_strings_are_graded_as_the_domain_grades(seed: int, skill: str) -> None:
    """The answer earns full marks by the domain's own checkers."""
    from skillmix_eval.domain import load_domain
    from skillmix_eval.domains.strings.rules import verdicts
    from skillmix_eval.records import Topic
    from skillmix_eval.stages.sample import make_question

    question = strings.draw(skill, dice(seed))
    text = question.split('("')[1].split('")')[0]
    skills = {s.id: s for s in load_domain("strings").skills}
    asked = make_question((skills[skill],), Topic(text, text))
    assert {v.met for v in verdicts(asked, strings.answer(question)).values()} == {True}


def test_strings_are_asked_as_the_harness_asks() -> None:
    """A student trained on the exercise meets the same prompt in `skillmix run`."""
    from skillmix_eval.domain import load_domain
    from skillmix_eval.records import Topic
    from skillmix_eval.spec import ModelSpec
    from skillmix_eval.stages.prompt import draft_request
    from skillmix_eval.stages.sample import make_question
    from skillmix_eval.templates import load_template

    domain = load_domain("strings")
    question = strings.draw("mirror", dice(1))
    text = question.split('("')[1].split('")')[0]
    skill = next(s for s in domain.skills if s.id == "mirror")
    template = load_template("draft", "draft", domain.folder)
    asked = make_question((skill,), Topic(text, text))
    assert draft_request(asked, 0, template, ModelSpec(model="x/y")).messages[-1].content == question


@pytest.mark.parametrize("name", exercises())
def test_checks_are_fixed_and_never_trained_on(name: str) -> None:
    """Every training measures on the same questions, as many of each skill, none of which is in its pool."""
    found = exercise(name)
    assert found
    one, other = drawn(found, 500, 1), drawn(found, 500, 2)
    assert one.checks == other.checks
    assert one.pool != other.pool
    assert one == drawn(found, 500, 1)
    asked = {e.messages[0].content for e in one.checks}
    assert not asked & {e.messages[0].content for e in one.pool}
    assert [e.item.skills[0] for e in one.checks].count(found.SKILLS[-1]) == FIXED_CHECKS


def test_the_pool_is_imbalanced() -> None:
    """Skills have the shares that the exercise names."""
    pool = drawn(lego, 7000, 0).pool
    shares = [sum(e.item.skills == (s,) for e in pool) for s in lego.SKILLS]
    assert shares[0] * 4 < shares[2] > shares[1] * 4


def test_a_graph_decides_what_is_in_the_pool() -> None:
    """Texts of evaluated skills that are not trained are left out; a graph of unknown skills says so."""
    data = drawn(lego, 700, 0)
    left = of_skills(data, ("first", "second"), ("third",))
    assert {e.item.skills for e in left.pool} == {("first",), ("second",)}
    assert left.checks == data.checks
    with pytest.raises(BadInputError, match=r"No text of the pool shows .* \(ones\)"):
        of_skills(data, ("ones",), ())


def test_an_unknown_name_is_met_with_all_that_can_be_trained(tmp_path: Path) -> None:
    """Exercises and domains are one list to a user."""
    with pytest.raises(BadInputError, match="Did you mean 'lego'"):
        lessons("lgo", None, tmp_path, 0)


def test_the_picture_of_a_graph_shows_its_edges() -> None:
    """An arrow for each skill that helps another, none for one that does not, and names are text."""
    from skillmix_eval.graphs import graph_svg

    drawing = graph_svg(Graph(("a<b>", "b"), ((1.0, 0.25), (0.0, 1.0))))
    assert drawing.count("<line") == 1
    assert "0.25" in drawing
    assert "a&lt;b&gt;" in drawing
    wide = graph_svg(Graph(("a", "b"), ((0.5,), (0.25,)), ("c",)))
    assert wide.count("<line") == wide.count("<circle") - 1 == 2


@pytest.mark.slow
def test_a_student_from_nothing_is_trained_by_skill_it(torch: Any, tmp_path: Path) -> None:
    """One command draws the texts, makes the student, learns the graph, trains; again, it trains nothing."""
    from .server import skillmix

    command = ["train", "--domain", "strings", "--method", "skill_it", "--rounds", 2, "-s", 320]
    command += ["--threads", 1, "--batch", 32, "--out", tmp_path / "out", "--json"]
    done = skillmix(*command, cwd=tmp_path)
    assert done.code == 0, done.err
    assert [t["number"] for t in done.json] == [1, 2]
    assert done.json[1]["losses_after"]["double"] < done.json[0]["losses"]["double"]
    graph = json.loads((tmp_path / "out" / "graph" / "graph.json").read_text())
    assert (len(graph["rows"]), len(graph["rows"][0])) == (7, 7)
    assert (tmp_path / "out" / "graph" / "graph.svg").read_text().startswith("<svg")
    assert not list((tmp_path / "out").glob("*.pt"))
    assert skillmix(*command, cwd=tmp_path).json == done.json


def small(tmp_path: Path, **changes: Any) -> Any:
    """Return settings of a short training of an addition student, its lessons and its folder."""
    fresh = importlib.import_module("skillmix_eval.training.fresh")
    rounds = importlib.import_module("skillmix_eval.rounds")
    trainer = importlib.import_module("skillmix_eval.training.trainer")
    start = fresh.new_student(tmp_path / "start", (), 0, 16, 1)
    course = trainer.Course(batch=16, rate=3e-3, save_every=3)
    given = {"start": str(start), "domain": "addition", "method": "uniform_skills", "budget": 64}
    return rounds.Setup(**{**given, "course": course, **changes}), drawn(addition, 900, 0)


def test_rounds_are_one_training(torch: Any, tmp_path: Path) -> None:
    """Optimiser and rate go on from round to round; killed in the second, it ends with the same weights."""
    rounds = importlib.import_module("skillmix_eval.rounds")
    setup, data = small(tmp_path, rounds=2)
    whole = rounds.train_rounds(setup, data, tmp_path / "whole")

    def killed(number: int, step: Any) -> None:
        if (number, step.step) == (2, 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rounds.train_rounds(setup, data, tmp_path / "cut", on_step=killed)
    again = rounds.train_rounds(setup, data, tmp_path / "cut")
    assert again[1].losses_after == whole[1].losses_after
    files = [tmp_path / name / "2" / "model.safetensors" for name in ("whole", "cut")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not list(tmp_path.glob("*/*.pt"))


def test_graphs_of_all_three_settings(torch: Any, tmp_path: Path) -> None:
    """All skills, a target among them, and a target apart: square, one column, and a row less."""
    graphs = importlib.import_module("skillmix_eval.graphs")
    setup, data = small(tmp_path)
    square = graphs.learnt(setup, data, tmp_path / "square", "brute")
    assert [row[i] for i, row in enumerate(square.rows)] == [1, 1, 1]
    own = graphs.learnt(setup, data, tmp_path / "own", "own")
    assert own != square
    target = graphs.learnt(setup, data, tmp_path / "target", "brute", ("tens",))
    assert target.rows == tuple((row[1],) for row in square.rows)
    apart = of_skills(data, ("ones", "tens"), ("hundreds",))
    outside = graphs.learnt(setup, apart, tmp_path / "apart", "linear", ("hundreds",))
    assert (outside.skills, outside.targets, len(outside.rows)) == (("ones", "tens"), ("hundreds",), 2)
    with pytest.raises(BadInputError, match="Brute force needs the evaluated skills among the trained"):
        graphs.learnt(setup, apart, tmp_path / "apart", "brute", ("hundreds",))
    with pytest.raises(BadInputError, match=r"No text shows the skill 'x'"):
        graphs.learnt(setup, data, tmp_path / "none", "linear", ("x",))


def test_a_mixture_follows_targets_that_are_not_trained(torch: Any, tmp_path: Path) -> None:
    """Out of domain: rows are trained, columns measured, and no text of a column is seen."""
    rounds = importlib.import_module("skillmix_eval.rounds")
    setup, data = small(tmp_path, method="skill_it", settings={"eta": 1.0})
    graph = Graph(("ones", "tens"), ((0.0,), (1.0,)), ("hundreds",))
    done = rounds.train_rounds(setup, data, tmp_path / "out", graph=graph)[0]
    assert done.mixture == pytest.approx({"ones": 1 / (1 + math.e), "tens": math.e / (1 + math.e)})
    assert set(done.realised) <= {"ones", "tens"}
    assert set(done.losses) == set(addition.SKILLS)
    unknown = Graph(("ones", "tens"), ((0.0,), (1.0,)), ("thousands",))
    with pytest.raises(BadInputError, match="No skill of the graph or target named 'thousands'"):
        rounds.train_rounds(setup, data, tmp_path / "other", graph=unknown)
