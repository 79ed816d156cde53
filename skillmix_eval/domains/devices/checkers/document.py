"""A text tokenised once for all checkers: words with offsets, and ranges of words between marks.

A *part* ends at a comma or any stronger mark, a *section* at a semicolon or a sentence's end, a
quoted sentence's too.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from bisect import bisect_left, bisect_right
from functools import cached_property
from typing import NamedTuple

import sentencex

from skillmix_eval.records import Verdict

from .lexicon import FUNCTION_WORDS, NEGATIONS, stem, word_set

_WORD = re.compile(r"[^\W_][\w\u0300-\u036f]*(?:(?:['’\-‐‑]|(?<=\d)[.,](?=\d))[^\W_][\w\u0300-\u036f]*)*")
_MARK = re.compile(r"[,:!?…()\[\]{}\n—–]|\s-+\s|--|\.\.\.")
_SECTION_MARK = re.compile(r"[;?!]|^[.][\"'”’]*\s")
_TITLES = word_set(
    "mrs prof etc inc jan feb mar apr aug sept oct nov dec approx capt col gen sgt rev hon fig vol"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # the splitter takes whole characters only
_PLAIN_GAPS = frozenset({" ", "", "-", "'", "’"})


class Span(NamedTuple):
    """A run of words: from the word at `start` to the one before `end`."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Number of words."""
        return self.end - self.start


def _start(span: Span) -> int:
    return span.start


class Document:
    """An English text as words, parts, sections and sentences, cut once and shared by all checkers."""

    def __init__(self, text: str) -> None:
        self.text = text
        spans = [m.span() for m in _WORD.finditer(text)]
        self.starts = [start for start, _ in spans]
        self.ends = [end for _, end in spans]
        if text.isascii():
            lower = text.lower()
            self.words = [lower[start:end] for start, end in spans]
        else:
            self.words = [_folded(text[start:end]) for start, end in spans]
        self.sentence_ends = self._sentence_ends()  # character offsets
        self.sentences = self._sentences()  # those that hold a word
        self.parts: list[Span] = []  # stretches between commas or stronger marks, in order
        self.sections: list[Span] = []  # sentences, cut at semicolons
        for sentence in self.sentences:
            self._cut(sentence)
        self.part_starts = {part.start for part in self.parts}

    def _sentence_ends(self) -> list[int]:
        ends, at = [], 0
        text = self.text if self.text.isascii() else _LONE_SURROGATE.sub("\ufffd", self.text)
        for segment in sentencex.segment("en", text):
            found = text.find(segment, at)
            at = found + len(segment) if found >= 0 else at
            ends.append(at)
        return ends

    def _sentences(self) -> list[Span]:
        cuts = [0, *(bisect_left(self.starts, end) for end in self.sentence_ends), len(self.words)]
        return [Span(start, end) for start, end in itertools.pairwise(cuts) if end > start]

    def _cut(self, sentence: Span) -> None:
        """Cut a sentence into parts and sections."""
        text, starts, ends = self.text, self.starts, self.ends
        part = section = sentence.start
        for i in range(sentence.start + 1, sentence.end):
            gap = text[ends[i - 1] : starts[i]]
            if gap in _PLAIN_GAPS:
                continue
            if gap != ", ":
                if self._ends_section(i, gap):
                    self.sections.append(Span(section, i))
                    section = i
                elif not _MARK.search(gap):
                    continue
            self.parts.append(Span(part, i))
            part = i
        self.parts.append(Span(part, sentence.end))
        self.sections.append(Span(section, sentence.end))

    def gap(self, i: int) -> str:
        """Return what stands between word i - 1 and word i; the edges of the text count as gaps."""
        start = self.ends[i - 1] if i > 0 else 0
        return self.text[start : self.starts[i] if i < len(self.starts) else len(self.text)]

    def _ends_section(self, i: int, gap: str) -> bool:
        """Tell whether a gap inside a sentence has a semicolon or ends a sentence that a quotation holds."""
        if not _SECTION_MARK.search(gap):
            return False
        abbreviated = gap[0] == "." and (
            self.ends[i - 1] - self.starts[i - 1] < 3 or self.words[i - 1] in _TITLES
        )
        return not abbreviated or ";" in gap

    @cached_property
    def breaks(self) -> frozenset[int]:
        """Indices of the words that open a section."""
        return frozenset(section.start for section in self.sections)

    def sentence_at(self, i: int) -> Span:
        """Return the sentence that holds word i."""
        return self.sentences[bisect_right(self.sentences, i, key=_start) - 1]

    def part_at(self, i: int) -> Span:
        """Return the part that holds word i."""
        return self.parts[bisect_right(self.parts, i, key=_start) - 1]

    @cached_property
    def stems(self) -> list[str]:
        """Return the words without number, tense and possessive."""
        return [stem(w) for w in self.words]

    def content(self, span: Span) -> frozenset[str]:
        """Return the stems of a span's words that carry meaning; all its words where none does."""
        words = self.words[span.start : span.end]
        kept = [w for w in words if w not in FUNCTION_WORDS and w not in NEGATIONS]
        return frozenset(map(stem, kept or [w for w in words if w not in NEGATIONS]))

    def denials(self, span: Span) -> int:
        """Count the words of a span that deny."""
        return sum(w in NEGATIONS for w in self.words[span.start : span.end])

    def yes(self, start: int, end: int, reason: str) -> Verdict:
        """Return the verdict that the words from `start` to before `end` show the device."""
        span = (self.starts[start], self.ends[end - 1])
        return Verdict(met=True, reason=reason, quote=self.text[slice(*span)], span=span)


def no(reason: str) -> Verdict:
    """Return the verdict that a device is missing."""
    return Verdict(met=False, reason=reason)


def _folded(word: str) -> str:
    plain = unicodedata.normalize("NFKC", word).casefold()
    return plain.replace("’", "'").replace("‐", "-").replace("‑", "-")
