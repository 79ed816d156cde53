"""Three clauses in a row: anaphora, epistrophe, isocolon and asyndeton, alone or together."""

from __future__ import annotations

from collections.abc import Callable

from .phrases import Draw, moving

_ANAPHORA_ADVERBS = (
    "here",
    "now",
    "today",
    "once",
    "there",
    "somewhere",
    "soon",
    "tonight",
    "perhaps",
    "still",
)
_ANAPHORA_DETERMINERS = ("every", "each", "no", "some", "this", "one", "our", "your", "my", "that", "another")
_ANAPHORA_CLAUSES = ("when", "while", "as", "where", "whenever", "until", "because", "before", "after")


def triple(draw: Draw) -> str:
    """Three clauses that begin alike, end alike, are of one length or stand without a conjunction."""
    shown = draw.wanted & {"anaphora", "epistrophe", "isocolon", "asyndeton"}
    draw.wanted -= shown
    if shown == {"asyndeton"} or (shown == {"isocolon"} and draw.chance(0.4)):
        return _series(draw, shown)
    opener, closer = _opener(draw, shown), _closer(draw, shown)
    parts = _three(shown, opener, closer)
    if len(parts) < 3:
        draw.wanted |= shown
        return ""
    if parts[0].split()[0] in _ANAPHORA_CLAUSES:
        return f"{', '.join(parts)}, {draw.clause().said()}"
    if "asyndeton" in shown or "isocolon" in shown:
        return ", ".join(parts) + ("" if "asyndeton" in shown else _coda(draw))
    return f"{parts[0]}, {parts[1]}, and {parts[2]}"


def _opener(draw: Draw, shown: set[str]) -> Callable[[], tuple[str, str]]:
    """Return what makes the head of a part and its kind: one first word for all where anaphora is wanted."""
    if "anaphora" not in shown:
        return lambda: _first_words(draw, "the")
    if draw.chance(0.4):
        determiner = draw.one(_ANAPHORA_DETERMINERS)
        return lambda: _first_words(draw, determiner)
    adverb = draw.one(_ANAPHORA_ADVERBS if draw.chance(0.6) or "asyndeton" in shown else _ANAPHORA_CLAUSES)
    return lambda: _first_words(draw, f"{adverb} the")


def _first_words(draw: Draw, lead: str) -> tuple[str, str]:
    kind = draw.one(("people", "things", "things"))
    return f"{lead} {draw.noun(kind) if draw.chance(0.5) else draw.head(kind)}", kind


def _closer(draw: Draw, shown: set[str]) -> Callable[[str], str]:
    """Return what ends a part after its subject: the same word for all three where epistrophe is wanted."""
    if "epistrophe" in shown:
        shared = draw.one(
            (draw.time(), draw.the("things"), draw.place(), draw.one(("again", "once more", "alone")))
        )
        if shared.startswith("the "):
            return lambda _: f"{draw.verb('mutual')} {shared}"
        return lambda kind: f"{draw.verb(moving(kind))} {shared}"
    return lambda kind: f"{draw.verb(moving(kind))}{' ' + draw.word('manner') if draw.chance(0.5) else ''}"


def _three(shown: set[str], opener: Callable[[], tuple[str, str]], closer: Callable[[str], str]) -> list[str]:
    """Return three different parts, of one length where isocolon is wanted and of several where it is not."""
    limit = 5 if "asyndeton" in shown else 9
    sizes: dict[int, list[str]] = {}
    mixed: list[str] = []
    for _ in range(14):
        subject, kind = opener()
        part = f"{subject} {closer(kind)}"
        size = len(part.split())
        if not 3 <= size <= limit or any(other.startswith(subject) for other in mixed):
            continue
        mixed.append(part)
        sizes.setdefault(size, []).append(part)
        if "isocolon" in shown and len(sizes[size]) == 3:
            return sizes[size]
        if "isocolon" not in shown and len(mixed) >= 3 and len({len(p.split()) for p in mixed[-3:]}) > 1:
            return mixed[-3:]
    return []


def _coda(draw: Draw) -> str:
    """Return what keeps a row of clauses from ending in a bare list, most often."""
    if draw.chance(0.8 if draw.cast.terse else 0.15):
        return ""
    link = draw.one(("while", "as", "and all the while", "and so"))
    return f", {link} {draw.clause(draw.one(('people', 'things'))).said()}"


def _series(draw: Draw, shown: set[str]) -> str:
    """A row of verb phrases or of adjectives without a conjunction, or commands of one length."""
    if "isocolon" in shown:
        verbs = draw.several(draw.vocabulary.pool("does"), 3)
        heads = [noun.split()[-1] for noun in draw.heads(3)]
        parts = [f"{v} the {h}" for v, h in zip(verbs, heads, strict=True)]
        if draw.chance(0.5):
            parts = [f"{v} the {draw.word('own adjectives')} {h}" for v, h in zip(verbs, heads, strict=True)]
        return ", ".join(parts) + _coda(draw)
    subject = draw.phrase("people", aside=True).full
    roll = draw.rng.random()
    if roll < 0.45:
        verbs = draw.several(draw.vocabulary.pool("does"), 3)
        heads = draw.heads(3)
        acts = [f"{draw.inflected(v)} the {h}" for v, h in zip(verbs, heads, strict=True)]
        return f"{draw.one(('the', 'our', 'this'))} {draw.head('people')} {', '.join(acts)}"
    if roll < 0.75:
        heads = draw.heads(3 + draw.chance(0.3))
        lead = draw.one(
            (f"{subject} {draw.verb('does')} everything", "so much waits here", "look around you")
        )
        return f"{lead}: {', '.join('the ' + h for h in heads)}"
    virtues = draw.several(draw.vocabulary.pool("virtues"), 3)
    be = "was" if draw.cast.past else "is"
    return f"{draw.phrase('people', aside=False).full} {be} {', '.join(virtues)}"
