"""Figures of sound and letter: how successive words begin, sound or are spelled."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from skillmix_eval.records import Verdict

from .document import Document, Span, no
from .lexicon import FUNCTION_WORDS
from .pronunciation import onsets, rhymes, stressed_vowels

_LEAST_RUN = 3
_LEAST_LIPOGRAM = 8
_LEAST_ALPHABET = 4


def alliteration(doc: Document) -> Verdict:
    """Three different content words in a row begin with the same consonant sound."""
    run = _run_of_words(doc, onsets)
    if run is None:
        return no("No three different content words in a row begin with the same consonant sound.")
    return doc.yes(*run, f"{run.size} words in a row begin with the same consonant sound.")


def assonance(doc: Document) -> Verdict:
    """Three different content words in a row have the same stressed vowel."""
    run = _run_of_words(doc, stressed_vowels)
    if run is None:
        return no("No three different content words in a row have the same stressed vowel.")
    return doc.yes(*run, f"{run.size} words in a row have the same stressed vowel.")


def _run_of_words(doc: Document, heard: Callable[[str], frozenset[str]]) -> Span | None:
    """Return the first run of different content words of one sentence that share a sound."""
    words = doc.words
    for sentence in doc.sentences:
        start = sentence.start
        shared: frozenset[str] = frozenset()
        for i in range(sentence.start, sentence.end + 1):
            word = words[i] if i < sentence.end else "the"
            here = frozenset() if word in FUNCTION_WORDS else heard(word)
            if (both := shared & here) and word not in words[start:i]:
                shared = both
                continue
            if i - start >= _LEAST_RUN:
                return Span(start, i)
            start, shared = _restart(doc, start, i, heard) if here else (i, here)
    return None


def _restart(
    doc: Document, start: int, i: int, heard: Callable[[str], frozenset[str]]
) -> tuple[int, frozenset[str]]:
    """Begin a run at word i, or at the word before it where the two share a sound."""
    here, before = heard(doc.words[i]), i - 1
    if before >= start and doc.words[before] not in FUNCTION_WORDS and doc.words[before] != doc.words[i]:
        shared = here & heard(doc.words[before])
        if shared:
            return before, shared
    return i, here


def rhyme(doc: Document) -> Verdict:
    """Two parts in a row end in words that rhyme."""
    for left, right in zip(doc.parts, doc.parts[1:], strict=False):
        a, b = doc.words[left.end - 1], doc.words[right.end - 1]
        if min(left.size, right.size) >= 2 and rhymes(a, b):
            return doc.yes(left.start, right.end, f"'{a}' and '{b}' rhyme at the ends of two parts in a row.")
    return no("No two parts in a row end in different words that rhyme.")


def lipogram(doc: Document) -> Verdict:
    """A section of eight words or more has no letter e."""
    for section in doc.sections:
        if section.size >= _LEAST_LIPOGRAM and not any(map(_has_e, doc.words[section.start : section.end])):
            return doc.yes(section.start, section.end, f"{section.size} words stand without the letter e.")
    return no("No sentence or half of one of at least eight words does without the letter e.")


def _has_e(word: str) -> bool:
    if word.isascii():
        return "e" in word
    letters = [c for c in unicodedata.normalize("NFD", word) if c.isalpha()]
    return "e" in letters or any(
        "LATIN" not in unicodedata.name(c, "") for c in letters
    )  # a Cyrillic one looks alike


def abecedarian(doc: Document) -> Verdict:
    """Four words in a row begin with successive letters."""
    words = doc.words
    start = 0
    for i in range(1, len(words) + 1):
        if i < len(words) and _next_letter(words[i - 1][0], words[i][0]):
            continue
        if i - start >= _LEAST_ALPHABET:
            return doc.yes(
                start, i, f"{i - start} words in a row begin with successive letters of the alphabet."
            )
        start = i
    return no("No four words in a row begin with successive letters of the alphabet.")


def _next_letter(a: str, b: str) -> bool:
    return "a" <= a < b <= "z" and ord(b) - ord(a) == 1
