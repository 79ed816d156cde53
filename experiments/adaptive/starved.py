"""STAT-Sel against uniform and hard-only at equal budget, for a student that is strong but for three skills.

    python experiments/adaptive/starved.py --seeds 3

Twelve skills of `devices` that checkpoint 2000 of the embedded student shows well; for each seed it is trained on
without three of them until it has lost them (starved), and every arm goes on from there with the same number of
texts of one pool, in which the three are as rare as in a fifth of its texts. What was done already is not done again.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from composition import POOL, SEED
from seeds import interval_and_each

from skillmix_eval.adapt import Example, read_pool
from skillmix_eval.domain import load_domain
from skillmix_eval.evaluate import run
from skillmix_eval.lessons import Lessons, split
from skillmix_eval.rounds import Setup, train_rounds
from skillmix_eval.runs import Run
from skillmix_eval.training.pool import write_taught
from skillmix_eval.training.trainer import Course

ROOT = Path(__file__).parent.parent.parent
OUT = Path(__file__).parent / "out"
RESULTS = ROOT / "results" / "experiments"
START = ROOT / "results" / "devices" / "checkpoints" / "2000"
STARVED = ("tag-question", "simile", "litotes")
OTHERS = (
    "parenthesis", "counterfactual-conditional", "polysyndeton", "a-fortiori", "rhetorical-question",
    "direct-speech", "anaphora", "anadiplosis", "epistrophe",
)  # fmt: skip
SKILLS = (*STARVED, *OTHERS)
KEPT = 5  # one in so many texts with a starved skill stays in the pool
QUESTIONS = {1: 300, 2: 1200, 3: 1500}  # drawn from all 24 skills; those on the twelve alone count
STARVING, RATE = 6400, 2e-3  # texts
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "uniform items": ("uniform_items", {}),
    "uniform skills": ("uniform_skills", {}),
    "hard only (k = 3)": ("uniform_items", {}),
    "STAT-Sel": ("stat_sel", {}),
    "STAT-Sel, skills shuffled": ("stat_sel", {"shuffled": True}),
}


def asked(folder: Path, seed: int) -> Run:
    """Return a checkpoint's run on the questions whose skills are all among the twelve."""
    runs = [
        run(OUT / "starved" / "store.sqlite", student={"model": f"embedded/{folder}"}, domain="devices",
            split="train", k=(k,), n=n, seed=seed)
        for k, n in QUESTIONS.items()
    ]  # fmt: skip
    samples = [s for r in runs for s in r.samples if {x.id for x in s.question.skills} <= set(SKILLS)]
    return msgspec.structs.replace(runs[0], samples=tuple(samples))


def figures(done: Run) -> dict[str, float]:
    """Return full marks, and how often starved and other skills are shown where they are asked for."""
    shown: dict[str, list[bool]] = defaultdict(list)
    for sample in done.samples:
        for skill in sample.question.skills:
            group = "starved skills" if skill.id in STARVED else "other skills"
            shown[group].append(bool(sample.score and sample.score.earned(skill.id)))
    marks = [s.score.marks.full_marks if s.score else 0.0 for s in done.samples]
    return {"full marks": float(np.mean(marks)), **{g: float(np.mean(v)) for g, v in sorted(shown.items())}}


def pools() -> tuple[list[Example], list[Example]]:
    """Return the texts without starved skills, and the pool of all twelve, the starved ones being rare."""
    domain = load_domain("devices")
    texts = read_pool(write_taught(OUT / "pool.jsonl", domain, dict.fromkeys((1, 2, 3), POOL), SEED), domain)
    fit = [e for e in texts if set(e.item.skills) <= set(SKILLS)]
    without = [e for e in fit if not set(e.item.skills) & set(STARVED)]
    rare = [e for e in fit if set(e.item.skills) & set(STARVED)]
    return without, sorted(without + rare[::KEPT], key=lambda e: int(e.item.id))


def trained(
    start: Path, folder: Path, method: tuple[str, dict[str, Any]], data: Lessons, **given: Any
) -> Path:
    """Train one arm; return its checkpoint."""
    seed, budget = given["seed"], given["budget"]
    setup = Setup(
        start=str(start), domain="devices", method=method[0], settings=method[1], budget=budget, seed=seed,
        course=Course(rate=RATE, seed=seed),
    )  # fmt: skip
    train_rounds(setup, data, folder, given.get("run"))
    return folder / "1"


def one_seed(seed: int, budget: int) -> dict[str, dict[str, float]]:
    """Return the figures of the start, the starved student and all arms."""
    place = OUT / "starved" / str(seed)
    note = place / f"figures-{budget}.json"
    if note.is_file():
        found: dict[str, dict[str, float]] = json.loads(note.read_text())
        return found
    without, pool = pools()
    lean = split(without, OTHERS, seed)
    starved = trained(START, place / "starved", ("uniform_items", {}), lean, seed=seed, budget=STARVING)
    seen, data = asked(starved, 0), split(pool, SKILLS, seed)
    hard = msgspec.structs.replace(data, pool=tuple(e for e in data.pool if len(e.item.skills) == 3))
    found = {"checkpoint 2000": figures(asked(START, 1)), "starved": figures(asked(starved, 1))}
    for arm, method in ARMS.items():
        texts = hard if arm.startswith("hard") else data
        folder = place / f"{budget} {arm}".replace(" ", "-")
        done = trained(starved, folder, method, texts, seed=seed, budget=budget, run=seen)
        found[arm] = figures(asked(done, 1))
        print(seed, arm, found[arm], flush=True)
    note.write_text(json.dumps(found) + "\n")
    return found


def report(done: list[dict[str, dict[str, float]]], budget: int, n: int) -> None:
    """Write the tables."""
    columns = ("full marks", "starved skills", "other skills")
    lines = [
        "# STAT-Sel for a student with starved skills, on `devices`",
        "",
        "    python experiments/adaptive/starved.py",
        "",
        f"Twelve skills that checkpoint 2000 of the embedded student shows well. Starved: trained on without "
        f"{', '.join(STARVED)} ({STARVING:,} texts, k = 1 to 3). Each arm goes on from the starved student with "
        f"{budget:,} texts of one pool, where one in {KEPT} texts with a starved skill was kept; rate {RATE:g} falling to "
        f"0, batch 32. {n} questions on the twelve skills (k = 1, 2, 3; split train; not those that STAT-Sel saw), "
        f"protocol draft, graded by code. Means over {len(done)} seeds (of starving, selection and order) ± half a 95 % t "
        "interval, and each seed's figure.",
        "",
        "| arm | " + " | ".join(columns) + " |",
        "|---" * 4 + "|",
    ]
    for arm in done[0]:
        lines.append(
            f"| {arm} | " + " | ".join(interval_and_each([d[arm][c] for d in done]) for c in columns) + " |"
        )
    lines += [
        "",
        "STAT-Sel less each, seed by seed:",
        "",
        "| arm | " + " | ".join(columns) + " |",
        "|---" * 4 + "|",
    ]
    for arm in (a for a in ARMS if a != "STAT-Sel"):
        cells = [interval_and_each([d["STAT-Sel"][c] - d[arm][c] for d in done]) for c in columns]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "starved.md").write_text("\n".join(lines) + "\n")
    (RESULTS / "starved.json").write_text(json.dumps(done) + "\n")


def main() -> None:
    """Train and measure seed by seed; report after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=1600)
    options = parser.parse_args()
    torch.set_num_threads(1)
    (OUT / "starved").mkdir(parents=True, exist_ok=True)
    n, done = len(asked(START, 1).samples), []
    for seed in range(options.seeds):
        done.append(one_seed(seed, options.samples))
        report(done, options.samples, n)


if __name__ == "__main__":
    main()
