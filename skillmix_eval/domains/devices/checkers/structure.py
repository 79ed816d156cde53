"""Figures of structure: crossed, balanced, replaced, inverted and split clauses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from skillmix_eval.records import Verdict

from .document import Document, Span, no
from .lexicon import ARTICLES, CONJUNCTIONS, FUNCTION_WORDS, HELPERS, NEGATED_HELPERS, POSSESSIVES, word_set

_LEAST_PARTS = 3
_INVERTING = word_set("never rarely seldom hardly scarcely nowhere")
_INVERTING_NOT = frozenset({"once", "only"})
_LEADS = frozenset({"and", "but", "yet", "for", "so"})
_NOT_ADDING = word_set("only just merely simply solely")
_DENIALS = NEGATED_HELPERS | {"not", "cannot"}
_CORRECTIO_REACH = 6
_CROSSING_REACH = 6  # words from each of the four places of an antimetabole to the next
_FOCUS_OPENS = ARTICLES | POSSESSIVES | {"this", "that", "these", "those"}
_COMPARATIVES = word_set("more less better worse further farther fewer older")
_NO_COMPARATIVES = word_set(
    "other number paper water river keeper baker weaver potter master timber winter summer danger "
    "weather feather answer order power tower flower letter matter corner corner ladder anger finger "
    "silver copper leather butter center daughter father mother brother sister offer never ever over "
    "under after either neither rather whether chamber hammer burner skater diver tiller amber ember "
    "computer teacher officer printer painter writer reader driver former latter upper inner outer "
    "player singer dancer hunter sailor caver surveyor thaw lever layer crater glider cover fever "
    "beer deer pier per her user manner dinner supper member remember crater boulder shoulder border "
    "folder holder"
)


def antimetabole(doc: Document) -> Verdict:
    """Words A and B stand in one half of a sentence, B and A in the next."""
    for sentence in doc.sentences:
        for j, k in _returns(doc, sentence):
            left = Span(max(doc.part_at(j).start, j - _CROSSING_REACH), j)
            right = Span(k + 1, min(doc.part_at(k).end, k + _CROSSING_REACH + 1))
            crossing = (
                k - j <= _CROSSING_REACH and _halved(doc, j, k) and _shared(doc, left, right, Span(j, k))
            )
            if crossing:
                i, m = crossing
                a, b = doc.words[i], doc.words[j]
                return doc.yes(i, m + 1, f"'{a}' and '{b}' come back as '{b}' and '{a}'.")
    return no("No two content words come back in reverse order in one sentence.")


def _returns(doc: Document, sentence: Span) -> Iterator[tuple[int, int]]:
    """Yield the places of each content word of a sentence with the next place where it stands."""
    seen: dict[str, int] = {}
    for k in range(sentence.start, sentence.end):
        word = doc.words[k]
        if word in FUNCTION_WORDS:
            continue
        if word in seen:
            yield seen[word], k
        seen[word] = k


def _halved(doc: Document, j: int, k: int) -> bool:
    """Tell whether a mark or a conjunction stands between words j and k, and they are no mere doubling."""
    if doc.words[max(0, j - 1) : k + 2].count(doc.words[j]) > 2:
        return False
    marked = any(i in doc.part_starts for i in range(j + 1, k + 1))
    return marked or not CONJUNCTIONS.isdisjoint(doc.words[j + 1 : k])


def _shared(doc: Document, left: Span, right: Span, between: Span) -> tuple[int, int] | None:
    """Return where the nearest content word of the left stretch stands in it and in the right one."""
    words = doc.words
    for i in reversed(range(left.start, left.end)):
        if words[i] in FUNCTION_WORDS or words[i] in words[between.start : between.end]:
            continue
        if words[i] in words[right.start : right.end]:
            return i, words.index(words[i], right.start)
    return None


def isocolon(doc: Document) -> Verdict:
    """Three parts in a row have the same number of words."""
    parts = doc.parts
    for i in range(len(parts) - _LEAST_PARTS + 1):
        size = parts[i].size
        if size >= 3 and size == parts[i + 1].size == parts[i + 2].size:
            return doc.yes(parts[i].start, parts[i + 2].end, f"Three parts in a row have {size} words each.")
    return no("No three parts in a row have the same number of words, at least three.")


def correctio(doc: Document) -> Verdict:
    """Something is denied with 'not' and replaced after 'but'."""
    words = doc.words
    for sentence in doc.sentences:
        for i in range(sentence.start, sentence.end - 2):
            if words[i] not in _DENIALS or words[i + 1] in _NOT_ADDING:
                continue
            for j in range(i + 2, min(i + _CORRECTIO_REACH + 2, sentence.end - 1)):
                if words[j] == "but" and _one_clause(doc, i, j):
                    return doc.yes(i, j + 2, f"'{words[i]}' denies and 'but' replaces.")
    return no("Nothing is denied with 'not' and then replaced after 'but'.")


def _one_clause(doc: Document, i: int, j: int) -> bool:
    """Tell whether no mark stands between words i and j, save a comma right before j."""
    return not any(k in doc.part_starts for k in range(i + 1, j)) and ";" not in doc.gap(j)


def negative_inversion(doc: Document) -> Verdict:
    """A section opens with a negative adverb and a helping verb."""
    words = doc.words
    for section in doc.sections:
        at = section.start + (words[section.start] in _LEADS)
        opening = words[at : min(at + 3, section.end)]
        size = 1 if opening and opening[0] in _INVERTING else 0
        if len(opening) > 1 and opening[0] == "not" and opening[1] in _INVERTING_NOT:
            size = 2
        if size and len(opening) > size and opening[size] in HELPERS and section.end - at >= size + 3:
            return doc.yes(at, section.end, f"'{' '.join(opening[:size])}' stands before '{opening[size]}'.")
    return no("No sentence or half of one opens with a negative adverb and then a helping verb.")


def cleft_sentence(doc: Document) -> Verdict:
    """'It was', a noun phrase, and 'that' or 'who'."""
    words = doc.words
    for i in range(len(words) - 5):
        if words[i] != "it" or words[i + 1] not in ("is", "was") or words[i + 2] not in _FOCUS_OPENS:
            continue
        for j in range(i + 4, min(i + 9, len(words) - 1)):
            if words[j] in ("that", "who") and not any(k in doc.part_starts for k in range(i + 1, j + 1)):
                focus = " ".join(words[i + 2 : j])
                return doc.yes(i, j + 2, f"'It {words[i + 1]} ... {words[j]}' singles out '{focus}'.")
    return no("No 'it is' or 'it was' singles out a noun phrase before 'that' or 'who'.")


def comparative_correlative(doc: Document) -> Verdict:
    """Two parts of one sentence open with 'the' and a comparative."""
    comparing = [part for part in doc.parts if _compares(doc, part)]
    for left, right in itertools.pairwise(comparing):
        if right.start < doc.sentence_at(left.start).end:
            return doc.yes(left.start, right.end, "Two parts open with 'the' and a comparative.")
    return no("No two parts of one sentence open with 'the' and a comparative.")


def _compares(doc: Document, part: Span) -> bool:
    at = part.start + (doc.words[part.start] in CONJUNCTIONS)
    if part.end - at < 3 or doc.words[at] != "the":
        return False
    word = doc.words[at + 1]
    return word in _COMPARATIVES or (word.endswith("er") and len(word) > 4 and word not in _NO_COMPARATIVES)
