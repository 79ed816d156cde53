"""Honest proxies for the two rubric items that code cannot decide: on topic, and making sense.

On topic means that a text uses the topic's name once or words of its family twice, so it misses a text that
speaks of the topic in other words and passes one that only mentions it. Making sense means that a text looks
like English sentences, by its marks, its repetitions and which classes of words follow one another; it passes
grammatical nonsense, what contradicts itself, and about one in fifteen shuffles of a good sentence.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from skillmix_eval.records import Topic, Verdict

from .document import Document, Span, no
from .lexicon import (
    ARTICLES,
    AUXILIARIES,
    COMPARATIVES,
    CONJUNCTIONS,
    FUNCTION_WORDS,
    HELPERS,
    IRREGULAR_VERBS,
    NEGATED_HELPERS,
    POSSESSIVES,
    PREPOSITIONS,
    SUBJECT_PRONOUNS,
    stem,
    word_set,
)
from .neighbours import fit
from .pronunciation import known

_FAMILY_USES = 2
_KNOWN = 0.7  # least share of words that a dictionary knows
_FUNCTION = 0.08  # least share of function words: keyword lists have none
_BARE = 6  # fewer words than this may do without function words
_DISTINCT = 0.3  # least share of different words
_ONE_WORD = 0.5  # greatest share of one content word
_LEAST_DISTINCT = 3  # different words in a text of so many or more that repeats one
_LONG = 8  # from this many words on, shares mean something
_CLUMSY = 0.05  # greatest share of word pairs that English hardly allows
_RUN = 4  # most times that one word may stand in a row
_LEAST_WORDS, _FIT = 6, -1.6  # from this many words on, neighbours must follow one another at least so well
_CLOSERS = " \n\t\r\"'”’)]}»*_"
_NEVER_DOUBLED = FUNCTION_WORDS - word_set(
    "had that is very so no never now there many much more again on up well out"
)
_LINE_BREAK = re.compile(r"([^\W_]+)[\"'”’)\]]*[ \t]*\n\s*[\"'“‘(\[]*([^\W_]+)")  # no mark before it
_OPENERS = " \n\t\r\"'“‘([{«*_-–—•"
_DETERMINERS = ARTICLES | POSSESSIVES - {"her", "his"}
_NOT_AFTER_DETERMINER = (
    (
        _DETERMINERS
        | HELPERS
        | NEGATED_HELPERS
        | CONJUNCTIONS
        | SUBJECT_PRONOUNS
        | PREPOSITIONS
        | {"is", "that"}
    )
    - word_set("will can may might must past over above below under inside outside")
) | {"it", "if", "because", "not"}
_BEFORE_VERB = SUBJECT_PRONOUNS | {"to", "who", "that", "you", "it", "never", "always"}
_NEVER_LAST = ARTICLES | CONJUNCTIONS | word_set("my your our their of from with into because if although")
_NOT_AFTER_PREPOSITION = CONJUNCTIONS | SUBJECT_PRONOUNS | {"of", "am", "has", "had", "does", "did"}
_CLAUSE_PREPOSITIONS = word_set("of from with into at against toward among during")
_BINDING = _DETERMINERS | _CLAUSE_PREPOSITIONS
_HARD_MARKS = (".", ",", ";", "!")
_ODD_MARKS = re.compile(r"[?!,;:]\s*[,;:]")
_VOWEL_SOUNDS = ("a", "e", "i", "o")
_AFTER_AN = tuple("aeiouh18flmnrsx")  # an hour, an 18th, an x-ray
_AN_EXCEPTIONS = ("eu", "ew", "one", "once", "uni", "use", "usu", "ut")


@lru_cache(maxsize=4096)
def _family(topic: Topic) -> tuple[list[str], frozenset[str]]:
    """Return the stems of a topic's name in order and of the words of its family."""
    return [stem(word) for word in Document(topic.name).words], frozenset(
        stem(w.lower()) for w in topic.words
    )


def on_topic(doc: Document, topic: Topic) -> Verdict:
    """Tell whether a text uses the topic's name once or words of its family twice."""
    name, family = _family(topic)
    stems, size = doc.stems, len(name)
    for i in range(len(stems) - size + 1) if name and name[0] in stems else ():
        if stems[i : i + size] == name:
            return doc.yes(i, i + size, "The text names the topic.")
    hits = [i for i, word in enumerate(stems) if word in family or ("-" in word and _piece_in(word, family))]
    if len(hits) >= _FAMILY_USES:
        first, second = hits[:_FAMILY_USES]
        return doc.yes(first, second + 1, f"The text uses '{doc.words[first]}' and '{doc.words[second]}'.")
    return no("The text uses fewer than two words of the topic's family.")


def _piece_in(word: str, family: frozenset[str]) -> bool:
    return any(stem(piece) in family for piece in word.split("-"))


def makes_sense(doc: Document) -> Verdict:
    """Tell whether a text looks like whole, fluent English sentences; the reason names the first fault."""
    if len(doc.words) < 2:
        return no("There is no sentence.")
    for fault in _FAULTS:
        if why := fault(doc):
            return no(why)
    return doc.yes(0, len(doc.words), "The text reads like English sentences.")


def _badly_edged(doc: Document) -> str:
    """Every sentence begins with a capital or a figure and ends in a mark."""
    text, start = doc.text, 0
    for end in doc.sentence_ends:
        sentence = text[start:end].strip(_CLOSERS)
        spoken = text[max(0, start - 9) : start].rstrip()[-1:] in ('"', "”", "’", "'")
        start = end
        opening = sentence.lstrip(_OPENERS).partition(" ")[0]
        if not any(map(str.isalnum, sentence)):
            continue  # an emoji after the full stop
        if opening[:1].islower() and opening.islower() and not spoken:  # iPhone may open a sentence
            return "A sentence does not begin with a capital letter."
        if sentence[-1:] not in ".!?…":
            return "A sentence does not end in a full stop, question or exclamation mark."
    return ""


def _unmarked_lines(doc: Document) -> str:
    """No line that could end a sentence lacks a mark where the next one begins with a capital letter."""
    if "\n" not in doc.text:
        return ""
    for last, first in _LINE_BREAK.findall(doc.text):
        if first[0].isupper() and last.lower() not in FUNCTION_WORDS:
            return "A line ends without a mark, and the next one begins like a sentence."
    return ""


def _unbalanced(doc: Document) -> str:
    text = doc.text
    pairs = text.count("(") == text.count(")") and text.count("“") == text.count("”")
    return "" if pairs and text.count('"') % 2 == 0 else "A quotation mark or bracket has no partner."


def _marks(doc: Document) -> str:
    """No comma or colon follows another mark, as in 'gentler?, for'; a quotation mark may stand between."""
    return "Two punctuation marks stand side by side." if _ODD_MARKS.search(doc.text) else ""


def _repeats(doc: Document) -> str:
    """No word stands often in a row, and the words are varied."""
    words, n = doc.words, len(doc.words)
    if any(map(operator.eq, words, words[1:])) and (word := _doubled(doc)):
        return f"'{word}' is repeated."
    distinct = len(set(words))
    if n > distinct and distinct < min(n, _LEAST_DISTINCT):
        return "Too few of the words are different."
    if n < _LONG or distinct > (1 - _ONE_WORD) * n + 1:  # so many that no word can take up too much
        return ""
    if distinct < _DISTINCT * n:
        return "Too few of the words are different."
    often = (word for word, uses in Counter(words).items() if uses > _ONE_WORD * n)
    return "" if FUNCTION_WORDS.issuperset(often) else "One word makes up too much of the text."


def _doubled(doc: Document) -> str:
    """Return a word that stands too often in a row, or twice without a mark where English has it once."""
    words, run, bare = doc.words, 1, 0
    for i in range(1, len(words)):
        run = run + 1 if words[i - 1] == words[i] else 1
        if run == 1:
            continue
        bare += run == 2 and i not in doc.part_starts
        unmarked = i not in doc.part_starts and words[i] in _NEVER_DOUBLED
        if run > _RUN or bare > 1 or words[i] in _DETERMINERS or unmarked:
            return words[i]
    return ""


def _listy(doc: Document) -> str:
    """Function words hold each longer sentence together, and its parts are no mere list."""
    for sentence in doc.sentences:
        words = doc.words[sentence.start : sentence.end]
        share = len([word for word in words if word in FUNCTION_WORDS]) / len(words)
        if len(words) >= _BARE and share < _FUNCTION and _longest_part(doc, sentence) >= _BARE - 1:
            return "A sentence has too few function words."
        if len(words) >= 3 and share > 0.9 and AUXILIARIES.isdisjoint(words):
            return "A sentence has function words alone."
    bare = (part for part in doc.parts if part.size <= 2)
    short = sum(FUNCTION_WORDS.isdisjoint(doc.words[part.start : part.end]) for part in bare)
    return "The text is a list of words." if len(doc.parts) >= 6 and short > 0.7 * len(doc.parts) else ""


def _longest_part(doc: Document, sentence: Span) -> int:
    return max(part.size for part in doc.parts if sentence.start <= part.start < sentence.end)


def _verbless(doc: Document) -> str:
    """Each longer sentence has a word that can be a verb: by class, by ending, or by opening a command."""
    openings = doc.part_starts
    for sentence in doc.sentences:
        if sentence.size >= 4 and not any(_verbish(doc, i, openings) for i in range(*sentence)):
            return "A sentence has no word that looks like a verb."
    return ""


def _verbish(doc: Document, i: int, openings: set[int]) -> bool:
    word = doc.words[i]
    if word in AUXILIARIES or word in IRREGULAR_VERBS or "'" in word or word.endswith(("ed", "ing", "s")):
        return True
    before = doc.words[i - 1] if i else ""
    if before in _BEFORE_VERB:
        return True
    following = doc.words[i + 1] if i + 1 < len(doc.words) else ""
    if word in COMPARATIVES and before == "the" and i - 1 in openings:  # the more, the merrier
        return True
    return word not in FUNCTION_WORDS and (i in openings or following in _DETERMINERS)


def _clumsy(doc: Document) -> str:
    """Hardly any pair of neighbours is one that English grammar rules out, as it is in shuffled words."""
    words = doc.words
    faults = 0
    for part in doc.parts:
        faults += words[part.end - 1] in _NEVER_LAST and doc.gap(part.end).strip()[:1] in _HARD_MARKS
        for i in range(part.start, part.end - 1):
            if words[i] in _BINDING and _impossible(words[i], words[i + 1]):
                faults += 1
    allowed = max(len(words) > 1 / _CLUMSY, _CLUMSY * len(words))
    return "Neighbouring words do not fit together." if faults > allowed else ""


def _impossible(left: str, right: str) -> bool:
    if left in _DETERMINERS and right in _NOT_AFTER_DETERMINER:
        return True
    if left == "a" and right.startswith(_VOWEL_SOUNDS) and not right.startswith(_AN_EXCEPTIONS):
        return True
    if left == "an" and not right.startswith(_AFTER_AN):
        return True
    return left in _CLAUSE_PREPOSITIONS and right in _NOT_AFTER_PREPOSITION


def _unknown(doc: Document) -> str:
    """Most words are in the dictionary; capitalised words inside a sentence count as names."""
    strange = [i for i, word in enumerate(doc.words) if not known(word) and not word[0].isdigit()]
    openings = {sentence.start for sentence in doc.sentences}
    unknown = sum(i in openings or not doc.text[doc.starts[i]].isupper() for i in strange)
    return "Too many words are unknown." if unknown > (1 - _KNOWN) * len(doc.words) else ""


def _shuffled(doc: Document) -> str:
    """The words follow one another about as often as English has them do."""
    short = len(doc.words) < _LEAST_WORDS
    return "" if short or fit(doc) >= _FIT else "The words do not follow one another as in English."


_FAULTS: tuple[Callable[[Document], str], ...] = (
    _badly_edged,
    _unmarked_lines,
    _unbalanced,
    _marks,
    _repeats,
    _listy,
    _clumsy,
    _shuffled,
    _verbless,
    _unknown,
)
