"""Full marks against the most that copying could give (SKILL-MIX, "beyond stochastic parrots"). Pure.

A corpus of L texts, in which a topic has frequency p_t and a skill p_s, holds a text for a given topic and k
given skills with probability at most p_s^k p_t L (the union bound, with skills and topics independent). Full
marks above that cannot all be copies. With frequencies of one's own, p_s^k is the product over the question's
skills.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from scipy import special

from ..columns import Block, Columns, columns_of
from ..figures import Assumed, Beyond, Figures
from ..records import Sample
from ..stats import Estimate

_Share = Annotated[float, Meta(gt=0, le=1)]


class Assumption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is assumed of the training corpus; `why` is printed beside every figure that rests on it."""

    name: Annotated[str, Meta(min_length=1)]
    corpus_texts: Annotated[float, Meta(gt=0)]
    topic_frequency: _Share
    skill_frequency: _Share
    why: str
    skill_frequencies: dict[str, _Share] = {}  # by skill id, where it is not the mean
    topic_frequencies: dict[str, _Share] = {}  # by topic id


def assumed_of(assumptions: Sequence[Assumption]) -> tuple[Assumed, ...]:
    """Return the assumptions as they stand beside the figures."""
    return tuple(
        Assumed(
            a.name,
            a.corpus_texts,
            a.topic_frequency,
            a.skill_frequency,
            len(a.skill_frequencies) + len(a.topic_frequencies),
            " ".join(a.why.split()),
        )
        for a in assumptions
    )


def bounds(columns: Columns, block: Block, assumed: Assumption) -> np.ndarray:
    """Return, for each question of a block, the most probable share of its being in the corpus, at most 1."""
    of_skill = [assumed.skill_frequencies.get(s.id, assumed.skill_frequency) for s in columns.skills]
    of_topic = [assumed.topic_frequencies.get(t.id, assumed.topic_frequency) for t in columns.topics]
    found = assumed.corpus_texts * np.array(of_topic)[block.topic]
    return np.asarray(np.minimum(1.0, found * np.array(of_skill)[block.skills].prod(axis=1)))


def beyond_imitation(
    samples: Sequence[Sample] | Columns, figures: Figures, assumptions: Sequence[Assumption]
) -> tuple[Beyond, ...]:
    """Return one row per assumption and k that has a score.

    `p` is the exact binomial chance of at least so many full marks if each question were answered by copying
    with its bound's mean probability; adjusted over all rows by Holm.
    """
    columns, rows = columns_of(samples), []
    for assumed in assumptions:
        for block, row in zip(columns.blocks, figures.by_k, strict=True):
            asked = np.unique(block.question[block.scored])
            if len(asked):
                most = float(bounds(columns, block, assumed)[asked].mean())
                rows.append(_row(block.k, assumed.name, most, row.metrics["full_marks"].estimate))
    adjusted = _holm([r.p for r in rows])
    rows = [msgspec.structs.replace(r, p_holm=p) for r, p in zip(rows, adjusted, strict=True)]
    last = {r.assumptions: r.k for r in rows if r.bound >= 1}  # a bound of 1 says nothing: once is enough
    return tuple(
        msgspec.structs.replace(r, sentence=_sentence(r)) if r.bound < 1 or last[r.assumptions] == r.k else r
        for r in rows
    )


def _row(k: int, name: str, most: float, full_marks: Estimate) -> Beyond:
    successes = int((full_marks.value or 0.0) * full_marks.n + 1e-9)  # half marks are rounded down
    p = float(special.bdtrc(successes - 1, full_marks.n, most)) if successes else 1.0
    novel, novel_low = (max(0.0, 1 - most / x) if x else None for x in (full_marks.value, full_marks.low))
    return Beyond(k, name, most, full_marks, novel, novel_low, p, p, "")


def _holm(ps: Sequence[float]) -> list[float]:
    adjusted, worst = [0.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = worst
    return adjusted


def _sentence(row: Beyond) -> str:
    found = row.full_marks
    shown = f"k = {row.k}: {found.value:.3f} [{found.low:.3f}, {found.high:.3f}] full marks, n = {found.n}"
    against = f"at most {row.bound:.2g} by copying ({row.assumptions})"
    if row.bound >= 1:
        return (
            f"Up to k = {row.k} the assumptions '{row.assumptions}' bound nothing: every combination may "
            "be in the corpus."
        )
    if (found.value or 0.0) <= row.bound:
        return f"{shown}, {against}: no evidence, copying could explain it all."
    share = f"at least {row.novel:.0%} of them are new (at the interval's lower end {row.novel_low or 0:.0%})"
    strength = "strong" if row.p_holm < 0.001 else "some" if row.p_holm < 0.05 else "weak"
    sure = f"{strength} evidence (p = {row.p_holm:.2g}, Holm)"
    return f"{shown}, {against}: {sure}; {share}, if the assumptions hold."
