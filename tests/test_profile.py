"""The skill profile, the composition gap, the next k, and the bound on copying."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaincinv, expit

from skillmix_eval.columns import columns_of
from skillmix_eval.errors import BadInputError
from skillmix_eval.evaluate import read_assumptions, run_figures
from skillmix_eval.records import Sample
from skillmix_eval.runs import Run
from skillmix_eval.spec import RunSpec
from skillmix_eval.stages.imitation import Assumption, beyond_imitation, bounds
from skillmix_eval.stages.profile import Points, composition, fit_prior, predict_next, profile
from skillmix_eval.stages.report import tables
from skillmix_eval.stages.summarise import summarise

from .makers import make_question, make_sample
from .pairs import INFO

PUBLISHED = Assumption("published", 5e12, 1e-6, 0.027, "")


def questions(skills: list[str], points: list[str]) -> list[Sample]:
    """Return one sample per points string, all on the same skills."""
    return [make_sample(make_question(*skills, topic=f"t{i}"), p) for i, p in enumerate(points)]


def world(
    seed: int, ks: tuple[int, ...], n: int, slope: float, together: float
) -> tuple[list[Points], float]:
    """Return points drawn from a world of 30 skills, and its true full marks at the next k."""
    random = np.random.RandomState(seed)
    skill = random.normal(1.5, 0.8, 30)

    def draw(k: int, n: int) -> Points:
        ids = np.array([random.permutation(30)[:k] for _ in range(n)])
        u = random.normal(0, together, n)
        earned = (random.rand(n, k) < expit(skill[ids] + slope * (k - 1) + u[:, None])).astype(float)
        others = (random.rand(n) < expit(3 + slope * (k - 1) + u)).astype(float)
        return Points(k, ids, earned, others, earned.all(axis=1) * others)

    return [draw(k, n) for k in ks], float(draw(ks[-1] + 1, 4000).full.mean())


def test_counts() -> None:
    """The profile counts the texts that a skill was asked of and is missing in, weakest skill first."""
    found = profile(questions(["aa", "bb"], ["01111", "01111", "11111", "10111"]), {"aa": "Skill A"})
    assert [(s.id, s.asked, s.missing) for s in found.skills] == [("aa", 4, 2), ("bb", 4, 1)]
    assert found.skills[0].label == "Skill A"
    assert [(c.id, c.asked, c.missing) for c in found.categories] == [("literary", 8, 3)]


def test_naming_is_missing() -> None:
    """A skill that a text names counts as missing in it."""
    found = profile([make_sample(make_question(), "111111", text="No metaphor.")], {})
    assert {s.id: s.missing for s in found.skills} == {"metaphor": 1, "red-herring": 0, "modus-ponens": 0}


def test_nothing_scored() -> None:
    """A run without a score has an empty profile."""
    found = profile([make_sample(make_question(), None)], {})
    assert (found.skills, found.composition, found.prediction) == ((), (), None)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=12))
def test_shrunk_rates(counts: list[tuple[int, int]]) -> None:
    """A shrunk rate lies between a skill's own rate and the mean of all."""
    trials = np.array([float(n) for _, n in counts])
    successes = np.array([float(min(x, n)) for x, n in counts])
    prior = fit_prior(successes, trials)
    a, b = prior.posterior(successes, trials)
    low, high = np.minimum(successes / trials, prior.mean), np.maximum(successes / trials, prior.mean)
    assert (low - 1e-9 <= a / (a + b)).all()
    assert (a / (a + b) <= high + 1e-9).all()
    assert prior.weight >= 1


@pytest.mark.parametrize(
    ("skills", "n", "spread", "level"), [(100, 9, 1, 1), (100, 9, 0.3, 1), (30, 4, 0.8, 1), (30, 50, 0.2, 2)]
)
def test_shrinkage_helps_and_covers(skills: int, n: int, spread: float, level: float) -> None:
    """Shrunk rates err less than raw ones, and their intervals hold the truth about as often as they say."""
    random = np.random.RandomState(1)
    covered, raw, shrunk = [], [], []
    for _ in range(100):
        truth = expit(level + random.normal(0, spread, skills))
        trials = np.full(skills, float(n))
        successes = random.binomial(n, truth).astype(float)
        prior = fit_prior(successes, trials)
        a, b = prior.posterior(successes, trials)
        raw.append(np.mean((successes / n - truth) ** 2))
        shrunk.append(np.mean((a / (a + b) - truth) ** 2))
        a, b = prior.posterior(successes, trials, least=0.5)
        covered.append(np.mean((betaincinv(a, b, 0.025) <= truth) & (truth <= betaincinv(a, b, 0.975))))
    assert np.mean(shrunk) < 0.7 * np.mean(raw)
    assert np.mean(covered) > 0.88


def test_weakest_tenth() -> None:
    """The chances of being in the weakest tenth add up to its size, and the weak skill has the most."""
    given = [s for i in range(20) for s in questions([f"s{i}"], ["0111" if i == 7 else "1111"] * 12)]
    found = profile(given, {})
    assert sum(s.weakest for s in found.skills) == pytest.approx(2)
    assert found.skills[0].id == "s7"
    assert found.skills[0].weakest > 0.99


def test_no_gap_without_a_cost() -> None:
    """Where points do not depend on k or each other, full marks are the product of the rates."""
    inside = 0
    for seed in range(20):
        points, _ = world(seed, (1, 3), 150, 0, 0)
        (row,) = composition(points)
        assert (row.k, row.base_k) == (3, 1)
        inside += row.low <= 1 <= row.high
    assert inside >= 18


def test_gap_where_combining_costs() -> None:
    """Where points fall with k, the ratio's whole interval is below 1."""
    points, _ = world(0, (1, 4), 400, -0.8, 0.3)
    assert composition(points)[0].high < 1


def test_one_k() -> None:
    """With one k, the ratio is of that k itself, and nothing is foreseen."""
    points, _ = world(0, (3,), 60, 0, 0)
    (row,) = composition(points)
    assert (row.k, row.base_k) == (3, 3)
    assert predict_next(points) is None


@pytest.mark.parametrize(("slope", "together"), [(-0.3, 0.7), (0, 0.01)])
def test_next_k(slope: float, together: float) -> None:
    """Full marks foreseen at the next k err by a few points, and their interval holds the truth."""
    errors, inside = [], 0
    for seed in range(6):
        points, truth = world(seed, (1, 2, 3, 4), 100, slope, together)
        found = predict_next(points)
        assert found is not None
        assert found.k == 5
        errors.append(found.value - truth)
        inside += found.low <= truth <= found.high
    assert np.sqrt(np.mean(np.square(errors))) < 0.08
    assert inside >= 5


def test_profile_is_a_function_of_the_samples() -> None:
    """The same samples give the same profile, draws included."""
    given = questions(["aa", "bb"], ["01111", "11111", "10111"]) + questions(["aa"], ["1111", "0111"])
    assert profile(given, {}) == profile(given, {})


def test_published_bound() -> None:
    """The published assumptions give the paper's bound of 0.07 at k = 5 and 0.002 at k = 6."""
    assert bound(PUBLISHED, *(f"s{i}" for i in range(5))) == pytest.approx(0.0717, abs=1e-4)
    assert bound(PUBLISHED, *(f"s{i}" for i in range(6))) == pytest.approx(0.00194, abs=1e-5)


def test_own_frequencies() -> None:
    """A skill's or topic's own frequency takes the mean's place, and no bound is above 1."""
    assumed = Assumption("mine", 1e6, 1e-3, 0.1, "", {"metaphor": 0.5}, {"sewing": 1e-6})
    assert bound(assumed) == pytest.approx(0.5 * 0.1 * 0.1)
    assert bound(assumed, topic="glass") == 1


def bound(assumed: Assumption, *skills: str, topic: str = "sewing") -> float:
    """Return the bound of one question."""
    columns = columns_of([make_sample(make_question(*skills, topic=topic))])
    return float(bounds(columns, columns.blocks[0], assumed)[0])


def beyond(full: int, n: int, k: int) -> tuple[str, float, float | None]:
    """Return the sentence, p and least new share for so many full marks of n."""
    skills = [f"s{i}" for i in range(k)]
    given = questions(skills, ["1" * (k + 3)] * full + ["0" * (k + 3)] * (n - full))
    (row,) = beyond_imitation(given, summarise(given, "mean", {}), [PUBLISHED])
    return row.sentence, row.p, row.novel


def test_the_papers_claim_is_weak_at_five() -> None:
    """5 of 41 at k = 5 is weak evidence (p = 0.16 or so), and 3 of 37 at k = 6 strong evidence."""
    sentence, p, novel = beyond(5, 41, 5)
    assert p == pytest.approx(0.17, abs=0.015)
    assert "weak evidence" in sentence
    assert novel == pytest.approx(1 - 0.0717 / (5 / 41), abs=1e-3)
    sentence, p, _ = beyond(3, 37, 6)
    assert p == pytest.approx(5.4e-5, rel=0.1)
    assert "strong evidence" in sentence


def test_no_evidence() -> None:
    """Full marks under the bound are no evidence, and a bound of 1 is said to bound nothing."""
    assert "no evidence" in beyond(1, 50, 5)[0]
    assert "bound nothing" in beyond(5, 10, 3)[0]


def test_holm_over_rows() -> None:
    """p is adjusted over all assumptions and k."""
    given = questions([f"s{i}" for i in range(6)], ["1" * 9] * 3 + ["0" * 9] * 34)
    rows = beyond_imitation(given, summarise(given, "mean", {}), [PUBLISHED, PUBLISHED])
    assert rows[0].p_holm == pytest.approx(2 * rows[0].p)


def test_assumptions_stand_beside_the_figures() -> None:
    """The report has a table of what is assumed, and why, beside the figures that rest on it."""
    given = questions(["s0", "s1"], ["11111", "00000"])
    run = Run(RunSpec(), INFO, tuple(given))
    shown = {t.title: t for t in tables(run_figures(run, assumptions=read_assumptions("assumed")))}
    found = shown["What is assumed of the corpus"]
    assert [r[0] for r in found.rows] == list(dict.fromkeys(r[0] for r in shown["Beyond imitation"].rows))
    assert "Cautious: Four times the passages" in found.note
    assert "What is assumed of the corpus" not in {t.title for t in tables(run_figures(run))}


def test_assumptions_file(tmp_path: Path) -> None:
    """Our assumptions are a file with reasons; a file that is none is refused by name."""
    shipped = read_assumptions("assumed")
    assert all(a.why for a in shipped)
    path = tmp_path / "mine.yaml"
    path.write_text("assumptions: [{name: x}]")
    with pytest.raises(BadInputError, match=r"mine\.yaml"):
        read_assumptions(str(path))
    with pytest.raises(BadInputError, match=r"none\.yaml"):
        read_assumptions(str(tmp_path / "none.yaml"))


def test_a_skill_only_asked_at_larger_k() -> None:
    """Questions with a skill that the smallest k did not ask have no product to be compared with."""
    points, _ = world(0, (1, 3), 200, 0, 0)
    few = np.isin(points[0].skills[:, 0], range(20))
    base = Points(1, points[0].skills[few], points[0].earned[few], points[0].others[few], points[0].full[few])
    (row,) = composition([base, points[1]])
    assert row.observed.n == int((points[1].skills < 20).all(axis=1).sum())
