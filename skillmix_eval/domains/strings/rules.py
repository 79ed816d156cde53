"""The public face of the domain `strings`: an answer is right or wrong, to the letter.

There is no credit for parts: all rubric items are met when the answer is exact, and none otherwise, so
the three metrics are one, the accuracy at depth k.
"""

from __future__ import annotations

from skillmix_eval.records import MAKES_SENSE, ON_TOPIC, Question, Verdict, skill_item

from .functions import compose

__all__ = ["verdicts"]


def verdicts(question: Question, text: str) -> dict[str, Verdict]:
    """Return one verdict for each rubric item but the sentence limit; the reason names the right answer."""
    right = compose([skill.id for skill in question.skills], question.topic.name)
    met = text.strip().strip("`'\"") == right
    verdict = Verdict(met, "The answer is exact." if met else f"The right answer is {right!r}.")
    items = [skill_item(skill.id) for skill in question.skills]
    return dict.fromkeys([*items, ON_TOPIC, MAKES_SENSE], verdict)
