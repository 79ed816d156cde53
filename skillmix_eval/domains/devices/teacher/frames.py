"""Sentence-level devices: each frame builds one stretch of text around one device or more.

A frame takes the devices it shows out of `draw.wanted`; phrases inside it may show others. It gives text
without a capital and without a full stop; one that asks ends with a question mark.
"""

from __future__ import annotations

from collections.abc import Callable

from .clauses import Clause
from .phrases import Draw
from .triples import triple
from .words import article, plural

Frame = Callable[[Draw], str]
_NEGATIVES = ("never", "rarely", "seldom", "hardly", "scarcely", "not once")
_SO = ("so", "therefore", "thus", "hence")
_MOST = ("most", "nearly all", "almost all", "ninety percent of", "most", "eighty percent of")
_HELPERS = ("can", "could", "would", "should", "will")


def _so(draw: Draw) -> str:
    """Return what leads to a conclusion; terse texts do without a comma."""
    return " and so" if draw.chance(0.7 if draw.cast.terse else 0.1) else f", {draw.one(_SO)}"


def _then(draw: Draw) -> str:
    """Return what stands between a condition and what follows from it."""
    return " then" if draw.chance(0.9 if draw.cast.terse else 0.2) else draw.one((",", ",", ", then"))


def rhyme(draw: Draw) -> str:
    """Two clauses that end in rhyming words."""
    ends = draw.several(draw.one(draw.vocabulary.rhymes), 2)
    draw.wanted.discard("rhyme")
    first, second = (draw.clause(kind, tail=False).said() for kind in draw.several(("people", "things"), 2))
    return f"{first} {ends[0]}, {draw.one(('', '', 'and ', 'while '))}{second} {ends[1]}"


def anadiplosis(draw: Draw) -> str:
    """A clause that ends in a noun, and a clause that begins with it."""
    draw.wanted.discard("anadiplosis")
    link = draw.head("things").split()[-1]
    first = f"{draw.phrase('people').full} {draw.verb('does')} the {link}"
    second = (
        f"the {link} {draw.verb('mutual')} {draw.object()}"
        if draw.chance(0.5)
        else (f"the {link} {draw.verb('motions')} {draw.place()}")
    )
    return f"{first}, {second}{draw.ending('')}"


def epanalepsis(draw: Draw) -> str:
    """A statement that begins and ends with the same noun."""
    draw.wanted.discard("epanalepsis")
    link = draw.one(("as", "because", "while", "just as", "until", "so long as"))
    if draw.chance(0.4):
        noun = draw.word("abstract")
        verb = draw.one(("bring", "teach", "give", "promise", "earn", "show"))
        forms_of = {"bring": ("brings", "brought"), "give": ("gives", "gave"), "show": ("shows", "showed")}
        said = forms_of[verb][draw.cast.past] if verb in forms_of else draw.inflected(verb)
        kind = draw.one(("more", "only", "new"))
        return f"{noun} {draw.place()} {said} {draw.phrase('people').full} {kind} {noun}"
    noun = draw.head("things").split()[-1]
    first = f"the {noun} {draw.verb('mutual')} {draw.phrase('people').full}{draw.ending('')}"
    return f"{first} {link} {draw.clause('people', tail=False).subject.full} {draw.verb('does')} the {noun}"


def antimetabole(draw: Draw) -> str:
    """A and B, then B and A."""
    draw.wanted.discard("antimetabole")
    verb = draw.verb("mutual")
    if draw.chance(0.3):
        a, b = draw.several(draw.vocabulary.pool("abstract"), 2)
        det = ""
    else:
        det = draw.one(("the ", "the ", "a ", "our "))
        a, b = draw.head("people"), draw.head("things")
        a, b = (a, b) if draw.chance(0.5) else (b, a)
    one, two = (f"{article(w)} {w}" if det == "a " else f"{det}{w}" for w in (a, b))
    again_one, again_two = (one, two) if det != "a " else (f"the {a}", f"the {b}")
    if draw.wanted & {"epanalepsis", "anadiplosis"}:
        draw.wanted -= {"epanalepsis", "anadiplosis"}
        return f"{one} {verb} {two}, {again_two} {verb} {again_one}"
    middle = draw.ending() or f" {draw.time()}"
    link = draw.one(("and", "while", "just as"))
    return f"{one} {verb} {two}{middle}, {link} {again_two} {verb} {again_one} {draw.time()}"


def negative_inversion(draw: Draw) -> str:
    """A negative adverb, a helping verb, the subject."""
    draw.wanted.discard("negative-inversion")
    clause = draw.clause()
    draw.tag = f"{clause.helper} {clause.pronoun}"
    return f"{draw.one(_NEGATIVES)} {clause.inverted()}"


def cleft(draw: Draw) -> str:
    """'It was' one thing that did it."""
    draw.wanted.discard("cleft-sentence")
    kind = draw.one(("people", "things"))
    be = "was" if draw.cast.past else "is"
    who = "who" if kind == "people" and draw.chance(0.6) else "that"
    clause = draw.clause(kind)
    focus = clause.subject.again
    draw.tag = f"{be}n't it"
    return f"it {be} {focus} {who} {clause.finite}{clause.tail}"


def comparative_correlative(draw: Draw) -> str:
    """The more of this, the more of that."""
    draw.wanted.discard("comparative-correlative")
    one, two = draw.several(draw.vocabulary.pool("comparatives"), 2)
    become = draw.one(("grow", "seem", "become", "look"))
    tense = {"grow": ("grows", "grew"), "become": ("becomes", "became")}
    said = tense[become][draw.cast.past] if become in tense else draw.inflected(become)
    first = draw.clause(draw.one(("people", "things")))
    second = f"{draw.the(draw.one(('people', 'things')))} {said}{draw.ending('')}"
    return f"the {one} {first.said()}, the {two} {second}"


def modus_ponens(draw: Draw) -> str:
    """If P, Q; P; so Q."""
    draw.wanted.discard("modus-ponens")
    p, q = _general(draw)
    draw.tag = f"{q.helper}n't {q.pronoun}"
    return f"if {p.said()}{_then(draw)} {q.said()}; {p.again()}{_so(draw)} {q.again()}"


def modus_tollens(draw: Draw) -> str:
    """If P, Q; not Q; so not P."""
    draw.wanted.discard("modus-tollens")
    p, q = _general(draw)
    draw.tag = f"{p.helper} {p.pronoun}"
    return f"if {p.said()}{_then(draw)} {q.said()}; {q.denied()}{_so(draw)} {p.denied()}"


def _general(draw: Draw) -> tuple[Clause, Clause]:
    """Return the two halves of a rule, which holds at any time and so stands in the present."""
    draw.cast = draw.cast._replace(past=False)
    return _premises(draw)


def disjunctive_syllogism(draw: Draw) -> str:
    """Either P or Q; not one of them; so the other."""
    draw.wanted.discard("disjunctive-syllogism")
    p, q = _premises(draw)
    gone, left = (p, q) if draw.chance(0.7) else (q, p)
    return f"either {p.said()} or {q.said()}; {gone.denied()}{_so(draw)} {left.again()}"


def _premises(draw: Draw) -> tuple[Clause, Clause]:
    """Return two clauses about different things, the first one bare more often."""
    kinds = draw.several(("people", "things"), 2)
    rich = bool(draw.wanted)
    return draw.clause(kinds[0], tail=rich or draw.chance(0.3)), draw.clause(kinds[1], tail=draw.chance(0.5))


def statistical_syllogism(draw: Draw) -> str:
    """Most A are B; x is A; so x is probably B."""
    draw.wanted.discard("statistical-syllogism")
    be, are = ("was", "were") if draw.cast.past else ("is", "are")
    likely = draw.one(("probably", "probably", "likely", "very probably", "most likely"))
    share = draw.one(_MOST)
    if draw.chance(0.65):
        group, name = draw.noun("people"), draw.word("names")
        trait = draw.word("virtues") + draw.ending("haunts" if draw.chance(0.3) else "")
    else:
        group = draw.noun("things")
        name = draw.one(("this one", "that one", "the first one", "the last one", "the next one"))
        trait = draw.word("own adjectives")
    some = f"{article(group)} {group}"
    return (
        f"{share} {plural(group)} {are} {trait}; {name} {be} {some}{_so(draw)} {name} {be} {likely} {trait}"
    )


def counterfactual(draw: Draw) -> str:
    """If it had been so, it would have been otherwise."""
    draw.wanted.discard("counterfactual-conditional")
    p, q = _premises(draw)
    would = draw.one(("would", "would", "could", "might"))
    result = q.using(f"{would} have", 3)
    draw.tag = f"{would if would != 'might' else 'would'}n't {q.pronoun}"
    if draw.chance(0.3):
        state = draw.word("virtues")
        who = draw.phrase("people").full
        return f"if {who} were {draw.one(('less ', 'more ', 'not so '))}{state}, {q.using(would)}"
    if draw.chance(0.3) and "tag-question" not in draw.wanted:
        return f"{result} if {p.using('had', 3)}"
    return f"if {p.using('had', 3)}, {result}"


def a_fortiori(draw: Draw) -> str:
    """Even this one cannot, let alone that one."""
    draw.wanted.discard("a-fortiori")
    kind = draw.one(("people", "things"))
    clause = draw.clause(kind)
    rival = draw.noun(kind)
    other = draw.one((f"{article(rival)} {rival}", f"any {rival}", f"the {rival}"))
    phrase = draw.one(("let alone", "much less", "still less", "let alone"))
    cannot = draw.one(
        ("could not", "would not", "did not") if draw.cast.past else ("cannot", "may not", "will not")
    )
    return f"even {clause.using(cannot)}, {phrase} {other}"


def rhetorical_question(draw: Draw) -> str:
    """A question that wants no answer."""
    draw.wanted.discard("rhetorical-question")
    roll = draw.rng.random()
    if roll < 0.3:
        does = draw.one(
            ("forget", "doubt", "resist", "ignore", "replace", draw.word("does"), draw.word("does"))
        )
        who = draw.one(("who", "who", "who else"))
        return f"{who} {draw.one(_HELPERS)} {does} {draw.object()}{draw.ending()}?"
    if roll < 0.55:
        asks = draw.one(("why", "how", "when", "where else", "how"))
        clause = draw.clause()
        return f"{asks} {draw.one(_HELPERS)} {clause.subject.full} {clause.predicate()}?"
    helper = draw.one(_HELPERS[:3])
    if roll < 0.8:
        state = f"{draw.word('comparatives')} than {draw.phrase('things').full}{draw.ending()}"
        return f"{draw.one(('what', 'what else'))} {helper} be {state}?"
    believes = draw.one(("deny", "doubt", "guess", "believe"))
    return f"who {helper} {believes} that {draw.clause().said()}?"


def tag_question(draw: Draw) -> str:
    """A statement with a short question at its end."""
    draw.wanted.discard("tag-question")
    kind = draw.one(("people", "things"))
    clause = draw.clause(kind)
    if draw.chance(0.3):
        never = draw.one(("never", "hardly ever", "rarely"))
        return (
            f"{clause.subject.full} {never} {clause.finite}{clause.tail}, {clause.helper} {clause.pronoun}?"
        )
    return f"{clause.said()}, {clause.helper}n't {clause.pronoun}?"


def direct_speech(draw: Draw) -> str:
    """Someone's words in quotation marks."""
    draw.wanted.discard("direct-speech")
    words = draw.clause().said()
    if draw.chance(0.4):
        words = f"{draw.word('does')} {draw.object()}{draw.ending()}"
    return quoted(draw, words)


def quoted(draw: Draw, words: str) -> str:
    """Return words as somebody's speech."""
    speaker = draw.the("people") if draw.chance(0.7) else draw.word("names")
    verb = draw.word("said")
    asks = words.endswith("?")
    verb = draw.one(("asked", "wondered", "whispered")) if asks else verb if verb != "asked" else "said"
    words = words[0].upper() + words[1:]
    if asks or draw.chance(0.65):
        return f'"{words}{"" if asks else ","}" {verb} {speaker}'
    return f'{speaker} {verb}, "{words}"'


FRAMES: dict[str, Frame] = {
    "anaphora": triple,
    "epistrophe": triple,
    "isocolon": triple,
    "asyndeton": triple,
    "rhyme": rhyme,
    "anadiplosis": anadiplosis,
    "epanalepsis": epanalepsis,
    "antimetabole": antimetabole,
    "negative-inversion": negative_inversion,
    "cleft-sentence": cleft,
    "comparative-correlative": comparative_correlative,
    "modus-ponens": modus_ponens,
    "modus-tollens": modus_tollens,
    "disjunctive-syllogism": disjunctive_syllogism,
    "statistical-syllogism": statistical_syllogism,
    "counterfactual-conditional": counterfactual,
    "a-fortiori": a_fortiori,
    "rhetorical-question": rhetorical_question,
    "tag-question": tag_question,
    "direct-speech": direct_speech,
}
"""Which frame shows which sentence-level device; the other devices are shown by phrases inside any frame."""

JOINT = (
    frozenset({"anaphora", "epistrophe", "isocolon", "asyndeton"}),
    frozenset({"antimetabole", "epanalepsis"}),
    frozenset({"antimetabole", "anadiplosis"}),
)
"""Devices that one frame can show together; `triple` shows any of its four at once."""
