"""Skill composition from examples, small: does training on k = 2 and 3 lift k = 4, 5 and held-out categories?

    python experiments/adaptive/composition.py

Students go on from one early checkpoint of the embedded student with the same number of lessons, drawn
from the teacher's texts with one skill, D(1), with one or two, D(1,2), and with one to three, D(1,2,3). What
was done already is not done again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skillmix_eval.adapt import Example, read_pool
from skillmix_eval.domain import load_domain
from skillmix_eval.evaluate import run, run_figures
from skillmix_eval.methods import skill_composition
from skillmix_eval.mixing import Observed
from skillmix_eval.stats import wilson
from skillmix_eval.training.pool import write_taught
from skillmix_eval.training.student import Student, convert
from skillmix_eval.training.trainer import Course, Step, train

ROOT = Path(__file__).parent.parent.parent
OUT = Path(__file__).parent / "out"
RESULTS = ROOT / "results" / "experiments"
START = ROOT / "results" / "devices" / "checkpoints" / "2000"
ARMS = {"D(1)": 1, "D(1,2)": 2, "D(1,2,3)": 3}
SPLITS = {"train": ((1, 2, 3, 4, 5), 100), "held-out": ((2, 3), 30), "all": ((2, 3, 4, 5), 60)}
POOL, SEED = 6000, 20_231_026  # texts of each k, the first of those that the embedded student was trained on


def trained(arm: str, seed: int, pool: list[Example], options: argparse.Namespace) -> Any:
    """Train one arm with one seed, measure it, and return its figures; from the file where it is there."""
    folder = OUT / f"D{ARMS[arm]}-{seed}"
    result = folder.with_suffix(".json")
    if result.is_file():
        return json.loads(result.read_text())
    domain = load_domain("devices")
    if not (folder / "ct2" / "model.bin").is_file():
        observed = Observed(tuple(s.id for s in domain.part("train")[0]), tuple(e.item for e in pool))
        planned = skill_composition.plan(observed, options.lessons, seed, most=ARMS[arm])
        by_id, student = {e.item.id: e for e in pool}, Student(START, "cpu")
        examples = student.examples([by_id[i].messages for i in planned.items])
        last = train(student, examples, folder, Course(rate=options.rate, seed=seed), said)
        (folder / "budget.json").write_text(json.dumps({"lessons": last.seen, "tokens": last.tokens}))
        convert(folder)
    budget = json.loads((folder / "budget.json").read_text())
    found = {"arm": arm, "seed": seed, **budget, "figures": measured(folder)}
    result.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found), flush=True)
    return found


def said(step: Step) -> None:
    """Print every twentieth step."""
    if step.step % 20 == 0:
        print(step, flush=True)


def measured(folder: Path) -> dict[str, dict[str, float]]:
    """Return full marks of a checkpoint for each split and k; greedy texts, questions of seed 0."""
    found: dict[str, dict[str, float]] = {}
    for split, (ks, n) in SPLITS.items():
        done = run(student={"model": f"embedded/{folder}"}, domain="devices", split=split, k=ks, n=n)
        rows = run_figures(done).by_k
        found[split] = {str(r.k): r.metrics["full_marks"].estimate.value or 0.0 for r in rows}
        found[split] |= {f"{r.k} skills": r.metrics["skill_fraction"].estimate.value or 0.0 for r in rows}
    return found


def interval(values: list[float], n: int) -> str:
    """Return the mean over seeds, its Wilson interval for n questions, and each seed's figure.

    The seeds answer the same questions, so they are not counted as more of them.
    """
    mean = float(np.mean(values))
    low, high = wilson(mean, n)
    each = f" ({', '.join(f'{v:.2f}' for v in values)})" if len(values) > 1 else ""
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]{each}"


def table(done: list[Any], start: Any, metric: str) -> list[str]:
    """Return a Markdown table, a row for each arm and split."""
    lines = [
        "| split | arm | seeds | " + " | ".join(f"k = {k}" for k in range(1, 6)) + " |",
        "|---" * 8 + "|",
    ]
    for split, (ks, n) in SPLITS.items():
        for arm in ("start", *ARMS):
            rows = [start] if arm == "start" else [d["figures"] for d in done if d["arm"] == arm]
            if rows:
                cells = [
                    interval([r[split][f"{k}{metric}"] for r in rows], n) if k in ks else ""
                    for k in range(1, 6)
                ]
                lines.append(f"| {split} | {arm} | {len(rows)} | {' | '.join(cells)} |")
    return lines


def report(done: list[Any], start: Any, options: argparse.Namespace) -> None:
    """Write the tables."""
    budgets = {arm: sorted({d["tokens"] for d in done if d["arm"] == arm}) for arm in ARMS}
    lines = [
        "# Skill composition from examples, on `devices`",
        "",
        f"Students of 1.1 M parameters go on from checkpoint {START.name} of the embedded student (which had seen "
        f"texts with one to three skills) with {options.lessons:,} lessons each, in batches of 32, rate "
        f"{options.rate:g} falling to 0. Lessons are the teacher's full-mark texts on skills of the train split. Tokens "
        "seen (equal lessons are not equal tokens): "
        + "; ".join(f"{a} {', '.join(f'{t:,}' for t in b)}" for a, b in budgets.items())
        + ". Greedy texts, int8, graded by code, questions of seed 0: "
        + ", ".join(f"{s} {n} for each k" for s, (_, n) in SPLITS.items())
        + ". Means over training seeds with 95 % Wilson intervals for these questions, and each seed's figure where there are "
        "several; the questions are the same for all.",
        "",
        "## Full marks",
        "",
        *table(done, start, ""),
        "",
        "## Skill fraction",
        "",
        *table(done, start, " skills"),
    ]
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "composition.md").write_text("\n".join(lines) + "\n")
    (RESULTS / "composition.json").write_text(json.dumps({"start": start, "arms": done}, indent=1) + "\n")


def main() -> None:
    """Train and measure all arms, seed by seed, and report after each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--lessons", type=int, default=9600)
    parser.add_argument("--rate", type=float, default=2e-3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    texts = write_taught(OUT / "pool.jsonl", load_domain("devices"), dict.fromkeys(ARMS.values(), POOL), SEED)
    pool = read_pool(texts, load_domain("devices"))
    begun = OUT / "start.json"
    if not begun.is_file():
        begun.write_text(json.dumps(measured(START)) + "\n")
    start, done = json.loads(begun.read_text()), list[Any]()
    for seed in range(options.seeds):
        for arm in ARMS:
            done.append(trained(arm, seed, pool, options))
            report(done, start, options)


if __name__ == "__main__":
    main()
