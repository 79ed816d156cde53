"""Figures of form: questions, quoted speech, asides, understatement and likeness, told by their wording."""

from __future__ import annotations

import re
from bisect import bisect_left

from skillmix_eval.records import Verdict

from .document import Document, Span, no
from .lexicon import ARTICLES, FUNCTION_WORDS, HELPERS, NEGATED_HELPERS, POSSESSIVES, word_set
from .pronunciation import known

_QUESTION_WORDS = word_set("who what why how where when")
_RHETORICAL_HELPERS = word_set("can could would should will can't couldn't wouldn't shouldn't won't")
_TAG_PRONOUNS = word_set("i you he she it we they there one")
_LEADS = word_set("and but so yet then")
_SAYING = word_set(
    "say says said saying ask asks asked asking reply replies replied replying answer answers "
    "answered answering whisper whispers whispered whispering shout shouts shouted shouting call "
    "calls called calling cry cries cried crying add adds added adding warn warns warned warning "
    "mutter mutters muttered muttering murmur murmurs murmured tell tells told telling explain "
    "explains explained explaining announce announces announced declare declares declared insist "
    "insists insisted exclaim exclaims exclaimed remark remarks remarked observe observes observed "
    "note notes noted sigh sighs sighed laugh laughs laughed beg begs begged promise promises "
    "promised admit admits admitted advise advises advised urge urges urged yell yells yelled repeat "
    "repeats repeated suggest suggests suggested joke jokes joked grumble grumbles grumbled boast "
    "boasts boasted reckon reckoned continue continues continued snap snapped groan groaned bellow "
    "bellowed sing sang wonder wonders wondered"
)
_QUOTED = re.compile(r'[“”„"«]([^“”„"«»]*)[”“"»]')
_OPENING_QUOTES = ('"', "“", "'", "‘")
_QUOTE_REACH = 3  # words between the quotation and its verb of saying
_DASH = r"(?:—|(?<!\d)–|–(?!\d)|--| - )"
_ASIDE = re.compile(rf"\([^()]*\)|{_DASH}[^—–()]*?{_DASH}")
_NOT_OPPOSITES = word_set("until under unless unto union unit unite united uncle understand understood") | (
    word_set("understanding unison unique unions units universe university universal upon undergo undertake")
)
_DENIALS = NEGATED_HELPERS | {"not", "never", "cannot"}
_DEGREES = word_set("a an at all the very entirely altogether wholly too so exactly")
_NO_SMALL = word_set("small mean little ordinary minor")
_AS_IDIOMS = word_set("soon well long far much many same good just such early late often little")
_LIKE_AS_VERB = word_set(
    "i you we they who would to don't didn't doesn't did do does not really also might may could "
    "should you'd i'd he'd she'd we'd they'd always never will can people"
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
        if tag is not None and tag - section.start >= 3 and opens not in _QUESTION_WORDS:
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
    """Return the words near a quotation that its own sentence holds."""
    before = first
    while before > 0 and before not in doc.breaks and first - before <= _QUOTE_REACH:
        before -= 1
    after = last
    whole = doc.sentence_at(last - 1).end == last
    while not whole and after < len(doc.words) and after - last <= _QUOTE_REACH:
        after += 1
        if after in doc.breaks:
            break
    return doc.words[before:first] + doc.words[last:after]


def _index_from(doc: Document, offset: int) -> int:
    """Return the index of the first word that starts at an offset or later."""
    return bisect_left(doc.starts, offset)


def parenthesis(doc: Document) -> Verdict:
    """An aside stands in brackets or between dashes, with words of its sentence around it."""
    for match in _ASIDE.finditer(doc.text):
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
        if word == "no" and i + 1 < len(words) and words[i + 1] in _NO_SMALL:
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
    if at >= len(words) or at in doc.part_starts:
        return None
    return at + 1 if words[at] in ("without", "bad") or _negated_by_prefix(words[at]) else None


def _negated_by_prefix(word: str) -> bool:
    if not word.startswith("un") or word in _NOT_OPPOSITES or word.startswith("under"):
        return False
    rest = word[2:].lstrip("-")
    return len(rest) >= 3 and known(rest)


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
    if i == 0 or i + 2 >= len(words) or words[i + 1] not in ARTICLES or words[i - 1] in _LIKE_AS_VERB:
        return None
    joined = i + 1 not in doc.part_starts and i + 2 not in doc.part_starts
    return i + 3 if joined and words[i + 2] not in FUNCTION_WORDS else None


def _equality(doc: Document, i: int) -> int | None:
    words = doc.words
    for second in (i + 2, i + 3):
        if second + 2 >= len(words) or words[second] != "as" or words[second + 1] not in ARTICLES:
            continue
        between = words[i + 1 : second]
        whole = not any(j in doc.part_starts for j in range(i + 1, second + 3))
        plain = _AS_IDIOMS.isdisjoint(between) and POSSESSIVES.isdisjoint(between)
        if whole and plain and words[second + 2] not in FUNCTION_WORDS:
            return second + 3
    return None
