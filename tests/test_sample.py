"""Sampling: uniform, balanced, without repeats, extended by a larger n, the same on every machine."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from skillmix_eval.domain import Domain, load_domain, names
from skillmix_eval.errors import BadInputError
from skillmix_eval.records import Question
from skillmix_eval.stages.sample import count, make_question, sample

from .makers import make_domain, make_skill, make_topic

PUBLIC = make_domain(10, 10)  # as many skills and topics as the public repository has


def draw(domain: Domain, k: int, n: int, seed: int = 0, **more: str) -> list[Question]:
    """Return a sample as a list."""
    return list(sample(domain, k, n, seed, **more))


def subset(question: Question) -> frozenset[str]:
    """Return a question's skills without their order."""
    return frozenset(s.id for s in question.skills)


def content(question: Question) -> tuple[frozenset[str], str]:
    """Return what makes a question the same as another."""
    return subset(question), question.topic.id


def spread(uses: Iterable[str], there: Iterable[str]) -> int:
    """Return how many more times the most used of some items is used than the least used."""
    counts = Counter(uses)
    used = [counts[item] for item in there]
    return max(used) - min(used)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_uniform_over_subsets(k: int) -> None:
    """Every k-subset of skills is as likely as any other."""
    domain = make_domain(7, 5)
    first = [subset(q) for seed in range(300) for q in draw(domain, k, 7, seed)]
    subsets = [frozenset(f"s{i}" for i in c) for c in itertools.combinations(range(7), k)]
    counts = Counter(first)
    assert chisquare([counts[s] for s in subsets]).pvalue > 0.001


def test_uniform_order_and_topics() -> None:
    """The first skill of a question and its topic are uniform, too."""
    questions = [draw(PUBLIC, 3, 1, seed)[0] for seed in range(1000)]
    for found in (Counter(q.skills[0].id for q in questions), Counter(q.topic.id for q in questions)):
        assert len(found) == 10
        assert chisquare(list(found.values())).pvalue > 0.001


@pytest.mark.parametrize(("k", "total"), [(1, 100), (2, 450), (3, 1200), (9, 100), (10, 10)])
def test_all_questions_without_repeats(k: int, total: int) -> None:
    """As many questions as exist can be drawn, none is drawn twice, and none holds a skill twice."""
    questions = draw(PUBLIC, k, total)
    assert all(len(subset(q)) == k for q in questions)
    assert len({content(q) for q in questions}) == total == len({q.id for q in questions})


@given(st.integers(1, 5), st.integers(0, 10**6))
def test_prefixes_are_balanced(k: int, seed: int) -> None:
    """In every prefix, no skill is used two times more than another, and no topic three times."""
    questions = draw(make_domain(30, 12), k, 60, seed)
    skills, topics = [f"s{i}" for i in range(30)], [f"t{i}" for i in range(12)]
    for n in range(1, 61):
        assert spread((s.id for q in questions[:n] for s in q.skills), skills) <= 1
        assert spread((q.topic.id for q in questions[:n]), topics) <= 2


@pytest.mark.parametrize("topics", [1, 2])
def test_balanced_with_few_topics(topics: int) -> None:
    """Skills stay balanced where topics are so few that questions would soon repeat."""
    questions = draw(make_domain(100, topics), 2, 2000)
    assert all(len(subset(q)) == 2 for q in questions)
    assert spread((s.id for q in questions for s in q.skills), (f"s{i}" for i in range(100))) <= 8


@given(st.integers(1, 4), st.integers(1, 200), st.integers(0, 200), st.integers(-5, 10**9))
def test_extending_keeps_the_prefix(k: int, n: int, more: int, seed: int) -> None:
    """A larger n only adds questions to those of a smaller one."""
    domain = make_domain(12, 12, [("s0", "s1"), ("s2", "s3", "s4")])
    small = min(n, count(domain.skills, domain.topics, k, domain.conflicts))
    large = min(n + more, count(domain.skills, domain.topics, k, domain.conflicts))
    assert draw(domain, k, large, seed)[:small] == draw(domain, k, small, seed)


def test_seeds_and_ks_are_independent() -> None:
    """Another seed gives other questions, and another k does not only lengthen the same ones."""
    domain = make_domain(40, 40)
    ids = [{q.id for q in draw(domain, 3, 50, seed)} for seed in range(4)]
    assert all(a.isdisjoint(b) for a, b in itertools.combinations(ids, 2))
    pairs = zip(draw(domain, 2, 50), draw(domain, 3, 50), strict=True)
    assert sum(subset(a) < subset(b) for a, b in pairs) <= 2


def test_golden_draw() -> None:
    """A seed's questions are the same on every machine and with every version of Python and numpy."""
    found = [(q.id, [s.id for s in q.skills], q.topic.id) for q in draw(PUBLIC, 3, 3, 0)]
    assert found == GOLDEN


def test_golden_ids_of_language() -> None:
    """The questions of seed 0 are those of earlier runs; editing a skill or topic changes its questions."""
    assert [q.id for q in draw(load_domain("language"), 3, 4, 0)] == GOLDEN_LANGUAGE


def test_id_is_of_the_content() -> None:
    """An id follows each word and the order of a question's skills, and its topic; not the lists around."""
    one, two, topic = make_skill("one"), make_skill("two"), make_topic()
    ids = [
        make_question((one, two), topic).id,
        make_question((two, one), topic).id,
        make_question((one, two), make_topic("knots")).id,
        make_question((one, make_skill("two", example="Other.")), topic).id,
        make_question((one, make_skill("two", definition="Other.")), topic).id,
        make_question((one, two), topic, occurrence=1).id,
    ]
    assert len(set(ids)) == len(ids)
    assert make_question((one, make_skill("two", category="other")), topic).id == ids[0]


conflicts = st.lists(st.sets(st.integers(0, 6), min_size=2, max_size=3), max_size=6)


@given(conflicts, st.integers(1, 5))
def test_count_is_that_of_brute_force(excluded: list[set[int]], k: int) -> None:
    """The number of questions is what listing all allowed subsets gives."""
    domain = make_domain(7, 3, [[f"s{i}" for i in e] for e in excluded])
    subsets = [set(c) for c in itertools.combinations(range(7), k)]
    allowed = [s for s in subsets if all(len(s & e) < 2 for e in excluded)]
    assert count(domain.skills, domain.topics, k, domain.conflicts) == 3 * len(allowed)


@given(conflicts, st.integers(1, 4), st.integers(0, 100))
def test_exclusions_are_never_sampled(excluded: list[set[int]], k: int, seed: int) -> None:
    """All questions there are can be drawn, and none holds two skills that exclude each other."""
    domain = make_domain(7, 2, [[f"s{i}" for i in e] for e in excluded])
    total = count(domain.skills, domain.topics, k, domain.conflicts)
    questions = draw(domain, k, total, seed)
    assert len({content(q) for q in questions}) == total
    assert all(len(subset(q)) == k for q in questions)
    for question in questions:
        assert all(len(subset(question) & {f"s{i}" for i in e}) < 2 for e in excluded)


@pytest.mark.parametrize(("k", "there"), [(2, "450"), (3, "1,200"), (11, "0")])
def test_too_many_asked_for(k: int, there: str) -> None:
    """Asking for more questions than exist is an error at once, with the number there are."""
    with pytest.raises(BadInputError, match=rf"^There are {there} questions with {k} of 10 skills"):
        sample(PUBLIC, k, 1201, 0)


@pytest.mark.parametrize("sampler", ["balanced", "reference"])
def test_more_skills_than_there_are(sampler: str) -> None:
    """No sampler draws eleven of ten skills."""
    with pytest.raises(BadInputError, match="There are 0 questions"):
        sample(PUBLIC, 11, 1, 0, sampler=sampler)


def test_unknown_sampler_and_split() -> None:
    """An unknown sampler or split is named with the nearest one."""
    with pytest.raises(BadInputError, match="Did you mean 'reference'"):
        sample(PUBLIC, 2, 1, 0, sampler="referense")
    with pytest.raises(BadInputError, match="Did you mean 'held-out'"):
        sample(PUBLIC, 2, 1, 0, split="heldout")


@pytest.mark.parametrize("name", names())
def test_splits_ask_about_other_things(name: str) -> None:
    """Train and held-out questions share no category, and no topic where the domain holds topics out."""
    domain = load_domain(name)
    train, held_out = (draw(domain, 2, 200, split=s) for s in ("train", "held-out"))
    if domain.about.held_out_topics:
        assert {q.topic for q in train}.isdisjoint(q.topic for q in held_out)
    categories = [{s.category for q in qs for s in q.skills} for qs in (train, held_out)]
    assert categories[0].isdisjoint(categories[1])


def test_released_questions(released: object) -> None:
    """The reference sampler draws the five released questions, in their order, skills in theirs."""
    domain = load_domain("language", released / "skills.csv", released / "topics.txt", public=True)  # type: ignore[operator]
    found = [
        (q.topic.name, *(s.name.split(" (")[0] for s in q.skills))
        for q in draw(domain, 3, 5, 10, sampler="reference")
    ]
    assert found == [
        ("Sewing", "spatial reasoning", "complex question", "statistical syllogism"),
        ("Beekeeping", "complex question", "red herring", "metaphor"),
        ("Gardening", "accident", "complex question", "emotional self regulation"),
        ("Triathlons", "self serving bias", "red herring", "emotional self regulation"),
        ("Urbanism", "statistical syllogism", "folk physics", "emotional self regulation"),
    ]


def test_reference_repeats() -> None:
    """A question that the reference draws again keeps an id of its own, and counts its occurrence."""
    questions = draw(make_domain(3, 1), 2, 60, sampler="reference")
    assert len({q.id for q in questions}) == 60
    times = Counter((q.skills, q.topic) for q in questions)
    assert {q.occurrence for q in questions} == set(range(max(times.values())))


def test_drawn_lazily() -> None:
    """The first of very many questions come at once."""
    assert len(list(itertools.islice(sample(load_domain("language"), 5, 10**9, 0), 3))) == 3


GOLDEN = [
    ("2accb724767a4fee", ["s3", "s5", "s4"], "t8"),
    ("d271c6cc5b59d21b", ["s1", "s6", "s8"], "t6"),
    ("66fcb393373bb63c", ["s9", "s2", "s0"], "t5"),
]
GOLDEN_LANGUAGE = ["c1e20b3207d1d955", "0131a228e44cb67c", "e37a800235ac7a39", "734529c6579715d7"]
