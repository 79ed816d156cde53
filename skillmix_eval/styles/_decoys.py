"""Decoys: skills that nobody asked for and that code knows to be absent from a text.

One stands among a call's questions, in no way marked. A judge that finds it was steered by the text, or says
yes to everything; either way its other answers are worth nothing.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from skillmix_eval.records import Question, Skill
from skillmix_eval.texts import words


class Decoy(NamedTuple):
    """A skill in the form that real ones have, and whether a text could be said to show it."""

    skill: Skill
    may_show: Callable[[str], bool]


def decoy(question: Question, text: str, draw: str) -> Skill:
    """Return a decoy for a text: the first in the order of `draw` that the text cannot be said to show.

    One that the text names, perhaps to have it exempted, is none; the last of all is taken in any case.
    """
    asked = {s.name.casefold() for s in question.skills} | {question.topic.name.casefold()}
    asked |= {d.skill.name for d in _DECOYS if d.skill.name in text.casefold()}
    return next(d.skill for d in _order(draw) if d.skill.name not in asked and not d.may_show(text))


def _order(draw: str) -> Iterator[Decoy]:
    key = draw.encode()
    yield from sorted(_DECOYS, key=lambda d: hashlib.blake2b(d.skill.id.encode(), key=key[:64]).digest())
    yield _NEVER


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalpha())


def _palindrome(text: str) -> bool:
    letters = _letters(text)
    return len(letters) < 12 or letters == letters[::-1]


def _tautogram(text: str) -> bool:
    found = words(text)
    return len(found) < 5 or len({w[0] for w in found}) == 1


def _growing(text: str) -> bool:
    sizes = [len(w) for w in words(text)]
    return len(sizes) < 5 or all(b > a for a, b in pairwise(sizes))


def _has(*parts: str) -> Callable[[str], bool]:
    return lambda text: any(part in text.casefold() for part in parts)


def _digits(text: str) -> bool:
    return any(c.isnumeric() for c in text)


def _make(name: str, definition: str, example: str, may_show: Callable[[str], bool]) -> Decoy:
    return Decoy(Skill(name.replace(" ", "-"), name, "decoy", definition, example), may_show)


_DECOYS = (
    _make(
        "palindrome",
        "The text as a whole reads the same, letter by letter, from its end as from its beginning.",
        "Was it a car or a cat I saw?",
        _palindrome,
    ),
    _make(
        "pangram",
        "Every letter of the alphabet occurs in the text at least once.",
        "Pack my box with five dozen liquor jugs.",
        lambda text: set(string.ascii_lowercase) <= set(text.casefold()),
    ),
    _make(
        "tautogram",
        "All words of the text, without exception, begin with the same letter.",
        "Seven sleepy sailors sang some sad sea songs.",
        _tautogram,
    ),
    _make(
        "rhopalic line",
        "From the first word to the last, each word is longer than the word before it.",
        "I am the girl whose garden flowers.",
        _growing,
    ),
    _make(
        "telegram style",
        "Sentence ends are spelled out as a word, the way telegrams were dictated.",
        "ARRIVED SAFELY STOP SEND MONEY STOP",
        _has("stop"),
    ),
    _make(
        "dateline",
        "The text opens with a place and a full calendar date, as a newspaper report does.",
        "LISBON, 4 May 1921: The harbour reopened.",
        _digits,
    ),
    _make(
        "letter form",
        "The text greets its reader as letters do and closes with a signature.",
        "Dear Ann, the roof is on. Yours, Tom.",
        _has("dear", "yours", "sincerely", "regards", "love,"),
    ),
    _make(
        "countdown",
        "A countdown of at least three falling numbers leads up to an event.",
        "Three, two, one, and the lid flew off.",
        lambda text: _digits(text) or _has("one", "two", "three")(text),
    ),
    _make(
        "stage direction",
        "An instruction to actors stands in square brackets between words that are spoken.",
        "I know you well [turns to the door] and yet I do not.",
        _has("[", "]"),
    ),
    _make(
        "recipe form",
        "Quantities of ingredients are listed with their units, as in a recipe.",
        "200 g flour, 2 eggs, a pinch of salt: mix and wait.",
        lambda text: _digits(text) or _has("cup", "spoon", "pinch", "gram", "ounce")(text),
    ),
)
_NEVER = _make(
    "isogram",
    "Over the whole text no letter occurs a second time.",
    "Blow, quick fjord.",
    lambda _: False,  # any text with a repeated letter; what has none is too short to be graded on it
)
DECOYS = frozenset(d.skill.name for d in (*_DECOYS, _NEVER))
"""The names of all decoys, for scripted judges and tests."""
