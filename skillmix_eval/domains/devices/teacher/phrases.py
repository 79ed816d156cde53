"""Noun phrases and clauses about one topic, into which phrase-level devices are woven as they are built.

A `Draw` is one attempt at one stretch of text. Its `wanted` holds the devices still to be shown; each phrase
that can carry one of them may take it. What is left in `wanted` at the end was not shown.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from .clauses import Cast, Clause, NounPhrase
from .words import Vocabulary, article, forms, letter, onset, plural, vowel

T = TypeVar("T")
_TAKE = 0.75  # a phrase that could show a wanted device leaves it to a later phrase now and then
_UNKINDLY = ("unkindly", "unhappily", "unpleasantly", "unwisely", "unfairly", "unwillingly", "unskillfully")
_NO_SMALL = ("no small", "no little", "no mean")
_NO_ORDINARY = ("no ordinary", "no small", "no mean", "no minor")
_ORDINARY_OPPOSITES = (
    "unkind",
    "unhappy",
    "unusual",
    "unpleasant",
    "unfriendly",
    "unworthy",
    "unfamiliar",
    "unlucky",
)
_SHE, _HE = {"woman", "girl", "widow", "grandmother"}, {"man", "boy", "boatman"}
_DETERMINERS = ("the", "the", "the", "the", "a", "this", "our")
_PLAIN_DETERMINERS = ("a", "a", "this", "our", "that", "his")
_SEASONS = ("at dawn", "at night", "at noon", "in spring", "in autumn")
_MODALS = ("can", "may", "will", "must", "might")


def moving(kind: str) -> str:
    """Return the kind of verbs without an object that fit people or things."""
    return "acts" if kind == "people" else "motions"


def _active(kind: str) -> str:
    return "does" if kind == "people" else "motions"


class Draw:
    """One attempt at one stretch: random choices, the devices it still has to show, the words it may use."""

    def __init__(self, rng: random.Random, vocabulary: Vocabulary, cast: Cast, wanted: set[str]) -> None:
        self.rng = rng
        self.vocabulary = vocabulary
        self.cast = cast
        self.tag = ""  # the short question that fits the last clause, where a frame knows it
        self.plain = "lipogram" in wanted
        self.wanted = wanted - {"lipogram"}
        self.spoken_of: set[str] = set()  # nouns of this stretch, so that none comes twice by chance
        self.timed = False

    def one(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[int(self.rng.random() * len(options))]

    def thrice(self, word: str) -> str:
        """Return a word three times; terse texts do without commas."""
        gap = " " if self.chance(0.9 if self.cast.terse else 0.1) else ", "
        return gap.join([word] * 3)

    def several(self, options: Sequence[T], n: int) -> list[T]:
        """Return n different options, or all where there are fewer."""
        left = list(options)
        return [left.pop(int(self.rng.random() * len(left))) for _ in range(min(n, len(left)))]

    def chance(self, p: float) -> bool:
        """Return true with probability p."""
        return self.rng.random() < p

    def word(self, kind: str) -> str:
        """Return a word of a kind."""
        return self.one(self.vocabulary.pool(kind, self.plain))

    def takes(self, device: str) -> bool:
        """Tell whether a phrase shall show a device now; it then counts as shown."""
        if device in self.wanted and self.chance(_TAKE):
            self.wanted.discard(device)
            return True
        return False

    # -- nouns ---------------------------------------------------------------------------------------------

    def head(self, kind: str) -> str:
        """Return a bare noun of kind `people` or `things`; the text's own cast comes more often."""
        lead = self.cast.person if kind == "people" else self.cast.thing
        if self.chance(0.4) and not (self.plain and "e" in lead) and lead not in self.spoken_of:
            return self._named(lead)
        own = "own people" if kind == "people" and self.chance(0.6) else kind
        return self._named(
            self.fresh(self.vocabulary.pool(own, self.plain) or self.vocabulary.pool(kind, self.plain))
        )

    def _named(self, noun: str) -> str:
        self.spoken_of.add(noun)
        return noun

    def fresh(self, options: Sequence[str]) -> str:
        """Return an option that shares no noun with this stretch so far, if one is soon found."""
        for _ in range(5):
            option = self.one(options)
            if not any(noun in option or option in noun for noun in self.spoken_of):
                break
        return option

    def heads(self, n: int) -> list[str]:
        """Return different things, none spoken of before where there are enough."""
        pool = self.vocabulary.pool("things", self.plain)
        new = [noun for noun in pool if noun not in self.spoken_of]
        chosen = self.several(new if len(new) >= n else pool, n)
        self.spoken_of.update(chosen)
        return chosen

    def noun(self, kind: str) -> str:
        """Return a noun with adjectives, which may show a device of sound, of repetition or litotes."""
        head = self.head(kind)
        for device in ("alliteration", "assonance", "abecedarian", "epizeuxis"):
            if device in self.wanted and self.chance(_TAKE):
                adjectives = self._adjectives(device, head)
                if adjectives:
                    self.wanted.discard(device)
                    return f"{adjectives} {head}"
        if self.chance(0.4):
            return f"{self.word('own adjectives' if kind == 'things' else 'virtues')} {head}"
        return head

    def _adjectives(self, device: str, head: str) -> str:
        """Return adjectives that show a device together with the noun, or nothing where none are found."""
        if device == "epizeuxis":
            adjective = self.word("adjectives")
            return self.thrice(adjective) if self.chance(0.4) else ""
        if device == "abecedarian":
            groups = self.vocabulary.by("letter", "adjectives", self.plain)
            pools = [groups.get(chr(ord(letter(head)) - i), ()) for i in (3, 2, 1)]
            return " ".join(self.one(pool) for pool in pools) if all(pools) else ""
        key, sound = ("onset", onset(head)) if device == "alliteration" else ("vowel", vowel(head))
        pool = self.vocabulary.by(key, "adjectives", self.plain).get(sound, ())
        chosen = self.several([w for w in pool if w != head.split()[0]], 2)
        return " ".join(chosen) if len(chosen) == 2 else ""

    def phrase(self, kind: str, aside: bool = True) -> NounPhrase:
        """Return a noun phrase; a parenthesis may follow its first mention."""
        noun = self.noun(kind)
        determiner = self.one(_PLAIN_DETERMINERS if self.plain else _DETERMINERS)
        if determiner == "a":
            full, again = f"{article(noun)} {noun}", f"{'this' if self.plain else 'the'} {noun}"
        else:
            full = again = f"{determiner} {noun}"
        if aside and self.takes("parenthesis"):
            text = self.aside()
            full += f" ({text})" if self.chance(0.6) else f" – {text} –"
        return NounPhrase(full, again)

    def aside(self) -> str:
        """Return what may stand in brackets."""
        if self.plain or self.chance(0.4):
            return self.word("asides")
        one, two = self.several(self.vocabulary.pool("manner"), 2)
        person = self.head("people")
        return self.one(
            (
                f"{one} and {two}, as ever" if self.chance(0.5) else f"{one} but {two}",
                f"a gift from the {person}",
                f"so {self.one(('said', 'thought', 'hoped', 'wrote'))} the {person}",
                f"much to the {self.one(('joy', 'surprise', 'relief', 'delight'))} of the {person}",
                f"with some {self.word('abstract')}",
                f"as {self.one(('always', 'usual', 'ever', 'promised'))} {self.one(_SEASONS)}",
            )
        )

    def the(self, kind: str) -> str:
        """Return a noun phrase with a definite article, no aside."""
        return f"the {self.noun(kind)}"

    def members(self, kind: str) -> str:
        """Return a plural noun with its adjectives."""
        return plural(self.noun(kind))

    # -- clauses -------------------------------------------------------------------------------------------

    def object(self) -> str:
        """Return a direct object, which may be a chain of things or a thing put in another's place."""
        if self.takes("polysyndeton"):
            heads = self.heads(4)
            det = "a" if self.plain else "the"
            items = (
                [f"{article(h) if det == 'a' else det} {h}" for h in heads]
                if self.chance(0.6)
                else [plural(h) for h in heads]
            )
            return " and ".join(items)
        if self.takes("correctio"):
            wrong, right = self.heads(2)
            det = "this" if self.plain else "the"
            comma = "," if self.chance(0.3) else ""
            return f"not {det} {wrong}{comma} but {det} {right}"
        if "litotes" in self.wanted and self.chance(0.3) and not self.plain:
            self.wanted.discard("litotes")
            return f"{self.one(_NO_ORDINARY)} {self.noun('things')}"
        return self.phrase("things", aside=False).full

    def clause(self, kind: str = "", tail: bool = True) -> Clause:
        """Return a statement about a person or a thing; without `tail` it ends in its verb or object."""
        kind = kind or self.one(("people", "things"))
        self.timed = False
        woven = self._through_verb(kind)
        if woven:
            subject, verb = NounPhrase(woven[0], woven[0]), woven[1]
            objects = f" {self.object()}" if kind == "people" else ""
        else:
            subject = self.phrase(kind)
            verb, objects = self._verb(kind)
        where = "haunts" if kind == "people" else "places"
        ending = self.ending(where if not objects or self.chance(0.3) else "") if tail else ""
        return self._clause(kind, subject, verb, f"{objects}{ending}")

    def _clause(self, kind: str, subject: NounPhrase, verb: str, tail: str) -> Clause:
        present = forms(verb)[1 if self.cast.past else 0]
        modal = self.one(_MODALS[:4]) if self.plain and ("e" in present or self.chance(0.4)) else ""
        last = subject.again.split()[-1]
        person = "she" if last in _SHE else "he" if last in _HE else self.cast.pronoun
        pronoun = person if kind == "people" else "it"
        return Clause(subject, verb, tail, self.cast.past, modal, pronoun)

    def _verb(self, kind: str) -> tuple[str, str]:
        """Return a verb in the base form and its object, if it has one."""
        if kind == "people" and not self.chance(0.15):
            return self.word("does"), f" {self.object()}"
        if kind == "things" and self._wants_object() and self.chance(0.6):
            return self.word("mutual"), f" {self.object()}"
        if kind == "people":
            return self.word("acts"), ""
        return self.word("happens" if self.chance(0.75) else "motions"), ""

    def _wants_object(self) -> bool:
        return not self.wanted.isdisjoint(("polysyndeton", "correctio", "alliteration", "assonance"))

    def _through_verb(self, kind: str) -> tuple[str, str] | None:
        """Return subject and verb that together show a device of sound or letters, now and then."""
        if "abecedarian" in self.wanted and self.chance(0.6):
            return self._alphabetic(kind)
        for device, key in (("alliteration", "onset"), ("assonance", "vowel")):
            if device in self.wanted and self.chance(0.35):
                return self._sounding(kind, device, key)
        return None

    def _sounding(self, kind: str, device: str, key: str) -> tuple[str, str] | None:
        """Return an adjective with a noun, and a verb, that share a sound."""
        head = self.head(kind)
        sound = onset(head) if key == "onset" else vowel(head)
        adjectives = self.vocabulary.by(key, "adjectives", self.plain).get(sound, ())
        verbs = self.vocabulary.by(key, _active(kind), self.plain).get(sound, ())
        if not adjectives or not verbs or " " in head:
            return None
        self.wanted.discard(device)
        determiner = self.one(_PLAIN_DETERMINERS[2:] if self.plain else ("the", "our", "this"))
        return f"{determiner} {self.one(adjectives)} {head}", self.one(verbs)

    def _alphabetic(self, kind: str) -> tuple[str, str] | None:
        """Return adjectives with a noun, maybe an adverb, and a verb that begin with successive letters."""
        head = self.head(kind)
        at = ord(letter(head))
        adverbs = self.vocabulary.by("letter", "adverbs").get(chr(at + 1), ()) if self.chance(0.5) else ()
        lead = 1 if adverbs else 2
        adjectives = self.vocabulary.by("letter", "adjectives")
        pools = [adjectives.get(chr(at - i), ()) for i in range(lead, 0, -1)]
        verbs = self.vocabulary.by("letter", _active(kind)).get(chr(at + 3 - lead), ())
        if not verbs or not all(pools) or " " in head or self.plain:
            return None
        self.wanted.discard("abecedarian")
        said = [*(self.one(pool) for pool in pools), head, *([self.one(adverbs)] if adverbs else [])]
        return f"the {' '.join(said)}", self.one(verbs)

    def ending(self, where: str = "haunts") -> str:
        """Return what may follow verb and object: devices, a time, or a place of a kind, if one is given."""
        parts: list[str] = []
        if self.takes("simile"):
            parts.append(self.likeness())
        if self.takes("litotes"):
            parts.append(self.understatement())
        if self.takes("correctio"):
            wrong, right = self.several(self.vocabulary.pool("abstract", self.plain), 2)
            parts.append(f"not with {wrong} but with {right}")
        if self.takes("epizeuxis"):
            parts.append(self.thrice(self.word("manner")))
        if self.takes("polysyndeton"):
            parts.append(
                "with " + " and ".join(self.several(self.vocabulary.pool("abstract", self.plain), 4))
            )
        if where and not parts and self.chance(0.7):
            parts.append(self.place(where) if self.chance(0.6) else self.time())
        elif self.chance(0.25) and not self.timed:
            parts.insert(0, self.time())
        return "".join(f" {part}" for part in parts)

    def time(self) -> str:
        """Return when."""
        self.timed = True
        return self.word("times")

    def place(self, kind: str = "haunts") -> str:
        """Return where, or when no place will do; `haunts` are fit for people, `places` for things too."""
        places = self.vocabulary.pool(kind, self.plain)
        return self.fresh(places) if places else self.time()

    def understatement(self) -> str:
        """Return a litotes that says how something is done."""
        roll = self.rng.random()
        if roll < 0.4:
            return f"not without {self.word('abstract')}"
        if roll < 0.7:
            return f"with {self.one(_NO_SMALL[2:] if self.plain else _NO_SMALL)} {self.word('abstract')}"
        return f"not {self.one(_UNKINDLY[:1] if self.plain else _UNKINDLY)}"

    def likeness(self) -> str:
        """Return a simile that says how something is done."""
        if not self.plain and self.chance(0.4):
            manner, image, _ = self.word("grounds").split(":")
            return f"as {manner} as {article(image)} {image}"
        image = self.word("vehicles")
        return f"like {article(image)} {image}"

    def equality(self) -> str:
        """Return a simile that says what something is like."""
        _, image, state = self.word("grounds").split(":")
        return f"as {state} as {article(image)} {image}"

    def opposite(self) -> str:
        """Return a litotes that says what something is like."""
        return f"not {self.one(_ORDINARY_OPPOSITES)}"

    # -- verbs ---------------------------------------------------------------------------------------------

    def inflected(self, verb: str) -> str:
        """Return a verb in the third person of the text's tense."""
        return forms(verb)[1 if self.cast.past else 0]

    def verb(self, kind: str) -> str:
        """Return a verb of a kind in the third person of the text's tense."""
        return self.inflected(self.word(kind))
