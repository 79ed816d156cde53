"""Takes the words of a private list out of texts, wherever a model repeats them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .records import Question
from .texts import words

WITHHELD = "(withheld: it repeats a private list)"
_RUN_OF_WORDS = 8  # so many words in a row from a definition or an example are a quotation


class Hider:
    """Replaces names by ids, and texts that quote a definition or an example by a remark."""

    def __init__(self, questions: Iterable[Question], hides: bool = True) -> None:
        self.hides = hides
        self._names: dict[str, str] = {}
        self._runs: set[tuple[str, ...]] = set()
        asked = list(questions) if hides else []
        for topic in {q.topic for q in asked}:
            self._names[" ".join(words(topic.name))] = topic.id
        for skill in {s for q in asked for s in q.skills}:
            self._names[" ".join(words(skill.name))] = skill.id
            for text in (skill.definition, skill.example):
                found = words(text)
                self._runs |= _runs(found, min(_RUN_OF_WORDS, max(4, len(found))))
        self._sizes = {len(run) for run in self._runs}
        longest_first = sorted(filter(None, self._names), key=len, reverse=True)
        inner = "|".join(r"\W+".join(map(re.escape, name.split())) for name in longest_first)
        self._pattern = re.compile(rf"(?<!\w)(?:{inner})(?!\w)", re.IGNORECASE) if inner else None

    def text(self, text: str) -> str:
        """Return a text with names replaced by ids, or a remark where it quotes a definition or example."""
        if not self.hides:
            return text
        found = words(text)
        if any(not self._runs.isdisjoint(_runs(found, size)) for size in self._sizes):
            return WITHHELD
        if not self._pattern:
            return text
        return self._pattern.sub(lambda m: self._names.get(" ".join(words(m[0])), WITHHELD), text)


def _runs(found: tuple[str, ...], size: int) -> set[tuple[str, ...]]:
    return {found[i : i + size] for i in range(len(found) - size + 1)}
