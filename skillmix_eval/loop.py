"""The loop: evaluate, plan, train, gate, keep the better checkpoint; and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from .adapt import Example, Graph, observed_of
from .domain import load_domain
from .errors import BadInputError
from .evaluate import run, run_figures
from .gate import fixed
from .lessons import split
from .records import Record
from .rounds import Setup, Trained, claim, train_round
from .runs import Run, write_file
from .training.progress import progress_svg
from .training.student import convert
from .training.trainer import Step
from .verdict import Outcome, Policy, Verdict

Say = Callable[[str], None]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The questions of a loop: plan's, gate's and, once at the end, fresh ones, each of a seed of its own."""

    k: tuple[int, ...] = (1, 2, 3)
    n: int = 100  # for each k
    split: str = "train"
    policy: Policy = Policy()


class Turn(Record, frozen=True, gc=False):
    """One round: what was trained, what the gate said of it against the one kept so far, if it is kept."""

    trained: Trained
    verdict: Verdict
    kept: bool


class Outcomes(Record, frozen=True, gc=False):
    """All rounds, the checkpoint that was kept, and how it does against the start on fresh questions."""

    kept: str
    turns: tuple[Turn, ...]
    final: Verdict | None  # None: the start was kept
    progress: tuple[dict[str, float], ...]  # skill rates of the kept student before each round and at the end


class Loop:
    """One loop in a folder. Killed at any time, the same call goes on: answers and rounds are kept."""

    def __init__(self, setup: Setup, asked: Asked, out: Path, say: Say = lambda _: None) -> None:
        self.setup, self.asked, self.out, self.say = setup, asked, out, say
        kind, _, folder = setup.start.partition("/")
        if kind not in ("embedded", "hf") or not (Path(folder) / "config.json").is_file():
            raise BadInputError(
                f"'{setup.start}' cannot be trained; give --student embedded/FOLDER or hf/FOLDER, a "
                "checkpoint in Hugging Face layout."
            )
        self.kind, self.start = kind, Path(folder)

    def go(
        self, pool: Sequence[Example], graph: Graph | None, on_step: Callable[[int, Step], None]
    ) -> Outcomes:
        """Go round, and write loop.json, report.md and progress.svg."""
        claim(self.out, self.setup, self.asked, pool, graph)
        domain = load_domain(self.setup.domain)
        data = split(pool, [s.id for s in domain.part("train")[0]], self.setup.seed)
        known = {skill for e in pool for skill in e.item.skills}
        kept, turns, progress = self.start, list[Turn](), list[dict[str, float]]()
        losses: tuple[tuple[float, ...], ...] = ()
        for number in range(1, self.setup.rounds + 1):
            seen = self.evaluated(kept, 0)
            progress.append(rates(seen))
            observed = msgspec.structs.replace(
                observed_of(seen, data.skills, graph and graph.of(known)),
                losses=losses,
                round=number - 1,
                rounds=self.setup.rounds,
                from_start=True,
            )

            def told(step: Step, at: int = number) -> None:
                on_step(at, step)

            folder = self.out / str(number)
            trained, observed = train_round(kept, data, observed, self.setup, folder, told)
            losses = observed.losses
            verdict = fixed(self.evaluated(kept, 1), self.evaluated(folder, 1), self.asked.policy)
            better = verdict.outcome is Outcome.PASS and verdict.checks[0].change > 0
            turns.append(Turn(trained, verdict, better))
            self.say(_told(turns[-1]))
            kept = folder if better else kept
        progress.append(rates(self.evaluated(kept, 0)))
        final = None
        if kept != self.start:
            final = fixed(self.evaluated(self.start, 2), self.evaluated(kept, 2), self.asked.policy)
        done = Outcomes(str(kept), tuple(turns), final, tuple(progress))
        self._write(done, {s.id: s.name for s in domain.skills})
        return done

    def evaluated(self, folder: Path, which: int) -> Run:
        """Return a checkpoint's run on the plan's (0), the gate's (1) or the fresh (2) questions."""
        if self.kind == "embedded" and not (folder / "ct2" / "model.bin").is_file():
            convert(folder)
        return run(
            self.out / "store.sqlite",
            student={"model": f"{self.kind}/{folder}"},
            domain=self.setup.domain,
            split=self.asked.split,
            k=self.asked.k,
            n=self.asked.n,
            seed=3 * self.setup.seed + which,
        )

    def _write(self, done: Outcomes, names: Mapping[str, str]) -> None:
        labels = ["start", *(f"round {t.trained.number}" for t in done.turns)]
        drawing = progress_svg(names, labels, done.progress)
        write_file(self.out / "loop.json", msgspec.json.format(msgspec.json.encode(done)) + b"\n")
        write_file(self.out / "progress.svg", drawing.encode())
        write_file(self.out / "report.md", report(done, self.setup, self.asked).encode())


def rates(seen: Run) -> dict[str, float]:
    """Return how often each skill is shown where it is asked for, shrunk (see the profile)."""
    return {a.id: a.value for a in run_figures(seen).profile.skills}


def _told(turn: Turn) -> str:
    check = turn.verdict.checks[0]
    what = "kept" if turn.kept else "not kept"
    return (
        f"Round {turn.trained.number}: {check.name} {check.old:.3f} -> {check.new:.3f} on the gate's "
        f"{check.n} questions (change {check.change:+.3f} [{check.low:+.3f}, {check.high:+.3f}], gate: "
        f"{turn.verdict.outcome}); {what}."
    )


def report(done: Outcomes, setup: Setup, asked: Asked) -> str:
    """Return what a loop found, in Markdown."""
    ks = ", ".join(map(str, asked.k))
    judged = done.turns[0].verdict
    about = (
        f"Start {setup.start}; {setup.budget:,} texts a round, rate {setup.course.rate:g}, batch "
        f"{setup.course.batch}, seed {setup.seed}. Questions: k = {ks}, {asked.n} each, split {asked.split}; "
        f"graded by {judged.judge}, protocol {judged.protocol}. The method sees other questions than the "
        "gate, and the last line's are asked once, at the end. A checkpoint is kept when its gate passes (a "
        f"drop of {asked.policy.drop:g} ruled out at {asked.policy.beta:g}) and its figure is higher; a "
        "gate's interval speaks for its round alone."
    )
    head = "| round | texts | tokens | kept before | new | change | n | gate | kept |"
    lines = [f"# Loop: {setup.method} on {setup.domain}", "", about, "", head, "|---" * 9 + "|"]
    for turn in done.turns:
        t, kept = turn.trained, "yes" if turn.kept else "no"
        row = (t.number, f"{t.examples:,}", f"{t.tokens:,}", *_cells(turn.verdict), kept)
        lines.append(f"| {' | '.join(map(str, row))} |")
    if done.final:
        cells = _cells(done.final)
        row = ("start against last kept, fresh questions", "", "", *cells, "")
        lines.append(f"| {' | '.join(map(str, row))} |")
    lines += ["", f"Kept: {done.kept}"]
    lines += ["", f"Method: {done.turns[0].trained.plan}. Skills' progress: progress.svg."]
    for words in dict.fromkeys(d for t in done.turns for d in t.trained.deviations):
        lines.append(f"Not as in the paper: {words}.")
    return "\n".join(lines) + "\n"


def _cells(verdict: Verdict) -> tuple[str, ...]:
    c = verdict.checks[0]
    change = f"{c.change:+.3f} [{c.low:+.3f}, {c.high:+.3f}]"
    return f"{c.old:.3f}", f"{c.new:.3f}", change, str(c.n), str(verdict.outcome)
