"""Is the candidate worse than the baseline? Finished runs (fixed), or asked until it is safe (sequential).

Errors over several checks: an alarm needs Holm's p (fixed) or E at K / alpha (sequential), so that no drop in
any of K checks raises it with probability alpha at most; a pass needs every check to reject "dropped by the
allowed or more" at beta by itself (intersection-union), so that any real drop passes with beta at most.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from msgspec.structs import replace

from .baseline import Accepted, Mean, accept
from .calibrated import corrected_note
from .errors import BadInputError
from .evaluate import Setting, check_judges, describe, load_models, opened, prepare, spent
from .pairing import Pairing, Shared, by_question, caveats, changed_judge, coverage, metric, must_agree, pair
from .pipeline import jobs_for, run
from .records import Question, Sample
from .runs import Run, RunInfo
from .spec import ModelSpec, label
from .statistics import evalue, paired
from .store import Store
from .verdict import EXIT_CODES, Check, Checked, Outcome, Policy, Verdict

BATCH = 20  # questions in flight before the evidence is looked at again


class Limits(msgspec.Struct, frozen=True):
    """How many questions a sequential gate may ask, and the seed of their order."""

    most: int | None = None  # None: all of the baseline's
    seed: int = 0


def fixed(old: Run, new: Run, policy: Policy) -> Verdict:
    """Judge two finished runs on the questions they share."""
    if bare := _nothing_to_pair("fixed", old, new, policy):
        return bare
    both = pair(old, new)
    found = [_fixed_check(both, check, policy) for check in policy.checks]
    n = len(both.questions)
    return _verdict(_basis("fixed", old, new, n, n, both.shared), _holm(found, policy), policy)


def replay(old: Run, new: Run, policy: Policy, limits: Limits | None = None) -> Verdict:
    """Judge two finished runs sequentially: their shared questions in random order, until it is safe."""
    if bare := _nothing_to_pair("sequential", old, new, policy):
        return bare
    both, limits = pair(old, new), limits or Limits()
    available, shared = len(both.questions), both.shared
    order = _order([q.id for q in both.questions], label(new.spec.student), limits.seed)
    rows = [i for _, i in sorted((order[q.id], i) for i, q in enumerate(both.questions))]
    both = both.part(rows[: limits.most])
    found = [_sequential_check(both, check, policy) for check in policy.checks]
    needed = _needed(both.questions, policy, found)
    return _verdict(_basis("sequential", old, new, needed, available, shared), found, policy)


def _nothing_to_pair(mode: str, old: Run, new: Run, policy: Policy) -> Verdict | None:
    """Return an invalid verdict where a side has no score at all; raises BadInputError for a k not asked."""
    must_agree(old.info, new.info)
    here, there = ({s.question.k for s in run.samples} for run in (old, new))
    for check in policy.checks:
        missing = here.intersection(check.k or here) - there
        if missing:
            raise BadInputError(
                f"The check {check.name} needs k={','.join(map(str, sorted(missing)))}, which the candidate "
                "was not asked; run it with the baseline's -k, or name the wanted k in a policy."
            )
    if all(any(s.score for s in run.samples) for run in (old, new)):
        return None
    return _verdict(_basis(mode, old, new, 0, len(by_question(old.samples))), [], policy)


def unpaired(old: Accepted, new: Run, policy: Policy) -> Verdict:
    """Judge a finished run against bare figures: other questions, so far less is seen."""
    must_agree(old.info, new.info, questions=False)
    figures = accept(new, "").figures
    found = _holm([_unpaired_check(old.figures, figures, check, policy) for check in policy.checks], policy)
    covered = (old.coverage, coverage(new.samples))
    questions = sum(m.n for m in figures["full_marks"].values())
    note = (
        "Of the baseline only the figures are known, so the models were not compared question by question: "
        "far less is seen."
    )
    basis = _Basis("unpaired", (old.info, new.info), covered, questions, questions, (note,))
    return _verdict(basis, found, policy)


def sequential(
    old: Run,
    student: ModelSpec,
    store: Store,
    policy: Policy,
    limits: Limits | None = None,
    on_sample: Callable[[Sample], None] = lambda _: None,
) -> Verdict:
    """Ask a student the baseline's questions in random order until the decision is safe, within limits.

    The order is fixed beforehand by the questions, the student
    and a seed, never by who answers first; the baseline is asked nothing.
    """
    setting = prepare(replace(old.spec, student=student), check_questions=False)
    return asyncio.run(_sequential(old, setting, store, policy, limits or Limits(), on_sample))


async def _sequential(
    old: Run,
    setting: Setting,
    store: Store,
    policy: Policy,
    limits: Limits,
    on_sample: Callable[[Sample], None],
) -> Verdict:
    questions = {q: s[0].question for q, s in by_question(old.samples).items() if any(x.score for x in s)}
    order = _order(list(questions), label(setting.spec.student), limits.seed)
    waiting = [questions[q] for q in sorted(questions, key=order.__getitem__)]
    _covers(waiting, policy)
    asked: list[Sample] = []
    left = min(limits.most or len(waiting), len(waiting))
    async with opened(setting, load_models(setting), store) as plan:
        info = describe(setting, plan.fingerprint)
        must_agree(old.info, info)
        info = replace(info, anchors=await check_judges(plan, setting.spec))
        while True:
            pairs = _in_order(old, Run(setting.spec, info, tuple(asked)), order) if asked else None
            found = [_sequential_check(pairs, check, policy) for check in policy.checks] if pairs else []
            batch = _next(waiting, policy, found, min(left, BATCH))
            if not batch:
                break
            taken = {q.id for q in batch}
            waiting, left = [q for q in waiting if q.id not in taken], left - len(batch)
            asked += await run(plan, jobs_for(batch, plan.protocol.texts), on_sample)
        paid = spent(plan)
    if pairs is None:
        if not asked:
            raise BadInputError("No question was asked; give a --max of at least 1.")
        bare = _basis("sequential", old, Run(setting.spec, info, tuple(asked)), 0, len(order))
        return replace(_verdict(bare, [], policy), spend=paid)
    basis = _basis("sequential", old, Run(setting.spec, info, tuple(asked)), len(pairs.questions), len(order))
    return replace(_verdict(basis, found, policy), spend=paid)


def _order(ids: Sequence[str], student: str, seed: int) -> dict[str, bytes]:
    """Return a sort key per question: random, but the same each time this student is asked."""
    start = f"{seed}\x1f{student}\x1f".encode()
    return {i: hashlib.blake2b(start + i.encode(), digest_size=16).digest() for i in ids}


def _covers(questions: Sequence[Question], policy: Policy) -> None:
    there = {q.k for q in questions}
    for check in policy.checks:
        missing = set(check.k or ()) - there
        if missing:
            raise BadInputError(
                f"The check {check.name} needs k={min(missing)}, which the baseline was not asked; it has "
                f"k={','.join(map(str, sorted(there)))}."
            )


def _in_order(old: Run, new: Run, order: dict[str, bytes]) -> Pairing | None:
    if not any(s.score for s in new.samples):
        return None
    both = pair(old, new)
    return both.part([i for _, i in sorted((order[q.id], i) for i, q in enumerate(both.questions))])


def _next(waiting: Sequence[Question], policy: Policy, found: Sequence[Checked], many: int) -> list[Question]:
    """Return the next questions, in order, that an undecided required check still needs."""
    outcomes = {c.name: c.outcome for c in found if c.required}
    if Outcome.REGRESSION in outcomes.values():
        return []
    open_ = [c for c in policy.checks if c.required and outcomes.get(c.name) is not Outcome.PASS]
    return [q for q in waiting if any(not c.k or q.k in c.k for c in open_)][:many]


def _drops(both: Pairing, check: Check) -> tuple[list[float], list[float], np.ndarray]:
    part = both.of_k(check.k) if check.k else both
    old, new = part.values(metric(check.metric), False), part.values(metric(check.metric), True)
    return old, new, np.subtract(old, new)


def _checked(
    check: Check, policy: Policy, old: Sequence[float], new: Sequence[float], change: tuple[float, float]
) -> Checked:
    means = [float(np.mean(x)) if len(x) else 0.0 for x in (old, new)]
    return Checked(
        name=check.name,
        required=check.required,
        allowed=check.drop or policy.drop,
        n=len(old),
        old=means[0],
        new=means[1],
        change=means[1] - means[0],
        low=change[0],
        high=change[1],
        against_no_drop=1.0,
        against_drop=1.0,
        outcome=Outcome.INCONCLUSIVE,
    )


def _fixed_check(both: Pairing, check: Check, policy: Policy) -> Checked:
    _covers(both.questions, replace(policy, checks=(check,)))
    old, new, drops = _drops(both, check)
    seen = paired.difference(old, new)
    found = _checked(check, policy, old, new, (seen.low or 0.0, seen.high or 0.0))
    return replace(
        found,
        against_no_drop=paired.regression_p(drops),
        against_drop=paired.tolerated_p(drops, found.allowed),
    )


def _unpaired_check(
    old: dict[str, dict[int, Mean]], new: dict[str, dict[int, Mean]], check: Check, policy: Policy
) -> Checked:
    """Compare means over the k of a check, each k counting the same."""
    sides = [_pooled(side[check.metric], check.k or tuple(old[check.metric])) for side in (old, new)]
    first, second = sides
    low, high = paired.unpaired_interval(first, second)
    found = _checked(check, policy, [first[0]], [second[0]], (-high, -low))
    no_drop, dropped = paired.unpaired_p(first, second, found.allowed)
    return replace(found, n=second[1], against_no_drop=no_drop, against_drop=dropped)


def _pooled(by_k: dict[int, Mean], ks: Sequence[int]) -> tuple[float, int]:
    missing = [k for k in ks if k not in by_k]
    if missing:
        raise BadInputError(f"One side has no figures at k={missing[0]}; run both with the same -k.")
    part = [by_k[k] for k in ks]
    smallest = min(m.n for m in part)  # no k may count for more questions than the least asked one has
    return sum(m.value for m in part) / len(part), smallest * len(part)


def _holm(found: Sequence[Checked], policy: Policy) -> list[Checked]:
    """Decide each check of a fixed gate; a drop that is sure but surely under the allowed one passes."""
    adjusted = iter(paired.holm([c.against_no_drop for c in found if c.required]))
    decided = []
    for check in found:
        alarm = next(adjusted) if check.required else check.against_no_drop
        outcome = Outcome.INCONCLUSIVE
        if check.against_drop <= policy.beta:
            outcome = Outcome.PASS
        elif alarm <= policy.alpha:
            outcome = Outcome.REGRESSION
        decided.append(replace(check, against_no_drop=alarm, outcome=outcome))
    return decided


def _sequential_check(both: Pairing, check: Check, policy: Policy) -> Checked:
    """Follow a check's evidence question by question up to the first that decides it."""
    required = sum(c.required for c in policy.checks)
    old, new, drops = _drops(both, check)
    allowed = check.drop or policy.drop
    if not len(drops):
        return _checked(check, policy, old, new, (-1.0, 1.0))
    binary = check.metric != "skill_fraction" and all(len(s) == 1 for s in (*both.old, *both.new))
    seen = evalue.evidence(drops, allowed, binary)
    alarm = evalue.first_crossing(seen.alarm, policy.alpha / required)
    passing = evalue.first_crossing(seen.passing, policy.beta)
    stop = min(alarm or len(drops), passing or len(drops))
    low, high = evalue.confidence_sequence(drops[:stop], policy.alpha)
    found = _checked(check, policy, old[:stop], new[:stop], (-high, -low))
    outcome = Outcome.INCONCLUSIVE
    if passing == stop:
        outcome = Outcome.PASS
    elif alarm == stop:
        outcome = Outcome.REGRESSION
    return replace(
        found,
        against_no_drop=_e(seen.alarm[stop - 1]),
        against_drop=_e(seen.passing[stop - 1]),
        outcome=outcome,
    )


def _e(log_e: float) -> float:
    return math.exp(min(700.0, float(log_e)))


def _needed(questions: Sequence[Question], policy: Policy, found: Sequence[Checked]) -> int:
    """Return how many questions, in this order, a replayed gate looked at before all checks were decided."""
    looked: set[int] = set()
    end = len(questions)
    for check, checked in zip(policy.checks, found, strict=True):
        if check.required:
            rows = [i for i, q in enumerate(questions) if not check.k or q.k in check.k][: checked.n]
            looked |= set(rows)
            if checked.outcome is Outcome.REGRESSION:
                end = min(end, rows[-1] + 1)
    return sum(row < end for row in looked)


def _outcome(found: Sequence[Checked], invalid: Sequence[str]) -> Outcome:
    outcomes = {c.outcome for c in found if c.required}
    if invalid:
        return Outcome.INVALID
    if Outcome.REGRESSION in outcomes:
        return Outcome.REGRESSION
    return Outcome.PASS if outcomes == {Outcome.PASS} else Outcome.INCONCLUSIVE


def _invalid(basis: _Basis, policy: Policy) -> tuple[str, ...]:
    """Return why no verdict can rest on these runs; nothing where one can."""
    reasons = [
        f"The run of {i.student} is invalid: {f}." for i in basis.infos if i.anchors for f in i.anchors.faults
    ]
    reasons += changed_judge(*(i.anchors for i in basis.infos))
    old, new = basis.covered
    if min(basis.covered) < policy.min_coverage:
        reasons.append(
            f"{old:.1%} of the baseline's and {new:.1%} of the candidate's texts have a score; one is under "
            f"the required {policy.min_coverage:.1%}: what is missing could decide. Look at the statuses in "
            "`skillmix report`, then run or grade again."
        )
    return tuple(reasons)


class _Basis(msgspec.Struct, frozen=True):
    """What a verdict rests on besides its checks."""

    mode: str
    infos: tuple[RunInfo, RunInfo]
    covered: tuple[float, float]  # shares of texts scored
    questions: int
    available: int
    notes: tuple[str, ...] = ()


def _basis(
    mode: str, old: Run, new: Run, questions: int, available: int, shared: Shared | None = None
) -> _Basis:
    left_out = shared.left_out if shared else ""
    compared = f"{available:,} questions are shared and scored on both sides{left_out}."
    return _Basis(
        mode,
        (old.info, new.info),
        (coverage(old.samples), coverage(new.samples)),
        questions,
        available,
        (*([compared] if left_out else []), *caveats(old.info, new.info), *corrected_note(old, new)),
    )


def _verdict(basis: _Basis, found: Sequence[Checked], policy: Policy) -> Verdict:
    invalid = _invalid(basis, policy)
    outcome = _outcome(found, invalid)
    old, new = basis.infos
    return Verdict(
        outcome=outcome,
        exit_code=EXIT_CODES[outcome],
        mode=basis.mode,
        baseline=old.student,
        candidate=new.student,
        judge=new.judge,
        protocol=new.protocol,
        checks=tuple(found),
        questions=basis.questions,
        available=basis.available,
        coverage_old=basis.covered[0],
        coverage_new=basis.covered[1],
        policy=policy,
        invalid=invalid,
        notes=basis.notes,
    )
