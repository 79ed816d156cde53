"""A text tokenised once for all checkers: words with offsets, and ranges of words between marks.

A *part* ends at a comma or any stronger mark, a *section* at a semicolon or a sentence's end, a
quoted sentence's too.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property
from typing import NamedTuple

import sentencex

from skillmix_eval.records import Verdict

from .lexicon import FUNCTION_WORDS, NEGATIONS, stem, word_set

_WORD = re.compile(r"[^\W_][\w\u0300-\u036f]*(?:['’\-‐‑][^\W_][\w\u0300-\u036f]*)*")
_MARK = re.compile(r",\s|[,.][\"'”’]+\s|[:!?…()\[\]{}\n—–]|\s-+\s|--|\.\.\.|,$")
_SECTION_MARK = re.compile(r"[;?!]|^[.][\"'”’]*\s")
_TITLES = word_set(
    "mrs prof etc inc jan feb mar apr aug sept oct nov dec approx capt col gen sgt rev hon fig vol"
)
_PLAIN_GAPS = frozenset({" ", "", "-", "'", "’"})


class Span(NamedTuple):
    """A run of words: from the word at `start` to the one before `end`."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Number of words."""
        return self.end - self.start


class Document:
    """An English text as words, parts, sections and sentences; each is computed when first asked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        matches = list(_WORD.finditer(text))
        self.starts = [m.start() for m in matches]
        self.ends = [m.end() for m in matches]
        plain = text if text.isascii() else None
        found = [m.group() for m in matches]
        self.words = [w.lower() for w in found] if plain is not None else [_folded(w) for w in found]

    def gap(self, i: int) -> str:
        """Return what stands between word i - 1 and word i; the edges of the text count as gaps."""
        start = self.ends[i - 1] if i > 0 else 0
        return self.text[start : self.starts[i] if i < len(self.starts) else len(self.text)]

    @cached_property
    def sentence_ends(self) -> list[int]:
        """Character offsets where sentences end."""
        ends, at = [], 0
        for segment in sentencex.segment("en", self.text):
            found = self.text.find(segment, at)
            at = found + len(segment) if found >= 0 else at
            ends.append(at)
        return ends

    @cached_property
    def sentences(self) -> list[Span]:
        """Return the sentences that hold a word."""
        spans, start, n = [], 0, len(self.words)
        for offset in [*self.sentence_ends, len(self.text) + 1]:
            end = start
            while end < n and self.starts[end] < offset:
                end += 1
            if end > start:
                spans.append(Span(start, end))
            start = end
        return spans

    @cached_property
    def _cuts(self) -> tuple[list[Span], list[Span]]:
        """Parts and sections."""
        parts, sections = [], []
        text, starts, ends = self.text, self.starts, self.ends
        for first, last in self.sentences:
            part = section = first
            for i in range(first + 1, last):
                gap = text[ends[i - 1] : starts[i]]
                if gap in _PLAIN_GAPS:
                    continue
                if self._ends_section(i, gap):
                    sections.append(Span(section, i))
                    section = i
                elif gap != ", " and not _MARK.search(gap):
                    continue
                parts.append(Span(part, i))
                part = i
            parts.append(Span(part, last))
            sections.append(Span(section, last))
        return parts, sections

    def _ends_section(self, i: int, gap: str) -> bool:
        """Tell whether a gap inside a sentence has a semicolon or ends a sentence that a quotation holds."""
        if not _SECTION_MARK.search(gap):
            return False
        abbreviated = gap[0] == "." and (
            self.ends[i - 1] - self.starts[i - 1] < 3 or self.words[i - 1] in _TITLES
        )
        return not abbreviated or ";" in gap

    @property
    def parts(self) -> list[Span]:
        """Return the stretches between commas or stronger marks, in order."""
        return self._cuts[0]

    @property
    def sections(self) -> list[Span]:
        """Return the sentences, cut at semicolons."""
        return self._cuts[1]

    @cached_property
    def part_starts(self) -> frozenset[int]:
        """Indices of the words that open a part."""
        return frozenset(p.start for p in self.parts)

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
