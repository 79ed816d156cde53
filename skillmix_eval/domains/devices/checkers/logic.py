"""Forms of argument, told by their connectives and by words that come back.

A restatement shares more than half of its original's content words, or half where a pronoun stands for the
rest, and no fewer than it shares with the other half of the first premise; a denial differs in whether the
count of denying words is odd.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from skillmix_eval.records import Verdict

from .document import Document, Span, no
from .lexicon import word_set

_CONCLUDING = frozenset({"so", "therefore", "thus", "hence"})
_UNREAL = frozenset({"had", "were", "hadn't", "weren't"})
_WOULD = word_set("would could might wouldn't couldn't i'd you'd he'd she'd we'd they'd")
_LIKELY = frozenset({"probably", "likely"})
_MOST_TRIES = 6  # connectives tried in one text, so that odd texts stay cheap
_WINDOW = 8  # parts after the first premise within which an argument must be complete


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
    valid: Callable[[Document, _Argument], bool],
    reason: str,
    name: str,
) -> Verdict:
    if _CONCLUDING.isdisjoint(doc.words):
        return no(f"No conclusion after 'so', 'therefore', 'thus' or 'hence' makes this a {name}.")
    for left, right in itertools.islice(premises(doc), 3 * _MOST_TRIES):
        for minor, conclusion in _conclusions(doc, right.end):
            if valid(doc, _Argument(left, right, minor, conclusion)):
                return doc.yes(left.start - 1, conclusion.end, reason)
    return no(f"The premises and the conclusion do not match as in a {name}.")


def _conditionals(doc: Document) -> Iterator[tuple[Span, Span]]:
    """Yield the clauses P and Q of each 'If P, Q'; Q may hold commas."""
    for i, part in enumerate(doc.parts):
        words = doc.words[part.start : part.end]
        if "if" not in words[:2]:
            continue
        start = part.start + words.index("if") + 1
        if "then" in words[2:]:
            then = part.start + words.index("then", 2)
            clauses = [(Span(start, then), Span(then + 1, part.end))]
        else:
            clauses = [(Span(start, part.end), Span(part.end, p.end)) for p in doc.parts[i + 1 : i + 4]]
        yield from ((p, q) for p, q in clauses if p.size and q.size and _same_sentence(doc, p, q))


def _alternatives(doc: Document) -> Iterator[tuple[Span, Span]]:
    """Yield P and Q of each 'either P or Q'."""
    eithers = (i for i, word in enumerate(doc.words) if word == "either")
    for i in itertools.islice(eithers, _MOST_TRIES):
        ors = [j for j in range(i + 2, len(doc.words) - 1) if doc.words[j] == "or"]
        ends = sorted(p.end for p in doc.parts)
        for j in ors[:2]:
            for end in [e for e in ends if e > j + 1][:2]:
                left, right = Span(i + 1, j), Span(j + 1, end)
                if _same_sentence(doc, left, right):
                    yield left, right


def _same_sentence(doc: Document, left: Span, right: Span) -> bool:
    return any(s.start <= left.start and right.end <= s.end for s in doc.sentences)


def _conclusions(doc: Document, after: int) -> Iterator[tuple[Span, Span]]:
    """Yield each second premise after a word with the conclusion that follows it."""
    parts = list(itertools.islice((p for p in doc.parts if p.start >= after), _WINDOW))
    last = parts[-1].end if parts else after
    markers = (i for i in range(after, last) if doc.words[i] in _CONCLUDING)
    for marker in itertools.islice(markers, _MOST_TRIES):
        ends = [p.end for p in parts if p.end > marker + 1][:2]
        for start in [p.start for p in parts if p.start < marker]:
            for end in ends:
                yield Span(start, marker), Span(marker + 1, end)


def _shares(doc: Document, said: Span, original: Span, other: Span) -> bool:
    """Tell whether a stretch restates the original rather than the other half."""
    words, first, second = doc.content(said), doc.content(original), doc.content(other)
    mine = len(words & first) / max(1, len(first))
    theirs = len(words & second) / max(1, len(second))
    same = mine > 0.5 or (mine == 0.5 and words <= first)
    return same and mine >= theirs


def _flips(doc: Document, said: Span, original: Span) -> bool:
    return (doc.denials(said) - doc.denials(original)) % 2 == 1


def _affirms(doc: Document, a: _Argument) -> bool:
    if _flips(doc, a.minor, a.left) or _flips(doc, a.conclusion, a.right):
        return False
    return _shares(doc, a.minor, a.left, a.right) and _shares(doc, a.conclusion, a.right, a.left)


def _denies(doc: Document, a: _Argument) -> bool:
    if not (_flips(doc, a.minor, a.right) and _flips(doc, a.conclusion, a.left)):
        return False
    return _shares(doc, a.minor, a.right, a.left) and _shares(doc, a.conclusion, a.left, a.right)


def _eliminates(doc: Document, a: _Argument) -> bool:
    for gone, left in ((a.left, a.right), (a.right, a.left)):
        matched = _shares(doc, a.minor, gone, left) and _shares(doc, a.conclusion, left, gone)
        if matched and _flips(doc, a.minor, gone) and not _flips(doc, a.conclusion, left):
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
    """Tell whether word i opens a share of a group, such as 'most' or '90 percent of'."""
    word, after = doc.words[i], doc.words[i + 1]
    if word == "most":
        return i == 0 or doc.words[i - 1] not in ("the", "at")
    if word in ("nearly", "almost"):
        return after in ("all", "every")
    return after == "percent" or (word.isdecimal() and doc.gap(i + 1).startswith("%"))


def _inherits(doc: Document, major: Span, minor: Span, conclusion: Span) -> bool:
    """Tell whether the second premise names the group, and the conclusion the trait of the same thing."""
    if _LIKELY.isdisjoint(doc.words[conclusion.start : conclusion.end]):
        return False
    premise, member = doc.content(major), doc.content(minor)
    concluded = doc.content(conclusion) - _LIKELY
    group, trait = premise & member, (premise & concluded) - member
    same_sign = (doc.denials(major) - doc.denials(conclusion)) % 2 == 0
    return bool(group) and bool(trait) and same_sign and doc.denials(minor) == 0


def counterfactual_conditional(doc: Document) -> Verdict:
    """If ... had, ... would."""
    words = doc.words
    for sentence in doc.sentences:
        would = [j for j in range(*sentence) if words[j] in _WOULD]
        ifs = (i for i in range(*sentence) if words[i] == "if" and words[i - 1 : i] != ["as"])
        for i in itertools.islice(ifs if would else (), _MOST_TRIES):
            end = doc.part_at(i).end
            unreal = next((j for j in range(i + 1, end) if words[j] in _UNREAL), end)
            outside = next((j for j in would if j < i or j > unreal + 1), None)
            if unreal < end and outside is not None:
                reason = f"'If ... {words[unreal]}' stands with '{words[outside]}'."
                return doc.yes(min(i, outside), max(end, outside + 1), reason)
    return no("No 'if' clause with 'had' or 'were' stands with 'would', 'could' or 'might'.")


def a_fortiori(doc: Document) -> Verdict:
    """Even this, let alone that."""
    for sentence in doc.sentences:
        words = doc.words[sentence.start : sentence.end]
        if "even" not in words:
            continue
        even = words.index("even")
        line = " ".join(words[even + 1 :])
        for phrase in ("let alone", "much less", "still less", "all the more", "how much more"):
            before, found, after = f" {line} ".partition(f" {phrase} ")
            if found and before.strip() and after.strip():
                end = even + 1 + len(before.split()) + len(phrase.split())
                reason = f"What 'even' says holds '{phrase}' for the rest."
                return doc.yes(sentence.start + even, sentence.start + end + 1, reason)
    return no("No 'even' is followed by 'let alone', 'much less', 'all the more' or 'how much more'.")
