"""The nouns: frozen records that every stage takes and gives. No logic beyond what a field means.

Skill, Topic -> Question -> Request -> Reply -> Text -> Grading -> Score
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

ON_TOPIC = "on_topic"
MAKES_SENSE = "makes_sense"
SENTENCE_LIMIT = "sentence_limit"
DECOY = "decoy"  # what a judge is asked about though it is not there; no rubric item
_COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class Record(msgspec.Struct, frozen=True, gc=False):
    """Base of all records: immutable, compared by value."""


class Skill(Record, frozen=True, gc=False):
    """A language skill such as metaphor or modus ponens (never an agent's SKILL.md)."""

    id: str
    name: str
    category: str
    definition: str
    example: str


class Topic(Record, frozen=True, gc=False):
    """What a text is about; `words` is its word family, used only where code decides on-topic."""

    id: str
    name: str
    words: tuple[str, ...] = ()


class Question(Record, frozen=True, gc=False):
    """k skills in prompt order and a topic. `id` is a hash of the content, so runs are paired by it."""

    id: str
    skills: tuple[Skill, ...]
    topic: Topic
    occurrence: int = 0  # 1, 2, ... when a sampler with replacement draws the same question again

    @property
    def k(self) -> int:
        """Number of skills."""
        return len(self.skills)

    @property
    def sentence_limit(self) -> int:
        """Most sentences a text may have: max(1, k - 1) (SKILL-MIX, section on the rubric)."""
        return max(1, self.k - 1)

    @property
    def limit_words(self) -> str:
        """The sentence limit as prompts say it: 'one sentence', 'two sentences'."""
        n = self.sentence_limit
        return f"{_COUNTS[n] if n < len(_COUNTS) else n} sentence{'s' * (n > 1)}"

    @property
    def items(self) -> tuple[str, ...]:
        """Ids of the k + 3 rubric items, in the paper's order."""
        return (*self.judged_items, SENTENCE_LIMIT)

    @property
    def judged_items(self) -> tuple[str, ...]:
        """Ids of the items that a judge decides: all but the sentence limit, which code counts."""
        return (*(skill_item(s.id) for s in self.skills), ON_TOPIC, MAKES_SENSE)


def skill_item(skill_id: str) -> str:
    """Return the rubric item id of a skill."""
    return f"skill:{skill_id}"


class Message(Record, frozen=True, gc=False):
    """One turn of a chat."""

    role: str  # system, user or assistant
    content: str


class Request(msgspec.Struct, frozen=True):
    """One model call: everything in it, but `question`, is part of the key under which its reply is kept."""

    messages: tuple[Message, ...]
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    draw: str = "0"  # which of several answers to the same messages this is
    schema: dict[str, Any] | None = None  # JSON schema that the reply must follow, where a server can
    question: Question | None = None  # for students that are code; never sent, never hashed


class Usage(Record, frozen=True, gc=False):
    """Tokens of one or more calls, as the server reported them; of one call, all zero means not reported."""

    input: int = 0
    output: int = 0
    reasoning: int = 0  # of the output

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.input + other.input, self.output + other.output, self.reasoning + other.reasoning)


class Reply(Record, frozen=True, gc=False):
    """What a model returned for one call."""

    text: str
    stop: str = "stop"  # stop, length or refusal
    usage: Usage = Usage()


class TextStatus(StrEnum):
    """How a student's text came out."""

    OK = "ok"
    TRUNCATED = "truncated"  # cut off by the token limit: not graded, not scored
    EMPTY = "empty"  # nothing to grade: earns no points
    ECHOED = "echoed"  # repeats the prompt: earns no points
    REFUSED = "refused"  # declines the task: earns no points
    FAILED = "failed"  # the call failed: not the student's doing, not scored


class Text(Record, frozen=True, gc=False):
    """What the student wrote for one question; `index` tells several texts for one question apart."""

    question: str  # Question.id
    index: int
    text: str
    status: TextStatus
    draft: str = ""  # the first turn's text, where there was a second
    why: str = ""  # what went wrong, for people
    usage: Usage = Usage()


class GradingStatus(StrEnum):
    """How a grading came out."""

    OK = "ok"
    UNREADABLE = "unreadable"  # the judge's reply is no verdict; never counted as zero points
    FOOLED = "fooled"  # the judge found the decoy, so none of its verdicts counts; never zero points either
    FAILED = "failed"  # the judge could not be reached


class Verdict(Record, frozen=True, gc=False):
    """One rubric item's point and what supports it."""

    met: bool
    reason: str = ""
    quote: str = ""  # the words of the text that show it, verbatim
    span: tuple[int, int] | None = None  # where in the text code found it: character offsets, end exclusive


class Grading(Record, frozen=True, gc=False):
    """One verdict per rubric item, from one judge call or from code."""

    question: str
    text: int  # Text.index
    index: int
    judge: str  # fingerprint of who graded: name, settings, prompt
    status: GradingStatus
    verdicts: dict[str, Verdict] = {}  # by rubric item id; all items when status is ok
    why: str = ""
    usage: Usage = Usage()  # of all its calls
    calls: int = 1  # 2 where the first reply was no verdict and a second was asked for
    decoys: tuple[bool, ...] = ()  # per readable call with a decoy: whether the judge found it


class Marks(Record, frozen=True, gc=False):
    """The three metrics of one text (SKILL-MIX): 0 or 1, 0 or 1, and a fraction of the k skills."""

    full_marks: float
    all_skills: float
    skill_fraction: float


class Score(Record, frozen=True, gc=False):
    """A text's points after the vote and its metrics, with and without the deduction for naming a skill."""

    question: str
    text: int
    points: dict[str, bool]  # by rubric item id, before the naming deduction
    ties: tuple[str, ...]  # items whose votes tied; a tie earns no point
    named: tuple[str, ...]  # ids of skills that the text names
    marks: Marks  # naming costs the skill's point
    marks_naming_allowed: Marks

    def earned(self, skill_id: str) -> float:
        """Return 1 where the skill's point was earned, naming counted against it, else 0."""
        return float(self.points[skill_item(skill_id)] and skill_id not in self.named)


class Sample(msgspec.Struct, frozen=True):
    """A question's text with its gradings and its score: one row of a run. Unscored is `score is None`."""

    question: Question
    text: Text
    gradings: tuple[Grading, ...] = ()
    score: Score | None = None
