"""The teacher's search: plan which stretch shows which devices, build the stretches, check, try again."""

from __future__ import annotations

import hashlib
import random

from skillmix_eval.domains.devices.checkers.document import Document
from skillmix_eval.domains.devices.rules import CHECKERS, verdicts
from skillmix_eval.errors import CallFailedError
from skillmix_eval.records import Question
from skillmix_eval.texts import count_sentences, named

from .clauses import Cast
from .frames import FRAMES, JOINT, quoted
from .phrases import Draw
from .plain import plain
from .words import Vocabulary, vocabulary

_ATTEMPTS = 200
_TRIES = 12  # for one stretch, before the whole plan is drawn anew
_ASKING = frozenset({"rhetorical-question", "tag-question"})
_JOINED = 0.6  # how often devices that one frame can show together share it
_SPOKEN = 0.5  # how often wanted speech is put around another stretch
_NEW = 0.12  # how often a phrase-level device gets a statement of its own
_LINKS = ("; ", "; ", "; ", "; and ", "; yet ")
_PLAIN_LINKS = ("; ", ", and ", ", while ", ", and ")  # before a plain statement
_CLAUSE_LINKS = ("; ", ", and ", ", and ", ", yet ", ", for ")  # before a frame that need not open a stretch
_CLAUSAL = frozenset(
    {
        "cleft-sentence",
        "counterfactual-conditional",
        "a-fortiori",
        "comparative-correlative",
        "antimetabole",
        "anadiplosis",
        "rhyme",
        "tag-question",
        "direct-speech",
    }
)
_ARGUMENTS = frozenset({"modus-ponens", "modus-tollens", "disjunctive-syllogism", "statistical-syllogism"})
_TAGGED = frozenset(
    {"cleft-sentence", "counterfactual-conditional", "negative-inversion", "modus-ponens", "modus-tollens"}
)  # frames that say which short question fits their last clause
_ASKED = frozenset({"cleft-sentence", "counterfactual-conditional", "a-fortiori"})
_WHO_COULD = ("who could doubt", "who would deny", "who can believe", "who would guess", "who could deny")
_WRAPPERS = frozenset({"direct-speech", "tag-question", "rhetorical-question"})
Group = set[str]


def compose(question: Question, seed: int) -> str:
    """Return a text that the checkers accept in full for a question; the same for the same seed everywhere.

    Raises CallFailedError when none is found within the bound.
    """
    skills = [skill.id for skill in question.skills]
    words = vocabulary(question.topic.name)
    rng = random.Random(_seed(question.topic.name, skills, seed))  # noqa: S311 (no secret hangs on it)
    for _ in range(_ATTEMPTS):
        text = _attempt(rng, words, skills, question.sentence_limit)
        if text and accepted(question, text):
            return text
    wanted = f"{question.topic.name} for {', '.join(skills)}"
    raise CallFailedError(f"The teacher found no text about {wanted} in {_ATTEMPTS} attempts.")


def accepted(question: Question, text: str) -> bool:
    """Tell whether a text earns full marks for a question."""
    if count_sentences(text) > question.sentence_limit:
        return False
    if any(named(skill.name, text) for skill in question.skills):
        return False
    return all(verdict.met for verdict in verdicts(question, text).values())


def _seed(topic: str, skills: list[str], seed: int) -> int:
    """Return a whole number for a question and a seed, the same on every machine."""
    line = "\n".join([str(seed), topic, *skills])
    return int.from_bytes(hashlib.sha256(line.encode()).digest()[:8], "big")


def _attempt(rng: random.Random, words: Vocabulary, skills: list[str], limit: int) -> str:
    """Return a text by one plan, or nothing where a stretch does not come out."""
    arguments = len(_ARGUMENTS & set(skills))
    cast = _cast(rng, words, terse=arguments > 1 or (arguments == 1 and len(skills) > 4))
    sentences = _sentences(rng, _groups(rng, skills, limit), limit)
    said = []
    for sentence in sentences:
        stretches = [_stretch(rng, words, cast, group) for group in sentence]
        if not all(stretches):
            return ""
        said.append(_sentence(rng, stretches, sentence))
    return " ".join(said)


def _cast(rng: random.Random, words: Vocabulary, terse: bool) -> Cast:
    people, things = words.pool("own people"), words.pool("things")
    person = people[int(rng.random() * len(people))]
    thing = things[int(rng.random() * len(things))]
    return Cast(person, thing, rng.random() < 0.5, "she" if rng.random() < 0.5 else "he", terse)


# -- plan --------------------------------------------------------------------------------------------------


def _shuffled(rng: random.Random, items: list[str]) -> list[str]:
    left = list(items)
    return [left.pop(int(rng.random() * len(left))) for _ in range(len(left))]


def _groups(rng: random.Random, skills: list[str], limit: int) -> list[Group]:
    """Return which devices are shown together, one set per stretch of text."""
    groups: list[Group] = []
    order = _shuffled(rng, skills)
    for skill in [s for s in order if s in FRAMES]:
        host = next((g for g in groups if _share(g, skill)), None)
        if host is not None and rng.random() < _JOINED:
            host.add(skill)
        else:
            groups.append({skill})
    for skill in [s for s in order if s not in FRAMES]:
        hosts = [g for g in groups if not _clash(g, skill)]
        new = _NEW if len(groups) >= limit else 0.6
        if not hosts or rng.random() < new:
            groups.append({skill})
        else:
            hosts[int(rng.random() * len(hosts))].add(skill)
    return groups


def _share(group: Group, skill: str) -> bool:
    """Tell whether one frame can show a device with all sentence-level devices of a group."""
    together = {s for s in group if s in FRAMES} | {skill}
    wrapped = together & _WRAPPERS
    if len(wrapped) == 1 and len(together) == 2:
        inner = together - wrapped
        return "direct-speech" in wrapped or inner <= (_TAGGED if "tag-question" in wrapped else _ASKED)
    return any(together <= joint for joint in JOINT)


def _clash(group: Group, skill: str) -> bool:
    """Text without the letter e is too narrow for frames, which have fixed words."""
    framed = any(s in FRAMES for s in group)
    return (skill == "lipogram" and framed) or ("lipogram" in group and skill in FRAMES)


def _sentences(rng: random.Random, groups: list[Group], limit: int) -> list[list[Group]]:
    """Return the groups in sentences, at most one that asks in each, at its end; none if that cannot be."""
    left = list(groups)
    mixed = [left.pop(int(rng.random() * len(left))) for _ in range(len(groups))]
    asking = [g for g in mixed if g & _ASKING]
    count = min(limit, len(mixed))
    if count > max(1, len(asking)) and rng.random() < 0.2:
        count -= 1
    if len(asking) > count:
        return []
    sentences: list[list[Group]] = [[] for _ in range(count)]
    room = list(range(count))
    for group in asking:
        sentences[room.pop(int(rng.random() * len(room)))].append(group)
    for group in [g for g in mixed if not g & _ASKING]:
        fewest = min(map(len, sentences))
        open_ones = [s for s in sentences if len(s) == fewest]
        open_ones[int(rng.random() * len(open_ones))].insert(0, group)
    return [s for s in sentences if s]


# -- build -------------------------------------------------------------------------------------------------


def _stretch(rng: random.Random, words: Vocabulary, cast: Cast, group: Group) -> str:
    """Return one stretch that shows its devices, or nothing after some tries."""
    framed = sorted(s for s in group if s in FRAMES)
    around = next((s for s in framed if s in _WRAPPERS), "") if len(framed) > 1 else ""
    inner = next((s for s in framed if s != around), "")
    frame = FRAMES.get(inner, plain)
    for _ in range(_TRIES):
        draw = Draw(rng, words, cast, group)
        text = frame(draw)
        if text and around:
            draw.wanted.discard(around)
            text = _wrapped(draw, around, text)
        if text and not draw.wanted and _shows(text, group):
            return text
    return ""


def _wrapped(draw: Draw, around: str, text: str) -> str:
    """Return a stretch as somebody's speech, with a short question after it, or asked for assent."""
    if around == "direct-speech":
        return quoted(draw, text)
    if around == "tag-question":
        return f"{text}, {draw.tag}?" if draw.tag else ""
    return f"{draw.one(_WHO_COULD)} that {text}?"


def _shows(text: str, group: Group) -> bool:
    document = Document(_finished(text))
    return all(CHECKERS[skill](document).met for skill in sorted(group))


def _sentence(rng: random.Random, stretches: list[str], groups: list[Group]) -> str:
    """Return stretches joined into one sentence with a capital and an end mark."""
    text = stretches[0]
    for stretch, group in zip(stretches[1:], groups[1:], strict=True):
        links = _links({s for s in group if s in FRAMES})
        text += links[int(rng.random() * len(links))] + stretch
    return _finished(text)


def _links(framed: Group) -> tuple[str, ...]:
    """Return what may stand before a stretch with these sentence-level devices."""
    if not framed:
        return _PLAIN_LINKS
    return _CLAUSE_LINKS if framed <= _CLAUSAL else _LINKS


def _finished(text: str) -> str:
    at = 1 if text.startswith('"') else 0
    text = text[:at] + text[at].upper() + text[at + 1 :]
    if text.endswith("?"):
        return text
    if text.endswith('?"'):
        return text
    return f'{text[:-1]}."' if text.endswith('"') else f"{text}."
