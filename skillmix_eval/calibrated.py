"""Samples and their calibration -> how far the judge errs, and the figures without its errors.

Full marks are corrected as such: errors on the points of one text go together, so rates of single points say
little about them. Texts that code decides (empty, refused) are known without a label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .calibration import Calibration, draw, population
from .figures import ITEMS, METRICS, Calibrated, Corrected, JudgeError
from .labels import text_key
from .records import (
    MAKES_SENSE,
    ON_TOPIC,
    SENTENCE_LIMIT,
    GradingStatus,
    Marks,
    Sample,
    Score,
    skill_item,
)
from .runs import Run, StoredRun
from .stages.score import marks
from .statistics import correction
from .statistics.correction import Labelled
from .statistics.judging import Votes, agreement, effective_votes
from .stats import Z95, Estimate, estimate

NO_LABELS = 1e-9  # chance of a text of a kind that was drawn but never labelled
Value = Callable[[Marks], float]


def key(sample: Sample) -> str:
    """Return the key of a sample's text."""
    return text_key(sample.question.id, sample.text.text)


def graded(samples: Iterable[Sample]) -> list[Sample]:
    """Return the samples whose score comes from a judge."""
    return [s for s in samples if s.score and s.gradings]


def doubtful(sample: Sample) -> bool:
    """Tell whether a text was denied full marks, or its votes differ."""
    assert sample.score is not None  # noqa: S101  only graded ones are asked about
    votes = {
        tuple(g.verdicts[i].met for i in sample.question.judged_items)
        for g in sample.gradings
        if g.status is GradingStatus.OK
    }
    return not sample.score.marks.full_marks or len(votes) > 1


def draw_from(samples: Iterable[Sample], judge: str, n: int) -> Calibration:
    """Draw about n of a run's graded texts, those that tell most with twice the chance."""
    return draw(judge, {key(s): doubtful(s) for s in graded(samples)}, n)


def drawn(samples: Iterable[Sample], found: Calibration) -> list[Sample]:
    """Return the texts that were drawn, each once."""
    chosen = {key(s): s for s in graded(samples) if found.drawn(key(s), doubtful(s))}
    return [chosen[k] for k in sorted(chosen)]


def fits(run: Run | StoredRun, found: Calibration) -> bool:
    """Tell whether a calibration is of this run's texts and judge."""
    keys = {key(s) for s in graded(run.samples)}
    return (found.judge, found.population) == (run.info.judge, population(keys))


def calibrated(run: Run | StoredRun, found: Calibration) -> Calibrated:
    """Return the judge's errors and the corrected figures; only `stale` is set where they do not fit."""
    if not fits(run, found):
        return Calibrated(found.source, 0, 0, stale=True)
    texts = _Texts(run.samples, found)
    ks = sorted({s.question.k for s in texts.samples})
    corrected = [_corrected(texts, name, k) for name in METRICS for k in (*ks, None)]
    return Calibrated(
        source=found.source,
        texts=len(graded(run.samples)),
        labelled=len(texts.complete),
        errors=tuple(_errors(texts, ks)),
        corrected=tuple(row for row in corrected if row),
        votes_worth=_votes_worth(texts),
    )


class _Texts:
    """A run's scored texts with what is known of them."""

    def __init__(self, samples: Sequence[Sample], found: Calibration) -> None:
        self.samples = [s for s in samples if s.score]
        self._found = found
        self.complete: dict[str, dict[str, bool]] = {}
        asked: dict[bool, int] = defaultdict(int)
        answered: dict[bool, int] = defaultdict(int)
        for sample in drawn(self.samples, found):
            truth = found.truth.get(key(sample), {})
            asked[doubtful(sample)] += 1
            if truth.keys() >= set(sample.question.judged_items):
                self.complete[key(sample)] = truth
                answered[doubtful(sample)] += 1
        self._answered = {d: answered[d] / asked[d] if asked[d] else 1.0 for d in (False, True)}
        questions = dict.fromkeys(s.question.id for s in self.samples)
        self.number = {question: n for n, question in enumerate(questions)}

    def chance(self, sample: Sample) -> float:
        """Return the chance that a text is labelled: drawn, and then answered by the rater."""
        if not sample.gradings:
            return 1.0
        chance = self._found.chance(doubtful(sample)) * self._answered[doubtful(sample)]
        return max(chance, NO_LABELS)

    def labelled(self, chosen: Sequence[Sample], value: Value) -> Labelled:
        """Return a metric of texts as the judge and as the truth have it."""
        rows = [
            (value(_score(s).marks), self._true(s, value), self.chance(s), self.number[s.question.id])
            for s in chosen
        ]
        return Labelled(*(np.array(column, dtype=float) for column in zip(*rows, strict=True)))

    def of_k(self, k: int | None) -> list[Sample]:
        return [s for s in self.samples if k is None or s.question.k == k]

    def _true(self, sample: Sample, value: Value) -> float:
        if not sample.gradings:
            return value(_score(sample).marks)
        truth = self.complete.get(key(sample))
        return float("nan") if truth is None else value(true_marks(sample, truth))


def true_marks(sample: Sample, truth: dict[str, bool]) -> Marks:
    """Return the metrics of a text if its judged items were as in truth; code's own decisions stay."""
    score = _score(sample)
    skills = [truth[skill_item(s.id)] and s.id not in score.named for s in sample.question.skills]
    return marks(skills, [truth[ON_TOPIC], truth[MAKES_SENSE], score.points[SENTENCE_LIMIT]])


def _score(sample: Sample) -> Score:
    assert sample.score is not None  # noqa: S101  chosen for it
    return sample.score


def _value(name: str) -> Value:
    return lambda marks: float(getattr(marks, name))


def _corrected(texts: _Texts, metric: str, k: int | None) -> Corrected | None:
    chosen = texts.of_k(k)
    if not chosen:
        return None
    data = texts.labelled(chosen, _value(metric))
    _, codes = np.unique(data.question, return_inverse=True)
    raw = np.bincount(codes, data.judged) / np.bincount(codes)
    found, inverted = correction.corrected(data), None
    if data.chance.min() <= NO_LABELS:
        found = Estimate(None, None, None, None, found.n)  # nothing is known of a part of the texts
    elif metric != "skill_fraction":
        inverted = correction.rogan_gladen(data)
    return Corrected(k, metric, estimate(raw), found, inverted)


class _Entry(NamedTuple):
    judged: bool
    true: bool
    chance: float
    question: int
    text: str


def _errors(texts: _Texts, ks: Sequence[int]) -> Iterable[JudgeError]:
    entries: dict[str, list[_Entry]] = defaultdict(list)
    by_key = {key(s): s for s in texts.samples if key(s) in texts.complete}
    for text, truth in texts.complete.items():
        sample = by_key[text]
        score, chance, number = _score(sample), texts.chance(sample), texts.number[sample.question.id]
        for item in sample.question.judged_items:
            label = ITEMS.get(item, "Skills")
            entries[label].append(_Entry(score.points[item], truth[item], chance, number, text))
        judged, true = (bool(m.full_marks) for m in (score.marks, true_marks(sample, truth)))
        full = _Entry(judged, true, chance, number, text)
        entries["Full marks"].append(full)
        if len(ks) > 1:
            entries[f"Full marks at k = {sample.question.k}"].append(full)
    order = ["Skills", *ITEMS.values(), "Full marks", *(f"Full marks at k = {k}" for k in ks)]
    for label in order:
        if entries[label]:
            yield _error(label, entries[label])


def _error(label: str, entries: Sequence[_Entry]) -> JudgeError:
    columns = [np.array(column, dtype=float) for column in zip(*(e[:4] for e in entries), strict=True)]
    data = Labelled(*columns)
    groups: dict[str, list[tuple[int, int]]] = defaultdict(list)
    weights: dict[str, float] = {}
    for e in entries:
        groups[e.text].append((2, int(e.judged) + int(e.true)))
        weights[e.text] = 1 / e.chance
    rates = agreement(list(groups.values()), [weights[text] for text in groups])
    return JudgeError(
        label,
        sensitivity=correction.share(data.judged, data.true == 1, data),
        specificity=correction.share(1 - data.judged, data.true == 0, data),
        **rates,
    )


def _votes_worth(texts: _Texts) -> float | None:
    """Return how many independent votes a text's gradings are worth, by how their errors go together."""
    groups: list[Votes] = []
    for sample in texts.samples:
        truth = texts.complete.get(key(sample), {})
        votes = [g.verdicts for g in sample.gradings if g.status is GradingStatus.OK]
        if len(votes) > 1 and truth:
            groups.append([(len(votes), sum(v[i].met != met for v in votes)) for i, met in truth.items()])
    alpha = agreement(groups)["alpha"].value if groups else None
    if alpha is None:
        return None
    per_item = sum(n for g in groups for n, _ in g) / sum(map(len, groups))
    return effective_votes(per_item, alpha)


def corrected_difference(old: Run, new: Run, metric: str, k: int | None = None) -> Estimate | None:
    """Return new minus old over the questions both answered, each side corrected; None where one cannot be.

    The paired form: if the judge errs alike on both sides, the errors cancel; if one side has learned to
    please the judge, it shows here and nowhere else. n counts questions; the ends lie in [-1, 1].
    """
    sides = []
    for run in (old, new):
        found = run.calibration
        if found is None or not found.truth or not fits(run, found):
            return None
        texts = _Texts(run.samples, found)
        chosen = texts.of_k(k)
        if len(chosen) < 2:
            return None
        units = correction.influence(texts.labelled(chosen, _value(metric)))
        numbers = sorted({texts.number[s.question.id] for s in chosen})
        ids = {n: q for q, n in texts.number.items()}
        sides.append({ids[n]: float(unit) for n, unit in zip(numbers, units, strict=True)})
    first, second = sides
    d = np.array([second[q] - first[q] for q in first if q in second])
    if len(d) < 2:
        return None
    value, se = float(d.mean()), float(d.std(ddof=1) / np.sqrt(len(d)))
    return Estimate(value, se, max(-1.0, value - Z95 * se), min(1.0, value + Z95 * se), len(d))


def corrected_note(old: Run, new: Run) -> list[str]:
    """Return what the corrected difference in full marks is, in words; nothing where it is not known."""
    found = corrected_difference(old, new, "full_marks")
    if found is None:
        return []
    said = (
        f"Corrected for the judge's errors, full marks change by {found.value:+.2f} [{found.low:+.2f}, "
        f"{found.high:+.2f}] (prediction-powered inference over {found.n} shared questions); the decision "
        "rests on the judge's own points."
    )
    return [said]
