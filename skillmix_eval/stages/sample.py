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
_Draw = tuple[tuple[Skill, ...], Topic, int]  # skills in order, topic, occurrence
_TRIES = 64  # failed draws in a row after which the questions that are left are listed instead


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
    draw = (
        _reference(skills, topics, k, n, seed)
        if sampler == "reference"
        else _balanced(skills, topics, k, seed, domain.conflicts)
    )
    return _identify(itertools.islice(draw, n))


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
    return next(_identify([(skills, topic, occurrence)]))


def _identify(draws: Iterable[_Draw]) -> Iterator[Question]:
    """Give each draw its id, a hash of the content; a repeated draw counts its occurrence into the id."""
    prints: dict[int, bytes] = {}  # by object identity: a list has few skills, a run many questions
    for skills, topic, occurrence in draws:
        parts = [prints.get(id(x)) or prints.setdefault(id(x), _fingerprint(x)) for x in skills]
        parts.append(prints.get(id(topic)) or prints.setdefault(id(topic), _fingerprint(topic)))
        if occurrence:
            parts.append(str(occurrence).encode())
        yield Question(hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest(), skills, topic, occurrence)


def _fingerprint(x: Skill | Topic) -> bytes:
    content = (x.name, x.definition, x.example) if isinstance(x, Skill) else (x.name,)
    return hashlib.blake2b("\x1f".join(content).encode(), digest_size=8).digest()


class _Pool:
    """Deals items in random order, all of them once before any again: even use in every prefix."""

    def __init__(self, size: int, rng: np.random.RandomState) -> None:
        self._size, self._rng, self._left = size, rng, list[int]()

    def take(self) -> int:
        if not self._left:
            self._left = self._rng.permutation(self._size).tolist()
        return self._left.pop()

    def give_back(self, items: Sequence[int]) -> None:
        self._left.extend(reversed(items))

    def reshuffle(self) -> None:
        if len(self._left) < self._size:  # what is left may allow one hand only
            self._left += self._rng.permutation(self._size).tolist()
        self._left = [self._left[i] for i in self._rng.permutation(len(self._left))]


def _balanced(
    skills: Sequence[Skill], topics: Sequence[Topic], k: int, seed: int, conflicts: Mapping[str, set[str]]
) -> Iterator[_Draw]:
    # RandomState, because numpy promises never to change its stream (NEP 19)
    rng = np.random.RandomState(_seed_words(seed, k))
    skill_pool, topic_pool = _Pool(len(skills), rng), _Pool(len(topics), rng)
    clash = [{j for j, t in enumerate(skills) if t.id in conflicts.get(s.id, ())} for s in skills]
    asked: dict[frozenset[int], int] = {}  # skills -> bit mask of the topics they were asked with
    every_topic = (1 << len(topics)) - 1
    tries = 0
    while tries < _TRIES:
        chosen = _deal(skill_pool, k, clash)
        subset = frozenset(chosen)
        used = asked.get(subset, 0)
        if len(chosen) < k or used == every_topic:
            tries += 1
            skill_pool.give_back(chosen)
            skill_pool.reshuffle()
            continue
        tries = 0
        topic = _deal_other(topic_pool, used)
        asked[subset] = used | 1 << topic
        yield tuple([skills[i] for i in chosen]), topics[topic], 0
    yield from _rest(skills, topics, k, rng, clash, asked)


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
    skills: Sequence[Skill],
    topics: Sequence[Topic],
    k: int,
    rng: np.random.RandomState,
    clash: Sequence[set[int]],
    asked: Mapping[frozenset[int], int],
) -> Iterator[_Draw]:
    """List what has not been asked, in random order; reached only when nearly everything has been."""
    subsets = [
        c
        for c in itertools.combinations(range(len(skills)), k)
        if all(b not in clash[a] for a, b in itertools.combinations(c, 2))
    ]
    left = [(c, t) for c in subsets for t in range(len(topics)) if not asked.get(frozenset(c), 0) >> t & 1]
    for i in rng.permutation(len(left)):
        chosen, topic = left[i]
        yield tuple(skills[j] for j in rng.permutation(chosen)), topics[topic], 0


def _reference(
    skills: Sequence[Skill], topics: Sequence[Topic], k: int, n: int, seed: int
) -> Iterator[_Draw]:
    """Follow the public repository: lists shuffled in place per draw, then each subset's order."""
    rng = random.Random(seed)  # noqa: S311  parity with the reference, not secrecy
    deck, topic_deck = list(skills), list(topics)
    subsets = []
    for _ in range(n):
        rng.shuffle(deck)
        subsets.append(deck[:k])
    drawn = []
    for _ in range(n):
        rng.shuffle(topic_deck)
        drawn.append(topic_deck[0])
    order = random.Random("test")  # noqa: S311  the folder name of the released records
    seen: Counter[tuple[str, ...]] = Counter()
    for subset, topic in zip(subsets, drawn, strict=True):
        order.shuffle(subset)
        key = (*(s.id for s in subset), topic.id)
        yield tuple(subset), topic, seen[key]
        seen[key] += 1


def _seed_words(seed: int, k: int) -> list[int]:
    """Return 32-bit words that start an independent stream for each seed and k."""
    digest = hashlib.blake2b(f"{seed}/{k}".encode(), digest_size=16).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]
