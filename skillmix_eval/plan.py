"""How many questions a decision needs and what they cost, before any is asked."""

from __future__ import annotations

import msgspec

from .errors import BadInputError
from .figures import METRICS
from .pairing import by_question, metric, question_mean
from .prices import Price, Prices, run_prices
from .records import Record, Usage
from .runs import Run
from .stages.report import Table, interval
from .statistics import planning
from .statistics.planning import Rates, Sequential
from .stats import estimate

SIZES = (30, 100, 300, 1000, 3000)
DROPS = (0.02, 0.05, 0.10, 0.15, 0.20, 0.30)
LONGEST = 4000  # questions of a simulated gate
UNDECIDED = 0.1  # share of simulated gates from which on a mean says too little
_PAPER = 100  # questions per k in SKILL-MIX


class Assumed(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan rests on."""

    baseline: float = 0.6  # the old model's full marks
    correlation: float = 0.5  # of the two models' full marks within a question
    drop: float = 0.05
    power: float = 0.8
    alpha: float = 0.05
    beta: float = 0.05
    source: str = "the options"


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one question, all its texts and gradings together, and the models' prices."""

    student: Usage = Usage()
    judge: Usage = Usage()
    student_price: Price | None = None
    judge_price: Price | None = None

    @property
    def dollars(self) -> float | None:
        """Return dollars per question, or None where tokens are used that have no known price."""
        total = 0.0
        for usage, price in ((self.student, self.student_price), (self.judge, self.judge_price)):
            if price is None and usage.input + usage.output:
                return None
            total += price.of(usage) if price else 0.0
        return total


class Need(Record, frozen=True, gc=False):
    """One way to decide: how many questions it asks of each model, and dollars of one model's answers."""

    way: str
    questions: int
    note: str
    dollars: float | None


class Sight(Record, frozen=True, gc=False):
    """What a number of questions can see."""

    questions: int
    visible_drop: float | None  # with the wanted power
    interval: float  # half width of the 95 % interval of one run's full marks
    power: float  # to see the planned drop


class Planned(Record, frozen=True, gc=False):
    """Everything `skillmix plan` shows."""

    assumed: Assumed
    discordance: float
    needs: tuple[Need, ...]
    sequential: tuple[Sequential, ...]
    sights: tuple[Sight, ...]
    dollars_per_question: float | None


def plan(assumed: Assumed, cost: Cost | None = None) -> Planned:
    """Plan a decision; raises BadInputError where what is assumed is impossible."""
    a = _checked(assumed)
    rates = Rates(a.baseline, a.drop, a.correlation)
    fixed = planning.pairs_to_decide(rates, a.alpha, a.beta)
    most = min(2 * fixed, LONGEST)
    drops = [d for d in dict.fromkeys((0.0, a.drop / 2, a.drop, 2 * a.drop, 0.2)) if d < a.baseline]
    sequential = tuple(
        planning.simulate(Rates(a.baseline, d, a.correlation), a.drop, a.alpha, a.beta, most)
        for d in sorted(drops)
    )
    dollars = cost.dollars if cost else None
    fits = f"sees the drop with {a.power:.0%}"
    rates_of_error = f"alarm {a.alpha:.0%}, miss {a.beta:.0%} at most"
    large = sequential[-1]
    ways = (
        ("compare, same questions", planning.pairs_to_see(rates, a.power, a.alpha), fits),
        ("compare, other questions", planning.pairs_unpaired(rates, a.power, a.alpha), fits),
        ("gate, fixed size", fixed, rates_of_error),
        (
            "gate, sequential, no drop",
            round(sequential[0].mean),
            _mean_of(sequential[0], rates_of_error, most),
        ),
        (
            f"gate, sequential, drop {large.true_drop:g}",
            round(large.mean),
            _mean_of(large, rates_of_error, most),
        ),
    )
    needs = tuple(Need(way, n, note, None if dollars is None else n * dollars) for way, n, note in ways)
    sights = tuple(_sight(n, a) for n in SIZES)
    return Planned(a, planning.discordance(rates), needs, sequential, sights, dollars)


def _mean_of(found: Sequential, rates_of_error: str, most: int) -> str:
    if found.undecided < UNDECIDED:
        return f"mean; {rates_of_error}"
    return f"at least: {found.undecided:.0%} are undecided after {most:,}, where the simulation ends"


def _checked(a: Assumed) -> Assumed:
    for name in ("baseline", "drop", "power", "alpha", "beta"):
        if not 0 < getattr(a, name) < 1:
            option = "baseline-rate" if name == "baseline" else name
            raise BadInputError(f"--{option} must be between 0 and 1, not {getattr(a, name):g}.")
    if not 0 <= a.correlation < 1:
        raise BadInputError(f"--correlation must be at least 0 and below 1, not {a.correlation:g}.")
    if a.drop >= a.baseline:
        raise BadInputError(
            f"A drop of {a.drop:g} from a baseline of {a.baseline:g} is impossible; give a smaller --drop."
        )
    return a


def _sight(n: int, a: Assumed) -> Sight:
    hits = round(n * a.baseline)
    one = estimate([1.0] * hits + [0.0] * (n - hits))
    return Sight(
        n,
        planning.visible_drop(a.baseline, a.correlation, n, a.power, a.alpha),
        ((one.high or 1.0) - (one.low or 0.0)) / 2,
        planning.power_of(Rates(a.baseline, a.drop, a.correlation), n, a.alpha),
    )


def cost_of(run: Run, cost: Cost, table: Prices) -> Cost:
    """Take the tokens of a question, and prices where `cost` has none, from a run."""
    student = sum((s.text.usage for s in run.samples), Usage())
    judge = sum((g.usage for s in run.samples for g in s.gradings), Usage())
    n = len(by_question(run.samples))
    per_question = [Usage(round(u.input / n), round(u.output / n)) for u in (student, judge)]
    prices = run_prices(run.spec, table)
    return Cost(
        student=per_question[0],
        judge=per_question[1],
        student_price=cost.student_price or prices[0],
        judge_price=cost.judge_price or prices[1],
    )


def rate_of(run: Run, assumed: Assumed) -> Assumed:
    """Take the baseline's full marks from a run; raises BadInputError where it tells none."""
    scored = [s for s in run.samples if s.score]
    rate = estimate([question_mean(s, metric("full_marks")) for s in by_question(scored).values()])
    if not rate.value or rate.value == 1:
        raise BadInputError(
            "The run's full marks are all earned or all lost, so it tells no rate; give --baseline-rate."
        )
    source = (
        f"the run of {run.info.student}: full marks {interval(rate)}, n = {rate.n}; protocol "
        f"{run.info.protocol}, judge {run.info.judge}"
    )
    return msgspec.structs.replace(assumed, baseline=rate.value, source=source)


def tables(found: Planned) -> list[Table]:
    """Return the plan's tables."""
    a = found.assumed
    priced = found.dollars_per_question is not None
    needs = tuple(
        (n.way, f"{n.questions:,}", *((_dollars(n.dollars),) if priced else ()), n.note) for n in found.needs
    )
    columns = ("Way to decide", "Questions", *(("Price",) if priced else ()), "What it gives")
    note = (
        f"Questions of each model; a run that is kept is paid for once. {METRICS['full_marks']} as metric. "
        f"A drop is looked for on one side, at {a.alpha:g}; `compare` prints p of both sides, twice as large."
    )
    return [
        Table(f"To tell a drop of {a.drop:g}", columns, needs, note),
        _sequential_table(found),
        _sight_table(found),
        _paper_table(found),
    ]


def _dollars(amount: float | None) -> str:
    return "" if amount is None else f"${amount:,.2f}" if amount >= 0.01 or not amount else "under $0.01"


def _sequential_table(found: Planned) -> Table:
    cells = tuple(
        (
            f"{s.true_drop:g}",
            f"{s.mean:,.0f}",
            f"{s.median:,.0f}",
            f"{s.p90:,.0f}",
            f"{s.alarms:.0%}",
            f"{s.passes:.0%}",
            f"{s.undecided:.0%}",
        )
        for s in found.sequential
    )
    columns = ("True drop", "Mean", "Median", "90 %", "Alarm", "Pass", "Undecided")
    note = (
        "Questions that a sequential gate uses before it decides, by simulation of 400 gates with a fixed "
        f"seed; it gives up after {min(LONGEST, 2 * found.needs[2].questions):,}."
    )
    return Table(f"Sequential gate, allowed drop {found.assumed.drop:g}", columns, cells, note)


def _sight_table(found: Planned) -> Table:
    a = found.assumed
    cells = tuple(
        (
            f"{s.questions:,}",
            "none" if s.visible_drop is None else f"{s.visible_drop:.3f}",
            f"{s.power:.0%}",
            f"± {s.interval:.3f}",
        )
        for s in found.sights
    )
    columns = ("Shared questions", "Drop seen", f"Sees {a.drop:g}", "One run alone")
    note = f"Drop seen: the smallest that is found with {a.power:.0%}. One run alone: its 95 % interval."
    return Table("What so many questions see", columns, cells, note)


def _paper_table(found: Planned) -> Table:
    """Say what the paper's 100 questions can and cannot see."""
    a = found.assumed
    cells = []
    for drop in (d for d in DROPS if d < a.baseline):
        power = planning.power_of(Rates(a.baseline, drop, a.correlation), _PAPER, a.alpha)
        verdict = "yes" if power >= a.power else "no" if power < 0.5 else "a coin toss or better"
        cells.append((f"{drop:g}", f"{power:.0%}", verdict))
    return Table(f"What {_PAPER} questions can see", ("True drop", "Found", "Enough"), tuple(cells))


def sentences(found: Planned) -> list[str]:
    """Return the plan in words."""
    a = found.assumed
    assumed = (
        f"Assumed ({a.source}): full marks {a.baseline:.2f}, correlation {a.correlation:.2f} between the "
        f"models within a question, so that they differ on {found.discordance:.0%} of the questions."
    )
    said = [assumed]
    sight = next(s for s in found.sights if s.questions == _PAPER)
    if sight.visible_drop is not None:
        said.append(
            f"{_PAPER} shared questions show a drop of {sight.visible_drop:.2f} with {a.power:.0%}; one of "
            f"{a.drop:g} they show in {sight.power:.0%} of cases."
        )
    said.append("Graded scores (several texts per question) need fewer questions than this.")
    return said
