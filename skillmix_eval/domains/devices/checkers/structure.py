"""Figures of structure: crossed, balanced, replaced, inverted and split clauses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from itertools import takewhile

from skillmix_eval.records import Verdict

from .document import Document, Span, no
from .lexicon import (
    ARTICLES,
    AUXILIARIES,
    COMPARATIVES,
    CONJUNCTIONS,
    DETERMINERS,
    FUNCTION_WORDS,
    HELPERS,
    IRREGULAR_VERBS,
    NEGATED_HELPERS,
    POSSESSIVES,
    PREPOSITIONS,
    word_set,
)

_LEAST_PARTS = 3
_INVERTING = word_set("never rarely seldom hardly scarcely nowhere")
_INVERTING_NOT = frozenset({"once", "only"})
_LEADS = frozenset({"and", "but", "yet", "for", "so"})
_NOT_ADDING = word_set("only just merely simply solely")
_DENIALS = NEGATED_HELPERS | {"not", "cannot"}
_CORRECTIO_REACH = 6
_CROSSING_REACH = 6  # words from each of the four places of an antimetabole to the next
_FOCUS_OPENS = ARTICLES | POSSESSIVES | {"this", "that", "these", "those"}
_BE = frozenset({"is", "was"})
_WHO = word_set("that who that's that'd that'll who's who'd who'll")
_NO_FOCUS = word_set(
    "shame pity miracle wonder fact hope belief truth time moment day night morning evening week month "
    "year hour minute mistake surprise relief honor honour pleasure joy delight coincidence accident "
    "rumor rumour claim idea view opinion theory thought feeling sign secret mystery law rule condition "
    "dream wish fear duty promise crime sin scandal disgrace blessing lie myth irony case point question "
    "matter fault tradition custom proof bet guess plan aim understanding conviction tragedy nuisance "
    "comfort thing legend saying story news pain regret chance way reason"
)
_NO_REPLACEMENT = word_set("all nothing anything everything none nobody anybody anyone help last anywhere")
_SUBJECTS = word_set("i he she it we they you there")
_MORE = word_set("more less fewer")
_STRENGTHENING = word_set("before again else")


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
    """Yield the places of each content word of a sentence, and of 'you', with its next place."""
    seen: dict[str, int] = {}
    for k in range(sentence.start, sentence.end):
        word = doc.words[k]
        if word in FUNCTION_WORDS and word != "you":
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
        if (words[i] in FUNCTION_WORDS and words[i] != "you") or words[i] in words[
            between.start : between.end
        ]:
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
                if words[j] == "but" and _replaces(doc, i, j) and _one_clause(doc, i, j):
                    return doc.yes(i, j + 2, f"'{words[i]}' denies and 'but' replaces.")
    return no("Nothing is denied with 'not' and then replaced after 'but'.")


def _one_clause(doc: Document, i: int, j: int) -> bool:
    """Tell whether no mark stands between words i and j, save a comma before j or around two words."""
    marks = [k for k in range(i + 1, j + 1) if k in doc.part_starts]
    if any(doc.gap(k).strip() != "," for k in marks):
        return False
    if marks[-1:] == [j] and len(marks) in (1, 3):
        marks.pop()
    if not marks:
        return True
    aside = marks[1] - marks[0] if len(marks) == 2 else 0
    return 1 <= aside <= 2 and j - i - 1 > aside


def _replaces(doc: Document, i: int, j: int) -> bool:
    """Tell whether a 'but' replaces what is denied, as in 'help but' and 'but we did' it does not."""
    if doc.words[j - 1] in _NO_REPLACEMENT or doc.words[j + 1] in _SUBJECTS:
        return False
    after = doc.words[j + 1 : doc.part_at(j).end]
    noun_phrase = takewhile(lambda word: word not in PREPOSITIONS and word not in _WHO, after)
    return i in doc.part_starts or DETERMINERS.isdisjoint(after[:1]) or AUXILIARIES.isdisjoint(noun_phrase)


def negative_inversion(doc: Document) -> Verdict:
    """A section opens with a negative adverb and a helping verb."""
    words = doc.words
    for section in doc.sections:
        at = section.start + (words[section.start] in _LEADS)
        helper = at + _adverb(words[at : section.end])
        if helper > at and section.end - helper >= 3 and _inverted(doc, helper):
            opening = " ".join(words[at:helper])
            return doc.yes(at, section.end, f"'{opening}' stands before '{words[helper]}'.")
    return no("No sentence or half of one opens with a negative adverb and then a helping verb.")


def _adverb(opening: list[str]) -> int:
    """Return how many words a negative adverb has that a section opens with."""
    if opening[:1] == ["little"]:
        return int(opening[1:2] in (["do"], ["does"], ["did"]))
    if len(opening) > 1 and opening[0] == "not" and opening[1] in _INVERTING_NOT:
        return 2
    if len(opening) < 2 or opening[0] not in _INVERTING:
        return int(opening[:1] != [] and opening[0] in _INVERTING)
    if opening[1] in PREPOSITIONS:  # never in my life
        return next((i for i in range(3, min(6, len(opening))) if opening[i] in HELPERS), 0)
    return 1 + (opening[1] in _STRENGTHENING)


def _inverted(doc: Document, i: int) -> bool:
    """Tell whether word i is a helping verb and no order, as in 'never do that' or 'never have a doubt'."""
    helper, after = doc.words[i : i + 2]
    if helper == "do":  # 'never do the bees rest' has a verb after its plural, 'never do the dishes' has none
        at = i + 2 if after in DETERMINERS else i + 1
        noun, verb = (*doc.words[at : at + 2], "", "")[:2]
        return after in _SUBJECTS or (noun.endswith("s") and verb not in FUNCTION_WORDS | {""})
    return helper in HELPERS and not (helper == "have" and after in ("a", "an", "no", "any"))


def cleft_sentence(doc: Document) -> Verdict:
    """'It was', a noun phrase, and 'that' or 'who'."""
    words = doc.words
    for i in range(len(words) - 4):
        start = i + 1 if words[i] == "it's" else i + 2 if words[i] == "it" and words[i + 1] in _BE else 0
        if not start or words[start] not in _FOCUS_OPENS:
            continue
        for j in range(start + 2, min(start + 7, len(words) - 1)):
            one_part = not any(k in doc.part_starts for k in range(i + 1, j + 1))
            if words[j] in _WHO and one_part and _singles_out(doc, start, j):
                focus = " ".join(words[start:j])
                return doc.yes(
                    i, j + 2, f"'{' '.join(words[i:start])} ... {words[j]}' singles out '{focus}'."
                )
    return no("No 'it is' or 'it was' singles out a noun phrase before 'that' or 'who'.")


def _singles_out(doc: Document, start: int, j: int) -> bool:
    """Tell whether words start to j are a focus, not a judgement or time before a statement."""
    if "so" in doc.words[start:j] or "such" in doc.words[start:j]:
        return False
    after = doc.words[j + 1]
    verb = after in AUXILIARIES or after in IRREGULAR_VERBS or after.endswith("ed")
    return doc.words[j - 1] not in _NO_FOCUS or not doc.words[j].startswith("that") or verb


def comparative_correlative(doc: Document) -> Verdict:
    """Two parts of one sentence open with 'the' and a comparative."""
    comparing = [part for part in doc.parts if _compares(doc, part)]
    for left, right in itertools.pairwise(comparing):
        same_sentence = right.start < doc.sentence_at(left.start).end
        if same_sentence and (_free(doc, left) or _free(doc, right)):
            return doc.yes(left.start, right.end, "Two parts open with 'the' and a comparative.")
    return no("No two parts of one sentence open with 'the' and a comparative.")


def _compared(doc: Document, part: Span) -> int:
    """Return where the comparative of a part would stand."""
    return part.start + (doc.words[part.start] in CONJUNCTIONS) + 1


def _compares(doc: Document, part: Span) -> bool:
    at = _compared(doc, part)
    return at < part.end and doc.words[at - 1] == "the" and doc.words[at] in COMPARATIVES


def _free(doc: Document, part: Span) -> bool:
    """Tell whether a comparative stands by itself, not before its noun as in 'the older clock'."""
    at = _compared(doc, part)
    return at + 1 == part.end or doc.words[at] in _MORE or doc.words[at + 1] in FUNCTION_WORDS
