"""The teacher's vocabulary: words of one topic by part of speech, their forms and their sounds."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

from skillmix_eval.domains.devices.checkers.pronunciation import onsets, stressed_vowels
from skillmix_eval.errors import CallFailedError

_VOWELS = "aeiou"
_SILENT_H = ("hour", "honest", "heir")
_LONG_U = ("uni", "use", "usu", "eu", "one", "once")
_MERGED = ("people", "adjectives")  # pools that a topic adds to the shared ones
Index = dict[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _split(line: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in line.split(","))


class Vocabulary:
    """Words of one topic and the shared words; `pool` leaves out words with the letter e where asked."""

    def __init__(self, topic: str) -> None:
        data = _data()
        if topic not in data["topics"]:
            raise CallFailedError(f"The teacher has no words for the topic '{topic}'.")
        own = {kind: _split(line) for kind, line in data["topics"][topic].items()}
        shared = {kind: _split(line) for kind, line in data["shared"].items() if isinstance(line, str)}
        self.topic_adjectives = own["adjectives"]
        for kind in _MERGED:
            own[kind] = (*own[kind], *(w for w in shared[kind] if w not in own[kind]))
        own["motions"] = tuple(dict.fromkeys((*own["happens"], *shared["motions"])))
        own["haunts"] = tuple(place for place in own["places"] if not place.startswith("*"))
        own["places"] = tuple(place.removeprefix("*") for place in own["places"])
        own["own people"] = _split(data["topics"][topic]["people"])
        self._pools = {**shared, **own}
        self._pools["own adjectives"] = self.topic_adjectives
        self.rhymes = tuple(_split(line) for line in data["shared"]["rhymes"])

    @cached_property
    def _without_e(self) -> dict[str, tuple[str, ...]]:
        kept = {kind: tuple(w for w in pool if "e" not in w) for kind, pool in self._pools.items()}
        for kind in ("times", "vehicles", "asides"):
            kept[kind] = (*kept[kind], *self._pools[f"{kind}_no_e"])
        return kept

    def pool(self, kind: str, plain: bool = False) -> tuple[str, ...]:
        """Return the words of one kind; `plain` leaves out those with the letter e."""
        return (self._without_e if plain else self._pools)[kind]

    @cached_property
    def _indices(self) -> dict[tuple[str, str, bool], Index]:
        return {}

    def by(self, key: str, kind: str, plain: bool = False) -> Index:
        """Return the words of one kind grouped by `onset`, `vowel` or `letter`."""
        found = self._indices.get((key, kind, plain))
        if found is None:
            found = self._indices[key, kind, plain] = _grouped(self.pool(kind, plain), _KEYS[key])
        return found


@lru_cache(maxsize=64)
def vocabulary(topic: str) -> Vocabulary:
    """Return a topic's vocabulary, read once."""
    return Vocabulary(topic)


def _grouped(pool: Sequence[str], key: Callable[[str], str]) -> Index:
    groups: dict[str, list[str]] = {}
    for word in pool:
        if value := key(word):
            groups.setdefault(value, []).append(word)
    return {value: tuple(group) for value, group in groups.items()}


def onset(phrase: str) -> str:
    """Return the consonant sound that a phrase's first word begins with, empty for a vowel."""
    return min(onsets(phrase.split()[0]), default="")


def vowel(phrase: str) -> str:
    """Return the stressed vowel of a phrase's first word."""
    return min(stressed_vowels(phrase.split()[0]), default="")


def letter(phrase: str) -> str:
    """Return the first letter of a phrase."""
    return phrase[0]


_KEYS: dict[str, Callable[[str], str]] = {"onset": onset, "vowel": vowel, "letter": letter}


def article(phrase: str) -> str:
    """Return 'a' or 'an' as the phrase's first letters ask."""
    if phrase.startswith(_SILENT_H):
        return "an"
    return "an" if phrase[0] in _VOWELS and not phrase.startswith(_LONG_U) else "a"


def _doubled_y(base: str) -> bool:
    return base.endswith("y") and base[-2] not in _VOWELS


@lru_cache(maxsize=4096)
def forms(base: str) -> tuple[str, str, str, str]:
    """Return a verb's third person, past, -ing form and past participle."""
    head, _, rest = base.partition(" ")
    irregular = _data()["irregular"].get(head)
    third, past, going, done = _split(irregular) if irregular else _regular(head)
    tail = f" {rest}" if rest else ""
    return third + tail, past + tail, going + tail, done + tail


def _regular(base: str) -> tuple[str, str, str, str]:
    if _doubled_y(base):
        return base[:-1] + "ies", base[:-1] + "ied", base + "ing", base[:-1] + "ied"
    third = base + ("es" if base.endswith(("s", "x", "z", "ch", "sh")) else "s")
    if base.endswith("e"):
        return third, base + "d", base[:-1] + "ing", base + "d"
    return third, base + "ed", base + "ing", base + "ed"


@lru_cache(maxsize=4096)
def plural(noun: str) -> str:
    """Return the plural of a noun, with any adjectives before it and any 'of' phrase after it."""
    head, of, rest = noun.partition(" of ")
    before, space, last = head.rpartition(" ")
    return f"{before}{space}{_data()['plurals'].get(last) or _regular_plural(last)}{of}{rest}"


def _regular_plural(noun: str) -> str:
    if _doubled_y(noun):
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")
