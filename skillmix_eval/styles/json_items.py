"""`json-items`, the default: one JSON object whose keys only this grading knows.

The judge is asked for what code cannot decide: the skills, the topic and sense, never the sentence limit.
Keys and the marks around the text are hashes of the text, so nothing planted in a text can name them.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import NoReturn

from skillmix_eval.errors import UnreadableError
from skillmix_eval.interfaces import JudgeStyle
from skillmix_eval.records import MAKES_SENSE, ON_TOPIC, Question, Text, Verdict, skill_item

from ._claims import shown

TEMPLATE = "judge_json_items.j2"

_FIELDS: dict[str, type] = {"reason": str, "quote": str, "met": bool}
_QUOTE_MARKS = "\"'“”„‟«»‘’‚‛′″`"
_DASHES = "-‐‑‒–—"
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs"})
_CONTROL = re.compile(r"<(?=[|｜])|<(?=/?s>|<?/?SYS>|(?:start|end)_of_turn>)|\[(?=/?INST\])")


class Style(JudgeStyle):
    """A reason, a quote and a verdict per item; the quote is looked up in the text."""

    def variables(self, question: Question, text: Text, index: int) -> dict[str, object]:
        """Return the variables of the style's template."""
        codes = _codes(question, text, index)
        skills = [{"code": codes[skill_item(skill.id)], "skill": skill} for skill in question.skills]
        return {
            "question": question,
            "text": _visible(text.text)[0],
            "skills": skills,
            "on_topic": codes[ON_TOPIC],
            "makes_sense": codes[MAKES_SENSE],
            "boundary": _hash(question, text, index, "boundary", 16),
        }

    def schema(self, question: Question, text: Text, index: int) -> dict[str, object] | None:
        """Return the JSON schema of the reply, for servers that can hold a judge to it."""
        kinds = {"reason": "string", "quote": "string", "met": "boolean"}
        answer = _closed({name: {"type": kind} for name, kind in kinds.items()})
        return _closed(dict.fromkeys(_codes(question, text, index).values(), answer))

    def read(self, question: Question, text: Text, index: int, reply: str) -> dict[str, Verdict]:
        """Return one verdict per skill, on topic and makes sense; raises UnreadableError."""
        codes = _codes(question, text, index)
        answers = _only_object(reply)
        missing = [item for item, code in codes.items() if code not in answers]
        if missing:
            raise UnreadableError(f"missing: {', '.join(missing)}")
        extra = [key for key in answers if key not in codes.values()]
        if extra:
            raise UnreadableError(f"a key that was not asked for: '{shown(extra[0])}'")
        return {item: _verdict(item, answers[code], text.text) for item, code in codes.items()}


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


def _codes(question: Question, text: Text, index: int) -> dict[str, str]:
    """Return the key under which the judge answers each item that it is asked about."""
    items = (*(skill_item(skill.id) for skill in question.skills), ON_TOPIC, MAKES_SENSE)
    return {item: "c" + _hash(question, text, index, item, 5) for item in items}


def _hash(question: Question, text: Text, index: int, what: str, size: int) -> str:
    parts = json.dumps([question.id, text.text, index, what]).encode()
    return hashlib.blake2b(parts, digest_size=size).hexdigest()


def _closed(properties: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _only_object(reply: str) -> dict[str, object]:
    """Return the one JSON object of a reply; a code fence or words around it may hold no brace."""
    start = max(reply.find("{"), 0)
    try:
        found, end = _DECODER.raw_decode(reply, start)
    except (ValueError, RecursionError):
        raise UnreadableError("the reply holds no complete JSON object") from None
    if not isinstance(found, dict):
        raise UnreadableError("the reply holds no JSON object")
    if "{" in reply[end:]:
        raise UnreadableError("the reply holds more than one JSON object")
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
    reason, quote, met = _storable(answer["reason"]), answer["quote"], answer["met"]
    found = _find(quote, text)
    unneeded = not met or (item in (ON_TOPIC, MAKES_SENSE) and not quote.strip())
    if found is None and not unneeded:
        raise UnreadableError(f"the quote for {item} is not in the text")
    return Verdict(met, reason, text[slice(*found)] if found else "", found)


def _storable(words: str) -> str:
    """Return words without lone surrogates, which JSON escapes can write and no file can hold."""
    return words.encode("utf-8", "ignore").decode()


def _find(quote: str, text: str) -> tuple[int, int] | None:
    """Return where the text holds a quote of what the judge was shown, as offsets in the text itself."""
    seen, origin = _visible(text)
    for words in (quote.strip(), quote.strip(_QUOTE_MARKS + " \t\r\n")):
        if any(c.isalnum() for c in words) and len(words) <= 2 * len(seen):
            found = re.search(_loose(words), seen)
            if found:
                return origin[found.start()], origin[found.end() - 1] + 1
    return None


def _loose(words: str) -> str:
    """Return the expression for words whose white space, quotation marks and dashes may differ in kind."""
    return r"\s+".join("".join(map(_loose_mark, word)) for word in words.split())


def _loose_mark(character: str) -> str:
    for alike in (_QUOTE_MARKS, _DASHES):
        if character in alike:
            return f"[{re.escape(alike)}]"
    return re.escape(character)
