"""Figures of repetition: where the same word comes back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from skillmix_eval.records import Verdict

from .document import Document, Span, no
from .lexicon import (
    ARTICLES,
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    FUNCTION_WORDS,
    INTRODUCTORY,
    IRREGULAR_VERBS,
    PREPOSITIONS,
    SUBJECT_PRONOUNS,
    word_set,
)

_LEAST_RUN = 3
_GAP_WORDS = 4  # between two conjunctions of a polysyndeton
_ITEM_WORDS = 5  # in an item of an asyndeton
_ASIDES = {
    tuple(phrase.split())
    for phrase in ("of course", "at last", "in fact", "in short", "in truth", "after all")
}
_MAY_OPEN = PREPOSITIONS | {"no"}
_NO_ITEMS = FUNCTION_WORDS | INTRODUCTORY | word_set("please sir madam thanks yesterday tomorrow tonight")


def anaphora(doc: Document) -> Verdict:
    """Three parts in a row begin with the same word."""
    run = _run_of_parts(doc, _opening, lambda word: word not in ARTICLES)
    if run is None:
        return no("No three parts in a row begin with the same word.")
    return doc.yes(
        run[0].start, run[-1].end, f"{len(run)} parts in a row begin with '{_opening(doc, run[0])}'."
    )


def epistrophe(doc: Document) -> Verdict:
    """Three parts in a row end with the same word."""
    run = _run_of_parts(doc, _closing, lambda _: True)
    if run is None:
        return no("No three parts in a row end with the same word.")
    return doc.yes(
        run[0].start, run[-1].end, f"{len(run)} parts in a row end with '{_closing(doc, run[0])}'."
    )


def _opening(doc: Document, part: Span) -> str:
    skipped = doc.words[part.start] == "and" and part.size > 1
    return doc.words[part.start + skipped]


def _closing(doc: Document, part: Span) -> str:
    return doc.words[part.end - 1]


def _run_of_parts(
    doc: Document, key: Callable[[Document, Span], str], wanted: Callable[[str], bool]
) -> list[Span] | None:
    """Return the first run of three or more parts that share a key."""
    run: list[Span] = []
    word = ""
    for part in doc.parts:
        now = key(doc, part)
        if part.size < 2 or not wanted(now):
            now = ""
        if now and now == word:
            run.append(part)
            continue
        if len(run) >= _LEAST_RUN:
            break
        run, word = [part], now
    return run if len(run) >= _LEAST_RUN else None


def anadiplosis(doc: Document) -> Verdict:
    """A part begins with the word that the part before it ends with."""
    words = doc.words
    for left, right in zip(doc.parts, doc.parts[1:], strict=False):
        last = words[left.end - 1]
        first = right.start + (words[right.start] in ARTICLES)
        if min(left.size, right.size) >= 3 and words[first] == last and last not in FUNCTION_WORDS:
            return doc.yes(left.start, right.end, f"One part ends and the next begins with '{last}'.")
    return no("No part begins with the content word that the part before it ends with.")


def epanalepsis(doc: Document) -> Verdict:
    """A section begins and ends with the same word."""
    words = doc.words
    for section in doc.sections:
        first = section.start + (words[section.start] in ARTICLES)
        word = words[section.end - 1]
        if section.size >= 5 and words[first] == word and word not in FUNCTION_WORDS:
            return doc.yes(section.start, section.end, f"The stretch begins and ends with '{word}'.")
    return no("No sentence or half of one begins and ends with the same content word.")


def epizeuxis(doc: Document) -> Verdict:
    """One word stands three times in a row."""
    words = doc.words
    for i in range(len(words) - 2):
        if words[i] == words[i + 1] == words[i + 2]:
            end = i + 3
            while end < len(words) and words[end] == words[i]:
                end += 1
            return doc.yes(i, end, f"'{words[i]}' stands {end - i} times in a row.")
    return no("No word stands three times in a row.")


def polysyndeton(doc: Document) -> Verdict:
    """One conjunction stands three times at short distance."""
    words = doc.words
    often = [word for word in ("and", "or", "nor") if words.count(word) >= _LEAST_RUN]
    for sentence in doc.sentences if often else ():
        for word in often:
            places = [i for i in range(sentence.start, sentence.end) if words[i] == word]
            for first, middle, last in zip(places, places[1:], places[2:], strict=False):
                if _close(doc, first, middle) and _close(doc, middle, last):
                    reason = f"'{word}' links three items or more in one sentence."
                    return doc.yes(max(first - 1, sentence.start), min(last + 2, sentence.end), reason)
    return no("No conjunction stands three times in one sentence with one to four words between.")


def _close(doc: Document, left: int, right: int) -> bool:
    """Tell whether one to four words and no mark but a comma stand between two conjunctions."""
    inside = range(left + 1, right + 1)
    marks = (doc.gap(i).strip(" '’\"”“‘") for i in inside if i in doc.part_starts)
    return 1 <= right - left - 1 <= _GAP_WORDS and all(mark == "," for mark in marks)


def asyndeton(doc: Document) -> Verdict:
    """A section ends in three short items without a conjunction."""
    parts = doc.parts
    at = 0
    for section in doc.sections:
        first = at
        while at < len(parts) and parts[at].start < section.end:
            at += 1
        items = _last_items(doc, parts[first:at])
        if len(items) >= _LEAST_RUN and _parallel(doc, items):
            return doc.yes(items[0].start, items[-1].end, f"{len(items)} items stand without a conjunction.")
    return no("No sentence or half of one ends in three short items with commas alone between.")


def _last_items(doc: Document, parts: list[Span]) -> list[Span]:
    """Return the longest run of different items that closes a section."""
    items: list[Span] = []
    seen: set[tuple[str, ...]] = set()
    for part in reversed(parts):
        words = tuple(doc.words[part.start : part.end])
        after_comma = not items or doc.gap(items[0].start).strip() == ","
        if not (after_comma and part.size <= _ITEM_WORDS and words not in seen and _is_item(words)):
            break
        items.insert(0, part)
        seen.add(words)
    return _without_introduction(doc, items)


def _is_item(words: tuple[str, ...]) -> bool:
    if (len(words) == 1 and words[0] in _NO_ITEMS) or words in _ASIDES:
        return False
    return CONJUNCTIONS.isdisjoint(words) and (words[0] not in INTRODUCTORY or words[0] in _MAY_OPEN)


def _without_introduction(doc: Document, items: list[Span]) -> list[Span]:
    """Drop items up to the last prepositional phrase, unless all items are prepositional phrases."""
    opens = [doc.words[item.start] in PREPOSITIONS for item in items]
    if all(opens[1:]) or not any(opens):
        return items
    return items[len(opens) - opens[::-1].index(True) :]


def _parallel(doc: Document, items: list[Span]) -> bool:
    """Tell whether items after the first open alike, and are no aside between a subject and its verb."""
    kinds = [_kind(doc, item) for item in items]
    ends_in_verb = _verbal(doc.words[items[-1].start])
    told = any(map(_verbal, doc.words[items[0].start + 2 : items[0].end]))
    if kinds[0] == "noun" and ends_in_verb and not told:
        return False
    return all(
        a == b or ({a, b} == {"content", "noun"} and (b == "noun" or not ends_in_verb))
        for a, b in pairwise(kinds[1:])
    )


def _kind(doc: Document, item: Span) -> str:
    """Return how an item opens: with a figure, a noun phrase, a subject, a name, or otherwise."""
    word = doc.words[item.start]
    if word[0].isdigit():
        return "figure"
    for kind, words in _KINDS.items():
        if word in words:
            return kind
    return "name" if doc.text[doc.starts[item.start]].isupper() else "content"


def _verbal(word: str) -> bool:
    """Tell whether a word can be a verb that follows its subject."""
    return word in AUXILIARIES or word in IRREGULAR_VERBS or word.endswith(("ed", "s"))


_KINDS = {
    "helping": AUXILIARIES,
    "noun": DETERMINERS,
    "subject": SUBJECT_PRONOUNS | {"it", "you"},
    "place": PREPOSITIONS,
    "other": FUNCTION_WORDS,
}
