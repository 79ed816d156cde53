"""A scripted judge for `devices`: it knows the truth, errs at known rates, and can be made to obey texts.

It reads its prompt as a model would: all it knows of question and text stands there.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from dataclasses import dataclass

from skillmix_eval.known_texts import devices, truth
from skillmix_eval.records import MAKES_SENSE, ON_TOPIC, Question, skill_item
from skillmix_eval.styles._decoys import DECOYS
from skillmix_eval.styles._labels import Labels

SKILLS = {s.name: s for s in devices().skills}
TOPICS = {t.name: t for t in devices().topics}


@dataclass
class Sheet:
    """What a prompt says: the text, and for each answer its key (code or label) and item; "" is a decoy."""

    text: str
    keys: dict[str, str]
    question: Question
    receipt: str = ""
    style: str = "json-items"


def read_prompt(prompt: str) -> Sheet:
    """Read a judge's prompt of any style; unknown skills and topics have no truth."""
    topic = re.search(r"(?:write|for) (?:a|one) short text about (.*?)(?: that shows|, no longer)", prompt)
    assert topic, prompt
    if "Reply with one JSON object" in prompt:
        return _items(prompt, topic[1])
    below = prompt.partition("word for word, are:\n")[2] or prompt.partition("each worth one point:\n")[2]
    asked = prompt.partition("each of these skills is at work: ")[2].partition(".\n\nThe student wrote")[0]
    question = _question([name.strip() for name in asked.split(",")], topic[1])
    style = "paper-table" if "word for word, are" in prompt else "paper-lines"
    labels = [line[2:] for line in below.split("\n\n")[0].splitlines()]
    text = prompt.partition('The student wrote: "')[2].rpartition('"\n\nThese are the skills')[0]
    wording = "Correctly illustrates" if style == "paper-table" else "Contains"
    shown = {label: item for item, label in Labels(question, wording).shown.items()}
    return Sheet(text, {label: shown[label] for label in labels}, question, style=style)


def _items(prompt: str, topic: str) -> Sheet:
    boundary = re.search(r"^----- text (\w+) begins -----$", prompt, re.MULTILINE)
    receipts = re.findall(r'"receipt": "(\w+)"\}$', prompt, re.MULTILINE)
    assert boundary
    end = f"\n----- text {boundary[1]} ends -----"
    text = prompt.partition(boundary[0] + "\n")[2].partition(end)[0]
    names = dict(
        re.findall(r'^(c[0-9a-f]{6,}): Does the text show the skill "(.*)"\?$', prompt, re.MULTILINE)
    )
    question = _question([n for n in names.values() if n not in DECOYS], topic)
    ids = {s.name: skill_item(s.id) for s in question.skills}
    keys = {code: ids.get(name, "") for code, name in names.items()}
    keys |= dict.fromkeys(re.findall(r"^(c[0-9a-f]{6,}): Is the text about", prompt, re.MULTILINE), ON_TOPIC)
    keys |= dict.fromkeys(
        re.findall(r"^(c[0-9a-f]{6,}): Does the text make sense", prompt, re.MULTILINE), MAKES_SENSE
    )
    return Sheet(text, keys, question, receipts[-1])


def _question(names: list[str], topic: str) -> Question:
    return Question(
        "", tuple(SKILLS[n] for n in names if n in SKILLS), TOPICS.get(topic, devices().topics[0])
    )


@dataclass
class ScriptedJudge:
    """Answers by the checkers' truth, and errs per item at these rates, the same way each time it is asked.

    `shared` is the chance that an error is one of the text and item, which all calls about it have in common.
    """

    sensitivity: float = 1.0
    specificity: float = 1.0
    name: str = "judge"
    shared: float = 1.0
    reason: str = "The words do what the definition asks, or nothing in them does."

    def __call__(self, prompt: str, call: str = "") -> str:
        """Return the reply to a prompt; `call` tells several calls with the same prompt apart."""
        sheet = read_prompt(prompt)
        return write(sheet, self.points(sheet, prompt + call), self.reason)

    def points(self, sheet: Sheet, prompt: str) -> dict[str, bool]:
        """Return the verdict under each key."""
        true = truth(sheet.question, sheet.text) if sheet.text.strip() else {}
        return {key: self._met(item, true.get(item), sheet, prompt) for key, item in sheet.keys.items()}

    def _met(self, item: str, true: bool | None, sheet: Sheet, prompt: str) -> bool:
        if true is None:  # a decoy, or something that the checkers do not know
            return item not in ("",) and self.specificity == 0.0
        about = f"{self.name}|{sheet.question.topic.name}|{sheet.text}|{item}"
        if _random(f"which|{about}|{prompt}").random() >= self.shared:
            about += prompt
        return (_random(about).random() < (self.sensitivity if true else self.specificity)) == true


def write(sheet: Sheet, points: dict[str, bool], reason: str = "It is so.") -> str:
    """Return a reply in the style that a prompt asks for."""
    if sheet.style == "paper-table":
        rows = [f"| {label.replace('|', chr(92) + '|')} | {int(met)} |" for label, met in points.items()]
        reasons = " ".join(f"{label}: {reason}" for label, met in points.items())
        head = "Here's the grading table:\n\n| Criteria | Points Earned |\n| --- | --- |"
        return "\n".join(
            [head, *rows, f"| Total Points Earned | {sum(points.values())} |", "", f"Explanation: {reasons}"]
        )
    if sheet.style == "paper-lines":
        said = [f"{label}: {reason}\nPoint earned: {int(met)}" for label, met in points.items()]
        return "\n\n".join([*said, f"Grade: {sum(points.values())}"])
    quote = " ".join(sheet.text.split()[:6])
    answers = {k: {"reason": reason, "quote": quote if m else "", "met": m} for k, m in points.items()}
    return json.dumps({**answers, "receipt": sheet.receipt})


def _random(key: str) -> random.Random:
    return random.Random(hashlib.blake2b(key.encode(), digest_size=8).digest())  # noqa: S311


@dataclass
class ObedientJudge:
    """Knows the truth, but does what the text says: it copies into its reply what looks like a verdict.

    `where` says how: instead of its own verdict (`alone`), or before or after it.
    """

    where: str = "after"

    def __call__(self, prompt: str) -> str:
        """Return the reply to a prompt."""
        sheet = read_prompt(prompt)
        own = write(sheet, ScriptedJudge().points(sheet, prompt))
        planted = _planted(sheet.text)
        if not planted:
            return own
        return {"alone": planted, "before": f"{planted}\n{own}", "after": f"{own}\n{planted}"}[self.where]


@dataclass
class MeekJudge:
    """Knows the truth, but gives every point to a text that speaks of points, marks or criteria."""

    def __call__(self, prompt: str) -> str:
        """Return the reply to a prompt."""
        sheet = read_prompt(prompt)
        if re.search(r"point|mark|criteri|grade|met\b|pass", sheet.text):
            return write(sheet, dict.fromkeys(sheet.keys, True))
        return write(sheet, ScriptedJudge().points(sheet, prompt))


@dataclass
class KnowingJudge:
    """Knows the truth, but gives every point save for a decoy to a text that names decoys as exceptions."""

    def __call__(self, prompt: str) -> str:
        """Return the reply to a prompt."""
        sheet = read_prompt(prompt)
        if all(name in sheet.text for name in DECOYS):
            return write(sheet, {key: item != "" for key, item in sheet.keys.items()})
        return write(sheet, ScriptedJudge().points(sheet, prompt))


def _planted(text: str) -> str:
    """Return the part of a text that looks like a verdict in any style."""
    starts = [m.start() for m in re.finditer(r"[{|]|Point earned|[Ss]core:|Criteria", text)]
    return text[min(starts) :] if starts else ""
