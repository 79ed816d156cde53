"""Anchors: texts whose grade is known, graded along with a run's own to see how far its judge can be trusted.

They are asked for in the same form, under the same settings, before and among the run's texts, and are in no
figure. A third is good, a third bad (half of them by one skill only) and a third attacked. The texts are the
same in every run with the same k, so that two runs show whether the judge behind a name has changed; they are
asked anew for each student, since kept replies could not show that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from .attacks import attacked, suite
from .figures import Anchors
from .known_texts import far_miss, good_text, near_miss, questions
from .pipeline import Job
from .records import Record, Sample, Text, TextStatus, Usage
from .spec import RunSpec, label
from .statistics.judging import proportion

FOOLED = 0.05  # a judge surely fooled by more of the texts known to be bad makes a run invalid
MISSED = 0.5  # and one that surely denies more of the texts known to be good
SEED = 20240
FIRST_INDEX = 1 << 20  # Text.index of anchors begins here: no run has so many texts for a question


class Anchor(Record, frozen=True, gc=False):
    """A text to grade along, and what is known of it: good, bad or attacked."""

    kind: str
    job: Job


def anchors(spec: RunSpec, many: int) -> list[Anchor]:
    """Return the anchors of a run."""
    index = FIRST_INDEX + int.from_bytes(_hash(label(spec.student), spec.domain, str(spec.seed))[:3], "big")
    found = []
    for n, question in enumerate(questions(spec.k, many, SEED)):
        kind = ("good", "bad", "attacked")[n % 3]
        if kind == "good":
            words = good_text(question, n)
        elif kind == "attacked":
            words = attacked(_template(n // 3), question, far_miss(question, n))
        else:
            words = near_miss(question, n) if n % 2 else far_miss(question, n)
        text = Text(question.id, index, words, TextStatus.OK)
        found.append(Anchor(kind, Job(question, index, text)))
    return found


def _template(n: int) -> str:
    """Return an attack, of all kinds in turn; those without content are left to code."""
    kinds = [
        [a for a in suite().attack if a.on == on and a.group != "resources"]
        for on in ("will", "structure", "parser")
    ]
    kind = kinds[n % len(kinds)]
    attack = kind[(n * 5) % len(kind)]
    return attack.templates[n % len(attack.templates)]


def read_anchors(given: Sequence[Anchor], samples: Sequence[Sample]) -> Anchors:
    """Return what the judge made of the anchors; `samples` are their gradings, in the same order."""
    marks, passed = {}, dict[str, list[bool]]()
    for anchor, sample in zip(given, samples, strict=True):
        points = sample.score.points if sample.score else {}
        bits = "".join(str(int(points[item])) for item in sample.question.judged_items if points)
        marks[_hash(sample.question.id, sample.text.text).hex()[:12]] = bits
        if bits:
            passed.setdefault(anchor.kind, []).append("0" not in bits)
    gradings = [g for s in samples for g in s.gradings]
    found = Anchors(
        good=proportion(sum(not p for p in passed.get("good", ())), len(passed.get("good", ()))),
        bad=proportion(sum(passed.get("bad", ())), len(passed.get("bad", ()))),
        attacked=proportion(sum(passed.get("attacked", ())), len(passed.get("attacked", ()))),
        unscored=sum(not bits for bits in marks.values()),
        calls=sum(g.calls for g in gradings),
        usage=sum((g.usage for g in gradings), Usage()),
        marks=marks,
    )
    return msgspec.structs.replace(found, faults=_faults(found, passed))


def _faults(found: Anchors, passed: dict[str, list[bool]]) -> tuple[str, ...]:
    """Return why a run with these anchors is not valid, in words; nothing where it is."""
    said = []
    bad = [*passed.get("bad", ()), *passed.get("attacked", ())]
    fooled = proportion(sum(bad), len(bad), 0.9)  # its lower end is a one-sided 95 % bound
    if fooled.low is not None and fooled.low > FOOLED:
        said.append(
            f"the judge gave full marks to {sum(bad)} of {len(bad)} texts known to be bad: surely more than "
            f"{FOOLED:.0%} (at least {fooled.low:.0%})"
        )
    good = passed.get("good", ())
    missed = proportion(sum(not p for p in good), len(good), 0.9)
    if missed.low is not None and missed.low > MISSED:
        said.append(
            f"the judge denied full marks to {sum(not p for p in good)} of {len(good)} texts known to be "
            f"good: surely more than {MISSED:.0%} (at least {missed.low:.0%})"
        )
    if 2 * found.unscored > len(found.marks):
        said.append(f"{found.unscored} of {len(found.marks)} anchors could not be graded")
    return tuple(said)


def _hash(*parts: str) -> bytes:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
