"""Our grading as parts for tasks of your own, which lm-eval finds by name from the release after 0.4.13.

With 0.4.13 the filter is `!function skillmix_eval.lm_eval_parts.SkillMixFilter`, and makes the metrics known.

    filter_list: [{name: rules, filter: [{function: skillmix_grade, domain: devices}]}]
    metric_list: [{metric: skillmix_full_marks}, {metric: skillmix_full_marks_stderr}]

A document needs `skills` (a list of ids) and `topic` (an id) of the domain; it may have an `id`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from lm_eval.api.filter import Filter
from lm_eval.api.registry import register_aggregation, register_metric

from .domain import Domain, load_domain
from .errors import BadInputError, SkillMixError, unknown
from .evaluate import Setting, prepare
from .lm_eval_grading import BatchGrader, mean, of_texts, standard_error
from .lm_eval_settings import STUDENT, judge_settings
from .lm_eval_texts import Graded
from .records import Question
from .spec import make_spec

Metric = Callable[..., float | None]
_log = logging.getLogger(__name__)


class SkillMixFilter(Filter):  # type: ignore[misc]  # lm-eval has no types
    """Grades all texts of a task in one go; settings are those of a run (domain, judge, skills, ...).

    lm-eval makes it when the texts are there, so it raises nothing: what is wrong is said, and is no score.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def apply(self, resps: Sequence[Sequence[str]], docs: Sequence[Mapping[str, Any]]) -> list[list[str]]:
        """Return each document's graded texts as lines of JSON, which the metrics read."""
        try:
            setting = self._setting()
            questions = [_question(setting.domain, number, doc) for number, doc in enumerate(docs)]
        except SkillMixError as error:
            _log.error(f"skillmix_grade: no text is graded: {error}")
            found = Graded(0, "failed", why=str(error))
            return [[msgspec.json.encode(found).decode() for _ in replies] for replies in resps]
        place = self._settings.get("store") or os.environ.get("SKILLMIX_STORE") or "results/store.sqlite"
        grader = BatchGrader("skillmix_grade", setting, Path(place))
        return grader.lines(list(zip(questions, resps, strict=True)))

    def _setting(self) -> Setting:
        own = {n: v for n, v in self._settings.items() if n != "store" and not n.startswith("judge")}
        own |= {n: self._settings[n] for n in ("judge_style", "judge_prompt") if n in self._settings}
        fixed = {"refine": False, "student": msgspec.to_builtins(STUDENT), "anchors": 0}
        judge = judge_settings(self._settings, None, None)
        spec = make_spec({"protocol": "draft", **own, **fixed, "judge": judge}, "the filter skillmix_grade")
        if judge is None and load_domain(spec.domain).about.grading == "judge":
            raise BadInputError(f"The domain {spec.domain} needs a judge, for example judge: openai/gpt-4.1.")
        return prepare(spec, check_questions=False)


def _question(domain: Domain, number: int, doc: Mapping[str, Any]) -> Question:
    skills, topics = {s.id: s for s in domain.skills}, {t.id: t for t in domain.topics}
    if not {"skills", "topic"} <= doc.keys():
        raise BadInputError(f"Document {number} has no skills and topic, which are ids of {domain.name}.")
    for kind, given, known in (("skill", doc["skills"], skills), ("topic", [doc["topic"]], topics)):
        for name in given:
            if name not in known:
                raise unknown(kind, str(name), known)
    return Question(str(number), tuple(skills[s] for s in doc["skills"]), topics[doc["topic"]])


register_aggregation("skillmix_mean")(mean)
register_aggregation("skillmix_stderr")(standard_error)


def _registered(metric: Metric) -> Metric:
    """Register a metric, and the standard error of its mean under the name that lm-eval's table shows."""
    name = f"skillmix_{metric.__name__}"
    register_metric(
        metric=name, higher_is_better=True, output_type="generate_until", aggregation="skillmix_mean"
    )(metric)
    register_metric(
        metric=f"{name}_stderr",
        higher_is_better=False,
        output_type="generate_until",
        aggregation="skillmix_stderr",
    )(metric)
    return metric


@_registered
def full_marks(references: Any, predictions: Any, reduce: str = "mean") -> float | None:  # noqa: ARG001
    """Return whether a question's text earns every point; None where it has no score."""
    return of_texts("full_marks", predictions[0], reduce)


@_registered
def all_skills(references: Any, predictions: Any, reduce: str = "mean") -> float | None:  # noqa: ARG001
    """Return whether a question's text shows every skill; None where it has no score."""
    return of_texts("all_skills", predictions[0], reduce)


@_registered
def skill_fraction(references: Any, predictions: Any, reduce: str = "mean") -> float | None:  # noqa: ARG001
    """Return the share of the skills that a question's text shows; None where it has no score."""
    return of_texts("skill_fraction", predictions[0], reduce)


@_registered
def coverage(references: Any, predictions: Any) -> float | None:  # noqa: ARG001
    """Return the share of a question's texts that have a score."""
    return of_texts("coverage", predictions[0])


__all__ = ["SkillMixFilter", "all_skills", "coverage", "full_marks", "skill_fraction"]
