"""How well the words of a text follow one another, told by classes of words and counts of English pairs.

The classes and the scores are read from neighbours.toml, which experiments/devices_neighbours.py writes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from typing import NamedTuple

from .document import Document

START, MARK, END = "<", ",", ">"
_MOST_KEPT = 1 << 16


class Table(NamedTuple):
    """Words and endings by class number, and the score of each pair of classes in tenths of a logarithm."""

    names: tuple[str, ...]
    words: dict[str, int]
    endings: tuple[tuple[str, int], ...]
    scores: tuple[tuple[int, ...], ...]
    edges: tuple[int, int, int, int]  # classes of a section's start, a mark, a section's end, and names


def build(words: dict[str, str], endings: dict[str, str], scores: dict[str, list[int]]) -> Table:
    """Return the table of the given words by class, endings and scores."""
    named = dict.fromkeys([*words, *endings.values(), "-s", "-'s", "open", START, MARK, END])
    number = {name: i for i, name in enumerate(named)}
    return Table(
        tuple(named),
        {word: number[name] for name, line in reversed(words.items()) for word in line.split()},
        tuple((ending, number[name]) for ending, name in endings.items()),
        tuple(tuple(scores.get(name, ())) for name in named),
        (number[START], number[MARK], number[END], number["name"]),
    )


@lru_cache(maxsize=1)
def _table() -> Table:
    text = resources.files(__package__).joinpath("neighbours.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    return build(found["words"], found["endings"], found["scores"])


class _Classes(dict[str, int]):
    """The classes of the words met so far."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _MOST_KEPT:
            self.clear()
        self[word] = found = classify(_table(), word)
        return found


_CLASSES = _Classes()


def classify(table: Table, word: str) -> int:
    """Return the number of a lower-case word's class."""
    if word in table.words:
        return table.words[word]
    number = table.names.index
    if word[0].isdigit():
        return number("one")
    if word.endswith("'s"):
        return number("-'s")
    if word.endswith("s") and not word.endswith(("ss", "us", "is", "ous")):
        return number("-s")
    found = (kind for ending, kind in table.endings if word.endswith(ending) and len(word) > len(ending) + 2)
    return next(found, number("open"))


def row(doc: Document, table: Table, class_of: Callable[[str], int]) -> list[int]:
    """Return the classes of a text's words, with the edges of its sections and the marks in them."""
    start, mark, end, name = table.edges
    words, breaks = doc.words, doc.breaks
    classes = list(map(class_of, words))
    at = words.index("may") if "may" in words else 0
    if at and at not in breaks and doc.text[doc.starts[at]] == "M":
        classes[at] = name  # the month
    found: list[int] = []
    for part in doc.parts:
        found += (end, start) if part.start in breaks else (mark,)
        found += classes[part.start : part.end]
    return [*found[1:], end] if found else []


def fit(doc: Document) -> float:
    """Return the mean score of a text's neighbours: above 0 where they follow one another as in English."""
    table = _table()
    scores, found = table.scores, row(doc, table, _CLASSES.__getitem__)
    total = sum([scores[a][b] for a, b in pairwise(found)])  # an end and the start after it score nothing
    return total / max(1, len(found) - len(doc.sections))
