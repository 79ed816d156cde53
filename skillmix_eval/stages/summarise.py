"""Samples -> the figures of a run. Pure; the unit is the question: its texts become one number first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from msgspec.structs import replace

from ..figures import ITEMS, METRICS, SATURATED, Figure, Figures, GroupRow, KRow, Saturation
from ..records import GradingStatus, Question, Sample, Score, Skill, TextStatus, Usage
from ..statistics.crossed import new_skills
from ..stats import estimate
from ..texts import count_sentences, words


def summarise(
    samples: Sequence[Sample], reduce: str, labels: Mapping[str, str], held_out_categories: Iterable[str] = ()
) -> Figures:
    """Compute a run's figures; `reduce` is mean or max over a question's texts."""
    by_k: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_k[sample.question.k].append(sample)
    rows = tuple(_k_row(k, by_k[k], reduce) for k in sorted(by_k))
    held_out = set(held_out_categories)
    shares = _Shares(samples, reduce)
    return Figures(
        by_k=rows,
        by_item=shares.rows(_item_points, {**ITEMS, "skills": "Skills"}),
        by_category=shares.rows(_skill_points(lambda s: s.category), {}),
        by_part=shares.rows(_skill_points(lambda s: _part(s, held_out)), {}) if held_out else (),
        by_skill=shares.rows(_skill_points(lambda s: s.id), labels),
        by_topic=shares.rows(_topic_marks, labels),
        saturation=_saturation(rows),
        usage=_usage(samples),
        reasons=tuple(_reasons(samples)),
    )


def _reasons(samples: Sequence[Sample]) -> Iterator[str]:
    """Yield, for each status that is not ok, how many there are and the most frequent reason."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        if sample.text.status is not TextStatus.OK:
            found[f"texts {sample.text.status}"][sample.text.why] += 1
        for grading in sample.gradings:
            if grading.status is not GradingStatus.OK:
                found[f"gradings {grading.status}"][grading.why] += 1
    for what, whys in found.items():
        why = " ".join(whys.most_common(1)[0][0].split())[:160]
        yield f"{whys.total():,} {what}" + (f", most often because {why}." if why else ".")


def _k_row(k: int, samples: Sequence[Sample], reduce: str) -> KRow:
    scored = [s.score for s in samples if s.score]
    proper = [s.text.text for s in samples if s.text.status is TextStatus.OK]
    gradings = [g for s in samples for g in s.gradings]
    return KRow(
        k=k,
        questions=len({s.question.id for s in samples}),
        texts=len(samples),
        scored_texts=len(scored),
        metrics={m: _with_new_skills(samples, reduce, attrgetter(f"marks.{m}")) for m in METRICS},
        metrics_naming_allowed={
            m: _figure(samples, reduce, attrgetter(f"marks_naming_allowed.{m}")) for m in METRICS
        },
        statuses=_counts((s.text.status for s in samples), TextStatus),
        gradings=_counts((g.status for g in gradings), GradingStatus),
        ties=sum(len(s.ties) for s in scored),
        named=sum(bool(s.named) for s in scored),
        mean_words=_mean([len(words(t)) for t in proper]),
        mean_sentences=_mean([count_sentences(t) for t in proper]),
    )


def _with_new_skills(samples: Sequence[Sample], reduce: str, value: Callable[[Score], float]) -> Figure:
    found = _figure(samples, reduce, value)
    texts = _by_question(samples, value)
    skills = {s.question.id: [skill.id for skill in s.question.skills] for s in samples}
    scored = {q: [x for x in values if x is not None] for q, values in texts.items()}
    means = {q: _reduced(values, reduce) for q, values in scored.items() if values}
    return replace(found, new_skills=new_skills(list(means.values()), [skills[q] for q in means]))


def _by_question(samples: Sequence[Sample], value: Callable[[Score], float]) -> dict[str, list[float | None]]:
    by_question: dict[str, list[float | None]] = defaultdict(list)
    for sample in samples:
        by_question[sample.question.id].append(value(sample.score) if sample.score else None)
    return by_question


def _figure(samples: Sequence[Sample], reduce: str, value: Callable[[Score], float]) -> Figure:
    by_question = _by_question(samples, value)
    scored = [[x for x in values if x is not None] for values in by_question.values()]
    bounds = [
        [_reduced([unknown if x is None else x for x in values], reduce) for values in by_question.values()]
        for unknown in (0.0, 1.0)
    ]
    lowest, highest = (sum(b) / len(b) if b else None for b in bounds)
    return Figure(estimate([_reduced(values, reduce) for values in scored if values]), lowest, highest)


def _reduced(values: Sequence[float], how: str) -> float:
    return max(values) if how == "max" else sum(values) / len(values)


_Points = Callable[[Question, Score], list[tuple[str, float]]]


class _Shares:
    """Groups points by question, then by any key: one number per question and group."""

    def __init__(self, samples: Sequence[Sample], reduce: str) -> None:
        self._scored = [(s.question, s.score) for s in samples if s.score]
        self._reduce = reduce

    def rows(self, points: _Points, labels: Mapping[str, str]) -> tuple[GroupRow, ...]:
        groups: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for question, score in self._scored:
            of_text: dict[str, list[float]] = defaultdict(list)
            for group, value in points(question, score):
                of_text[group].append(value)
            for group, values in of_text.items():
                groups[group][question.id].append(sum(values) / len(values))
        rows = [
            GroupRow(g, labels.get(g, g), estimate([_reduced(v, self._reduce) for v in by_question.values()]))
            for g, by_question in groups.items()
        ]
        return tuple(sorted(rows, key=lambda r: (r.estimate.value or 0.0, r.id)))


def _item_points(question: Question, score: Score) -> list[tuple[str, float]]:
    skills = [("skills", score.earned(s.id)) for s in question.skills]
    return [*skills, *((item, float(score.points[item])) for item in ITEMS)]


def _skill_points(group: Callable[[Skill], str]) -> _Points:
    def points(question: Question, score: Score) -> list[tuple[str, float]]:
        return [(group(s), score.earned(s.id)) for s in question.skills]

    return points


def _topic_marks(question: Question, score: Score) -> list[tuple[str, float]]:
    return [(question.topic.id, score.marks.full_marks)]


def _part(skill: Skill, held_out: set[str]) -> str:
    return "held-out categories" if skill.category in held_out else "train categories"


def _saturation(rows: Sequence[KRow]) -> Saturation | None:
    for row in rows:
        found = row.metrics["full_marks"].estimate
        enough = row.coverage >= 0.5  # a few scored texts of many say nothing about the rest
        if enough and found.value is not None and found.high is not None and found.value < SATURATED:
            return Saturation(row.k, found, found.high < SATURATED)
    return None


def _usage(samples: Sequence[Sample]) -> dict[str, Usage]:
    student = sum((s.text.usage for s in samples), Usage())
    judge = sum((g.usage for s in samples for g in s.gradings), Usage())
    return {"student": student, "judge": judge}


def _counts(found: Iterable[str], kinds: Iterable[str]) -> dict[str, int]:
    counts = Counter(str(f) for f in found)
    return {str(kind): counts[str(kind)] for kind in kinds}


def _mean(values: Sequence[int]) -> float | None:
    return sum(values) / len(values) if values else None
