"""Rounds: evaluate -> plan -> train -> evaluate, by a method, from one checkpoint to the next."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from .adapt import Example, Graph, domain_of, observed_of, plan
from .errors import BadInputError
from .mixing import Observed, Planned, shares
from .plugins import load_method
from .records import Record
from .runs import Run, write_file
from .training.student import Student, convert
from .training.trainer import Course, Step, train

ROUNDS = "each round starts a new optimiser, and its rate rises and falls by itself"
NEWEST = "a round follows the losses measured right before it; the paper's first round has none to follow"
CHECKS = 8  # texts of each skill kept apart from the pool, to measure the skill's loss on


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
    """A round of training: what was planned, what was seen, and each skill's loss before it in nats."""

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
    last_loss: float


class Data(msgspec.Struct, frozen=True):
    """A pool, and texts kept apart from it."""

    pool: tuple[Example, ...]
    checks: tuple[Example, ...]


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


def split(pool: Sequence[Example], skills: Sequence[str], seed: int) -> Data:
    """Keep some texts of each skill apart; raises BadInputError where nothing is left to train on."""
    order, apart = random.Random(seed).sample(range(len(pool)), len(pool)), set[int]()  # noqa: S311
    kept: dict[str, int] = defaultdict(int)
    for at in order:
        lacking = [s for s in pool[at].item.skills if s in skills and kept[s] < CHECKS]
        if lacking:
            apart.add(at)
            for skill in pool[at].item.skills:
                kept[skill] += 1
    left = tuple(e for i, e in enumerate(pool) if i not in apart)
    if not left:
        raise BadInputError(
            f"The pool has {len(pool)} texts, too few to keep {CHECKS} of each skill apart; give a "
            "larger one."
        )
    return Data(left, tuple(e for i, e in enumerate(pool) if i in apart))


def skill_losses(student: Student, checks: Sequence[Example]) -> dict[str, float]:
    """Return the mean loss over the texts of each skill, in nats a token."""
    found: dict[str, list[float]] = defaultdict(list)
    losses = student.losses(student.examples([e.messages for e in checks]))
    for example, loss in zip(checks, losses, strict=True):
        for skill in example.item.skills:
            found[skill].append(loss)
    return {skill: sum(x) / len(x) for skill, x in sorted(found.items())}


def train_round(
    start: Path, data: Data, observed: Observed, setup: Setup, folder: Path, on_step: Callable[[Step], None]
) -> tuple[Trained, Observed]:
    """Measure, plan and train one round from a checkpoint; return it, and what was seen until now.

    A round that is done is read back. What the trainer adds to what was observed: the pool, the losses of
    the trained skills so far and, for a method that wants them, the pool's own.
    """
    student = Student(start)
    losses = skill_losses(student, data.checks)
    row = tuple(losses.get(t, 0.0) for t in observed.targets or observed.skills)
    seen = msgspec.structs.replace(observed, losses=(*observed.losses, row))
    note = folder.with_name(f"{folder.name}.json")
    if note.is_file() and (folder / "config.json").is_file():
        return msgspec.json.decode(note.read_bytes(), type=Trained), seen
    items = [e.item for e in data.pool]
    if "pool with losses" in load_method(setup.method).NEEDS:
        each = student.losses(student.examples([e.messages for e in data.pool]))
        items = [msgspec.structs.replace(i, loss=x) for i, x in zip(items, each, strict=True)]
    now = msgspec.structs.replace(seen, pool=tuple(items))
    planned = plan(setup.method, now, setup.budget, setup.seed + 1000 * now.round, setup.settings)
    if not planned.items:
        raise BadInputError(f"{setup.method} chose no text of the pool, so there is nothing to train on.")
    by_id = {e.item.id: e for e in data.pool}
    chosen = [by_id[i] for i in planned.items]
    last = train(student, student.examples([e.messages for e in chosen]), folder, setup.course, on_step)
    done = _trained(planned, folder, chosen, losses, last)
    write_file(note, msgspec.json.format(msgspec.json.encode(done)) + b"\n")
    return done, seen


def _trained(
    planned: Planned, folder: Path, chosen: Sequence[Example], losses: Mapping[str, float], last: Step
) -> Trained:
    return Trained(
        number=int(folder.name),
        checkpoint=str(folder),
        plan=planned.source,
        options=planned.options,
        deviations=(*planned.deviations, ROUNDS, *([NEWEST] if planned.method == "skill_it" else [])),
        mixture=planned.mixture,
        realised=shares([e.item for e in chosen]),
        examples=last.seen,
        tokens=last.tokens,
        losses=dict(losses),
        last_loss=last.loss,
    )


def train_rounds(
    setup: Setup,
    pool: Sequence[Example],
    out: Path,
    run: Run | None = None,
    graph: Graph | None = None,
    on_step: Callable[[int, Step], None] = lambda _, __: None,
) -> list[Trained]:
    """Train all rounds, each from the checkpoint of the one before, in out/1, out/2, ...

    Each round's rate rises and falls by itself. Killed, the same call goes on where it was.
    """
    observed = observed_of(run, domain_of(run, setup.domain), graph)
    observed = msgspec.structs.replace(observed, losses=(), rounds=setup.rounds)
    claim(out, setup, pool, observed)
    data = split(pool, observed.skills, setup.seed)
    start, done = Path(setup.start), list[Trained]()
    for number in range(1, setup.rounds + 1):
        observed = msgspec.structs.replace(observed, round=number - 1)

        def told(step: Step, at: int = number) -> None:
            on_step(at, step)

        trained, observed = train_round(start, data, observed, setup, out / str(number), told)
        done.append(trained)
        start = out / str(number)
    if not (start / "ct2" / "model.bin").is_file():
        convert(start)
    return done
