"""Checkpoints of several methods side by side: one leaderboard, and a gate of each against the start.

    python experiments/adaptive/side_by_side.py

Each arm goes on from one early checkpoint of the embedded student with the same number of texts from the same
pool, once for each training seed. What was done already is not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from seeds import interval_and_each

from skillmix_eval.adapt import read_pool
from skillmix_eval.board_page import board_summary
from skillmix_eval.domain import load_domain
from skillmix_eval.evaluate import run
from skillmix_eval.gate import fixed
from skillmix_eval.leaderboard import leaderboard
from skillmix_eval.lessons import split
from skillmix_eval.rounds import Setup, train_rounds
from skillmix_eval.runs import Run
from skillmix_eval.stages.report import markdown_table
from skillmix_eval.training.pool import write_taught
from skillmix_eval.training.trainer import Course
from skillmix_eval.verdict import Policy

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RESULTS = ROOT / "results" / "experiments"
START = "results/devices/checkpoints/1000"
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "stat_sel": ("stat_sel", {}),
    "uniform_items": ("uniform_items", {}),
    "uniform_skills": ("uniform_skills", {}),
    "stat_sel_shuffled": ("stat_sel", {"shuffled": True}),
}
N, KS = 100, (1, 2, 3)


def asked(folder: str, seed: int, out: Path) -> Run:
    """Return a checkpoint's run."""
    student = {"model": f"embedded/{folder}"}
    return run(out / "store.sqlite", student=student, domain="devices", split="train", k=KS, n=N, seed=seed)


def full_marks(found: Run) -> float:
    """Return the mean over all questions, as a gate has it."""
    return sum(s.score.marks.full_marks for s in found.samples if s.score) / len(found.samples)


def means(start: Run, done: dict[tuple[str, int], Run], seeds: int) -> list[str]:
    """Return the table of means over seeds."""
    lines = ["| arm | full marks | STAT-Sel's lead |", "|---|---|---|"]
    lines.append(f"| (start) | {full_marks(start):.3f} | |")
    for arm in ARMS:
        found = [full_marks(done[arm, seed]) for seed in range(seeds)]
        lead = [full_marks(done["stat_sel", seed]) - f for seed, f in enumerate(found)]
        lines.append(
            f"| {arm} | {interval_and_each(found)} | {'' if arm == 'stat_sel' else interval_and_each(lead)} |"
        )
    return lines


def gates(start: Run, done: dict[tuple[str, int], Run]) -> list[str]:
    """Return the table of gates against the start."""
    lines = ["| arm | seed | before | after | change [95 %] | n | gate |", "|---|---|---|---|---|---|---|"]
    for (arm, seed), found in done.items():
        verdict = fixed(start, found, Policy())
        c = verdict.checks[0]
        change = f"{c.change:+.3f} [{c.low:+.3f}, {c.high:+.3f}]"
        lines.append(f"| {arm} | {seed} | {c.old:.3f} | {c.new:.3f} | {change} | {c.n} | {verdict.outcome} |")
    return lines


def report(start: Run, done: dict[tuple[str, int], Run], options: argparse.Namespace, seeds: int) -> None:
    """Write means, leaderboard and gates of the seeds that are done."""
    board = leaderboard([start, *done.values()]).boards[0]
    lines = [
        "# Methods side by side, on `devices`",
        "",
        "    python experiments/adaptive/side_by_side.py",
        "",
        f"Each arm goes on from {START} with {options.samples:,} texts of one pool (3,000 by the teacher, k = 1 to 3), rate "
        f"{options.rate:g} falling to 0, batch 32, {seeds} training seeds (of the pool's split, selection and order). STAT-Sel sees "
        f"other questions than are asked here. Judge: {start.info.judge}; protocol {start.info.protocol}; "
        f"{len(start.samples)} questions, split train, the same for all.",
        "",
        "Full marks over k = 1, 2, 3: mean over seeds ± half a 95 % t interval, and each seed's figure:",
        "",
        *means(start, done, seeds),
        "",
        *markdown_table(board_summary(board)),
        "",
        "Gate of each checkpoint against the start (drop 0.05), intervals over questions:",
        "",
        *gates(start, done),
    ]
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "side_by_side.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Train and measure all arms, seed by seed; report after each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=int, default=4800)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("experiments/adaptive/out/side_by_side"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    domain, out = load_domain("devices"), options.out
    pool = read_pool(write_taught(out / "pool.jsonl", domain, dict.fromkeys((1, 2, 3), 1000), 0), domain)
    seen, start = asked(START, 0, out), asked(START, 1, out)
    skills = [s.id for s in domain.part("train")[0]]
    done: dict[tuple[str, int], Run] = {}
    for seed in range(options.seeds):
        data = split(pool, skills, seed)
        for arm, (method, settings) in ARMS.items():
            course = Course(rate=options.rate, seed=seed)
            setup = Setup(
                start=START,
                domain="devices",
                method=method,
                settings=settings,
                budget=options.samples,
                seed=seed,
                course=course,
            )
            folder = out / f"{arm}-{seed}"
            train_rounds(setup, data, folder, seen)
            done[arm, seed] = asked(str(folder / "1"), 1, out)
            print(arm, seed, round(full_marks(done[arm, seed]), 3), flush=True)
        report(start, done, options, seed + 1)


if __name__ == "__main__":
    main()
