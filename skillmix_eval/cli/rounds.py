"""`skillmix train` and `skillmix loop`: the next checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import rich_click as click

from . import options, show
from .train import method_options, names

if TYPE_CHECKING:
    from ..adapt import Graph
    from ..lessons import Lessons
    from ..rounds import Setup
    from ..training.trainer import Step

F = TypeVar("F", bound=Callable[..., Any])
_START = "results/devices/checkpoints/2000"


def _training(function: F) -> F:
    """Add what both commands have."""
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
        click.option("--batch", type=click.IntRange(1), help="Texts a step [default: 32, of exercises 64]."),
        click.option(
            "--rate",
            type=click.FloatRange(0, min_open=True),
            help="Learning rate [default: 0.001, of exercises 0.002].",
        ),
        click.option(
            "-s",
            "--samples",
            type=click.IntRange(1),
            help="Texts a round [default: 3200, of exercises 12800].",
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            callback=method_options,
            metavar="NAME=VALUE",
            help="An option of the method.",
        ),
        click.option(
            "--pool",
            type=click.Path(path_type=Path),
            help="Texts to choose from: a run folder or a file, as `skillmix adapt` reads them "
            "[default: 3,000 texts by the domain's teacher, 42,000 of an exercise].",
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
    help="Checkpoint to go on from, in Hugging Face layout [default: of exercises a fresh one, in OUT/0; "
    f"else {_START}].",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    help="Plans, each of a part of the training [default: 1, of exercises 6].",
)
@click.option("--run", "folder", type=click.Path(path_type=Path), help="Run of the student, for stat_sel.")
@click.option(
    "--graph",
    metavar="FILE|linear|brute|own",
    help="Graph of skills for skill_it: a JSON file, or how it is learnt first, into OUT/graph "
    "[default: linear].",
)
@click.option(
    "--graph-samples", type=click.IntRange(1), help="Texts a training of the graph's [default: -s]."
)
@click.option(
    "--targets",
    callback=names,
    default="",
    help="Skills that the learnt graph is to help, or that dmt starts with: a,b [default: all].",
)
@_training
def train(
    method: str, student: Path | None, rounds: int | None, folder: Path | None, json: bool, **given: Any
) -> None:
    """Train a student by a METHOD: plan, train, plan again; checkpoints go to OUT/1, OUT/2, ...

    A domain is one with a teacher, or an exercise: lego, addition, strings. The losses that skill_it and the
    curricula follow are of texts kept apart from the pool, measured before each round. Killed, the same
    command goes on with the same next step. Needs the extra `train`.

    Examples:

      skillmix train --domain lego --method skill_it --set eta=1.5 --out out/lego

      skillmix train --method uniform_skills --out out/uniform

      skillmix train --method skill_it --graph graph.json --rounds 5 --set eta=0.5 --out out/skill_it
    """
    from ..lessons import first_student, lessons
    from ..rounds import train_rounds
    from ..runs import read_run

    setup = _setup(str(student or ""), method, rounds, given)
    data = lessons(setup.domain, given["pool"], given["out"], setup.seed)
    if not student:
        begun = first_student(setup.domain, given["out"], setup.seed, _say_primer)
        setup = msgspec.structs.replace(setup, start=str(begun))
    graph = _learnt(setup, data, given)
    run = read_run(folder) if folder else None
    done = train_rounds(setup, data, given["out"], run, graph, _say_step)
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
    last = done[-1]
    after = ", ".join(f"{s} {loss:.3f} ({last.exact_after[s]:.0%})" for s, loss in last.losses_after.items())
    show.out.print(show.escape(f"Loss after it, and texts written to the letter: {after}."))
    show.out.print(show.escape(f"Written: {last.checkpoint}"), soft_wrap=True)


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
@click.option(
    "--graph", type=click.Path(path_type=Path, dir_okay=False), help="Graph of skills (JSON), for skill_it."
)
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
    from ..lessons import teachable
    from ..loop import Asked, Loop, report
    from ..verdict import make_policy

    policy = make_policy({"drop": given["drop"]}, "the options")
    asked = Asked(k=k or (1, 2, 3), n=given["n"], split=given["split"], policy=policy)
    setup = _setup(student, method, rounds, given)
    going = Loop(setup, asked, given["out"], show.say)
    pool = teachable(setup.domain, given["pool"], given["out"], setup.seed)
    graph = read_graph(given["graph"]) if given["graph"] else None
    done = going.go(pool, graph, _say_step)
    if json:
        sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
        return
    show.out.print(show.escape(report(done, setup, asked)), soft_wrap=True)
    show.out.print(
        show.escape(f"Written to {given['out']}: report.md, loop.json, progress.svg"), soft_wrap=True
    )


def _setup(start: str, method: str, rounds: int | None, given: dict[str, Any]) -> Setup:
    from ..lessons import COURSE, exercise
    from ..plugins import load_method
    from ..rounds import Setup
    from ..training.student import libraries
    from ..training.trainer import Course

    load_method(method)
    torch, _ = libraries()
    if given["threads"]:
        torch.set_num_threads(given["threads"])
    drawn = exercise(given["domain"])
    usual = COURSE if drawn else Course()
    return Setup(
        start=start,
        domain=given["domain"],
        method=method,
        settings=given["settings"],
        budget=given["samples"] or (12_800 if drawn else 3200),
        rounds=rounds or (6 if drawn else 1),
        seed=given["seed"],
        course=Course(
            rate=given["rate"] or usual.rate,
            batch=given["batch"] or usual.batch,
            warm_up=usual.warm_up,
            seed=given["seed"],
        ),
    )


def _learnt(setup: Setup, data: Lessons, given: dict[str, Any]) -> Graph | None:
    """Return the graph of a file, or one learnt here where a way is named or the method needs one; else
    one that says no more than the targets.
    """
    from ..adapt import graph_of
    from ..graphs import WAYS, learnt

    named, targets = given["graph"], given["targets"]
    if named and named not in WAYS:
        return graph_of(Path(named), data.skills, targets)
    if not named and (
        setup.method.replace("-", "_") != "skill_it" or setup.settings.get("control") == "identity"
    ):
        return graph_of(None, data.skills, targets)
    budget = given["graph_samples"] or setup.budget
    small = msgspec.structs.replace(setup, budget=budget, method="graph", settings={}, rounds=1)
    return learnt(small, data, given["out"] / "graph", named or WAYS[0], targets, show.say)


def _say_primer(step: Step) -> None:
    if step.step % 100 == 0 or step.step == step.of:
        show.say(f"primer, step {step.step} of {step.of}: loss {step.loss:.3f}")


def _say_step(number: int, step: Step) -> None:
    if step.step % 25 == 0 or step.step == step.of:
        show.say(
            f"round {number}, step {step.step} of {step.of}: loss {step.loss:.3f}, {step.tokens:,} tokens"
        )
