"""The statistics behind decisions, held to worked values, to other libraries, and to their promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from scipy.stats import binomtest, pearsonr, permutation_test, t
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import tost_proportions_2indep

from skillmix_eval.errors import BadInputError
from skillmix_eval.statistics import crossed, evalue, paired, planning
from skillmix_eval.statistics.planning import Rates

counts = st.integers(0, 40)
HALF = Rates(0.6, 0.05, 0.5)


def marks(worse: int, better: int, n: int) -> tuple[list[float], list[float]]:
    """Return 0/1 scores of two models with so many regressions and improvements among n questions."""
    old = [1.0] * worse + [0.0] * (n - worse)
    new = [0.0] * worse + [1.0] * better + [0.0] * (n - worse - better)
    return old, new


# --- the e-process


@pytest.mark.parametrize(
    ("worse", "better", "e"), [(0, 0, 1), (10, 2, 9.440559), (37, 19, 5.905180), (5, 9, 0.164635)]
)
def test_mixture_worked_values(worse: int, better: int, e: float) -> None:
    """The mixture's evidence has the worked values: 10 regressions and 2 improvements give 9.4406."""
    assert math.exp(evalue.log_e_mixture(worse, better)) == pytest.approx(e, abs=1e-6)


@given(counts, counts)
def test_mixture_is_the_integral(worse: int, better: int) -> None:
    """The closed form is the integral of (1 + l)^worse (1 - l)^better over bets from 0 to 1."""
    found, _ = integrate.quad(lambda x: (1 + x) ** worse * (1 - x) ** better, 0, 1)
    assert math.exp(evalue.log_e_mixture(worse, better)) == pytest.approx(found, rel=1e-6)


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=30), st.booleans())
def test_evidence_depends_on_the_past_only(drops: list[float], binary: bool) -> None:
    """What is seen later changes no evidence at an earlier question."""
    whole = evalue.evidence(np.array(drops), 0.05, binary)
    part = evalue.evidence(np.array(drops[:-1]), 0.05, binary)
    np.testing.assert_allclose(whole.alarm[:-1], part.alarm, atol=1e-9)
    np.testing.assert_allclose(whole.passing[:-1], part.passing, atol=1e-9)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("drop", [0.05, 0.1])
def test_evidence_is_a_fair_bet(drop: float, binary: bool) -> None:
    """Averaged over all sequences of three questions under the null, the evidence is 1."""
    for null in (0.0, drop):
        p10 = 0.12 + null / 2
        cells = {1.0: p10, -1.0: p10 - null, 0.0: 1 - 2 * p10 + null}
        mean = 0.0
        for sequence in np.array(np.meshgrid(*[list(cells)] * 3)).reshape(3, -1).T:
            found = evalue.evidence(sequence, drop, binary)
            log_e = found.alarm[-1] if null == 0.0 else found.passing[-1]
            mean += math.exp(log_e) * math.prod(cells[d] for d in sequence)
        assert mean == pytest.approx(1)


def test_all_regressions_and_none() -> None:
    """A row of regressions raises the alarm within ten questions; a row of ties passes, but late."""
    worse = evalue.evidence(np.ones(30), 0.05, True)
    assert evalue.first_crossing(worse.alarm, 0.05) in range(5, 11)
    assert evalue.first_crossing(worse.passing, 0.05) is None
    ties = evalue.evidence(np.zeros(300), 0.05, True)
    assert evalue.first_crossing(ties.alarm, 0.05) is None
    assert evalue.first_crossing(ties.passing, 0.05) in range(50, 200)


def test_confidence_sequence_holds_at_every_time() -> None:
    """In at least 95 % of streams, the interval holds the true drop whenever it is looked at."""
    rng, missed = np.random.default_rng(0), 0
    for _ in range(100):
        drops = planning.draw(Rates(0.6, 0.1, 0.5), (1, 200), rng)[0]
        ends = [evalue.confidence_sequence(drops[:n], 0.05) for n in range(10, 201, 10)]
        missed += any(not low - 0.005 <= 0.1 <= high + 0.005 for low, high in ends)
    assert missed <= 8


def test_confidence_sequence_narrows() -> None:
    """The interval is all of [-1, 1] with nothing seen, and narrows around what is seen."""
    assert evalue.confidence_sequence(np.array([]), 0.05) == (-1.0, 1.0)
    drops = np.tile([1.0, 0.0, 0.0, -1.0, 0.0], 100)
    widths = [np.diff(evalue.confidence_sequence(drops[:n], 0.05))[0] for n in (20, 100, 500)]
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] < 0.4


@pytest.mark.parametrize(("allowed", "questions"), [(0.05, 2500), (0.1, 900)])
def test_gate_errors(allowed: float, questions: int) -> None:
    """The gate errs at most in one of twenty cases on either side, however often it looks."""
    rng = np.random.default_rng(1)
    for drop, wrong in ((0.0, 1), (allowed, 0)):
        drops = planning.draw(Rates(0.6, drop, 0.5), (300, questions), rng)
        outcome, _ = planning.stops(drops, allowed, 0.05, 0.05)
        assert (outcome == wrong).mean() <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize(("allowed", "drop", "mean"), [(0.05, 0.2, 62), (0.1, 0.2, 54), (0.1, 0.0, 180)])
def test_gate_cost(allowed: float, drop: float, mean: float) -> None:
    """The gate asks no more than the plan's figures: a drop of 20 points is found in about 60 questions."""
    found = planning.simulate(Rates(0.6, drop, 0.5), allowed, 0.05, 0.05, 1500, gates=300)
    assert found.mean <= 1.1 * mean
    assert found.alarms + found.passes + found.undecided == pytest.approx(1)


def test_peeking_at_an_ordinary_test() -> None:
    """An ordinary test that is looked at every 10 questions cries wolf in more than one case of five."""
    drops = planning.draw(Rates(0.6, 0.0, 0.5), (400, 1048), np.random.default_rng(0))
    looks = np.arange(9, 1048, 10)
    worse, better = (np.cumsum(side, axis=1)[:, looks] for side in (drops > 0, drops < 0))
    cache = {(b, c): paired.mcnemar_worse(b, c) for b, c in {*zip(worse.flat, better.flat, strict=True)}}
    alarms = [
        any(cache[pair] <= 0.05 for pair in zip(b, c, strict=True))
        for b, c in zip(worse, better, strict=True)
    ]
    assert 0.2 < np.mean(alarms) < 0.4


# --- fixed tests and intervals of differences


@given(counts, counts)
def test_mid_p(worse: int, better: int) -> None:
    """The mid-p is the exact p of McNemar's test less half the chance of what was seen."""
    m = worse + better
    exact = mcnemar([[0, worse], [better, 0]], exact=True).pvalue if m else 1.0
    seen = math.comb(m, worse) / 2**m
    assert paired.mcnemar(worse, better) == pytest.approx(min(1.0, exact - seen if worse != better else 1.0))
    one_sided = binomtest(worse, m, 0.5, "greater").pvalue if m else 1.0
    assert paired.mcnemar_worse(worse, better) == pytest.approx(one_sided - seen / 2)


@pytest.mark.parametrize(
    ("worse", "better", "n", "low", "high"),
    [(9, 3, 32, -0.027, 0.390), (1, 0, 30, -0.084, 0.167), (0, 0, 50, -0.0713, 0.0713)],
)
def test_tango_interval(worse: int, better: int, n: int, low: float, high: float) -> None:
    """The interval of a paired difference is Tango's, as printed for (9, 3) of 32."""
    assert paired.tango_interval(worse, better, n) == pytest.approx((low, high), abs=1e-3)


@given(counts, counts, st.integers(0, 40))
def test_tango_interval_holds_what_was_seen(worse: int, better: int, ties: int) -> None:
    """The interval holds the drop seen, mirrors when models change places, and has |Z| = 1.96 at its ends."""
    n = worse + better + ties
    if not n:
        return
    low, high = paired.tango_interval(worse, better, n)
    assert -1 <= low <= (worse - better) / n <= high <= 1
    assert paired.tango_interval(better, worse, n) == pytest.approx((-high, -low), abs=1e-6)
    for end, sign in ((low, 1), (high, -1)):
        if abs(end) < 0.999:
            assert sign * paired.tango_z(worse, better, n, end) == pytest.approx(1.96, abs=0.01)


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=3, max_size=12))
def test_sign_flips_are_exact_for_few(values: list[float]) -> None:
    """For a few questions p counts all flips of signs, as scipy's permutation test does."""
    d = np.array(values)
    if np.count_nonzero(d) < 2:
        assert paired.sign_flips(d) == 1
        return
    expected = permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    ).pvalue
    assert paired.sign_flips(d) == pytest.approx(expected, abs=1e-9)


def test_sign_flips_and_t_agree() -> None:
    """For many questions the permutation test gives the p of the t test, which replaces it above 1,000."""
    d = np.random.default_rng(0).choice([-1, -0.5, 0, 0.5, 1], size=1000, p=[0.1, 0.2, 0.35, 0.22, 0.13])
    long = np.append(d, 0.0)
    assert paired.sign_flips(d) == pytest.approx(paired.sign_flips(long), abs=0.02)


def test_graded_difference() -> None:
    """Graded scores have a t interval with a pair of unseen extremes added, inside [-1, 1]."""
    old, new = [0.0, 1 / 3, 2 / 3, 1.0], [1 / 3, 1 / 3, 1.0, 1.0]
    found = paired.difference(old, new)
    d = np.array([1 / 3, 0, 1 / 3, 0])
    added = np.append(d, (1, -1))
    sd = math.sqrt(((added - d.mean()) ** 2).sum() / 5)
    half = t.ppf(0.975, 3) * sd / 2
    assert (found.low, found.high) == pytest.approx((d.mean() - half, min(1, d.mean() + half)))
    assert (found.worse, found.better, found.n) == (0, 2, 4)
    assert "sign flips" in found.test


def test_no_questions() -> None:
    """Nothing shared has no difference, and one question says nothing but its own."""
    assert paired.difference([], []).n == 0
    one = paired.difference([0.5], [1.0])
    assert (one.low, one.high) == (-1.0, 1.0)


@given(counts, counts, st.integers(0, 40))
def test_a_difference_and_its_p_agree(worse: int, better: int, ties: int) -> None:
    """Where the interval of 0/1 scores is beside zero p is small, and where p is large it holds zero."""
    n = worse + better + ties
    if n:
        found = paired.difference(*marks(worse, better, n))
        assert found.p is not None
        assert found.low is not None
        assert found.high is not None
        if found.p > 0.15:
            assert found.low <= 0 <= found.high
        if found.low > 0 or found.high < 0:
            assert found.p < 0.15


@given(counts, counts, st.integers(0, 60), st.sampled_from([0.05, 0.1]))
def test_pass_and_alarm_exclude_each_other_in_size(worse: int, better: int, ties: int, drop: float) -> None:
    """More regressions never make the alarm's p larger, nor the pass's p smaller."""
    n = worse + better + ties + 1
    here, there = (np.subtract(*marks(b, better, n)) for b in (worse, worse + 1))
    assert paired.regression_p(there) <= paired.regression_p(here) + 1e-9
    assert paired.tolerated_p(there, drop) >= paired.tolerated_p(here, drop) - 1e-9


@pytest.mark.parametrize(("rate", "n"), [(0.6, 100), (0.9, 50), (0.97, 50)])
def test_passes_of_real_drops(rate: float, n: int) -> None:
    """At a true drop of the allowed 5 points, at most one gate in twenty passes, also for strong models."""
    drops = planning.draw(Rates(rate, 0.05, 0.5), (4000, n), np.random.default_rng(0))
    pairs = list(zip((drops > 0).sum(axis=1), (drops < 0).sum(axis=1), strict=True))
    p = {pair: paired.tolerated_p(np.subtract(*marks(*pair, n)), 0.05) for pair in set(pairs)}
    assert np.mean([p[pair] <= 0.05 for pair in pairs]) <= 0.06


def test_unpaired_is_agresti_caffo() -> None:
    """Without shared questions, p of both claims are those of statsmodels' adjusted test."""
    old, new = (0.62, 150), (0.5, 120)
    no_drop, dropped = paired.unpaired_p(old, new, 0.05)
    counts = (round(0.5 * 120), 120, round(0.62 * 150), 150)
    found = tost_proportions_2indep(*counts, -0.05, 0.05, method="agresti-caffo")
    assert dropped == pytest.approx(found.results_larger.pvalue, abs=1e-6) or dropped > 0.5
    low, high = paired.unpaired_interval(old, new)
    assert low < 0.12 < high
    assert no_drop < 0.05 < dropped


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_and_benjamini_hochberg(ps: list[float]) -> None:
    """Adjusted p are never below the plain ones, keep their order, and Holm's are the larger."""
    holm, bh = paired.holm(ps), paired.benjamini_hochberg(ps)
    for plain, share, family in zip(ps, bh, holm, strict=True):
        assert plain - 1e-12 <= share <= family + 1e-12 <= 1 + 2e-12
    assert holm[int(np.argmin(ps))] == pytest.approx(min(1, len(ps) * min(ps)))


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.integers(1, 50)), min_size=1, max_size=20), st.floats(0.05, 0.6)
)
def test_shrunk_differences(groups: list[tuple[float, int]], sd: float) -> None:
    """A shrunk difference lies between a group's own and the common mean."""
    means, n = [m for m, _ in groups], [c for _, c in groups]
    centre = np.average(means, weights=n)
    for own, drawn in zip(means, paired.shrunk(means, n, sd), strict=True):
        assert min(own, centre) - 1e-9 <= drawn <= max(own, centre) + 1e-9


def test_correlation() -> None:
    """The correlation is Pearson's, and there is none where a model's scores are all alike."""
    old, new = [1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0]
    assert paired.correlation(old, new) == pytest.approx(pearsonr(old, new).statistic)
    assert paired.correlation([1.0] * 4, new) is None


# --- planning


@pytest.mark.parametrize(
    ("base", "drop", "rho", "eighty", "ninety"),
    [
        (0.6, 0.05, 0.5, 607, 840),
        (0.6, 0.05, 0.0, 1210, 1675),
        (0.6, 0.05, 0.85, 186, 256),
        (0.8, 0.03, 0.25, 1742, 2412),
        (0.3, 0.1, 0.7, 75, 102),
    ],
)
def test_planned_pairs(base: float, drop: float, rho: float, eighty: int, ninety: int) -> None:
    """The questions needed to see a drop are the worked ones, at 80 % and at 90 %."""
    rates = Rates(base, drop, rho)
    assert [planning.pairs_to_see(rates, power, 0.05) for power in (0.8, 0.9)] == [eighty, ninety]


@pytest.mark.parametrize(
    ("drop", "beta", "n"), [(0.05, 0.05, 1048), (0.1, 0.05, 263), (0.05, 0.2, 597), (0.1, 0.2, 150)]
)
def test_fixed_gate(drop: float, beta: float, n: int) -> None:
    """A gate of fixed size needs the worked numbers of questions."""
    assert planning.pairs_to_decide(Rates(0.6, drop, 0.5), 0.05, beta) == n


def test_unpaired_plan() -> None:
    """Without shared questions, each model needs the worked number."""
    assert planning.pairs_unpaired(HALF, 0.8, 0.05) == 1208


def test_what_a_hundred_questions_see() -> None:
    """100 questions show a drop of 12 to 13 points four times in five, one of 5 points one time in four."""
    assert planning.visible_drop(0.6, 0.5, 100, 0.8, 0.05) == pytest.approx(0.125, abs=0.004)
    assert planning.power_of(HALF, 100, 0.05) == pytest.approx(0.26, abs=0.01)
    assert planning.visible_drop(0.01, 0.5, 10, 0.8, 0.05) is None


@given(st.floats(0.05, 0.95), st.floats(0, 0.5), st.floats(0, 0.95))
def test_cells(base: float, share: float, rho: float) -> None:
    """The cells of a pair are shares, and their difference is the drop."""
    drop = base * share
    lost, won = planning.cells(Rates(base, drop, rho))
    assert lost - won == pytest.approx(drop)
    assert lost >= 0
    assert won >= 0
    assert lost + won <= 1 + 1e-9


def test_impossible_drop() -> None:
    """A drop larger than the baseline is refused."""
    with pytest.raises(BadInputError, match="leaves"):
        planning.cells(Rates(0.1, 0.2, 0.5))


# --- new skills


def world(seed: int, skills: int, k: int, n: int, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Return 0/1 scores of n random k-subsets of skills that differ, and the subsets."""
    rng = np.random.default_rng(seed)
    ability = sd * rng.standard_normal(skills)
    subsets = np.argpartition(rng.random((n, skills)), k, axis=1)[:, :k]
    rates = 1 / (1 + np.exp(-0.5 - ability[subsets].sum(axis=1)))
    return (rng.random(n) < rates).astype(float), subsets


def test_new_skills_vary_more() -> None:
    """Where skills differ, the error for new skills is about twice that of the fixed list, as simulated."""
    errors = [crossed.new_skills(*_as_lists(world(seed, 100, 3, 300, 1.0))).se for seed in range(20)]
    assert np.mean([e for e in errors if e]) == pytest.approx(0.0521, abs=0.006)


def test_alike_skills_cost_nothing() -> None:
    """Where skills are all alike, the error for new skills is little more than that of the fixed list."""
    scores, subsets = world(3, 100, 3, 300, 0.0)
    plain = scores.std(ddof=1) / math.sqrt(300)
    found = crossed.new_skills(scores, subsets.tolist())
    assert found.se is not None
    assert plain <= found.se + 1e-12 < 1.5 * plain


def test_nothing_can_be_said() -> None:
    """Where all questions share a skill, the interval for new skills is all of [0, 1]."""
    found = crossed.new_skills([1.0, 0.0, 1.0, 1.0], [["a", f"b{i}"] for i in range(4)])
    assert (found.low, found.high, found.value) == (0.0, 1.0, 0.75)
    assert crossed.new_skills([], []).n == 0


@given(st.lists(st.floats(0, 1), min_size=3, max_size=30))
def test_new_skills_interval_holds_the_mean(values: list[float]) -> None:
    """The interval for new skills lies in [0, 1], holds the mean, and is no narrower than the error says."""
    skills = [[f"s{i % 7}", f"t{i % 5}"] for i in range(len(values))]
    found = crossed.new_skills(values, skills)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1


def test_coverage_for_new_skills() -> None:
    """Over skill lists drawn anew, the interval for new skills holds the true mean as often as it says."""
    truth, inside = 0.5786, 0
    for seed in range(150):
        found = crossed.new_skills(*_as_lists(world(seed, 40, 3, 150, 1.0)))
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= truth <= found.high
    assert inside >= 135


def _as_lists(drawn: tuple[np.ndarray, np.ndarray]) -> tuple[list[float], list[list[str]]]:
    scores, subsets = drawn
    return scores.tolist(), [[str(s) for s in row] for row in subsets]
