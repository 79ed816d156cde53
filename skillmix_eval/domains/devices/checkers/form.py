"""Figures of form: questions, quoted speech, asides, understatement and likeness, told by their wording."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from skillmix_eval.records import Verdict

from .document import Document, Span, no
from .lexicon import (
    ARTICLES,
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    FUNCTION_WORDS,
    GRADABLE,
    HELPERS,
    IRREGULAR_VERBS,
    NEGATED_HELPERS,
    POSSESSIVES,
    PREPOSITIONS,
    stem,
    word_set,
)
from .pronunciation import known

_QUESTION_WORDS = word_set("who what why how where when")
_RHETORICAL_HELPERS = word_set("can could would should will can't couldn't wouldn't shouldn't won't")
_TAG_PRONOUNS = word_set("i you he she it we they there one")
_NO_STATEMENT = _QUESTION_WORDS | HELPERS | NEGATED_HELPERS - {"don't"}
_LEADS = word_set("and but so yet then")
_SAYING = word_set(
    "say says said saying ask asks asked asking reply replies replied replying answer answers answered "
    "answering whisper whispers whispered whispering shout shouts shouted shouting call calls called "
    "calling cry cries cried crying add adds added adding warn warns warned warning mutter mutters "
    "muttered muttering murmur murmurs murmured tell tells told telling explain explains explained "
    "explaining announce announces announced declare declares declared insist insists insisted exclaim "
    "exclaims exclaimed remark remarks remarked observe observes observed note notes noted sigh sighs "
    "sighed laugh laughs laughed beg begs begged promise promises promised admit admits admitted advise "
    "advises advised urge urges urged yell yells yelled repeat repeats repeated suggest suggests "
    "suggested joke jokes joked grumble grumbles grumbled boast boasts boasted reckon reckoned continue "
    "continues continued snap snapped groan groaned bellow bellowed sing sang wonder wonders wondered "
    "bark barks barked hiss hisses hissed growl growled snarl snarled mumble mumbled stammer stammered "
    "stutter stuttered gasp gasped scream screamed plead pleaded agree agreed protest protested retort "
    "retorted respond responds responded think thinks thought chant chanted chuckle chuckled sob sobbed "
    "sneer sneered tease teased demand demanded inquire inquired state stated roar roared wail wailed "
    "croak croaked quip quipped order ordered command commanded scold scolded breathe breathes breathed"
)
_QUOTED = re.compile(r'[“”„"«]([^“”„"«»]*)[”“"»]')
_OPENING_QUOTES = ('"', "“", "'", "‘")
_APART = CONJUNCTIONS | AUXILIARIES  # a verb of saying beyond one does not speak the quoted words
_QUOTE_REACH = 3  # words between the quotation and its verb of saying
_DASH = r"(?:(?<!\d)(?<!\d )(?:—|–|--)|(?:—|–|--)(?! ?\d)|(?<!\d) - | - (?!\d))"  # 10 – 20 is a range
_BRACKETED = re.compile(r"\([^()]*\)")
_DASHED = re.compile(rf"{_DASH}[^—–()]*?{_DASH}")
_DASHES = re.compile("[-–—]")
_NOT_OPPOSITES = word_set("until under unless unto union unit unite united uncle understand understood") | (
    word_set("understanding unison unique unions units universe university universal upon undergo undertake")
)
_DENIALS = NEGATED_HELPERS | {"not", "never", "cannot"}
_DEGREES = word_set("a an at all the very entirely altogether wholly too so exactly")
_NO_SMALL = word_set("small mean little ordinary minor")
_AS_IDIOMS = word_set("soon well much many same just such often little")
_STATE_IDIOMS = word_set("long good far early late")  # an image only after a linking verb
_LINKING = frozenset(map(stem, word_set("is seem look feel grow become sound taste smell stay remain")))
_BEFORE_PLURAL = DETERMINERS | GRADABLE | {""} | word_set("and or most many some few several other two three")
_FELT_LIKE = word_set("cup glass drink walk swim nap rest bite snack break meal beer tea coffee change")
_IS = word_set("is was are were")
_CORRECTING = word_set("it's he's she's they're we're that's you're i'm")
_UNDOING = frozenset(
    map(
        stem,
        word_set(
            "unlock undress unfold undo untie unpack unload unwrap unveil unwind unleash unearth uncover "
            "unplug unscrew unroll unhook unfasten unbutton unseal unravel unmask unlace unmake unwound "
            "undone unpick unhitch"
        ),
    )
)
_BEFORE_BASE = word_set("do does did can could may might must shall should will would ca wo sha")
_LIKE_AS_VERB = word_set(
    "i you we they who would to don't didn't doesn't did do does not really also might may could should "
    "you'd i'd he'd she'd we'd they'd always never will can people children men women mice folk everyone "
    "everybody all both most many some few others"
)


def rhetorical_question(doc: Document) -> Verdict:
    """A question opens with a question word and then a helping verb of possibility or will."""
    words = doc.words
    for section in doc.sections:
        if not _asks(doc, section) or _tag_start(doc, section) is not None:
            continue
        for start in _openings(doc, section):
            at = start + (words[start] in _LEADS)
            if section.end - at < 4 or words[at] not in _QUESTION_WORDS:
                continue
            helper = at + 1 + (words[at + 1] == "else")
            if words[helper] in _RHETORICAL_HELPERS:
                return doc.yes(start, section.end, f"A question opens with '{words[at]} {words[helper]}'.")
    return no("No question opens with a question word and then 'can', 'could', 'would', 'should' or 'will'.")


def _openings(doc: Document, section: Span) -> list[int]:
    """Return where a section begins, and where a quotation begins inside it."""
    inside = range(section.start + 1, section.end)
    return [
        section.start,
        *(i for i in inside if i in doc.part_starts and doc.gap(i)[-1:] in _OPENING_QUOTES),
    ]


def _asks(doc: Document, span: Span) -> bool:
    """Tell whether the mark right after a stretch is a question mark."""
    return doc.gap(span.end).lstrip("'\"’”)»]").startswith("?")


def tag_question(doc: Document) -> Verdict:
    """A statement ends with a comma and a short tag, such as 'isn't it?'."""
    for section in doc.sections:
        tag = _tag_start(doc, section)
        opens = doc.words[section.start]
        if tag is not None and tag - section.start >= 3 and opens not in _NO_STATEMENT:
            tagged = doc.text[doc.starts[tag] : doc.ends[section.end - 1]]
            return doc.yes(section.start, section.end, f"A statement ends with the tag '{tagged}'.")
    return no("No statement ends with a comma and a tag such as 'isn't it?'.")


def _tag_start(doc: Document, section: Span) -> int | None:
    """Return where a question's closing tag starts: after a comma, helping verb, pronoun, maybe 'not'."""
    end = section.end - (doc.words[section.end - 1] == "not")
    start = end - 2
    if start <= section.start or not _asks(doc, section) or "," not in doc.gap(start):
        return None
    helper, pronoun = doc.words[start], doc.words[start + 1]
    fits = (helper in HELPERS or helper in NEGATED_HELPERS) and pronoun in _TAG_PRONOUNS
    return start if fits else None


def direct_speech(doc: Document) -> Verdict:
    """Quoted words stand next to a verb of saying."""
    for match in _QUOTED.finditer(doc.text):
        first = _index_from(doc, match.start())
        last = _index_from(doc, match.end())
        if last - first >= 2 and not _SAYING.isdisjoint(_around(doc, first, last)):
            return Verdict(
                met=True,
                reason="A verb of saying stands next to quoted words.",
                quote=match.group(),
                span=match.span(),
            )
    return no("No two words or more stand in double quotation marks next to a verb of saying.")


def _around(doc: Document, first: int, last: int) -> list[str]:
    """Return the words near a quotation that its own sentence holds, up to an 'and' or a helping verb."""
    before = first
    while before > 0 and before not in doc.breaks and first - before <= _QUOTE_REACH:
        before -= 1
        if doc.words[before] in _APART:
            break
    after = last
    whole = doc.sentence_at(last - 1).end == last
    while (
        not whole
        and after < len(doc.words)
        and after - last <= _QUOTE_REACH
        and doc.words[after] not in _APART
    ):
        after += 1
        if after in doc.breaks:
            break
    return doc.words[before:first] + doc.words[last:after]


def _index_from(doc: Document, offset: int) -> int:
    """Return the index of the first word that starts at an offset or later."""
    return bisect_left(doc.starts, offset)


def asides(text: str) -> Iterator[re.Match[str]]:
    """Yield what stands in round brackets, then what stands between two dashes."""
    if "(" in text:
        yield from _BRACKETED.finditer(text)
    if _DASHES.search(text):
        yield from _DASHED.finditer(text)


def parenthesis(doc: Document) -> Verdict:
    """An aside stands in brackets or between dashes, with words of its sentence around it."""
    for match in asides(doc.text):
        first, last = _index_from(doc, match.start()), _index_from(doc, match.end())
        sentence = doc.sentence_at(first) if last - first >= 2 else None
        if sentence and sentence.start < first and last < sentence.end:
            return Verdict(
                met=True,
                reason="An aside stands inside its sentence.",
                quote=match.group(),
                span=match.span(),
            )
    return no("No aside of two words or more stands in brackets or between dashes inside a sentence.")


def litotes(doc: Document) -> Verdict:
    """A denied opposite affirms."""
    words = doc.words
    for i, word in enumerate(words):
        small = i + 1 < len(words) and words[i + 1] in _NO_SMALL
        if word == "no" and small and (words[i + 1] != "little" or (i and words[i - 1] in PREPOSITIONS)):
            return doc.yes(i, i + 2, f"'{word} {words[i + 1]}' affirms by denying.")
        if word in _DENIALS and (end := _denied_opposite(doc, i)):
            return doc.yes(i, end, f"'{words[end - 1]}' is denied.")
    return no("No opposite is denied, as in 'not unkind', 'not without' or 'no small'.")


def _denied_opposite(doc: Document, i: int) -> int | None:
    """Return the end of a denial that starts at word i, or None."""
    words = doc.words
    at = i + 1
    while at < len(words) and at - i <= 3 and words[at] in _DEGREES and at not in doc.part_starts:
        at += 1
    if at >= len(words) or at in doc.part_starts or _replaced(doc, at + 1):
        return None
    if words[at] in ("without", "bad"):
        return at + 1
    return at + 1 if _negated_by_prefix(words[at]) and not _undoes(words, i, at) else None


def _replaced(doc: Document, i: int) -> bool:
    """Tell whether 'but' or ', it is' at word i puts something in the place of what is denied."""
    words = doc.words[i : i + 2]
    if i in doc.breaks or not words:
        return False
    corrects = words[0] in _CORRECTING or (words[0] in _TAG_PRONOUNS and words[-1] in _IS)
    return words[0] == "but" or (i in doc.part_starts and corrects and not _asks(doc, doc.part_at(i)))


def _negated_by_prefix(word: str) -> bool:
    if not word.startswith("un") or word in _NOT_OPPOSITES or word.startswith("under"):
        return False
    rest = word[2:].lstrip("-")
    return len(rest) >= 3 and known(rest)


def _undoes(words: list[str], i: int, at: int) -> bool:
    """Tell whether a word in 'un-' is a verb that undoes, as in 'do not unfold' or 'was not unlocked'."""
    if words[at].endswith("ly"):
        return False
    helper = words[i - 1] if i and words[i] in ("not", "never") else words[i].removesuffix("n't")
    return stem(words[at]) in _UNDOING or helper in _BEFORE_BASE or words[i] == "cannot"


def simile(doc: Document) -> Verdict:
    """Something is likened to something else by 'as ... as a' or 'like a'."""
    words = doc.words
    for i, word in enumerate(words):
        end = _likeness(doc, i) if word == "like" else _equality(doc, i) if word == "as" else None
        if end is not None:
            return doc.yes(
                i, end, f"'{word} ... {words[end - 2]} {words[end - 1]}' likens one thing to another."
            )
    return no("Nothing is likened by 'as ... as a' or 'like a'.")


def _likeness(doc: Document, i: int) -> int | None:
    words = doc.words
    if i + 2 >= len(words) or words[i + 1] not in ARTICLES or _likes(doc, i):
        return None
    joined = i + 1 not in doc.part_starts and i + 2 not in doc.part_starts
    return i + 3 if joined and words[i + 2] not in FUNCTION_WORDS else None


def _likes(doc: Document, i: int) -> bool:
    """Tell whether a 'like' is a verb: right after its subject, a pronoun or a plural, or after 'I feel'."""
    if i in doc.part_starts:
        return False
    words, start = doc.words, doc.part_at(i).start
    last, before = words[i - 1], words[i - 2] if i - 1 > start else ""
    if last in _LIKE_AS_VERB or (stem(last) == "feel" and words[i + 2] in _FELT_LIKE):
        return True
    if before in ("do", "did") and _plural(last):
        return True
    subject = words[start : i - 1]
    plural = "and" in subject or (before in _BEFORE_PLURAL and _plural(last))
    return plural and not any(map(_verbal, subject))


def _plural(word: str) -> bool:
    return word.endswith("s") and not word.endswith(("ss", "us", "is"))


def _verbal(word: str) -> bool:
    return word in AUXILIARIES or word in IRREGULAR_VERBS or word.endswith(("ed", "s", "ing"))


def _equality(doc: Document, i: int) -> int | None:
    words = doc.words
    for second in (i + 2, i + 3):
        if second + 2 >= len(words) or words[second] != "as" or words[second + 1] not in ARTICLES:
            continue
        between = words[i + 1 : second]
        whole = not any(j in doc.part_starts for j in range(i + 1, second + 3))
        plain = _AS_IDIOMS.isdisjoint(between) and POSSESSIVES.isdisjoint(between)
        state = _STATE_IDIOMS.isdisjoint(between) or _states(doc, i, second + 3)
        if whole and plain and state and words[second + 2] not in FUNCTION_WORDS:
            return second + 3
    return None


def _states(doc: Document, i: int, end: int) -> bool:
    """Tell whether 'as long as a river' says what something is, and is no 'as long as the wind was low'."""
    follows = doc.words[end] if end < len(doc.words) and end not in doc.part_starts else ""
    return i > 0 and stem(doc.words[i - 1]) in _LINKING and not _verbal(follows)
