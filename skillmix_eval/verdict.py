"""What a gate says: its policy, its verdict, and the forms people and build servers read. No statistics."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import msgspec
from msgspec import Meta, Struct

from .calls import Spend
from .errors import BadInputError, unknown
from .figures import METRICS
from .records import Record
from .spec import parse_ks, read_yaml
from .stages.report import Table, markdown_of

_XML_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Share = Annotated[float, Meta(gt=0, lt=1)]


class Check(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One figure that is watched: a metric at some k, pooled over them."""

    metric: str = "full_marks"
    k: tuple[int, ...] | None = None  # None: all k of the baseline, pooled
    drop: Share | None = None  # None: the policy's
    required: bool = True  # False: shown, but decides nothing

    @property
    def name(self) -> str:
        """Return 'full_marks at k=2,3', or 'full_marks at all k'."""
        return f"{self.metric} at {'k=' + ','.join(map(str, self.k)) if self.k else 'all k'}"


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must not regress, by how much, and how often the gate may be wrong."""

    drop: Share = 0.05
    alpha: Share = 0.05  # chance of an alarm, over all checks, when nothing got worse
    beta: Share = 0.05  # chance of a pass when some check got worse by its drop or more
    min_coverage: Annotated[float, Meta(ge=0, le=1)] = 0.95
    checks: tuple[Check, ...] = (Check(),)


class Outcome(StrEnum):
    """What a gate or one of its checks found."""

    PASS = "pass"  # noqa: S105  a verdict
    REGRESSION = "regression"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


EXIT_CODES = {Outcome.PASS: 0, Outcome.REGRESSION: 10, Outcome.INCONCLUSIVE: 11, Outcome.INVALID: 12}


class Checked(Record, frozen=True, gc=False):
    """One check's figures. `against_*`: p (fixed) or E (sequential) against that claim."""

    name: str
    required: bool
    allowed: float
    n: int
    old: float
    new: float
    change: float  # new minus old
    low: float  # 95 % interval of the change; at every time at once in sequential mode
    high: float
    against_no_drop: float
    against_drop: float  # against "dropped by `allowed` or more"
    outcome: Outcome


class Verdict(Record, frozen=True, gc=False):
    """A gate's answer and everything it rests on."""

    outcome: Outcome
    exit_code: int
    mode: str  # fixed, sequential or unpaired
    baseline: str
    candidate: str
    judge: str
    protocol: str
    checks: tuple[Checked, ...]
    questions: int  # compared
    available: int  # questions of the baseline that could have been asked
    coverage_old: float
    coverage_new: float
    policy: Policy
    invalid: tuple[str, ...] = ()  # why no verdict can rest on these runs
    notes: tuple[str, ...] = ()
    spend: dict[str, Spend] | None = None  # calls of a gate that asked: paid for now, and from the store


def make_policy(settings: dict[str, Any], source: str) -> Policy:
    """Check a policy's settings; raises BadInputError that names the wrong one."""
    settings = {name: value for name, value in settings.items() if value is not None}
    known(settings, Policy, source)
    checks = settings.get("checks", [{}])
    if not isinstance(checks, list) or not all(isinstance(c, dict) for c in checks) or not checks:
        raise BadInputError(f"{source}: checks must be a list such as '- metric: full_marks'.")
    for check in checks:
        known(check, Check, f"{source}: checks")
        if check.get("metric", "full_marks") not in METRICS:
            raise unknown("metric", str(check["metric"]), METRICS)
    try:
        read = [c | {"k": _ks(c.get("k"))} for c in checks]
        policy = msgspec.convert(settings | {"checks": read}, Policy)
    except msgspec.ValidationError as error:
        fault, _, place = str(error).replace("`", "").partition(" - at $.")
        raise BadInputError(f"{source}: {place or 'policy'}: {fault}.") from None
    names = [c.name for c in policy.checks]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise BadInputError(f"{source}: the check {twice} stands there twice; leave one out.")
    if not any(c.required for c in policy.checks):
        raise BadInputError(f"{source}: no check is required, so nothing could fail.")
    return policy


def read_policy(path: Path) -> dict[str, Any]:
    """Read a policy file into settings that flags may still override."""
    return read_yaml(path, "policy", "'drop: 0.05'")


def known(settings: dict[str, Any], kind: type[Struct], source: str) -> None:
    """Raise BadInputError for a setting that does not exist."""
    for name in settings:
        if name not in kind.__struct_fields__:
            raise BadInputError(f"{source}: {unknown('setting', str(name), kind.__struct_fields__)}")


def _ks(given: Any) -> Any:
    if isinstance(given, str):
        return None if given == "all" else parse_ks(given)
    return [given] if isinstance(given, int) else given


def tables(verdict: Verdict) -> list[Table]:
    """Return the verdict's one table."""
    kind = "E" if verdict.mode == "sequential" else "p"
    cells = tuple(
        (
            f"{c.name}, drop {c.allowed:g}" + ("" if c.required else " (shown only)"),
            str(c.n),
            f"{c.old:.2f} to {c.new:.2f}",
            f"{c.change:+.2f} [{c.low:+.2f}, {c.high:+.2f}]",
            _number(c.against_no_drop),
            _number(c.against_drop),
            c.outcome.value,
        )
        for c in verdict.checks
    )
    columns = (
        "Check, allowed drop",
        "n",
        "Old to new",
        "Change",
        f"{kind} no drop",
        f"{kind} drop",
        "Outcome",
    )
    return [Table("Checks", columns, cells, _note(verdict))]


def _note(verdict: Verdict) -> str:
    policy = verdict.policy
    required = sum(c.required for c in verdict.checks)
    if verdict.mode == "sequential":
        alarm = f"alarm at E {required / policy.alpha:g} against 'no drop'"
        passing = f"pass at E {1 / policy.beta:g} against 'dropped by the allowed or more', in every check"
        interval = (
            f"{1 - policy.alpha:.0%} interval, valid at every time at once (E asks one side: sure sooner)"
        )
    else:
        alarm = f"alarm at p {policy.alpha:g} against 'no drop'" + (" (Holm)" if required > 1 else "")
        passing = f"pass at p {policy.beta:g} against 'dropped by the allowed or more', in every check"
        interval = "95 % interval"
    return f"Change: new minus old with its {interval}. {alarm[0].upper()}{alarm[1:]}; {passing}."


def sentences(verdict: Verdict) -> list[str]:
    """Return the verdict in words: the finding first, then what to do."""
    said = [f"Verdict: {verdict.outcome.value.upper()} (exit code {verdict.exit_code})."]
    required = [c for c in verdict.checks if c.required]
    if verdict.outcome is Outcome.INVALID:
        said += verdict.invalid
    elif verdict.outcome is Outcome.REGRESSION:
        failed = ", ".join(c.name for c in required if c.outcome is Outcome.REGRESSION)
        said.append(f"{verdict.candidate} is worse than {verdict.baseline}: {failed}.")
    elif verdict.outcome is Outcome.PASS:
        said.append(f"{verdict.candidate} did not drop by the allowed amount or more in any required check.")
    else:
        said.append(
            f"{verdict.questions} questions cannot tell; ask more of both models (`skillmix plan` says how "
            "many), or allow a larger --drop."
        )
    if verdict.mode == "sequential":
        said.append(
            f"Read {verdict.questions:,} of the baseline's {verdict.available:,} questions, in random order."
        )
    if verdict.spend:
        calls = [
            f"{role} {s.paid_calls:,} calls, {s.stored_calls:,} from the store"
            for role, s in verdict.spend.items()
        ]
        said.append(f"Paid for now: {'; '.join(calls)}.")
    return [*said, *verdict.notes]


def header(verdict: Verdict) -> list[str]:
    """Return what has to stand above the figures."""
    return [
        f"Baseline: {verdict.baseline}",
        f"Candidate: {verdict.candidate}",
        f"Judge: {verdict.judge}; protocol {verdict.protocol}; {verdict.mode} gate",
    ]


def markdown(verdict: Verdict) -> str:
    """Return the verdict as Markdown, for a build's summary."""
    return markdown_of(f"Gate: {verdict.outcome.value}", header(verdict), tables(verdict), sentences(verdict))


def junit(verdict: Verdict) -> bytes:
    """Return the verdict as JUnit XML: one test case per check; inconclusive and invalid are errors."""
    required = [c for c in verdict.checks if c.required]
    outcomes = {c.name: Outcome.INVALID if verdict.invalid else c.outcome for c in required}
    failures = [name for name, outcome in outcomes.items() if outcome is Outcome.REGRESSION]
    errors = [n for n, o in outcomes.items() if o in (Outcome.INCONCLUSIVE, Outcome.INVALID)]
    suite = ElementTree.Element(
        "testsuite",
        name="skillmix gate",
        tests=str(len(verdict.checks)),
        failures=str(len(failures)),
        errors=str(len(errors)),
        skipped=str(len(verdict.checks) - len(required)),
    )
    for check in verdict.checks:
        case = ElementTree.SubElement(suite, "testcase", classname="skillmix.gate", name=check.name)
        if not check.required:
            ElementTree.SubElement(case, "skipped", message=_line(check))
        elif check.name in failures:
            ElementTree.SubElement(case, "failure", type="regression", message=_line(check))
        elif check.name in errors:
            ElementTree.SubElement(case, "error", type=outcomes[check.name].value, message=_line(check))
    said = [*header(verdict), *sentences(verdict)]
    ElementTree.SubElement(suite, "system-out").text = _XML_UNFIT.sub("", "\n".join(said))
    ElementTree.indent(suite)
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"


def _line(check: Checked) -> str:
    return (
        f"{check.outcome.value}: {check.old:.3f} to {check.new:.3f}, change {check.change:+.3f} "
        f"[{check.low:+.3f}, {check.high:+.3f}], allowed drop {check.allowed:g}, n = {check.n}"
    )


def _number(value: float) -> str:
    return f"{value:.2g}" if value < 1000 else "> 1000"
