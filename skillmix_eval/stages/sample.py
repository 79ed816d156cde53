"""Domain -> questions. A seed gives the same questions on any machine, and a larger n only adds to them."""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from ..domain import Domain
from ..errors import BadInputError, unknown
from ..records import Question, Skill, Topic

SAMPLERS = ("balanced", "reference")
SPLITS = ("train", "held-out", "all")
_Draw = tuple[Sequence[int], int, int]  # places of the skills in order and of the topic, occurrence
_TRIES = 64  # failed draws in a row after which the questions that are left are listed instead
_LISTABLE = 2_000_000  # so many subsets can be listed; beyond, drawing goes on, as some are always left


def sample(
    domain: Domain, k: int, n: int, seed: int, split: str = "all", sampler: str = "balanced"
) -> Iterator[Question]:
    """Draw n questions of k skills and a topic.

    `balanced`: each question is a uniform k-subset of skills and a uniform topic, none is repeated, and
    skills and topics are used evenly in every prefix. Where the domain excludes pairs, a pair's share is
    uniform only approximately. `reference`: the draw of the public SKILL-MIX repository, with replacement.

    Raises BadInputError when fewer than n questions exist.
    """
    if sampler not in SAMPLERS:
        raise unknown("sampler", sampler, SAMPLERS)
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    skills, topics = domain.part(split)
    there = count(skills, topics, k, domain.conflicts)
    if n > there and not (sampler == "reference" and there):
        raise BadInputError(
            f"There are {there:,} questions with {k} of {len(skills)} skills and one of {len(topics)} "
            f"topics, but {n:,} were asked for; lower -n or -k, or use a longer list."
        )
    if sampler == "reference":
        draws = _reference(len(skills), len(topics), k, n, seed)
    else:
        conflicts = domain.conflicts
        clash = [{j for j, t in enumerate(skills) if t.id in conflicts.get(s.id, ())} for s in skills]
        draws = _balanced(len(topics), k, seed, clash)
    return _identify(itertools.islice(draws, n), skills, topics)


def count(skills: Sequence[Skill], topics: Sequence[Topic], k: int, conflicts: Mapping[str, set[str]]) -> int:
    """Return how many questions exist: allowed k-subsets times topics."""
    bound = [s.id for s in skills if s.id in conflicts]
    free = len(skills) - len(bound)
    sizes = _independent_sets(tuple(bound), conflicts)
    return len(topics) * sum(many * math.comb(free, k - j) for j, many in sizes.items() if j <= k)


def _independent_sets(ids: tuple[str, ...], conflicts: Mapping[str, set[str]]) -> dict[int, int]:
    """Count the conflict-free subsets of `ids` by size."""
    if not ids:
        return {0: 1}
    first, rest = ids[0], ids[1:]
    counts = dict(_independent_sets(rest, conflicts))
    kept = tuple(i for i in rest if i not in conflicts[first])
    for size, many in _independent_sets(kept, conflicts).items():
        counts[size + 1] = counts.get(size + 1, 0) + many
    return counts


def make_question(skills: tuple[Skill, ...], topic: Topic, occurrence: int = 0) -> Question:
    """Return the question of these skills, in this order, on this topic."""
    return next(_identify([(range(len(skills)), 0, occurrence)], skills, [topic]))


def _identify(draws: Iterable[_Draw], skills: Sequence[Skill], topics: Sequence[Topic]) -> Iterator[Question]:
    """Give each draw its id, a hash of the content; a repeated draw counts its occurrence into the id."""
    prints = [_hash("\x1f".join((s.name, s.definition, s.example)).encode()).digest() for s in skills]
    topic_prints = [_hash(t.name.encode()).digest() for t in topics]
    for chosen, topic, occurrence in draws:
        content = b"".join([prints[i] for i in chosen]) + topic_prints[topic]
        if occurrence:
            content += str(occurrence).encode()
        yield Question(
            _hash(content).hexdigest(), tuple([skills[i] for i in chosen]), topics[topic], occurrence
        )


def _hash(content: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(content, digest_size=8)


class _Pool:
    """Deals items in random order, all of them once before any again: even use in every prefix."""

    def __init__(self, size: int, rng: np.random.RandomState) -> None:
        self._size, self._rng, self._left = size, rng, list[int]()

    def take(self) -> int:
        if not self._left:
            self._left = self._rng.permutation(self._size).tolist()
        return self._left.pop()

    def take_run(self, many: int) -> list[int]:
        """Take several different items at once, or none where the next ones are too few or hold a repeat."""
        run = self._left[-many:]
        if len(set(run)) < many:
            return []
        del self._left[-many:]
        return run

    def give_back(self, items: Sequence[int]) -> None:
        self._left.extend(reversed(items))

    def reshuffle(self) -> None:
        if len(self._left) < self._size:  # what is left may allow one hand only
            self._left += self._rng.permutation(self._size).tolist()
        self._left = [self._left[i] for i in self._rng.permutation(len(self._left))]


def _balanced(topics: int, k: int, seed: int, clash: Sequence[set[int]]) -> Iterator[_Draw]:
    # RandomState, because numpy promises never to change its stream (NEP 19)
    rng = np.random.RandomState(_seed_words(seed, k))
    skill_pool, topic_pool = _Pool(len(clash), rng), _Pool(topics, rng)
    free = not any(clash)
    asked: dict[frozenset[int], int] = {}  # skills -> bit mask of the topics they were asked with
    every_topic = (1 << topics) - 1
    few = math.comb(len(clash), k) <= _LISTABLE
    tries = 0
    while tries < _TRIES or not few:
        chosen = (free and skill_pool.take_run(k)) or _deal(skill_pool, k, clash)
        subset = frozenset(chosen)
        used = asked.get(subset, 0)
        if len(chosen) < k or used == every_topic:
            tries += len(chosen) == k or few
            skill_pool.give_back(chosen)
            skill_pool.reshuffle()
            continue
        tries = 0
        topic = _deal_other(topic_pool, used)
        asked[subset] = used | 1 << topic
        yield chosen, topic, 0
    yield from _rest(topics, k, rng, clash, asked)


def _deal(pool: _Pool, k: int, clash: Sequence[set[int]]) -> list[int]:
    """Take k skills that go together, keeping those passed over for the next question; fewer if none fit."""
    chosen: list[int] = []
    passed: list[int] = []
    take = pool.take
    while len(chosen) < k and len(passed) < 2 * len(clash):
        skill = take()
        if skill in chosen or (clash[skill] and not clash[skill].isdisjoint(chosen)):
            passed.append(skill)
        else:
            chosen.append(skill)
    if passed:
        pool.give_back(passed)
    return chosen


def _deal_other(pool: _Pool, used: int) -> int:
    """Take the next topic that is not used yet with these skills."""
    passed: list[int] = []
    while used >> (topic := pool.take()) & 1:
        passed.append(topic)
    if passed:
        pool.give_back(passed)
    return topic


def _rest(
    topics: int,
    k: int,
    rng: np.random.RandomState,
    clash: Sequence[set[int]],
    asked: Mapping[frozenset[int], int],
) -> Iterator[_Draw]:
    """List what has not been asked, in random order; reached only when nearly everything has been."""
    subsets = [
        c
        for c in itertools.combinations(range(len(clash)), k)
        if all(b not in clash[a] for a, b in itertools.combinations(c, 2))
    ]
    left = [(c, t) for c in subsets for t in range(topics) if not asked.get(frozenset(c), 0) >> t & 1]
    for i in rng.permutation(len(left)):
        chosen, topic = left[i]
        yield rng.permutation(chosen).tolist(), topic, 0


def _reference(skills: int, topics: int, k: int, n: int, seed: int) -> Iterator[_Draw]:
    """Follow the public repository: lists shuffled in place per draw, then each subset's order."""
    rng = random.Random(seed)  # noqa: S311  parity with the reference, not secrecy
    deck, topic_deck = list(range(skills)), list(range(topics))
    subsets = []
    for _ in range(n):
        rng.shuffle(deck)
        subsets.append(deck[:k])
    drawn = []
    for _ in range(n):
        rng.shuffle(topic_deck)
        drawn.append(topic_deck[0])
    order = random.Random("test")  # noqa: S311  the folder name of the released records
    seen: Counter[tuple[int, ...]] = Counter()
    for subset, topic in zip(subsets, drawn, strict=True):
        order.shuffle(subset)
        key = (*subset, topic)
        yield subset, topic, seen[key]
        seen[key] += 1


def _seed_words(seed: int, k: int) -> list[int]:
    """Return 32-bit words that start an independent stream for each seed and k."""
    digest = hashlib.blake2b(f"{seed}/{k}".encode(), digest_size=16).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]
