"""Measure the student and its earlier checkpoints with the harness; print the tables of the model card.

    python experiments/embedded/measure.py

Texts come from the store where they are there already, so a second time costs nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from package import EARLIER, PACKAGED, ROOT

N = 100
MANY = 500  # so that intervals tell one checkpoint from the next
METRICS = ("full_marks", "all_skills", "skill_fraction")


def figures(student: str, split: str, ks: str, n: int = N) -> list[dict[str, Any]]:
    """Run the harness and return its figures for each k."""
    command = [sys.executable, "-m", "skillmix_eval", "run", "--student", student, "--split", split]
    command += ["-k", ks, "-n", str(n), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found: list[dict[str, Any]] = json.loads(done.stdout)["figures"]["by_k"]
    return found


def cell(row: dict[str, Any], metric: str) -> str:
    """Return a figure with its interval."""
    e = row["metrics"][metric]["estimate"]
    return f"{e['value']:.2f} [{e['low']:.2f}, {e['high']:.2f}]"


def table_of(student: str, split: str) -> str:
    """Return one student's figures, a line for each k."""
    lines = [f"\n`{student}`, split {split}\n", "| k | n | full marks | all skills | skill fraction |"]
    lines.append("|---|---|---|---|---|")
    for row in figures(student, split, "1-5"):
        cells = " | ".join(cell(row, metric) for metric in METRICS)
        lines.append(f"| {row['k']} | {row['scored_texts']} of {row['texts']} | {cells} |")
    return "\n".join(lines)


def checkpoints() -> str:
    """Return full marks of every checkpoint for k = 1, 2, 3, a line for each."""
    lines = ["\n| steps | k = 1 | k = 2 | k = 3 | scored |", "|---|---|---|---|---|"]
    folders = sorted(EARLIER.iterdir(), key=lambda p: int(p.name)) if EARLIER.is_dir() else []
    for folder in [*folders, PACKAGED]:
        rows = figures(f"embedded/{folder.relative_to(ROOT)}", "train", "1-3", MANY)
        name = "last (packaged)" if folder == PACKAGED else folder.name
        cells = " | ".join(cell(row, "full_marks") for row in rows)
        scored = sum(row["scored_texts"] for row in rows)
        lines.append(f"| {name} | {cells} | {scored} of {3 * MANY} |")
    return "\n".join(lines)


def main() -> None:
    """Print all tables."""
    for split in ("all", "train", "held-out"):
        print(table_of("embedded", split), flush=True)
    print(table_of("embedded/float32", "train"), flush=True)
    print(checkpoints(), flush=True)


if __name__ == "__main__":
    main()
