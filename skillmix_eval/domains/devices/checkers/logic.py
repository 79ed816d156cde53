"""Forms of argument, told by their connectives and by words that come back.

A restatement has all content words of its original, asides left out, and at most two others; a pronoun may
stand for the words that the original begins with. A denial differs in whether the count of denying words is
odd. What is doubted, as by 'perhaps', restates nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from skillmix_eval.records import Verdict

from .document import Document, Span, no
from .form import asides
from .lexicon import (
    ARTICLES,
    AUXILIARIES,
    CONJUNCTIONS,
    FUNCTION_WORDS,
    HELPERS,
    IRREGULAR_VERBS,
    NEGATIONS,
    POSSESSIVES,
    stem,
    word_set,
)

_CONCLUDING = frozenset({"so", "therefore", "thus", "hence"})
_UNREAL = frozenset({"had", "were", "hadn't", "weren't"})
_HAD = word_set("i'd you'd he'd she'd we'd they'd it'd")  # before a participle
_WOULD = word_set("would could might wouldn't couldn't would've could've might've") | _HAD
_ASKING = word_set(
    "ask asks asked asking wonder wonders wondered wondering know knows knew see sees saw tell tells told "
    "doubt doubts doubted sure check checks checked"
)
_LIKELY = frozenset({"probably", "likely"})
_DOUBTS = word_set(
    "perhaps maybe possibly may might could would should doubt doubts doubted doubtful suppose supposes "
    "supposed supposedly allegedly seem seems seemed if unless whether wonder wonders wondered hope hopes "
    "hoped wish wishes wished guess think thinks thought deny denies denied false untrue wrong unlikely "
    "hardly scarcely rarely seldom nearly almost"
)
_PRONOUNS = word_set("it he she they him her them mine yours hers ours theirs")
_MINORITY = word_set("one two three four five ten fifteen twenty thirty forty fifty")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)?")
_ALL_THE_MORE = [
    phrase.split() for phrase in ("let alone", "much less", "still less", "all the more", "how much more")
]
_MOST_TRIES = 6  # connectives tried in one text, so that odd texts stay cheap
_WINDOW = 8  # parts after the first premise within which an argument must be complete
_CLAUSE_PARTS = 4  # a clause may hold commas
_MOST_ADDED = 2  # content words that a restatement may add


class _Argument(NamedTuple):
    """First premise as two halves, second premise, conclusion."""

    left: Span
    right: Span
    minor: Span
    conclusion: Span


def modus_ponens(doc: Document) -> Verdict:
    """If P, Q; P; so Q."""
    return _argued(doc, _conditionals, _affirms, "P is affirmed and Q concluded.", "modus ponens")


def modus_tollens(doc: Document) -> Verdict:
    """If P, Q; not Q; so not P."""
    return _argued(doc, _conditionals, _denies, "Q is denied and not P concluded.", "modus tollens")


def disjunctive_syllogism(doc: Document) -> Verdict:
    """Either P or Q; not P; so Q."""
    return _argued(
        doc, _alternatives, _eliminates, "One is denied and the other concluded.", "disjunctive syllogism"
    )


def _argued(
    doc: Document,
    premises: Callable[[Document], Iterator[tuple[Span, Span]]],
    valid: Callable[[_Reader, _Argument], bool],
    reason: str,
    name: str,
) -> Verdict:
    if _CONCLUDING.isdisjoint(doc.words):
        return no(f"No conclusion after 'so', 'therefore', 'thus' or 'hence' makes this a {name}.")
    reader = _Reader(doc)
    for left, right in itertools.islice(premises(doc), 12 * _MOST_TRIES):
        for minor, conclusion in _conclusions(doc, right.end):
            if valid(reader, _Argument(left, right, minor, conclusion)):
                return doc.yes(left.start - 1, conclusion.end, reason)
    return no(f"The premises and the conclusion do not match as in a {name}.")


def _conditionals(doc: Document) -> Iterator[tuple[Span, Span]]:
    """Yield the clauses P and Q of each 'If P, Q' or 'If P then Q'; both may hold commas and asides."""
    ifs = (i for i, part in enumerate(doc.parts) if "if" in doc.words[part.start : part.end][:2])
    for i in itertools.islice(ifs, _MOST_TRIES):
        part = doc.parts[i]
        start = part.start + doc.words[part.start : part.end].index("if") + 1
        end = doc.sentence_at(start - 1).end
        ends = [p.end for p in doc.parts[i : i + 2 * _CLAUSE_PARTS] if p.end <= end]
        thens = [j for j in range(start + 1, min(ends[-1], end) - 1) if doc.words[j] == "then"]
        cuts = [(j, j + 1) for j in thens[:1]] or [(e, e) for e in ends[:_CLAUSE_PARTS] if "," in doc.gap(e)]
        for before, after in cuts:
            rights = [e for e in ends if e > after][:_CLAUSE_PARTS]
            yield from ((Span(start, before), Span(after, e)) for e in rights if before > start)


def _alternatives(doc: Document) -> Iterator[tuple[Span, Span]]:
    """Yield P and Q of each 'either P or Q'."""
    eithers = (i for i, word in enumerate(doc.words) if word == "either")
    for i in itertools.islice(eithers, _MOST_TRIES):
        sentence = doc.sentence_at(i)
        ors = [j for j in range(i + 2, sentence.end - 1) if doc.words[j] == "or"]
        ends = [p.end for p in doc.parts if i < p.end <= sentence.end]
        for j in ors[:2]:
            yield from (
                (Span(i + 1, j), Span(j + 1, e)) for e in [e for e in ends if e > j + 1][:_CLAUSE_PARTS]
            )


def _conclusions(doc: Document, after: int) -> Iterator[tuple[Span, Span]]:
    """Yield each second premise after a word with the conclusion that follows it."""
    parts = list(itertools.islice((p for p in doc.parts if p.start >= after), _WINDOW))
    last = parts[-1].end if parts else after
    markers = (i for i in range(after, last) if doc.words[i] in _CONCLUDING)
    for marker in itertools.islice(markers, _MOST_TRIES):
        ends = [p.end for p in parts if p.end > marker + 1][:_CLAUSE_PARTS]
        for start in [p.start for p in parts if p.start < marker]:
            for end in ends:
                yield Span(start, marker), Span(marker + 1, end)


class _Reader:
    """What stretches of one text say: content words in order, denials and doubts, each looked up once."""

    def __init__(self, doc: Document) -> None:
        self.doc = doc
        self._content: dict[Span, list[str]] = {}
        self._restated: dict[tuple[Span, Span, Span], bool] = {}
        self._aside = [match.span() for match in asides(doc.text)]

    def content(self, span: Span) -> list[str]:
        """Return the stems of a span's content words, asides left out, or of all words where it has none."""
        if span not in self._content:
            doc = self.doc
            words = [doc.words[i] for i in range(*span) if not self._beside(doc.starts[i])]
            kept = [w for w in words if w not in FUNCTION_WORDS and w not in NEGATIONS]
            self._content[span] = [stem(w) for w in kept or words if w not in NEGATIONS]
        return self._content[span]

    def _beside(self, offset: int) -> bool:
        return any(start < offset < end for start, end in self._aside)

    def restates(self, said: Span, original: Span, other: Span) -> bool:
        """Tell whether a stretch says what the original says."""
        key = (said, original, other)
        if key not in self._restated:
            self._restated[key] = self._restates(*key)
        return self._restated[key]

    def _restates(self, said: Span, original: Span, other: Span) -> bool:
        words, first, second = map(self.content, (said, original, other))
        if not first or not words or self._doubted(said, original):
            return False
        another = words[0] in second and words[0] not in first  # it speaks of something else
        if another or len(set(words).difference(first, second)) > _MOST_ADDED:
            return False
        missing = [w for w in first if w not in words]
        if not missing:
            return True
        pronoun = not _PRONOUNS.isdisjoint(self.doc.words[said.start : said.end])
        return pronoun and len(missing) < len(first) and missing == first[: len(missing)]

    def _doubted(self, said: Span, original: Span) -> bool:
        """Tell whether a doubt that the original does not have stands with a stretch, or leads to it."""
        words, start = self.doc.words, said.start
        opening = self.doc.part_at(max(0, start - 1))
        if start not in self.doc.breaks and opening.size <= 2 and opening.start >= original.end:
            start = opening.start
        return bool(
            _DOUBTS.intersection(words[start : said.end]).difference(words[original.start : original.end])
        )

    def flips(self, said: Span, original: Span) -> bool:
        """Tell whether one of two stretches is denied."""
        return (self.doc.denials(said) - self.doc.denials(original)) % 2 == 1


def _affirms(reader: _Reader, a: _Argument) -> bool:
    if not (reader.restates(a.minor, a.left, a.right) and reader.restates(a.conclusion, a.right, a.left)):
        return False
    return not (reader.flips(a.minor, a.left) or reader.flips(a.conclusion, a.right))


def _denies(reader: _Reader, a: _Argument) -> bool:
    if not (reader.restates(a.minor, a.right, a.left) and reader.restates(a.conclusion, a.left, a.right)):
        return False
    return reader.flips(a.minor, a.right) and reader.flips(a.conclusion, a.left)


def _eliminates(reader: _Reader, a: _Argument) -> bool:
    for gone, left in ((a.left, a.right), (a.right, a.left)):
        matched = reader.restates(a.minor, gone, left) and reader.restates(a.conclusion, left, gone)
        if matched and reader.flips(a.minor, gone) and not reader.flips(a.conclusion, left):
            return True
    return False


def statistical_syllogism(doc: Document) -> Verdict:
    """Most A are B; x is A; so x is probably B."""
    if _LIKELY.isdisjoint(doc.words) or _CONCLUDING.isdisjoint(doc.words):
        return no("No conclusion after 'so', 'therefore', 'thus' or 'hence' says 'probably' or 'likely'.")
    shares = (i for i in range(len(doc.words) - 3) if _quantifies(doc, i))
    for start in itertools.islice(shares, _MOST_TRIES):
        for part in [p for p in doc.parts if p.end > start][:2]:
            major = Span(start + 1, part.end)
            for minor, conclusion in _conclusions(doc, part.end):
                if _inherits(doc, major, minor, conclusion):
                    return doc.yes(
                        start, conclusion.end, "A trait of most of a group is expected of a member."
                    )
    return no("No member of a group that mostly has a trait is concluded to have it.")


def _quantifies(doc: Document, i: int) -> bool:
    """Tell whether word i opens a greater share of a group, such as 'most' or '90 percent of'."""
    word, after = doc.words[i], doc.words[i + 1]
    if word == "most":
        return i == 0 or doc.words[i - 1] not in ("the", "at")
    if word in ("nearly", "almost"):
        return after in ("all", "every")
    figure = bool(_FIGURE.fullmatch(word))
    if not (
        doc.words[i + 1 : i + 3] == ["per", "cent"]
        or after == "percent"
        or (figure and doc.gap(i + 1).strip() == "%")
    ):
        return False
    return float(word.replace(",", ".")) > 50 if figure else word not in _MINORITY


def _inherits(doc: Document, major: Span, minor: Span, conclusion: Span) -> bool:
    """Tell whether the second premise puts something in the group, and the conclusion gives it the trait."""
    words = doc.words[minor.start : minor.end]
    concluded_words = doc.words[conclusion.start : conclusion.end]
    if _LIKELY.isdisjoint(concluded_words) or AUXILIARIES.isdisjoint(words) or not _DOUBTS.isdisjoint(words):
        return False
    premise, member = doc.content(major), doc.content(minor)
    concluded = doc.content(conclusion) - _LIKELY
    group, trait = premise & member, (premise & concluded) - member
    same_sign = (doc.denials(major) - doc.denials(conclusion)) % 2 == 0
    if not (group and trait and same_sign and doc.denials(minor) == 0):
        return False
    return _same_thing(words, concluded_words, concluded & (member - premise))


def _same_thing(minor: list[str], conclusion: list[str], named: frozenset[str]) -> bool:
    """Tell whether what a conclusion begins with is a pronoun or stands in the second premise."""
    ends = HELPERS | _LIKELY | {"very", "most"}
    subject = list(itertools.takewhile(lambda word: word not in ends, conclusion))
    if not subject or subject == ["it"]:  # 'it is likely that'
        return bool(named) or subject == ["it"]
    loose = ARTICLES | POSSESSIVES | _PRONOUNS
    return all(word in loose or word in minor for word in subject)


def counterfactual_conditional(doc: Document) -> Verdict:
    """If ... had, ... would."""
    words = doc.words
    for sentence in doc.sentences:
        would = [j for j in range(*sentence) if words[j] in _WOULD]
        ifs = (
            i
            for i in range(*sentence)
            if words[i] == "if" and _conditional(words[max(sentence.start, i - 2) : i])
        )
        for i in itertools.islice(ifs if would else (), _MOST_TRIES):
            end = doc.part_at(i).end
            unreal = next((j for j in range(i + 1, end) if _unreal(doc, j)), end)
            outside = next((j for j in would if j < i or j > unreal + 1), None)
            if unreal < end and outside is not None:
                reason = f"'If ... {words[unreal]}' stands with '{words[outside]}'."
                return doc.yes(min(i, outside), max(end, outside + 1), reason)
    return no("No 'if' clause with 'had' or 'were' stands with 'would', 'could' or 'might'.")


def _conditional(before: list[str]) -> bool:
    """Tell by the two words before an 'if' that it is neither 'as if' nor 'if' for 'whether'."""
    return before[-1:] != ["as"] and _ASKING.isdisjoint(before)


def _unreal(doc: Document, j: int) -> bool:
    word, after = doc.words[j], doc.words[j + 1 : j + 2]
    if word in _UNREAL:
        return True
    return word in _HAD and any(
        w.endswith("ed") or w in IRREGULAR_VERBS or w in ("been", "had", "not", "never", "known")
        for w in after
    )


def a_fortiori(doc: Document) -> Verdict:
    """Even this, let alone that."""
    for sentence in doc.sentences:
        words = doc.words[sentence.start : sentence.end]
        if "even" not in words:
            continue
        even = sentence.start + words.index("even")
        for phrase in _ALL_THE_MORE:
            at = next(
                (i for i in range(even + 2, sentence.end) if doc.words[i : i + len(phrase)] == phrase), None
            )
            if at is not None and at + len(phrase) < sentence.end and _adds(doc, at):
                reason = f"What 'even' says holds '{' '.join(phrase)}' for the rest."
                return doc.yes(even, at + len(phrase) + 1, reason)
    return no("No 'even' is followed by 'let alone', or after a mark by 'much less' or 'all the more'.")


def _adds(doc: Document, at: int) -> bool:
    """Tell whether a phrase opens a part, as 'much less tired' does not; 'let alone' needs no mark."""
    opens = at in doc.part_starts or (at - 1 in doc.part_starts and doc.words[at - 1] in CONJUNCTIONS)
    return opens or (doc.words[at] == "let" and doc.words[at - 1] not in AUXILIARIES)
