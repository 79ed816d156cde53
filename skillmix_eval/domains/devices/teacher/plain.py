"""Plain statements: stretches around no sentence-level device, where only their phrases show any."""

from __future__ import annotations

from .phrases import Draw, moving


def plain(draw: Draw) -> str:
    """A plain statement; a time, a place or a run of one adverb may come before it."""
    if draw.plain:
        return _long(draw)
    if "epizeuxis" in draw.wanted and draw.chance(0.4):
        return _thrice(draw)
    if "polysyndeton" in draw.wanted and draw.chance(0.35):
        return _many_acts(draw)
    if draw.wanted & {"simile", "litotes"} and draw.chance(0.3):
        return _state(draw)
    if draw.chance(0.2):
        lead = draw.time() if draw.chance(0.5) else draw.place()
        clause = draw.clause(tail=False)
        draw.timed = True
        return f"{lead} {clause.said()}{draw.ending('')}"
    return draw.clause().said()


def _thrice(draw: Draw) -> str:
    """An adverb or a verb that stands three times in a row."""
    draw.wanted.discard("epizeuxis")
    if draw.chance(0.4):
        lead = draw.one((f"{draw.time()} ", f"{draw.place('places')} ", ""))
        return f"{lead}{draw.phrase('things').full} {draw.thrice(draw.verb('motions'))}"
    return f"{draw.thrice(draw.word('manner'))} {draw.clause().said()}"


def _many_acts(draw: Draw) -> str:
    """A subject and four verbs, an 'and' between each and the next."""
    draw.wanted.discard("polysyndeton")
    kind = draw.one(("people", "things"))
    verbs = [draw.inflected(v) for v in draw.several(draw.vocabulary.pool(moving(kind)), 4)]
    return f"{draw.phrase(kind).full} {' and '.join(verbs)}{draw.ending()}"


def _state(draw: Draw) -> str:
    """What something is like, by a likeness or by a denied opposite."""
    subject = draw.phrase(draw.one(("people", "things"))).full
    be = "was" if draw.cast.past else "is"
    if "simile" in draw.wanted:
        draw.wanted.discard("simile")
        return f"{subject} {be} {draw.equality()}{draw.ending()}"
    draw.wanted.discard("litotes")
    return f"{subject} {be} {draw.opposite()}{draw.ending()}"


def _long(draw: Draw) -> str:
    """A statement of eight words or more."""
    text = draw.clause(tail=False).said() + draw.ending("")
    if len(text.split()) < 8 and draw.vocabulary.pool("places", draw.plain):
        text += f" {draw.place()}"
    if len(text.split()) < 8 and not draw.timed:
        text += f" {draw.time()}"
    return text if len(text.split()) >= 8 else f"{text} as {draw.clause(tail=False).said()}"
