"""`skillmix adapt`: what to train on next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from . import options, show


def method_options(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    """Return the options given as name=value."""
    import yaml

    found: dict[str, Any] = {}
    for words in given:
        name, sign, value = words.partition("=")
        if not sign:
            raise click.BadParameter(f"'{words}' is not of the form name=value", ctx, param)
        try:
            found[name.replace("-", "_")] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            said = " ".join(str(error).split())[:200]
            raise click.BadParameter(
                f"'{words[:80]}' has no value that can be read: {said}", ctx, param
            ) from None
    return found


def names(ctx: click.Context, param: click.Parameter, given: str) -> tuple[str, ...]:  # noqa: ARG001
    """Return names that commas part."""
    return tuple(name.strip() for name in given.split(",") if name.strip())


@click.command()
@click.argument("method")
@click.option(
    "--run", "folder", type=click.Path(path_type=Path), help="Run folder of the student to be trained."
)
@click.option(
    "--pool",
    type=click.Path(path_type=Path),
    help="Texts to choose from: a run folder of a good writer, or a file with text, topic and skills.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for train.jsonl and mixture.json."
)
@click.option(
    "-n", "budget", type=click.IntRange(1), default=1000, show_default=True, help="Examples to train on."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the choice.")
@click.option("--domain", help="Domain, where no run says it [default: devices].")
@click.option(
    "--graph", type=click.Path(path_type=Path, dir_okay=False), help="Graph of skills (JSON), for skill_it."
)
@click.option(
    "--targets",
    callback=names,
    default="",
    help="Skills that are meant, for dmt and others: a,b [default: all].",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=method_options,
    metavar="NAME=VALUE",
    help="An option of the method.",
)
@options.as_json
def adapt(method: str, folder: Path | None, pool: Path | None, out: Path, json: bool, **given: Any) -> None:
    """Turn what a student misses into data for its next checkpoint, by METHOD.

    Methods: stat_sel (needs --run), skill_it (--run, --graph), skill_composition, uniform_items,
    uniform_skills, curriculum, skill_curriculum, lfr, dmt (--targets). All but skill_it and
    skill_curriculum need a --pool; without one these two give the mixture alone. Writes chat messages
    that TRL and other trainers read, and the mixture.

    Examples:

      skillmix run --student teacher --split train -k 1-3 -n 2000 --out results/runs/teacher

      skillmix adapt stat_sel --run results/runs/A --pool results/runs/teacher -n 4000 --out data/next
    """
    from .. import adapt as adapting
    from ..runs import read_run

    run = read_run(folder) if folder else None
    domain = adapting.domain_of(run, given["domain"])
    examples = adapting.read_pool(pool, domain) if pool else []
    there, trained = {s for e in examples for s in e.item.skills}, [s.id for s in domain.part("train")[0]]
    left = [s for s in trained if s not in there] if examples else []
    trained = [s for s in trained if s not in left]
    graph = adapting.graph_of(given["graph"], trained, given["targets"])
    if graph:
        graph = graph.of([s.id for s in domain.skills])
    observed = adapting.observed_of(run, trained, graph)
    observed = msgspec.structs.replace(observed, pool=tuple(e.item for e in examples))
    found = adapting.plan(method, observed, given["budget"], given["seed"], given["settings"])
    about = {"run": str(folder or ""), "pool": str(pool or ""), "seed": given["seed"], "not_in_pool": left}
    document = adapting.write_plan(out, found, examples, about)
    if json:
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return
    most = sorted(found.mixture.items(), key=lambda pair: -pair[1])[:5]
    shown = ", ".join(f"{skill} {share:.0%}" for skill, share in most)
    show.out.print(show.escape(f"{found.method}: {found.source}"))
    show.out.print(show.escape(f"{document['examples']:,} examples, {document['distinct']:,} distinct."))
    show.out.print(show.escape(f"Largest shares: {shown}."))
    if left and not given["graph"]:
        show.out.print(
            show.escape(f"No text of the pool shows these, so they have no share: {', '.join(left)}.")
        )
    for words in found.deviations:
        show.out.print(show.escape(f"Not as in the paper: {words}."))
    files = "train.jsonl and mixture.json" if found.items else "mixture.json (no texts: there is no --pool)"
    show.out.print(show.escape(f"Written to {out}: {files}"), soft_wrap=True)
