"""Rounds: evaluate -> plan -> train -> evaluate, by a method, from one checkpoint to the next."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from .adapt import Example, Graph, observed_of, plan
from .errors import BadInputError
from .lessons import Lessons, of_skills
from .mixing import Observed, Planned, shares
from .plugins import load_method
from .records import Record
from .runs import Run, write_file
from .training.student import Diverged, Measure, Student, convert
from .training.trainer import CARRIED, Course, Step, train

ROUNDS = "each round starts a new optimiser, and its rate rises and falls by itself"
NEWEST = (
    "a round follows the losses measured right before it, the first the graph alone, as the released code"
)


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What decides a training besides its data; written beside it, and the same when it goes on."""

    start: str
    domain: str
    method: str
    settings: dict[str, Any] = {}  # of the method
    budget: int = 3200  # examples a round
    rounds: int = 1
    seed: int = 0
    course: Course = Course()


class Trained(Record, frozen=True, gc=False):
    """A round of training: what was planned and seen, and of each skill before and after it the loss in nats
    a token and the share of texts that the student, greedy, would write to the letter.
    """

    number: int
    checkpoint: str
    plan: str
    options: dict[str, Any]
    deviations: tuple[str, ...]
    mixture: dict[str, float]
    realised: dict[str, float]
    examples: int
    tokens: int
    losses: dict[str, float]
    exact: dict[str, float]
    losses_after: dict[str, float]
    exact_after: dict[str, float]
    last_loss: float


def claim(out: Path, setup: Setup, *data: Any) -> None:
    """Note what a folder is of: settings, and a hash of the data.

    Raises BadInputError where it is of something else.
    """
    digest = hashlib.blake2b(msgspec.json.encode(data, order="deterministic"), digest_size=8).hexdigest()
    whole = {"setup": setup, "data": digest}
    note, own = out / "setup.json", msgspec.json.format(msgspec.json.encode(whole, order="deterministic"))
    if note.is_file() and note.read_bytes() != own:
        raise BadInputError(
            f"{out} is of a training with other settings or data (setup.json); choose another --out."
        )
    write_file(note, own)


def skill_measures(student: Student, checks: Sequence[Example]) -> tuple[dict[str, float], dict[str, float]]:
    """Return for each skill the mean loss of its texts, in nats a token, and the share written exactly.

    Raises Diverged for a loss that is not a number.
    """
    found: dict[str, list[Measure]] = defaultdict(list)
    measures = student.measure(student.examples([e.messages for e in checks]))
    for example, measure in zip(checks, measures, strict=True):
        for skill in example.item.skills:
            found[skill].append(measure)
    rows = sorted(found.items())
    losses = {skill: sum(m.loss for m in x) / len(x) for skill, x in rows}
    for skill, loss in losses.items():
        if not math.isfinite(loss):
            raise Diverged(
                f"The loss of {student.folder} on '{skill}' is {loss}; train anew at a lower rate."
            )
    return losses, {skill: sum(m.exact for m in x) / len(x) for skill, x in rows}


def train_round(
    start: Path,
    data: Lessons,
    observed: Observed,
    setup: Setup,
    folder: Path,
    on_step: Callable[[Step], None],
) -> tuple[Trained, Observed]:
    """Measure, plan and train one round from a checkpoint; return it, and what was seen until now.

    A round that is done is read back. What the trainer adds to what was observed: the pool, the losses of
    the trained skills so far and, for a method that wants them, the pool's own.
    """
    student = Student(start)
    measured = skill_measures(student, data.checks)
    row = _row(measured[0], observed.targets or observed.skills)
    seen = msgspec.structs.replace(observed, losses=(*observed.losses, row))
    note = folder.with_name(f"{folder.name}.json")
    if note.is_file() and (folder / "config.json").is_file():
        return msgspec.json.decode(note.read_bytes(), type=Trained), seen
    items = [e.item for e in data.pool]
    if "pool with losses" in load_method(setup.method).NEEDS:
        each = student.measure(student.examples([e.messages for e in data.pool]))
        items = [msgspec.structs.replace(i, loss=x.loss) for i, x in zip(items, each, strict=True)]
    now = msgspec.structs.replace(seen, pool=tuple(items))
    planned = plan(setup.method, now, setup.budget, setup.seed + 1000 * now.round, setup.settings)
    if not planned.items:
        raise BadInputError(f"{setup.method} chose no text of the pool, so there is nothing to train on.")
    by_id = {e.item.id: e for e in data.pool}
    chosen = [by_id[i] for i in planned.items]
    last = train(student, student.examples([e.messages for e in chosen]), folder, setup.course, on_step)
    both = (*measured, *skill_measures(student, data.checks))
    deviations = _deviations(setup, planned)
    done = Trained(
        int(folder.name), str(folder), planned.source, planned.options, deviations, planned.mixture,
        shares([e.item for e in chosen]), last.seen, last.tokens, *both, last.loss,
    )  # fmt: skip
    write_file(note, msgspec.json.format(msgspec.json.encode(done)) + b"\n")
    return done, seen


def _row(losses: Mapping[str, float], targets: Sequence[str]) -> tuple[float, ...]:
    """Return the losses of the evaluated skills; raises BadInputError where no text of one is kept apart."""
    for skill in targets:
        if skill not in losses:
            raise BadInputError(
                f"No text shows the evaluated skill '{skill}', so its loss cannot be measured; give a pool "
                "that holds some."
            )
    return tuple(losses[t] for t in targets)


def _deviations(setup: Setup, planned: Planned) -> tuple[str, ...]:
    apart = setup.rounds > 1 and setup.course.parts == 1
    own = [ROUNDS] * apart + [NEWEST] * (planned.method == "skill_it")
    return (*planned.deviations, *own)


def train_rounds(
    setup: Setup,
    data: Lessons,
    out: Path,
    run: Run | None = None,
    graph: Graph | None = None,
    on_step: Callable[[int, Step], None] = lambda _, __: None,
) -> list[Trained]:
    """Train all rounds, each from the checkpoint of the one before, in out/1, out/2, ...

    One learning rate rises and falls over all of them. Killed, the same call goes on where it was.
    """
    known = {skill for e in (*data.pool, *data.checks) for skill in e.item.skills}
    observed = observed_of(run, data.skills, graph and graph.of(known))
    observed = msgspec.structs.replace(observed, losses=(), rounds=setup.rounds, from_start=True)
    claim(out, setup, data, observed)
    data = of_skills(data, observed.skills, observed.targets)
    start, done = Path(setup.start), list[Trained]()
    for number in range(1, setup.rounds + 1):
        observed = msgspec.structs.replace(observed, round=number - 1)
        course = msgspec.structs.replace(setup.course, part=number - 1, parts=setup.rounds)

        def told(step: Step, at: int = number) -> None:
            on_step(at, step)

        now = msgspec.structs.replace(setup, course=course)
        trained, observed = train_round(start, data, observed, now, out / str(number), told)
        done.append(trained)
        start = out / str(number)
    for left in out.glob(f"*.{CARRIED}"):
        left.unlink()
    if not (start / "ct2" / "model.bin").is_file():
        convert(start)
    return done
