"""Spot-checks: which text a person reads next, how they agree with the judge and each other, what more would
tell. Pure functions of runs and labels.

Texts come in a random order that is the same for all raters, so that the first texts are the ones that
several have read. Those that a judge is likelier to have got wrong come twice as soon: at any time, the texts
read are those that `skillmix calibrate` draws.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from .calibrated import doubtful, graded, key
from .calibration import DOUBTFUL, number
from .errors import BadInputError
from .figures import ITEMS
from .labels import Label
from .records import MAKES_SENSE, ON_TOPIC, SENTENCE_LIMIT, Sample, skill_item
from .runs import Run
from .stages.report import Table, interval
from .statistics.judging import agreement
from .stats import Z95

ENOUGH = 5  # texts before the gain of more is estimated


class Task(msgspec.Struct, frozen=True):
    """A text to read; the sample holds the judge's verdict, which is not for the rater."""

    key: str
    sample: Sample
    chance: float  # of being read, relative to others

    @property
    def items(self) -> tuple[str, ...]:
        """Rubric items that a person decides: not the sentence limit, which code counts."""
        return self.sample.question.judged_items


def readable(runs: Sequence[Run], show_private: bool) -> list[Run]:
    """Return the runs whose skills a rater may see; raises BadInputError where all are private."""
    found = [run for run in runs if show_private or not run.info.private]
    if runs and not found:
        raise BadInputError(
            "The list of skills is private: start `skillmix view` with --show-private to see its names."
        )
    return found


def tasks(runs: Iterable[Run]) -> list[Task]:
    """Return the judged texts of runs, each once, in their random but fixed order."""
    found: dict[str, Task] = {}
    for run in runs:
        for sample in graded(run.samples):
            task = Task(key(sample), sample, DOUBTFUL if doubtful(sample) else 1.0)
            found[task.key] = max(found.get(task.key, task), task, key=lambda t: t.chance)
    return sorted(found.values(), key=lambda t: (number(t.key) / t.chance, t.key))


ByRater = Mapping[str, Mapping[str, Mapping[str, bool | None]]]  # rater -> text -> item -> met


def by_rater(labels: Iterable[Label]) -> ByRater:
    """Return labels by rater, text and item."""
    found: dict[str, dict[str, dict[str, bool | None]]] = defaultdict(lambda: defaultdict(dict))
    for label in labels:
        found[label.rater][label.text][label.item] = label.met
    return found


def is_done(task: Task, labels: Mapping[str, Mapping[str, bool | None]]) -> bool:
    """Tell whether a rater has decided every item of a text, be it as unsure."""
    said = labels.get(task.key)
    return said is not None and set(task.items) <= set(said)


Pairs = dict[str, list[tuple[bool, bool]]]  # by text: what two sides say of its items


def judge_table(found: Sequence[Task], labels: ByRater) -> Table:
    """Return each rater's agreement with the judge, by rubric item."""
    pairs: dict[tuple[str, str], Pairs] = defaultdict(lambda: defaultdict(list))
    for rater, texts in labels.items():
        for task in found:
            score = task.sample.score
            for item, met in texts.get(task.key, {}).items():
                if met is not None and score and item in task.items:
                    pairs[rater, ITEMS.get(item, "Skills")][task.key].append((score.points[item], met))
    rows = [(rater, item, *_cells(said)) for (rater, item), said in sorted(pairs.items())]
    columns = ("Rater", "Item", *_COLUMNS, "Only judge", "Only rater")
    note = "Points both decided; unsure ones are left out. Only judge: points that the judge alone gives."
    return Table("Raters and the judge", columns, tuple(rows), note)


def raters_table(labels: ByRater) -> Table:
    """Return how raters agree with each other where both decided."""
    rows = []
    for first, second in itertools.combinations(sorted(labels), 2):
        pairs: Pairs = defaultdict(list)
        for text, items in labels[first].items():
            for item, met in items.items():
                other = labels[second].get(text, {}).get(item)
                if met is not None and other is not None:
                    pairs[text].append((met, other))
        rows.append((first, second, *_cells(pairs)))
    columns = ("First", "Second", *_COLUMNS, "Only first", "Only second")
    return Table("Raters among each other", columns, tuple(rows))


_COLUMNS = ("Texts", "Points", "Agree", "AC1", "Alpha")


def _cells(pairs: Pairs) -> tuple[str, ...]:
    """Return the measures with their intervals, texts resampled whole."""
    every = [pair for said in pairs.values() for pair in said]
    found = agreement([[(2, a + b) for a, b in said] for said in pairs.values()])
    alone = (sum(a > b for a, b in every), sum(b > a for a, b in every))
    measures = (interval(found[name]) for name in ("same", "ac1", "alpha"))
    return (str(len(pairs)), str(len(every)), *measures, *map(str, alone))


def gain(found: Sequence[Task], labels: ByRater) -> str:
    """Return how well full marks are known once corrected by labels, and what more labels would give.

    The half-width of the 95 % interval of prediction-powered inference (Angelopoulos et al. 2023), with one
    disagreement each way added, since a few texts on which all agree do not prove that all would.
    """
    differences = [(d, 1 / task.chance) for task in found if (d := _difference(task, labels)) is not None]
    read, total = len(differences), len(found)
    if read < ENOUGH:
        return (
            f"{read} of {total:,} texts decided without doubt; after {ENOUGH} the gain of more is told here."
        )
    judged = np.array([t.sample.score.marks.full_marks for t in found if t.sample.score])
    spread = _spread([*differences, (1.0, 0.75), (-1.0, 0.75)])

    def half(m: int) -> float:
        return Z95 * math.sqrt(float(judged.var()) / total + spread / min(m, total))

    more = "; ".join(f"{read + n}: ±{half(read + n):.2f}" for n in (20, 50, 100) if read + n <= total)
    known = f"{read} of {total:,} texts decided: full marks, corrected by them, known to ±{half(read):.2f}"
    return f"{known}. With {more}." if more else f"{known}."


def _spread(weighted: Sequence[tuple[float, float]]) -> float:
    """Return the variance that one value adds to a weighted mean, times the number of values."""
    d, weight = np.array(weighted).T
    mean = (weight @ d) / weight.sum()
    return float(len(d) * (weight**2 @ (d - mean) ** 2) / weight.sum() ** 2)


def _difference(task: Task, labels: ByRater) -> float | None:
    """Return people's full marks less the judge's; None where nobody decided all items."""
    score = task.sample.score
    by_code = score is not None and score.points[SENTENCE_LIMIT] and not score.named
    said = [t[task.key] for t in labels.values() if is_done(task, t)]
    sure = [items for items in said if all(items[i] is not None for i in task.items)]
    if not sure or score is None:
        return None
    people = sum(all(items[i] for i in task.items) and by_code for items in sure) / len(sure)
    return people - score.marks.full_marks


def shown(task: Task, labels: Mapping[str, str]) -> dict[str, object]:
    """Return what a rater sees of a text: no model, no verdict, no score."""
    question = task.sample.question
    about = {skill_item(s.id): s for s in question.skills}
    items = []
    for item in task.items:
        skill = about.get(item)
        named = skill is not None and skill.id in labels
        items.append(
            {
                "item": item,
                "label": labels.get(skill.id, skill.id) if skill else ITEMS[item],
                "definition": skill.definition if skill and named else _EXPLAINED.get(item, ""),
                "example": skill.example if skill and named else "",
            }
        )
    topic = labels.get(question.topic.id, question.topic.id)
    return {"key": task.key, "k": question.k, "topic": topic, "text": task.sample.text.text, "items": items}


_EXPLAINED = {
    ON_TOPIC: "The text is about the topic.",
    MAKES_SENSE: "The text makes sense as a whole, not only word by word.",
}
