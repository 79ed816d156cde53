"""`skillmix train` and `skillmix loop`: the next checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import rich_click as click

from ..errors import BadInputError
from . import options, show
from .train import method_options

if TYPE_CHECKING:
    from ..adapt import Example
    from ..rounds import Setup
    from ..training.trainer import Step

F = TypeVar("F", bound=Callable[..., Any])
_POOL = {1: 1000, 2: 1000, 3: 1000}  # the teacher's texts where no pool is given
_START = "results/devices/checkpoints/2000"


def _training(function: F) -> F:
    """Add what both commands have."""
    file = click.Path(path_type=Path, dir_okay=False)
    for add in (
        options.as_json,
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            required=True,
            help="Folder for all.",
        ),
        click.option("--threads", type=click.IntRange(1), help="Processor threads [default: torch's]."),
        click.option("--seed", type=int, default=0, show_default=True, help="Seed of all draws."),
        click.option("--batch", type=click.IntRange(1), default=32, show_default=True, help="Texts a step."),
        click.option(
            "--rate",
            type=click.FloatRange(0, min_open=True),
            default=1e-3,
            show_default=True,
            help="Learning rate.",
        ),
        click.option(
            "-s", "--samples", type=click.IntRange(1), default=3200, show_default=True, help="Texts a round."
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            callback=method_options,
            metavar="NAME=VALUE",
            help="An option of the method.",
        ),
        click.option("--graph", type=file, help="Graph of skills (JSON), for skill_it."),
        click.option(
            "--pool",
            type=click.Path(path_type=Path),
            help="Texts to choose from: a run folder or a file, as `skillmix adapt` reads them "
            "[default: 3,000 texts by the domain's teacher].",
        ),
        click.option("--domain", default="devices", show_default=True, help="What is trained."),
    ):
        function = add(function)
    return function


@click.command()
@click.option("--method", default="uniform_skills", show_default=True, help="As in `skillmix adapt`.")
@click.option(
    "--student",
    type=click.Path(path_type=Path, file_okay=False),
    default=_START,
    show_default=True,
    help="Checkpoint to go on from, in Hugging Face layout.",
)
@click.option(
    "--rounds", type=click.IntRange(1), default=1, show_default=True, help="Plans, each of a training."
)
@click.option("--run", "folder", type=click.Path(path_type=Path), help="Run of the student, for stat_sel.")
@_training
def train(method: str, student: Path, rounds: int, folder: Path | None, json: bool, **given: Any) -> None:
    """Train a student by a METHOD: plan, train, plan again; checkpoints go to OUT/1, OUT/2, ...

    The losses that skill_it and the curricula follow are of texts kept apart from the pool, measured before
    each round. Killed, the same command goes on with the same next step. Needs the extra `train`.

    Examples:

      skillmix train --method uniform_skills --out out/uniform

      skillmix train --method skill_it --graph graph.json --rounds 5 --set eta=0.5 --out out/skill_it
    """
    from ..adapt import read_graph
    from ..rounds import train_rounds
    from ..runs import read_run

    setup = _setup(str(student), method, rounds, given)
    pool = _pool(setup, given)
    graph = read_graph(given["graph"]) if given["graph"] else None
    run = read_run(folder) if folder else None
    done = train_rounds(setup, pool, given["out"], run, graph, _say_step)
    if json:
        sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
        return
    for found in done:
        mean = sum(found.losses.values()) / len(found.losses)
        most = sorted(found.realised.items(), key=lambda pair: -pair[1])[:3]
        shown = ", ".join(f"{skill} {share:.0%}" for skill, share in most)
        show.out.print(
            show.escape(
                f"Round {found.number}: mean loss before it {mean:.3f} nats a token; trained on "
                f"{found.examples:,} texts, {found.tokens:,} tokens; largest shares {shown}."
            )
        )
    for words in dict.fromkeys(d for found in done for d in found.deviations):
        show.out.print(show.escape(f"Not as in the paper: {words}."))
    show.out.print(
        show.escape(f"Evaluate it: skillmix run --student embedded/{done[-1].checkpoint}"), soft_wrap=True
    )


@click.command()
@click.option("--method", default="stat_sel", show_default=True, help="As in `skillmix adapt`.")
@click.option(
    "--student",
    metavar="BACKEND/FOLDER",
    default=f"embedded/{_START}",
    show_default=True,
    help="Checkpoint to go on from, and the backend that evaluates it: embedded or hf.",
)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Rounds.")
@options.ks
@click.option("-n", "n", type=click.IntRange(1), default=100, show_default=True, help="Questions for each k.")
@click.option("--split", default="train", show_default=True, help="Split that is evaluated.")
@click.option("--drop", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="The gate's drop.")
@_training
def loop(method: str, student: str, rounds: int, k: tuple[int, ...] | None, json: bool, **given: Any) -> None:
    """Evaluate, plan, train, gate, keep the better checkpoint; and again.

    The method sees other questions than the gate; at the end start and last kept checkpoint are compared on
    fresh ones. Writes report.md, loop.json and progress.svg, the skills' progress over rounds. Killed, the
    same command goes on. Needs the extra `train`.

    Example:

      skillmix loop --student embedded/results/devices/checkpoints/1000 --method stat_sel --rounds 3
      --out out/loop
    """
    from ..adapt import read_graph
    from ..loop import Asked, Loop, report
    from ..verdict import make_policy

    policy = make_policy({"drop": given["drop"]}, "the options")
    asked = Asked(k=k or (1, 2, 3), n=given["n"], split=given["split"], policy=policy)
    setup = _setup(student, method, rounds, given)
    going = Loop(setup, asked, given["out"], show.say)
    pool = _pool(setup, given)
    graph = read_graph(given["graph"]) if given["graph"] else None
    done = going.go(pool, graph, _say_step)
    if json:
        sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
        return
    show.out.print(show.escape(report(done, setup, asked)), soft_wrap=True)
    show.out.print(
        show.escape(f"Written to {given['out']}: report.md, loop.json, progress.svg"), soft_wrap=True
    )


def _setup(start: str, method: str, rounds: int, given: dict[str, Any]) -> Setup:
    from ..plugins import load_method
    from ..rounds import Setup
    from ..training.student import libraries
    from ..training.trainer import Course

    load_method(method)
    torch, _ = libraries()
    if given["threads"]:
        torch.set_num_threads(given["threads"])
    return Setup(
        start=start,
        domain=given["domain"],
        method=method,
        settings=given["settings"],
        budget=given["samples"],
        rounds=rounds,
        seed=given["seed"],
        course=Course(rate=given["rate"], batch=given["batch"], seed=given["seed"]),
    )


def _pool(setup: Setup, given: dict[str, Any]) -> list[Example]:
    from ..adapt import read_pool
    from ..domain import load_domain
    from ..training.pool import write_taught

    domain = load_domain(setup.domain)
    place = given["pool"] or write_taught(given["out"] / "pool.jsonl", domain, _POOL, setup.seed)
    pool = read_pool(place, domain)
    if not pool:
        raise BadInputError(f"The pool {place} is empty; it needs texts with skills and topic.")
    return pool


def _say_step(number: int, step: Step) -> None:
    if step.step % 25 == 0 or step.step == step.of:
        show.say(
            f"round {number}, step {step.step} of {step.of}: loss {step.loss:.3f}, {step.tokens:,} tokens"
        )
