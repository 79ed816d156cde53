"""Two runs -> the questions both answered, and one number per question and side. Refuses unlike runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec
from scipy.stats import binomtest

from .errors import BadInputError
from .figures import Anchors
from .records import Question, Record, Sample, Score
from .runs import Run, RunInfo

SURELY = 0.001  # how rarely the gate may take a judge that is only noisy for one that changed
CHANGED = 0.2  # a judge that grades more of the anchors otherwise than before may be another
_MUST_AGREE = {
    "domain": "run both on the same --domain",
    "lists": "run both on the same skills and topics; their definitions are part of the question",
    "protocol": "run one of them again with the other's --protocol",
    "prompts": "run one of them again with the other's prompts (or the same release of skillmix-eval)",
    "judge": "let one judge grade both: `skillmix grade RUN --judge JUDGE` asks no student again",
}
_SPLIT = {"split": "run both with the same --split, since skills differ in how hard they are"}


class Shared(Record, frozen=True, gc=False):
    """How many questions can be compared, and why others cannot."""

    shared: int  # scored on both sides
    only_old: int
    only_new: int
    unscored_old: int  # asked on both sides, no text scored on this one
    unscored_new: int
    unscored_both: int

    @property
    def left_out(self) -> str:
        """Return '; left out: ...' with each reason and how many questions it takes, or nothing."""
        reasons = {
            "only in the old run": self.only_old,
            "only in the new run": self.only_new,
            "unscored in the old run": self.unscored_old,
            "unscored in the new run": self.unscored_new,
            "unscored in both": self.unscored_both,
        }
        listed = [f"{many:,} {why}" for why, many in reasons.items() if many]
        return f"; left out: {', '.join(listed)}" if listed else ""


class Pairing(msgspec.Struct, frozen=True):
    """Scored texts of both sides by question, shared questions only, in the old run's order."""

    questions: tuple[Question, ...]
    old: tuple[tuple[Sample, ...], ...]
    new: tuple[tuple[Sample, ...], ...]
    shared: Shared

    def values(self, value: Callable[[Sample, Score], float], new: bool) -> list[float]:
        """Return the mean over texts per question; the maximum is never compared."""
        return [question_mean(samples, value) for samples in (self.new if new else self.old)]

    def of_k(self, ks: Iterable[int]) -> Pairing:
        """Return the part with these numbers of skills."""
        wanted = set(ks)
        return self.part([i for i, q in enumerate(self.questions) if q.k in wanted])

    def part(self, rows: Sequence[int]) -> Pairing:
        """Return the pairing of these rows; what is not shared is no longer told."""
        return Pairing(
            tuple(self.questions[i] for i in rows),
            tuple(self.old[i] for i in rows),
            tuple(self.new[i] for i in rows),
            Shared(len(rows), 0, 0, 0, 0, 0),
        )


def question_mean(samples: Sequence[Sample], value: Callable[[Sample, Score], float]) -> float:
    """Return the mean over a question's scored texts, of which there is at least one."""
    found = [value(s, s.score) for s in samples if s.score]
    return sum(found) / len(found)


def pair(old: Run, new: Run) -> Pairing:
    """Pair two runs by question id.

    Raises BadInputError with advice when judge, protocol, prompts or lists differ, or nothing is shared.
    """
    must_agree(old.info, new.info)
    sides = (by_question(old.samples), by_question(new.samples))
    ids = [i for i in sides[0] if i in sides[1]]
    scored = [{i for i in ids if any(s.score for s in side[i])} for side in sides]
    both = [i for i in ids if i in scored[0] and i in scored[1]]
    if not both:
        raise BadInputError(
            "The runs share no scored question; run both with the same --seed, --sampler, --split and -k."
        )
    neither = len([i for i in ids if i not in scored[0] and i not in scored[1]])
    shared = Shared(
        len(both),
        len(sides[0]) - len(ids),
        len(sides[1]) - len(ids),
        len(ids) - len(scored[0]) - neither,
        len(ids) - len(scored[1]) - neither,
        neither,
    )
    first, second = (tuple(tuple(side[i]) for i in both) for side in sides)
    return Pairing(tuple(s[0].question for s in first), first, second, shared)


def must_agree(old: RunInfo, new: RunInfo, questions: bool = True) -> None:
    """Raise BadInputError, with what to do, unless both runs measure the same thing the same way.

    Where it is not question by question that they are compared, the split must be the same as well.
    """
    for name, advice in (_MUST_AGREE if questions else _MUST_AGREE | _SPLIT).items():
        first, second = getattr(old, name), getattr(new, name)
        if first != second:
            raise BadInputError(
                f"The runs cannot be compared: {name} differs ({_shown(first)} against {_shown(second)}); "
                f"{advice}."
            )


def caveats(old: RunInfo, new: RunInfo) -> list[str]:
    """Return what a reader has to know though it does not forbid a comparison."""
    notes = []
    if old.version != new.version:
        by_code = " and the judge is code, which may have changed" if old.judge.startswith("rules/") else ""
        notes.append(f"The runs were made by releases {old.version} and {new.version}{by_code}.")
    notes += _drift(old.anchors, new.anchors)
    if "max" in (old.reduce, new.reduce):
        notes.append("The runs report the best of several texts; compared is the mean over texts.")
    return notes


def _drift(old: Anchors | None, new: Anchors | None) -> list[str]:
    """Say how far the judge graded the anchors of both runs alike: a judge may change behind its name."""
    graded = _both_graded(old, new)
    changed = sum(a != b for a, b in graded)
    if not changed:
        return []
    what = f"The judge graded {changed} of {len(graded)} anchors differently in the two runs"
    if changed > CHANGED * len(graded):
        return [f"{what}: it may have changed behind its name; grade both runs again."]
    return [f"{what}."]


def changed_judge(old: Anchors | None, new: Anchors | None) -> list[str]:
    """Say so where the judge surely became stricter or more lenient between two runs.

    A judge that is only noisy gives an anchor more points as often as fewer (exact sign test over anchors).
    """
    moved = [sum(map(int, b)) - sum(map(int, a)) for a, b in _both_graded(old, new)]
    more, fewer = sum(m > 0 for m in moved), sum(m < 0 for m in moved)
    if not more + fewer or float(binomtest(more, more + fewer).pvalue) >= SURELY:
        return []
    told = f"of {len(moved)} anchors it gave {more} more points and {fewer} fewer in the candidate's run"
    return [f"The judge changed behind its name: {told} (sign test, p < {SURELY}). Grade both runs again."]


def _both_graded(old: Anchors | None, new: Anchors | None) -> list[tuple[str, str]]:
    shared = sorted(old.marks.keys() & new.marks.keys()) if old and new else []
    both = [(old.marks[i], new.marks[i]) for i in shared if old and new]
    return [(a, b) for a, b in both if a and b]


def by_question(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Return samples by question id, in order of first appearance."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.question.id].append(sample)
    return dict(found)


def coverage(samples: Sequence[Sample]) -> float:
    """Return the share of texts that have a score."""
    return sum(s.score is not None for s in samples) / len(samples) if samples else 0.0


def metric(name: str) -> Callable[[Sample, Score], float]:
    """Return the function from a text's score to one of the three metrics, naming deducted."""
    return lambda _, score: float(getattr(score.marks, name))


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items()) or "none"
    return str(value)
