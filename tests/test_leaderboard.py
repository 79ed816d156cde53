"""Leaderboards rank only what can be compared, and say what is not known of the ranks."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skillmix_eval.board_page import files
from skillmix_eval.errors import BadInputError
from skillmix_eval.leaderboard import Board, Place, leaderboard, paired_difference
from skillmix_eval.leaderboard import _letters as letters
from skillmix_eval.records import Sample
from skillmix_eval.runs import Run, RunInfo
from skillmix_eval.spec import RunSpec

from .makers import make_question, make_sample

INFO = RunInfo(
    "m/a", "rules/made", "draft", "mean", "made", "f00d", "all", 0, "balanced", {"draft.j2": "1"}, "0"
)


def make_run(student: str, points: Sequence[float | None], k: int = 2, first: int = 0, **info: object) -> Run:
    """Return a run whose questions (topics from t<first> on) earn full marks where points say so."""
    samples = [
        make_sample(
            make_question(*(f"s{j}" for j in range(k)), topic=f"t{first + i}"),
            None if p is None else ("1" if p else "0") * (k + 3),
        )
        for i, p in enumerate(points)
    ]
    return Run(RunSpec(), msgspec.structs.replace(INFO, student=student, **info), tuple(samples))


def half(n: int, share: float, seed: int = 0) -> list[float]:
    """Return n points of which a share is earned, shuffled."""
    points = np.arange(n) < round(share * n)
    return [float(x) for x in np.random.RandomState(seed).permutation(points)]


def only(*runs: Run, **settings: object) -> Board:
    """Return the only board of some runs."""
    (board,) = leaderboard(runs, **settings).boards  # type: ignore[arg-type]
    return board


def places(board: Board) -> dict[str, Place]:
    """Return a board's places by model."""
    return {p.student: p for p in board.places}


def test_order_and_ranks() -> None:
    """Models far apart have one rank each, close ones share ranks and a letter."""
    found = places(
        only(
            make_run("m/top", half(200, 0.9)),
            make_run("m/near", half(200, 0.88, 1)),
            make_run("m/low", half(200, 0.3, 2)),
        )
    )
    assert [(p.rank, p.rank_low, p.rank_high) for p in found.values()] == [(1, 1, 2), (2, 1, 2), (3, 3, 3)]
    assert found["m/top"].group == found["m/near"].group == "a"
    assert found["m/low"].group == "b"
    assert sum(p.first for p in found.values()) == pytest.approx(1)
    assert found["m/low"].first == 0


@pytest.mark.parametrize(
    "other",
    [
        {"judge": "j"},
        {"protocol": "standard"},
        {"lists": "beef"},
        {"domain": "d"},
        {"split": "train"},
        {"prompts": {}},
    ],
)
def test_what_cannot_be_compared_is_apart(other: dict[str, object]) -> None:
    """Runs with another judge, protocol, list, domain, split or prompt stand in a table of their own."""
    found = leaderboard([make_run("m/a", [1, 0]), make_run("m/b", [1, 1], **other)])
    assert [len(b.places) for b in found.boards] == [1, 1]


def test_no_shared_k() -> None:
    """Models that share no k are refused, and so is a k that one of them was not asked."""
    runs = [make_run("m/a", [1, 0], k=2), make_run("m/b", [1, 0], k=3)]
    with pytest.raises(BadInputError, match="share no k"):
        leaderboard(runs)
    with pytest.raises(BadInputError, match="m/b has no scores at k = 2"):
        leaderboard(runs, ks=(2,))


def test_ranked_over_shared_k() -> None:
    """The score is over the k that all models have; other k are shown and said to be left out."""
    a = make_run("m/a", [1, 0], k=2)
    more = make_run("m/a", [0, 0], k=3)
    board = only(a, more, make_run("m/b", [1, 1], k=2))
    assert board.ks == (2,)
    assert places(board)["m/a"].score.value == 0.5
    assert [row.k for row in places(board)["m/a"].by_k] == [2, 3]
    assert any("not in the score" in note for note in board.notes)


def test_runs_are_pooled() -> None:
    """A model's runs are pooled by question, and a text that stands in two runs counts once."""
    one, two = make_run("m/a", [1, 0, 1]), make_run("m/a", [0, 0], first=3, seed=1)
    (place,) = only(one, two, one).places
    assert (place.score.value, place.score.n, place.runs) == (0.4, 5, 3)


def test_unequal_numbers_of_questions() -> None:
    """A model with few questions stands in the same table, with a wider range of ranks, and that is said."""
    board = only(
        make_run("m/a", half(200, 0.9)), make_run("m/b", half(200, 0.5, 1)), make_run("m/c", half(8, 0.9))
    )
    found = places(board)
    assert (found["m/a"].rank_high, found["m/b"].rank_low) == (2, 2)
    assert (found["m/c"].rank_low, found["m/c"].rank_high) == (1, 3)
    assert any("from 8 to 200 scored questions" in note for note in board.notes)
    assert not only(make_run("m/a", half(100, 0.9)), make_run("m/b", half(99, 0.5))).notes[1:]


def test_unscored_counts_against_a_difference() -> None:
    """Models that unscored texts could bring together are not told apart, and coverage is said."""
    low = half(100, 0.5)
    apart = only(make_run("m/a", half(100, 0.8, 1)), make_run("m/b", low))
    assert places(apart)["m/a"].rank_high == 1
    holes: list[float | None] = [None if i % 3 == 0 else x for i, x in enumerate(half(100, 0.8, 1))]
    board = only(make_run("m/a", holes), make_run("m/b", low))
    assert places(board)["m/a"].rank_high == 2
    assert any("66% of its texts" in note for note in board.notes)


def test_nothing_scored_is_left_out() -> None:
    """A model without any score has no rank, and the table says so."""
    board = only(make_run("m/a", [1, 0]), make_run("m/b", [None, None]))
    assert [p.student for p in board.places] == ["m/a"]
    assert "m/b has no scored text." in board.notes


def test_best_of_texts_is_never_compared() -> None:
    """Where the protocol takes the best of several texts, ranks use the mean and the best is shown beside."""
    question = make_question()
    samples = tuple(
        make_sample(question, p, index=i, text=f"T{i}.") for i, p in enumerate(("111111", "000000"))
    )
    board = only(Run(RunSpec(), msgspec.structs.replace(INFO, reduce="max"), samples))
    (place,) = board.places
    assert place.score.value == 0.5
    assert [e.value for e in place.published] == [1.0]
    assert any("never used to compare" in note for note in board.notes)


def test_notes() -> None:
    """A public list is said to be public, a private one private, and a model that judges itself is named."""
    assert any("public" in n for n in only(make_run("m/a", [1])).notes)
    assert any("private list" in n for n in only(make_run("m/a", [1], private=True)).notes)
    assert any(
        "judged by itself" in n for n in only(make_run("m/a; temperature 0", [1], judge="m/a; json")).notes
    )


def test_saturation() -> None:
    """Each model has its own saturation point, as far as it is reached."""
    board = only(make_run("m/a", half(100, 0.9)), make_run("m/b", [0] * 100))
    found = places(board)
    assert (found["m/a"].saturation_k, found["m/b"].saturation_k) == (None, 2)
    assert found["m/b"].saturation_certain


def test_files_do_not_depend_on_order() -> None:
    """The same runs give the same bytes in any order, and JSON, CSV, Markdown and page agree on the ranks."""
    runs = [
        make_run(f"m/{n}", half(60, s, i)) for i, (n, s) in enumerate((("a", 0.9), ("b", 0.5), ("<c>", 0.1)))
    ]
    there, back = files(leaderboard(runs)), files(leaderboard(runs[::-1]))
    assert there == back
    document = json.loads(there["leaderboard.json"])
    rows = list(csv.DictReader(io.StringIO(there["leaderboard.csv"].decode())))
    assert [p["student"] for p in document["boards"][0]["places"]] == [r["student"] for r in rows]
    assert [r["rank"] for r in rows] == ["1", "2", "3"]
    assert rb"\<c\>" in there["leaderboard.md"]
    assert b"&lt;c&gt;" in there["leaderboard.html"]
    assert b"<c>" not in there["leaderboard.html"]


def test_paired_difference_is_bonett_price() -> None:
    """For binary marks on shared questions, difference and variance are Bonett and Price's."""
    a, b = np.array([1, 1, 1, 0, 0, 1, 1.0]), np.array([1, 0, 0, 0, 1, 0, 1.0])
    up, down, n = 3 + 1, 1 + 1, 7 + 2
    difference, variance = paired_difference(a, b)
    assert difference == pytest.approx((up - down) / n)
    expected = (up / n + down / n - ((up - down) / n) ** 2) / n
    assert variance == pytest.approx(expected * n / (n - 1))


def test_unpaired_difference_is_agresti_caffo() -> None:
    """Without shared questions, difference and variance are those of Agresti and Caffo."""
    nan = np.nan
    a, b = np.array([1, 1, 0, nan, nan]), np.array([nan, nan, nan, 1, 0])
    difference, variance = paired_difference(a, b)
    p, q = 3 / 5, 2 / 4
    assert difference == pytest.approx(p - q)
    assert variance == pytest.approx(p * (1 - p) / 4 + q * (1 - q) / 3)


@pytest.mark.parametrize(
    ("n", "shared", "rate"), [(30, 30, 0.5), (100, 100, 0.9), (30, 0, 0.9), (60, 30, 0.1)]
)
def test_false_alarms(n: int, shared: int, rate: float) -> None:
    """Of models that are equal, at most about one pair in twenty is told apart."""
    random, alarms, tries = np.random.RandomState(n), 0, 2000
    for _ in range(tries):
        wide = 2 * n - shared
        easy = random.rand(wide) < 0.5  # shared difficulty makes pairs alike
        values = [
            np.where(random.rand(wide) < 0.5, easy < rate, random.rand(wide) < rate).astype(float)
            for _ in "ab"
        ]
        values[0][n:], values[1][: wide - n] = np.nan, np.nan
        difference, variance = paired_difference(*values)
        alarms += 2 * stats.norm.sf(abs(difference) / variance**0.5) < 0.05
    assert alarms / tries < 0.06


def test_family_of_equal_models() -> None:
    """Among six equal models, a table tells any two apart in at most about one case in twenty."""
    random, alarms = np.random.RandomState(0), 0
    for _ in range(60):
        runs = [make_run(f"m/{i}", [float(x) for x in random.rand(40) < 0.6]) for i in range(6)]
        alarms += any(p.rank_high < 6 for p in only(*runs).places)
    assert alarms <= 6


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_letters(pairs: list[tuple[int, int]]) -> None:
    """Two models share a letter if and only if they are not told apart."""
    apart = np.zeros((6, 6), dtype=bool)
    for i, j in pairs:
        apart[i, j] = apart[j, i] = i != j
    found = letters(apart)
    for i in range(6):
        for j in range(6):
            assert bool(set(found[i]) & set(found[j])) != apart[i, j]


def test_texts_are_one_number_per_question() -> None:
    """Several texts of a question count as one question, by their mean."""
    question = make_question()
    samples: tuple[Sample, ...] = tuple(
        make_sample(question, p, index=i, text=f"T{i}.") for i, p in enumerate(("111111", "000000", "000000"))
    )
    (place,) = only(Run(RunSpec(), INFO, samples)).places
    assert (place.score.n, place.score.value) == (1, pytest.approx(1 / 3))
