"""Training methods: the papers' worked vectors, and what a plan is whatever the method."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval import methods
from skillmix_eval.adapt import plan as planned_by_name
from skillmix_eval.errors import BadInputError
from skillmix_eval.methods import (
    curriculum,
    dmt,
    lfr,
    skill_composition,
    skill_curriculum,
    skill_it,
    stat_sel,
    uniform_items,
    uniform_skills,
)
from skillmix_eval.mixing import Item, Miss, Observed, Planned, checked, normalised

NAMES = sorted(m.name for m in pkgutil.iter_modules(methods.__path__))
SKILLS = ("a", "b", "c")
POOL = tuple(
    Item(f"{skill}{i}", (skill,) if i % 3 else (skill, SKILLS[(n + 1) % 3]), loss=float(i + 10 * n))
    for n, skill in enumerate(SKILLS)
    for i in range(4 * (n + 1))
)
FULL = Observed(
    SKILLS,
    POOL,
    losses=((0.1, 0.5, 0.9), (0.1, 0.4, 0.9)),
    graph=((1, 0.5, 0), (0, 1, 0), (0, 0, 1)),
    misses=(Miss("q1", ("c",)), Miss("q2", ("c", "b")), Miss("q3", ("c",))),
    targets=(),
)
LEGO = np.eye(5)
LEGO[1, [0, 2, 3]] = 0.5


def planned(name: str, observed: Observed = FULL, budget: int = 60, **options: Any) -> Planned:
    """Return a method's plan; DMT is told its targets."""
    if name == "dmt":
        observed = msgspec.structs.replace(observed, targets=("a",))
    found: Planned = importlib.import_module(f"skillmix_eval.methods.{name}").plan(
        observed, budget, **options
    )
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_method_gives_a_plan(name: str) -> None:
    """Each method returns shares that sum to 1, items of the pool within the budget, and its source."""
    plan = planned(name)
    assert sum(plan.mixture.values()) == pytest.approx(1)
    assert len(plan.items) == 60
    assert set(plan.items) <= {i.id for i in POOL}
    assert "arXiv" in plan.source
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Planned) == plan


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(name: str) -> None:
    """The same seed gives the same plan, another seed other items."""
    assert planned(name, seed=3) == planned(name, seed=3)
    assert planned(name, seed=3).items != planned(name, seed=4).items


@pytest.mark.parametrize(
    ("graph", "eta", "expected"),
    [
        (LEGO, 0.5, [0.1635, 0.3461, 0.1635, 0.1635, 0.1635]),
        ([[1, 0, 0], [0.5, 1, 0], [0, 0, 1]], 0.1, [0.328, 0.345, 0.328]),
        ([[1.342], [0.732]], 0.2, [0.530, 0.470]),
        ([[0.0258], [0.4591], [0.0798], [0.4553]], 0.8, [0.205, 0.291, 0.214, 0.290]),
        ([[0.0], [0.5], [1.0]], 0.5, [0.254, 0.326, 0.419]),
    ],
    ids=["lego", "addition", "stance", "spanish-qg", "lego-fine-tuning"],
)
def test_first_mixtures_of_the_paper(graph: Any, eta: float, expected: list[float]) -> None:
    """p_1 of Skill-It is the softmax of eta times the row sums, as in the paper's experiments."""
    assert skill_it.mixture(np.asarray(graph, float), [], eta) == pytest.approx(expected, abs=6e-4)


def test_a_later_mixture_of_the_paper() -> None:
    """With losses summed over the window, the skill that helps the unlearnt ones leads."""
    found = skill_it.mixture(LEGO, [[0, 2.07, 2.07, 2.07, 2.07]], 0.5)
    assert found == pytest.approx([0.058, 0.456, 0.162, 0.162, 0.162], abs=2e-3)


def test_only_the_window_counts() -> None:
    """Losses older than the window change nothing; a mean is the sum at a window times the rate."""
    rows = [[9.0, 0, 0, 0, 0], [1.0, 2, 3, 4, 5], [2.0, 2, 2, 2, 2]]
    assert skill_it.mixture(LEGO, rows, 0.5, 2) == pytest.approx(skill_it.mixture(LEGO, rows[1:], 0.5, 2))
    mean = skill_it.mixture(LEGO, rows, 1.0, 2, mean=True)
    assert mean == pytest.approx(skill_it.mixture(LEGO, rows, 0.5, 2))


@given(st.lists(st.lists(st.floats(0, 50), min_size=3, max_size=3), max_size=4), st.floats(0, 3))
def test_a_complete_graph_is_stratified(losses: list[list[float]], eta: float) -> None:
    """Where every skill helps every other alike, the mixture is uniform, whatever the losses."""
    assert skill_it.mixture(np.ones((3, 3)), losses, eta) == pytest.approx([1 / 3] * 3)


def test_an_identity_graph_is_multiplicative_weights() -> None:
    """Where no skill helps another, weights are the exponentials of the losses, and the plan says so."""
    plan = planned("skill_it", control="identity", window=1, eta=1.0)
    weights = np.exp([0.1, 0.4, 0.9])
    assert list(plan.mixture.values()) == pytest.approx(list(weights / weights.sum()))
    assert plan.deviations == (skill_it.RATES, "identity graph (negative control)")


def test_the_first_round_of_a_training_follows_the_graph_alone() -> None:
    """Losses of the start count only where they are of a run and not of a training."""
    rows = ((9.0, 1.0, 1.0), (0.1, 0.4, 0.9))
    by_losses = list(skill_it.mixture(np.asarray(FULL.graph), [rows[1]], 0.5))
    first = msgspec.structs.replace(FULL, losses=rows[:1], from_start=True)
    assert list(planned("skill_it", first).mixture.values()) == pytest.approx(
        list(skill_it.mixture(np.asarray(FULL.graph), [], 0.5))
    )
    second = msgspec.structs.replace(first, losses=rows, round=1)
    assert list(planned("skill_it", second).mixture.values()) == pytest.approx(by_losses)
    alone = msgspec.structs.replace(FULL, losses=rows[1:])
    assert list(planned("skill_it", alone).mixture.values()) == pytest.approx(by_losses)


def test_a_shuffled_graph_gives_each_skill_the_place_of_another() -> None:
    """The same edges between other skills; a control that does not exist is named."""
    plan = planned("skill_it", control="shuffled", window=1, eta=1.0)
    graph = np.array([[1, 0, 0], [0, 1, 0.5], [0, 0, 1]])
    assert list(plan.mixture.values()) == pytest.approx(skill_it.mixture(graph, [[0.1, 0.4, 0.9]], 1.0))
    assert plan.deviations == (skill_it.RATES, "shuffled graph (negative control)")
    with pytest.raises(BadInputError, match="Did you mean 'identity'"):
        planned("skill_it", control="identiy")


def test_edges_of_one_weight() -> None:
    """An edge weighs 0.5 whatever it was, a skill's own 1, and what is below the least is none."""
    raw = np.array([[0.3, 0.2], [0.01, 0.3]])
    assert skill_it.edges(raw, least=0.05).tolist() == [[1, 0.5], [0, 1]]


def test_the_graph_is_learnt() -> None:
    """Brute force finds the one edge of a world where b's data halve a's need, and the approximation, too."""

    def train(skills: tuple[int, ...]) -> list[float]:
        share = 1 / len(skills)
        drop = [share * (i in skills) for i in range(3)]
        drop[0] += 2.0 * share * (1 in skills)
        return drop

    brute = skill_it.learn_graph(train, 3)
    assert [(i, j) for i in range(3) for j in range(3) if i != j and brute[i, j] > 0] == [(1, 0)]
    assert list(np.diag(brute)) == [1, 1, 1]
    assert (skill_it.learn_graph(train, 3, pairs=False) > 0).tolist() == [
        [True, False, False], [True, True, False], [False, False, True],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scores", "hard"),
    [([0.9, 0.9], False), ([0.9, 0.85], True), ([0.7, 0.99, 0.99], True), ([0.71, 0.99, 0.99], False)],
)
def test_difficult_questions(scores: list[float], hard: bool) -> None:
    """A question is difficult by its last score, its mean, or one low step (thresholds .85 and .70)."""
    assert stat_sel.difficult(scores) is hard


def test_stat_weighs_by_count() -> None:
    """A skill's share among the picks follows how many failed questions list it."""
    assert stat_sel.profile(FULL) == {"c": 0.75, "b": 0.25}
    plain = Observed(
        SKILLS, tuple(Item(f"{s}{i}", (s,)) for s in SKILLS for i in range(9)), misses=FULL.misses
    )
    plan = stat_sel.plan(plain, 20, per_skill=5)
    assert Counter(i[0] for i in plan.items) == {"c": 15, "b": 5}


def test_composition_takes_full_marks_of_few_trained_skills() -> None:
    """D(1..most) holds full-mark texts of trained skills alone, each k alike."""
    pool = (
        Item("one", ("a",)), Item("two", ("a", "b")), Item("three", ("a", "b", "c")),
        Item("failed", ("a",), full_marks=False), Item("other", ("a", "z")),
    )  # fmt: skip
    plan = skill_composition.plan(Observed(SKILLS, pool), 11, most=2)
    assert Counter(plan.items) == {"one": 6, "two": 5}


def test_curricula_go_from_easy_to_hard() -> None:
    """The first round holds the easiest items, the last all; skills come in the order of their losses."""
    first = curriculum.plan(msgspec.structs.replace(FULL, rounds=4), 6)
    assert set(first.items) == {"a0", "a1", "a2", "a3", "b0", "b1"}
    by_skill = [
        skill_curriculum.plan(msgspec.structs.replace(FULL, round=r, rounds=4), 9).mixture for r in range(4)
    ]
    assert by_skill[0] == {"a": 1, "b": 0, "c": 0}
    assert by_skill[1] == pytest.approx({"a": 0.4, "b": 0.6, "c": 0})
    assert by_skill[3] == pytest.approx(dict.fromkeys(SKILLS, 1 / 3))


def test_focus_and_replay() -> None:
    """LFR's second round is the harder half; DMT's is general items and a little of the special."""
    focus = lfr.plan(msgspec.structs.replace(FULL, round=1), 12)
    assert {i[0] for i in focus.items} == {"c"}
    seen = msgspec.structs.replace(FULL, round=1, targets=("a",))
    special = {i.id for i in POOL if "a" in i.skills}
    assert len(special & set(dmt.plan(seen, 200).items)) == 1


def test_stratified_is_not_what_the_pool_holds() -> None:
    """Uniform over items follows the pool's imbalance, uniform over skills does not."""
    assert uniform_items.plan(FULL, 24).mixture["c"] > uniform_items.plan(FULL, 24).mixture["a"]
    assert set(uniform_skills.plan(FULL, 9).mixture.values()) == {1 / 3}


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("stat_sel", {"misses": ()}, "questions that the student failed"),
        ("stat_sel", {"pool": (Item("x", ()),)}, "carries a skill"),
        ("skill_it", {"graph": ((1, 2),)}, "The graph has 1 rows of 2 numbers, but there are 3 trained"),
        ("skill_it", {"graph": ((1, 2), (1,), (1, 2, 3))}, "3 rows of 1 or 2 or 3 numbers"),
        ("skill_it", {"graph": ()}, "--graph linear` learns one"),
        ("skill_it", {"losses": ((1.0,),)}, "needs 3 losses"),
        ("skill_it", {"losses": ((1.0, float("nan"), 1.0),)}, "not a number"),
        ("curriculum", {"pool": (Item("x", ("a",)),)}, "skillmix train --method curriculum` measures it"),
        ("lfr", {"pool": (Item("x", ("a",)),), "round": 1}, "skillmix train --method lfr` measures it"),
        ("skill_curriculum", {"losses": ()}, "skillmix train --method skill_curriculum` measures them"),
        ("uniform_skills", {"pool": (Item("x", ()),)}, "carries a skill"),
        ("skill_composition", {"pool": (Item("x", ("z",)),)}, "no full-mark text"),
        ("uniform_items", {"pool": ()}, "empty"),
        ("dmt", {"pool": (Item("x", ("b",)),)}, "target skills"),
    ],
)
def test_what_is_missing_is_said(name: str, change: dict[str, Any], said: str) -> None:
    """A method that is given too little says in one sentence what it needs."""
    with pytest.raises(BadInputError, match=said) as error:
        planned(name, msgspec.structs.replace(FULL, **change))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("skill_it", "window", 0), ("skill_it", "window", True), ("skill_it", "eta", -3),
        ("skill_it", "eta", float("inf")), ("skill_it", "eta", float("nan")), ("skill_it", "eta", "high"),
        ("lfr", "drop", 1.5), ("skill_curriculum", "earlier", 2), ("dmt", "replay", -0.1),
        ("stat_sel", "per_skill", 0), ("stat_sel", "per_skill", 100_000_000),
        ("skill_composition", "most", 0),
    ],
)  # fmt: skip
def test_an_option_out_of_range_is_refused(name: str, option: str, value: Any) -> None:
    """Whatever the method, its signature says what an option may be, and the error names option and value."""
    with pytest.raises(BadInputError, match=f"The option {option} of {name} cannot be {value!r}: Expected"):
        planned_by_name(name, FULL, 10, 0, {option: value})


@pytest.mark.parametrize(
    ("name", "lacks", "said"),
    [
        ("stat_sel", "pool", "give a --pool"), ("uniform_skills", "pool", "give a --pool"),
        ("curriculum", "pool", "give a --pool"), ("stat_sel", "misses", "give a --run"),
        ("dmt", "targets", "--targets a,b"),
    ],
)  # fmt: skip
def test_a_need_that_is_not_met_names_the_option_that_meets_it(name: str, lacks: str, said: str) -> None:
    """A method that was not given what it needs says how to give it."""
    with pytest.raises(BadInputError, match=f"^{name} needs .*{said}"):
        planned_by_name(name, msgspec.structs.replace(FULL, **{lacks: ()}), 10, 0, {})


def test_a_pool_with_a_loss_that_is_no_number_gives_no_plan() -> None:
    """An item that cannot be ordered by its loss would stand anywhere."""
    pool = (*POOL, Item("x", ("a",), loss=float("nan")))
    with pytest.raises(BadInputError, match="A loss is nan"):
        planned_by_name("curriculum", msgspec.structs.replace(FULL, pool=pool), 10, 0, {})


def test_a_plan_says_where_it_is_not_as_in_the_paper() -> None:
    """What the harness puts in the place of the paper's parts is in the result."""
    rounds = msgspec.structs.replace(FULL, rounds=2)
    for name, said in (
        ("stat_sel", "rubric"),
        ("curriculum", "each round"),
        ("skill_curriculum", "not each"),
    ):
        assert any(said in words for words in planned(name, rounds).deviations)


def test_a_mixture_that_does_not_sum_is_refused() -> None:
    """Whatever method gives it, shares are checked before anything is drawn by them."""
    for mixture in ({"a": 0.5, "b": 0.4}, {"a": 1.5, "b": -0.5}, {}):
        with pytest.raises(BadInputError, match="The mixture of mine sums to"):
            checked(Planned("mine", "nowhere", mixture), FULL)
    with pytest.raises(BadInputError, match=r"20\.0% to the skill 'nosuch', which no text of the pool"):
        checked(Planned("mine", "nowhere", {"a": 0.8, "nosuch": 0.2}), FULL)
    with pytest.raises(BadInputError, match="at least one skill with a weight above 0"):
        normalised({"a": 0.0})


def test_stratified_is_over_the_skills_that_matter_to_the_targets() -> None:
    """With a graph and targets: these and what helps them, as in the paper's other two settings."""
    tuned = msgspec.structs.replace(FULL, graph=((0.2,), (1.0,), (0.0,)), targets=("b",))
    assert planned("uniform_skills", tuned).mixture == {"a": 0.5, "b": 0.5}
    outside = msgspec.structs.replace(FULL, graph=((0.2,), (0.0,), (0.0,)), targets=("z",))
    assert planned("uniform_skills", outside).mixture == {"a": 1.0}


@given(st.integers(2, 9), st.integers(0, 99))
def test_stat_sel_shuffled_draws_nothing_for_what_was_missed_most(many: int, seed: int) -> None:
    """The negative control never lands on the missed skills by chance: they trade with those never missed."""
    skills = tuple("abcdefghi"[:many])
    missed = skills[: many // 2]
    pool = tuple(Item(s, (s,)) for s in skills)
    observed = Observed(skills, misses=tuple(Miss(s, (s,)) for s in missed), pool=pool)
    found = stat_sel.plan(observed, 40, seed, shuffled=True)
    assert not set(found.mixture) & set(missed)
