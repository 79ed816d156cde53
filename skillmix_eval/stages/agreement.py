"""Samples -> how far gradings agree: a judge's own among themselves, and judges with each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from ..figures import Agreement
from ..records import SENTENCE_LIMIT, Grading, Sample
from ..statistics.judging import Votes, agreement, effective_votes

_Table = dict[str, list[bool]]  # votes by rubric item


def agreements(samples: Sequence[Sample]) -> tuple[Agreement, ...]:
    """Return one row for each judge that graded texts more than once, and one for all judges together.

    Code is no judge here, and the sentence limit, which code counts, is left out.
    """
    names = sorted({g.judge for s in samples for g in s.gradings if not g.judge.startswith("rules/")})
    short = {name: name.partition(";")[0] for name in names}
    shown = short if len(set(short.values())) == len(names) else {name: name for name in names}
    rows = [_row(f"Own gradings of {shown[name]}", samples, _own(name)) for name in names]
    if len(names) > 1:
        rows.append(_row("Judges with each other", samples, _across(names)))
    return tuple(row for row in rows if row)


def _row(who: str, samples: Sequence[Sample], votes: Callable[[Sample], _Table]) -> Agreement | None:
    groups: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for sample in samples:
        found = [v for v in votes(sample).values() if len(v) > 1]
        groups[sample.question.id] += [(len(v), sum(v)) for v in found]
    judged: list[Votes] = [group for group in groups.values() if group]
    if not judged:
        return None
    items = sum(map(len, judged))
    per_item = sum(n for group in judged for n, _ in group) / items
    found_rates = agreement(judged)
    alpha = found_rates["alpha"].value
    effective = None if alpha is None else effective_votes(per_item, alpha)
    return Agreement(who, items, per_item, **found_rates, effective=effective)


def _own(judge: str) -> Callable[[Sample], _Table]:
    return lambda sample: _table(g for g in sample.gradings if g.judge == judge)


def _across(names: Sequence[str]) -> Callable[[Sample], _Table]:
    """Return the function to each judge's own majority per item; where its gradings tie, it has no vote."""

    def votes(sample: Sample) -> _Table:
        found: _Table = defaultdict(list)
        for name in names:
            for item, own in _own(name)(sample).items():
                if 2 * sum(own) != len(own):
                    found[item].append(2 * sum(own) > len(own))
        return found

    return votes


def _table(gradings: Iterable[Grading]) -> _Table:
    found: _Table = defaultdict(list)
    for grading in gradings:
        for item, verdict in grading.verdicts.items():
            if item != SENTENCE_LIMIT:
                found[item].append(verdict.met)
    return found
