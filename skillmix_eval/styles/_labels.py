"""Which rubric item a judge's label means.

Labels are looked up from strict to loose spellings, so that a name that is part of another, holds a word such
as "total" or differs from another by its parenthesis alone is never taken for something else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from skillmix_eval.errors import UnreadableError
from skillmix_eval.records import MAKES_SENSE, ON_TOPIC, SENTENCE_LIMIT, Question, skill_item

_WORDINGS = ("Correctly illustrates", "Illustrates", "Contains")
_MARKS = re.compile(r"[*`~#\\\"'“”„«»‘’]+")
_HYPHENS = re.compile(r"[-_‐‑‒–—]+")
_LEAD = re.compile(r"^[\s>•+]*(?:\(?\d{1,3}[.):]\s)?")
_INSIDE = re.compile(r"(?<=\()\s+|\s+(?=\))")
_PARENTHESIS = re.compile(r"\s*\((?:[^()]|\([^()]*\))*\)$")
_TOTAL = re.compile(
    r"(?:grand |final |overall )?(?:total|grade|score|sum)(?: points?| score)?(?: earned)?",
)
_HEAD_END = re.compile(r"[:：]|\*\*|__|\s[-–—](?=\s)|$")
_SLACK = 80  # a label in a reply may be this much longer than the longest one asked: numbering, marks


def squeeze(label: str) -> str:
    """Return a label on one line with single spaces and without the escapes that a table cell needs."""
    return " ".join(label.replace("\\|", "|").split())


def plain(label: str) -> str:
    """Return a label without case, hyphens, quotation and markdown marks, numbering or final punctuation."""
    text = unicodedata.normalize("NFKC", label.replace("\\|", "|")).casefold()
    text = _HYPHENS.sub(" ", _MARKS.sub("", text))
    text = " ".join(_LEAD.sub("", text.strip()).split())
    return _INSIDE.sub("", text).rstrip(":. ")


def short(label: str) -> str:
    """Return a plain label without the parenthesis at its end."""
    return _PARENTHESIS.sub("", plain(label)).rstrip(":. ")


def is_total(label: str) -> bool:
    """Tell whether a label is that of the judge's own total."""
    return _TOTAL.fullmatch(short(label)) is not None


_Spelling = Callable[[str], str]
_SPELLINGS: tuple[_Spelling, ...] = (squeeze, plain, short)  # each one looser than the one before
_Tier = tuple[
    _Spelling, dict[str, set[str]]
]  # how a label is spelled, and the items that a spelling may mean


class Labels:
    """The labels of one question's rubric: what the prompt shows and what a reply may write for it."""

    def __init__(self, question: Question, wording: str) -> None:
        self.shown = _asked(question, wording)
        self._limit = max(map(len, self.shown.values())) + _SLACK
        asked = {item: [label] for item, label in self.shown.items()}
        worded, bare = _worded(question), _bare(question)
        self._strict = [_tier(squeeze, asked), *(_tier(how, worded) for how in _SPELLINGS)]
        self._loose = [_tier(how, bare) for how in _SPELLINGS]

    def match(self, label: str) -> str | None:
        """Return the item that a label means, or None; raises UnreadableError when it fits several."""
        if len(label) > self._limit:
            return None
        spelled = {how: how(label) for how in _SPELLINGS}
        found = _look_up(self._strict, spelled)
        if found is None and not _TOTAL.fullmatch(spelled[short]):
            found = _look_up(self._loose, spelled)
        return found

    def heading(self, line: str) -> tuple[str, str] | None:
        """Return the item whose label opens a line and what follows it; the longest label counts."""
        ends = list(_HEAD_END.finditer(line, 0, min(len(line), self._limit)))
        for end in reversed(ends):
            item = self.match(line[: end.start()])
            if item is not None:
                return item, line[end.end() :]
        return None


def _tier(spell: _Spelling, labels: dict[str, list[str]]) -> _Tier:
    forms: dict[str, set[str]] = {}
    for item, several in labels.items():
        for form in map(spell, several):
            if form:
                forms.setdefault(form, set()).add(item)
    return spell, forms


def _look_up(tiers: list[_Tier], spelled: dict[_Spelling, str]) -> str | None:
    for spell, forms in tiers:
        items = forms.get(spelled[spell], set())
        if len(items) > 1:
            several = ", ".join(sorted(items))
            raise UnreadableError(f"the label '{spelled[squeeze]}' fits several items: {several}")
        if items:
            return next(iter(items))
    return None


def _asked(question: Question, wording: str) -> dict[str, str]:
    """Return the label of each item as the prompt shows it, in the rubric's order."""
    labels = {skill_item(s.id): f"{wording} {s.name}" for s in question.skills}
    labels[ON_TOPIC] = f"Pertains to {question.topic.name}"
    labels[MAKES_SENSE] = "Text makes sense"
    labels[SENTENCE_LIMIT] = f"At most {question.limit_words}"
    return {item: squeeze(label) for item, label in labels.items()}


def _worded(question: Question) -> dict[str, list[str]]:
    """Return spellings that say what kind of item they mean."""
    labels = {skill_item(s.id): [f"{wording} {s.name}" for wording in _WORDINGS] for s in question.skills}
    labels[ON_TOPIC] = [f"Pertains to {question.topic.name}"]
    labels[MAKES_SENSE] = ["Text makes sense", "The text makes sense"]
    noun = question.limit_words.split()[-1]
    labels[SENTENCE_LIMIT] = [f"At most {question.limit_words}", f"At most {question.sentence_limit} {noun}"]
    return labels


def _bare(question: Question) -> dict[str, list[str]]:
    """Return names alone, which could also be something else: looked up last."""
    names: dict[str, list[str]] = {skill_item(s.id): [s.name] for s in question.skills}
    return names | {ON_TOPIC: [question.topic.name, "On topic"], MAKES_SENSE: ["Makes sense"]}
