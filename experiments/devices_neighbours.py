"""Count which classes of words follow one another in English: what the proxy for sense of `devices` knows of order.

Writes skillmix_eval/domains/devices/checkers/neighbours.toml: classes of words, and for each pair of classes the
logarithm of how much more often English has it than words thrown together would, in tenths. English is here the
prose in the documentation of Python's standard library and of the packages of the base install, and the teacher's
texts. Floors keep what documentation lacks, such as questions and stories, from counting as wrong.
About four minutes on one core.
"""

from __future__ import annotations

import ast
import importlib.util
import math
import random
import re
import sys
import sysconfig
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from experiments.devices_teacher import questions
from skillmix_eval.domains.devices.checkers import neighbours
from skillmix_eval.domains.devices.checkers.document import Document
from skillmix_eval.domains.devices.checkers.lexicon import IRREGULAR_VERBS
from skillmix_eval.domains.devices.teacher import compose
from skillmix_eval.errors import CallFailedError

DOMAIN = Path(neighbours.__file__).parent.parent
PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "openai", "aiohttp", "rich", "jinja2", "ctranslate2")
SENTENCES, TEACHER = 60_000, 4_500
CLOSED = {
    "a": "a an",
    "the": "the",
    "my": "my your our their its",
    "her": "his her",
    "this": "this these those",
    "that": "that",
    "each": "each every another no any some either neither such",
    "we": "i he she we they",
    "it": "it you",
    "them": "me him us them myself yourself himself herself itself ourselves themselves yourselves mine yours hers "
    "ours theirs",
    "be": "am is are was were isn't aren't wasn't weren't",
    "been": "be been being",
    "have": "has have had hasn't haven't hadn't having",
    "do": "do does did don't doesn't didn't",
    "can": "can could may might must shall should will would cannot can't couldn't won't wouldn't shouldn't mustn't",
    "i'm": "i'm i've i'll i'd you're you've you'll you'd he's he'll he'd she's she'll she'd it's it'll it'd we're "
    "we've we'll we'd they're they've they'll they'd that's there's here's what's who's",
    "to": "to",
    "not": "not",
    "never": "never rarely seldom hardly scarcely nowhere",
    "of": "of",
    "and": "and or nor",
    "but": "but",
    "if": "if while because since although though unless until before after whenever whereas once",
    "who": "who whom whose which what why how whoever whatever when where",
    "as": "as like",
    "than": "than",
    "in": "in on at by for from with into onto under over through across along among amid near upon above below "
    "behind between beyond without within against toward towards during despite beside besides inside outside around "
    "about past per via throughout beneath",
    "one": "one two three four five six seven eight nine ten all both few many most much several other others more "
    "less",
    "also": "very too so then there here now also just only even still again ever always often soon already yet quite "
    "rather almost perhaps however therefore thus hence out up down off away back today else",
}
ENDINGS = {
    "ly": "-ly", "ing": "-ing", "ed": "-ed", "ness": "noun", "tion": "noun", "ment": "noun", "ity": "noun",
    "ship": "noun", "ful": "adjective", "ous": "adjective", "ive": "adjective", "able": "adjective", "al": "adjective",
    "ic": "adjective", "less": "adjective", "ish": "adjective", "er": "-er", "or": "-er", "est": "adjective",
    "y": "adjective",
}  # fmt: skip
OPEN_KINDS = {
    "name": "people things abstract tools",
    "verb": "does happens acts motions mutual",
    "adjective": "adjectives virtues",
}
OPENERS = {
    "a",
    "the",
    "my",
    "her",
    "this",
    "that",
    "each",
    "we",
    "it",
    "one",
    "open",
    "name",
    "noun",
    "adjective",
} | {
    "-s",
    "-er",
    "-ly",
}  # what may follow the helping verb of a question
HELPING = {"be", "have", "do", "can"}
BEFORE_HELPING = {"<", ",", "also", "not", "never", "and", "but", "who", "-ly"}


MISSED = {
    ("in", "also"),
    ("this", "in"),
    ("do", "in"),
    ("we", "name"),
    ("-s", "been"),
    ("name", "been"),
    ("open", "been"),
}
CONTENT = {"open", "name", "verb", "adjective", "noun", "-s", "-ed", "-ing", "-er", "-ly", "one", "also"}


def classes() -> dict[str, str]:
    """Return the words of each class: the closed ones, irregular verbs, and what the teacher's words can be alone."""
    found: dict[str, set[str]] = defaultdict(set)
    lexicon = tomllib.loads((DOMAIN / "teacher" / "lexicon.toml").read_text(encoding="utf-8"))
    for table in (*lexicon["topics"].values(), lexicon["shared"]):
        for kind, sources in OPEN_KINDS.items():
            for source in sources.split():
                for phrase in table.get(source, "").split(","):
                    found[phrase.strip()].add(kind)
    closed = {word for words in CLOSED.values() for word in words.split()}
    result = dict(CLOSED)
    result["-ed"] = " ".join(sorted(IRREGULAR_VERBS - closed))
    taken = closed | IRREGULAR_VERBS
    for kind in (*OPEN_KINDS, "open"):
        words = (
            w for w, kinds in found.items() if w and " " not in w and w not in taken and not w.endswith("s")
        )
        result[kind] = " ".join(
            sorted(w for w in words if found[w] == {kind} or (kind == "open" and len(found[w]) > 1))
        )
    return result


def prose(text: str) -> Iterator[str]:
    """Yield the sentences of a documentation text that are plain English."""
    for paragraph in re.split(r"\n\s*\n", text):
        for sentence in re.split(r"(?<=[.?!])\s+(?=[A-Z])", " ".join(paragraph.split())):
            plain = re.fullmatch(r"[A-Z][A-Za-z,;:'’\- ]+[.?!]", sentence)
            if (
                plain
                and 4 <= len(sentence.split()) <= 40
                and not re.search(r"[a-z][A-Z]|\b[A-Z]{3,}", sentence)
            ):
                yield sentence


def documentation() -> list[str]:
    """Return the different sentences of the documentation, in a fixed order drawn by chance."""
    import pydoc_data.topics

    found = {s for text in pydoc_data.topics.topics.values() for s in prose(text)}
    folders = [Path(sysconfig.get_path("stdlib"))]
    folders += [
        Path(spec.origin).parent
        for name in PACKAGES
        if (spec := importlib.util.find_spec(name)) and spec.origin
    ]
    for file in sorted(
        path for folder in folders for path in folder.rglob("*.py") if "tests" not in path.parts
    ):
        if "site-packages" in file.parts and not any(name in file.parts for name in PACKAGES):
            continue
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found.update(prose(ast.get_docstring(node) or ""))
    ordered = sorted(found)
    random.Random(0).shuffle(ordered)
    return ordered[:SENTENCES]


def taught() -> Iterator[str]:
    """Yield the teacher's texts for one to three skills."""
    for k in (1, 2, 3):
        for number, question in enumerate(questions(k, TEACHER // 3)):
            try:
                yield compose(question, number)
            except CallFailedError:
                continue


def floor(left: str, right: str) -> float:
    """Return the least score of a pair: documentation has few questions, orders, stories and short sentences."""
    asks = (left in HELPING and right in OPENERS) or (right in HELPING and left in BEFORE_HELPING)
    if left in ("we", "it") and right in ("-s", "open", "verb", "-ed", "-ly", "also", "never", "not"):
        return 0.3
    if asks or "never" in (left, right):
        return -0.15
    if (
        "not" in (left, right)
        or left == "<"
        or (right in (">", ",") and left in HELPING | {"her", "in", "that", "one"})
    ):
        return -0.7
    if (left == "-s" and right in ("verb", "open")) or (left, right) in MISSED:
        return -0.3
    known_twice = left in CONTENT and (right in CONTENT or right in ("we", "the", "it", "a", "this"))
    return -1.0 if known_twice else -3.0


def main() -> None:
    """Count and write."""
    words = classes()
    table = neighbours.build(words, ENDINGS, {})
    class_of = lru_cache(maxsize=None)(partial(neighbours.classify, table))
    pairs: Counter[tuple[str, str]] = Counter()
    english = documentation()
    for text in (*english, *taught()):
        row = [table.names[number] for number in neighbours.row(Document(text), table, class_of)]
        pairs.update((a, b) for a, b in pairwise(row) if a != neighbours.END)
    left, right = Counter[str](), Counter[str]()
    for (a, b), n in pairs.items():
        left[a] += n
        right[b] += n
    total = sum(pairs.values())
    names = list(table.names)
    lines = [
        "# Written by experiments/devices_neighbours.py: words by class, endings, and tenths of logarithms.",
        "[words]",
    ]
    lines += [f'"{name}" = "{found}"' for name, found in words.items()]
    lines += ["[endings]", *(f'{ending} = "{name}"' for ending, name in ENDINGS.items()), "[scores]"]
    for a in names:
        row = []
        for b in names:
            expected = left[a] * right[b] / total
            row.append(round(10 * min(2.0, max(floor(a, b), math.log((pairs[a, b] + 1) / (expected + 1))))))
        lines.append(f'"{a}" = {row}')
    (Path(neighbours.__file__).parent / "neighbours.toml").write_text(
        "\n".join(lines) + "\n", encoding="utf-8"
    )
    print(f"{len(english)} sentences, {total} pairs, {len(names)} classes")


if __name__ == "__main__":
    main()
