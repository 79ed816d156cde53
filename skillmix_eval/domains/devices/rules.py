"""The public face of the domain `devices`: verdicts by code, for one question or for all skills."""

from __future__ import annotations

from collections.abc import Callable

from skillmix_eval.records import MAKES_SENSE, ON_TOPIC, Question, Verdict, skill_item

from .checkers import form, logic, repetition, sound, structure
from .checkers.document import Document
from .checkers.proxies import makes_sense, on_topic

__all__ = ["CHECKERS", "check", "verdicts"]

CHECKERS: dict[str, Callable[[Document], Verdict]] = {
    "anaphora": repetition.anaphora,
    "epistrophe": repetition.epistrophe,
    "anadiplosis": repetition.anadiplosis,
    "epanalepsis": repetition.epanalepsis,
    "epizeuxis": repetition.epizeuxis,
    "polysyndeton": repetition.polysyndeton,
    "asyndeton": repetition.asyndeton,
    "alliteration": sound.alliteration,
    "assonance": sound.assonance,
    "rhyme": sound.rhyme,
    "lipogram": sound.lipogram,
    "abecedarian": sound.abecedarian,
    "rhetorical-question": form.rhetorical_question,
    "tag-question": form.tag_question,
    "direct-speech": form.direct_speech,
    "parenthesis": form.parenthesis,
    "litotes": form.litotes,
    "simile": form.simile,
    "antimetabole": structure.antimetabole,
    "isocolon": structure.isocolon,
    "correctio": structure.correctio,
    "negative-inversion": structure.negative_inversion,
    "cleft-sentence": structure.cleft_sentence,
    "comparative-correlative": structure.comparative_correlative,
    "modus-ponens": logic.modus_ponens,
    "modus-tollens": logic.modus_tollens,
    "disjunctive-syllogism": logic.disjunctive_syllogism,
    "statistical-syllogism": logic.statistical_syllogism,
    "counterfactual-conditional": logic.counterfactual_conditional,
    "a-fortiori": logic.a_fortiori,
}


def verdicts(question: Question, text: str) -> dict[str, Verdict]:
    """Return a verdict on each skill, on topic and on sense; sentences are counted elsewhere."""
    doc = Document(text)
    found = {skill_item(skill.id): CHECKERS[skill.id](doc) for skill in question.skills}
    return found | {ON_TOPIC: on_topic(doc, question.topic), MAKES_SENSE: makes_sense(doc)}


def check(text: str) -> dict[str, Verdict]:
    """Return a verdict on every skill of the domain, by skill id."""
    doc = Document(text)
    return {skill: checker(doc) for skill, checker in CHECKERS.items()}
