"""`json-items`, the default: one JSON object whose keys only this call knows.

The judge is asked for what code cannot decide: the skills, the topic and sense, never the sentence limit, and
for one decoy, a skill that is not there. Keys, the marks around the text and the receipt that the reply must
hand back are hashes of the text, so nothing planted in a text can name them. Questions come in another order
in each call.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from functools import lru_cache
from typing import NoReturn

from skillmix_eval.errors import UnreadableError
from skillmix_eval.interfaces import JudgeStyle
from skillmix_eval.records import DECOY, MAKES_SENSE, ON_TOPIC, Question, Skill, Text, Verdict, skill_item
from skillmix_eval.texts import storable

from ._claims import shown
from ._decoys import decoy

TEMPLATE = "judge_json_items.j2"

RECEIPT = "receipt"
_CODE = 3  # bytes

_LEAST = 4  # letters of a quote
_FIELDS: dict[str, type] = {"reason": str, "quote": str, "met": bool}
_QUOTE_MARKS = "\"'“”„‟«»‘’‚‛′″`"
_DASHES = "-‐‑‒–—"
_ELLIPSIS = re.compile(r"[\[(]?(?:\.{3,}|…|\. \. \.)[\])]?")
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs"})
_CONTROL = re.compile(r"<(?=[|｜])|<(?=/?s>|<?/?SYS>|(?:start|end)_of_turn>)|\[(?=/?INST\])")


class Style(JudgeStyle):
    """A reason, a quote and a verdict per item; the quote is looked up in the text."""

    def variables(self, question: Question, text: Text, call: int) -> dict[str, object]:
        """Return the variables of the style's template."""
        codes = _codes(question, text, call)
        skills: dict[str, Skill] = {skill_item(s.id): s for s in question.skills}
        skills[DECOY] = decoy(question, text.text, _hash(question, text, call, DECOY, 16))
        return {
            "question": question,
            "text": _visible(text.text)[0],
            "skills": [{"code": code, "skill": skills[i]} for i, code in codes.items() if i in skills],
            "on_topic": codes[ON_TOPIC],
            "makes_sense": codes[MAKES_SENSE],
            "boundary": _hash(question, text, call, "boundary", 16),
            "receipt": _receipt(question, text, call),
        }

    def schema(self, question: Question, text: Text, call: int) -> dict[str, object] | None:
        """Return the JSON schema of the reply, for servers that can hold a judge to it."""
        kinds = {"reason": "string", "quote": "string", "met": "boolean"}
        answer = _closed({name: {"type": kind} for name, kind in kinds.items()})
        answers: dict[str, object] = dict.fromkeys(_codes(question, text, call).values(), answer)
        return _closed(answers | {RECEIPT: {"type": "string"}})  # no constant: the judge has to have read it

    def read(self, question: Question, text: Text, call: int, reply: str) -> dict[str, Verdict]:
        """Return one verdict per skill, on topic, makes sense and the decoy; raises UnreadableError."""
        codes = _codes(question, text, call)
        answers = _only_object(reply)
        missing = [item for item, code in codes.items() if code not in answers]
        if missing:
            raise UnreadableError(f"missing: {', '.join(missing)}")
        if answers.pop(RECEIPT, None) != _receipt(question, text, call):
            raise UnreadableError("the receipt is not the one that was asked for")
        extra = [key for key in answers if key not in codes.values()]
        if extra:
            raise UnreadableError(f"a key that was not asked for: '{shown(extra[0])}'")
        items = (*(skill_item(s.id) for s in question.skills), ON_TOPIC, MAKES_SENSE, DECOY)
        return {item: _verdict(item, answers[codes[item]], text.text) for item in items}


@lru_cache(256)  # each item of a verdict asks for the same text
def _visible(text: str) -> tuple[str, list[int]]:
    """Return what the judge is shown, and where in the text each of its characters comes from.

    Invisible characters are left out, and chat control tokens are broken up by a space.
    """
    kept = [i for i, c in enumerate(text) if c.isspace() or unicodedata.category(c) not in _HIDDEN]
    plain = "".join(text[i] for i in kept)
    breaks = [found.end() for found in _CONTROL.finditer(plain)]
    for end in reversed(breaks):
        plain = f"{plain[:end]} {plain[end:]}"
        kept.insert(end, kept[end])
    return plain, kept


def _codes(question: Question, text: Text, call: int) -> dict[str, str]:
    """Return the key under which the judge answers each item: skills in an order of this call's own."""
    return _keys(tuple(s.id for s in question.skills), question.id, text.text, call)


@lru_cache(256)  # prompt, schema and reading of a call ask for the same keys
def _keys(ids: tuple[str, ...], question: str, text: str, call: int) -> dict[str, str]:
    skills = (*map(skill_item, ids), DECOY)
    items = (*skills, ON_TOPIC, MAKES_SENSE)
    size = _CODE  # all codes must be right at once, so each may be short; two alike make all longer
    while len({_digest(question, text, call, item, size) for item in items}) < len(items):
        size += 1
    codes = {item: "c" + _digest(question, text, call, item, size) for item in items}
    return {item: codes[item] for item in (*sorted(skills, key=codes.__getitem__), ON_TOPIC, MAKES_SENSE)}


def _receipt(question: Question, text: Text, call: int) -> str:
    return _hash(question, text, call, RECEIPT, 4)


def _hash(question: Question, text: Text, call: int, what: str, size: int) -> str:
    return _digest(question.id, text.text, call, what, size)


def _digest(question: str, text: str, call: int, what: str, size: int) -> str:
    parts = _about(question, text, call) + f", {json.dumps(what)}]".encode()
    return hashlib.blake2b(parts, digest_size=size).hexdigest()


@lru_cache(256)  # what the hashes of a call have in common
def _about(question: str, text: str, call: int) -> bytes:
    return json.dumps([question, text, call])[:-1].encode()


def _closed(properties: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _only_object(reply: str) -> dict[str, object]:
    """Return the one JSON object of a reply: words may lead up to it, and none may take it back."""
    start = max(reply.find("{"), 0)
    try:
        found, end = _DECODER.raw_decode(reply, start)
    except (ValueError, RecursionError):
        raise UnreadableError("the reply holds no complete JSON object") from None
    if not isinstance(found, dict):
        raise UnreadableError("the reply holds no JSON object")
    if "{" in reply[end:]:
        raise UnreadableError("the reply holds more than one JSON object")
    if reply[end:].strip(" \t\r\n`"):
        raise UnreadableError("words follow the JSON object")
    return found


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise UnreadableError(f"the key '{shown(twice)}' stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise UnreadableError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _verdict(item: str, answer: object, text: str) -> Verdict:
    if not isinstance(answer, dict) or answer.keys() != _FIELDS.keys():
        raise UnreadableError(f"the answer for {item} is not an object with reason, quote and met")
    wrong = [name for name, kind in _FIELDS.items() if type(answer[name]) is not kind]
    if wrong:
        raise UnreadableError(f"'{wrong[0]}' for {item} is not a {_FIELDS[wrong[0]].__name__}")
    reason, quote, met = storable(answer["reason"]), answer["quote"], answer["met"]
    if item == DECOY:
        return Verdict(met, reason)  # what is not there cannot be quoted
    spans = _find(quote, text)
    unneeded = not met or (item in (ON_TOPIC, MAKES_SENSE) and not quote.strip())
    if not spans and not unneeded:
        raise UnreadableError(f"the quote for {item} is not in the text")
    quoted = " … ".join(text[slice(*span)] for span in spans)
    return Verdict(met, reason, quoted, (spans[0][0], spans[-1][1]) if spans else None)


def _find(quote: str, text: str) -> list[tuple[int, int]]:
    """Return where the text holds a quote of what the judge was shown, as offsets in the text itself.

    A quote that leaves words out ("so it ... must rest") is found where all its parts are, in this order.
    Each part begins where a word does, and a letter or two prove nothing.
    """
    seen, origin = _visible(text)
    if sum(c.isalnum() for c in quote) < min(_LEAST, sum(c.isalnum() for c in seen)):
        return []
    for words in (quote.strip(), quote.strip(_QUOTE_MARKS + " \t\r\n")):
        for parts in ([words], _ELLIPSIS.split(words)):
            found = _in_order([p for p in parts if p.strip()], seen)
            if found:
                return [(origin[start], origin[end - 1] + 1) for start, end in found]
    return []


def _in_order(parts: list[str], seen: str) -> list[tuple[int, int]]:
    """Return where each part stands, one after the other, or nothing."""
    spans: list[tuple[int, int]] = []
    for part in parts:
        if not any(c.isalnum() for c in part) or len(part) > 2 * len(seen):
            return []
        start, words = spans[-1][1] if spans else 0, part.strip()
        at = _word_at(
            seen, words, start
        )  # most quotes are true to the letter: an expression takes far longer
        found = None if at >= 0 else re.compile(_loose(words)).search(seen, start)
        if at < 0 and not found:
            return []
        spans.append(found.span() if found else (at, at + len(words)))
    return spans


def _word_at(seen: str, words: str, start: int) -> int:
    """Return where words stand in a text, not inside another word; -1 where they do not."""
    at = seen.find(words, start)
    while at > 0 and words[0].isalnum() and seen[at - 1].isalnum():
        at = seen.find(words, at + 1)
    return at


def _loose(words: str) -> str:
    """Return the expression for words whose white space, quotation marks and dashes may differ in kind."""
    begin = r"(?<![^\W_])" if words[0].isalnum() else ""
    return begin + r"\s+".join("".join(map(_loose_mark, word)) for word in words.split())


def _loose_mark(character: str) -> str:
    for alike in (_QUOTE_MARKS, _DASHES):
        if character in alike:
            return f"[{re.escape(alike)}]"
    return re.escape(character)
