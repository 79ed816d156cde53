"""Skill-It on small language models: LEGO, addition, and functions on strings, against four other mixtures.

    python experiments/adaptive/skill_it.py [lego] [addition] [strings] --seeds 3

Each seed makes a student from nothing; all arms of a seed go on from it with the same number of texts, in six
rounds under one learning rate. The graph of skills is learnt once, from a student of seed 0. What was done
already is not done again. Writes results/experiments/skill_it*.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from lines import lines_svg
from seeds import interval

from skillmix_eval.adapt import Graph, read_graph
from skillmix_eval.graphs import graph_svg, learnt
from skillmix_eval.lessons import COURSE, drawn, exercise, first_student
from skillmix_eval.methods import skill_it
from skillmix_eval.rounds import Setup, train_rounds

ROOT = Path(__file__).parent.parent.parent
OUT = Path(__file__).parent / "out" / "skill_it"
RESULTS = ROOT / "results" / "experiments"
ROUNDS = 6
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "random pool": ("uniform_items", {}),
    "stratified": ("uniform_skills", {}),
    "Skill-It": ("skill_it", {}),
    "identity graph": ("skill_it", {"control": "identity"}),
    "shuffled graph": ("skill_it", {"control": "shuffled"}),
}


class World(msgspec.Struct, frozen=True):
    """How a domain is trained. Losses are per token of the reply, so a paper's eta is times its tokens."""

    samples: int  # texts a round
    eta: float
    way: str  # how the graph is learnt
    graph_samples: int  # texts a training of it
    edge: float | None = None  # one weight for all edges; else each its own, the largest being 1
    least: float = 0.0  # of an edge, in nats a token
    after: int = 0  # rounds of stratified after which it is learnt
    rate: float = COURSE.rate
    warm_up: int = COURSE.warm_up


WORLDS = {
    "lego": World(9_600, 1.5, "own", 12_800, 0.5, 0.005),
    "addition": World(6_400, 0.6, "own", 9_600, 0.5, 0.005),
    "strings": World(6_400, 0.2, "linear", 6_400, after=2, rate=3e-3, warm_up=10),
}


def setup(name: str, arm: str, seed: int, start: Path) -> Setup:
    """Return an arm's settings."""
    world, (method, given) = WORLDS[name], ARMS[arm]
    settings = {**given, "eta": world.eta} if method == "skill_it" else given
    course = msgspec.structs.replace(COURSE, seed=seed, rate=world.rate, warm_up=world.warm_up)
    return Setup(
        start=str(start), domain=name, method=method, settings=settings, budget=world.samples,
        rounds=ROUNDS, seed=seed, course=course,
    )  # fmt: skip


def graph_of(name: str, start: Path) -> tuple[Graph, Graph]:
    """Return the graph as learnt, and with the weights that are used."""
    world, folder = WORLDS[name], OUT / name / "graph"
    if world.after:
        trained(name, "stratified", 0)
        start = OUT / name / "0" / "stratified" / str(world.after)
    one = setup(name, "stratified", 0, start)
    one = msgspec.structs.replace(one, method="graph", settings={}, budget=world.graph_samples, rounds=1)
    found = exercise(name)
    assert found
    raw = learnt(one, drawn(found, 42_000, 0), folder, world.way, (), print)
    rows = np.array(raw.rows)
    used = skill_it.edges(rows, world.edge, world.least) if world.edge else rows / rows.max()
    return raw, Graph(raw.skills, tuple(map(tuple, used.round(4).tolist())))


def trained(name: str, arm: str, seed: int) -> dict[str, Any]:
    """Train one arm with one seed; return its skills' losses and exact shares before and after each round."""
    place = OUT / name / str(seed)
    note = place / f"{arm}.json"
    if note.is_file():
        found: dict[str, Any] = json.loads(note.read_text())
        return found
    given, start = exercise(name), first_student(name, place, seed)
    assert given
    graph = read_graph(OUT / name / "graph" / "used.json") if ARMS[arm][0] == "skill_it" else None
    data = drawn(given, 42_000, seed)
    done = train_rounds(setup(name, arm, seed, start), data, place / arm.replace(" ", "-"), None, graph)
    measured = [(d.losses, d.exact) for d in done] + [(done[-1].losses_after, done[-1].exact_after)]
    skills = given.SKILLS
    found = {
        "domain": name, "arm": arm, "seed": seed,
        "texts": [WORLDS[name].samples * n for n in range(ROUNDS + 1)],
        "tokens": sum(d.tokens for d in done),
        "loss": [[row[0][s] for s in skills] for row in measured],
        "exact": [[row[1][s] for s in skills] for row in measured],
        "mixtures": [[d.realised.get(s, 0.0) for s in skills] for d in done],
    }  # fmt: skip
    note.write_text(json.dumps(found) + "\n")
    print(name, arm, seed, [round(float(np.mean(x)), 3) for x in found["exact"]], flush=True)
    return found


def table(done: list[dict[str, Any]]) -> list[str]:
    """Return a Markdown table of one domain: a row for each arm."""
    head = "| arm | seeds | loss at half | exact at half | loss at the end | exact at the end | worst skill |"
    rows = [head, "|---" * 7 + "|"]
    for arm in ARMS:
        mine = [d for d in done if d["arm"] == arm]
        if mine:
            cells = [
                interval([float(np.mean(d[what][at])) for d in mine])
                for at in (ROUNDS // 2, ROUNDS)
                for what in ("loss", "exact")
            ]
            worst = interval([float(np.min(d["exact"][-1])) for d in mine])
            rows.append(f"| {arm} | {len(mine)} | {' | '.join(cells)} | {worst} |")
    return rows


def differences(done: list[dict[str, Any]]) -> list[str]:
    """Return Skill-It's mean loss less each other arm's, seed by seed, at half and at the end."""
    by = {(d["arm"], d["seed"]): d for d in done}
    rows = [
        "| Skill-It less | loss at half | exact at half | loss at the end | exact at the end |",
        "|---" * 5 + "|",
    ]
    for arm in (a for a in ARMS if a != "Skill-It"):
        seeds = [s for a, s in by if a == arm and ("Skill-It", s) in by]
        cells = [
            interval([float(np.mean(by["Skill-It", s][w][at]) - np.mean(by[arm, s][w][at])) for s in seeds])
            for at in (ROUNDS // 2, ROUNDS)
            for w in ("loss", "exact")
        ]
        if seeds:
            rows.append(f"| {arm} | {' | '.join(cells)} |")
    return rows


def section(name: str, done: list[dict[str, Any]], raw: Graph) -> list[str]:
    """Return a domain's part of the report, and draw its plot."""
    found, world = exercise(name), WORLDS[name]
    assert found
    for what, words in (("loss", "validation loss, nats a token"), ("exact", "answers exactly right")):
        lines = {
            arm: [np.mean(d[what], axis=1).tolist() for d in done if d["arm"] == arm]
            for arm in ARMS
            if any(d["arm"] == arm for d in done)
        }
        drawing = lines_svg(f"{name}: {words}, mean over skills", done[0]["texts"], lines)
        (RESULTS / f"skill_it_{name}_{what}.svg").write_text(drawing)
    weights = [
        f"| {s} | {' | '.join(f'{w:.3f}' for w in row)} |"
        for s, row in zip(raw.skills, raw.rows, strict=True)
    ]
    mixtures = [
        f"- {d['arm']}: " + "; ".join(", ".join(f"{w:.2f}" for w in row) for row in d["mixtures"])
        for d in done
        if d["seed"] == 0 and d["arm"] not in ("stratified", "random pool")
    ]
    after = f", from its student after {world.after} rounds of stratified" * bool(world.after)
    shares = ":".join(map(str, found.SHARES))
    tokens = sorted({d["tokens"] for d in done})
    return [
        f"## {name}",
        "",
        f"Skills {', '.join(found.SKILLS)}; random pool {shares}; primer {found.PRIMED:,} texts; {ROUNDS} rounds of "
        f"{world.samples:,} texts, rate {world.rate:g} after {world.warm_up} steps ({tokens[0]:,} to {tokens[-1]:,} tokens in all); eta {world.eta:g}, window 3. Plots: "
        f"[loss](skill_it_{name}_loss.svg), [exact](skill_it_{name}_exact.svg), [graph](skill_it_{name}_graph.svg).",
        "",
        *table(done),
        "",
        *differences(done),
        "",
        f"Graph as learnt ({world.way}, {world.graph_samples:,} texts a training, seed 0{after}), rows help columns; used "
        + (
            f"with {world.edge:g} for each edge above {world.least:g} and 1 on the diagonal:"
            if world.edge
            else "divided by its largest weight:"
        ),
        "",
        f"| | {' | '.join(raw.skills)} |",
        "|---" * (len(raw.skills) + 1) + "|",
        *weights,
        "",
        f"Realised mixtures, round by round, seed 0 ({', '.join(found.SKILLS)}):",
        "",
        *mixtures,
        "",
    ]


def report(graphs: dict[str, Graph], done: list[dict[str, Any]]) -> None:
    """Write tables, plots and figures of what is there."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    lines = [
        "# Skill-It on small language models",
        "",
        "    python experiments/adaptive/skill_it.py",
        "",
        "Students of 0.2 M parameters (Llama, 4 layers, width 64, a tokenizer of characters), from nothing but the "
        "primer, batch 64, one rate falling to 0 over all rounds, equal texts for all arms of a seed. Validation: 100 "
        "fixed questions of each skill, never trained on; 'exact' is the share answered to the letter (greedy), both as "
        "means over skills. Means over seeds ± half a 95 % t interval; graded by code.",
        "",
    ]
    for name, raw in graphs.items():
        mine = [d for d in done if d["domain"] == name]
        if mine:
            lines += section(name, mine, raw)
    (RESULTS / "skill_it.md").write_text("\n".join(lines))
    content = {"graphs": msgspec.to_builtins(graphs), "arms": done}
    (RESULTS / "skill_it.json").write_text(json.dumps(content) + "\n")


def main() -> None:
    """Train all arms, seed by seed, and report after each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("domains", nargs="*", default=list(WORLDS))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    graphs: dict[str, Graph] = {}
    for name in WORLDS:
        if name in options.domains or (OUT / name / "graph" / "used.json").is_file():
            graphs[name], used = graph_of(name, first_student(name, OUT / name / "0", 0))
            (OUT / name / "graph" / "used.json").write_bytes(msgspec.json.encode(used))
            RESULTS.mkdir(parents=True, exist_ok=True)
            (RESULTS / f"skill_it_{name}_graph.svg").write_text(graph_svg(graphs[name]))
    for seed in range(options.seeds):
        for name in options.domains:
            for arm in ARMS:
                trained(name, arm, seed)
        there = [json.loads(p.read_text()) for p in sorted(OUT.glob("*/[0-9]*/*.json")) if p.stem in ARMS]
        report(graphs, there)


if __name__ == "__main__":
    main()
