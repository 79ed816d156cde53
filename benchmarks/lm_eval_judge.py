"""What our part of an lm-eval run with a judge costs in time: filter and metrics, beside the ideal.

    python benchmarks/lm_eval_judge.py --rounds 5 --out results/calls/lm_eval_judge.json

The texts are given, as they are when lm-eval hands them to a task's filter. The judge is the server of
benchmarks/calls.py, a process of its own that answers each call after `--latency` seconds. Timed are lm-eval's own
calls of our task: `apply_filters`, `process_results` for each document, and the aggregations; each round has a store of
its own, so that nothing is known before. The ideal is calls x latency / connections. Needs lm-eval.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TASK = "skillmix_language_k3"


def cpu() -> float:
    """Return the seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def graded(url: str, given: argparse.Namespace, store: Path) -> dict[str, float]:
    """Grade all texts of a fresh task and return what it took."""
    from lm_eval.tasks import TaskManager

    from skillmix_eval.lm_eval_plugin import mean, standard_error
    from skillmix_eval.templates import data_folder

    metadata = {
        "n": given.questions,
        "judge": "openai/good-judge",
        "judge_base_url": url,
        "store": str(store),
    }
    metadata |= {"judge_max_connections": given.connections}
    tasks = TaskManager(include_path=str(data_folder("tasks")), include_defaults=False, metadata=metadata)
    task = tasks.load([TASK])["tasks"][TASK]
    task.build_all_requests()
    for number, instance in enumerate(task.instances):
        instance.resps = [f"By lot {number} the old lamp turns beside us, as the rain does on the roof."]
    wall, before = time.perf_counter(), cpu()
    task.apply_filters()
    filtered, found = time.perf_counter(), []
    for instance in task.instances:
        found.append(task.process_results(instance.doc, [instance.filtered_resps["judge"]]))
    for metric in ("full_marks", "all_skills", "skill_fraction"):
        values = [row[metric] for row in found]
        mean(values), standard_error(values)
    assert mean([row["coverage"] for row in found]) == 1
    end = time.perf_counter()
    return {
        "filter_s": filtered - wall,
        "metrics_s": end - filtered,
        "wall_s": end - wall,
        "cpu_s": cpu() - before,
    }


def main() -> None:
    """Measure some rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    logging.disable(logging.WARNING)
    os.environ.setdefault("OPENAI_API_KEY", "key")
    command = [sys.executable, ROOT / "benchmarks" / "calls.py", "--serve", "--latency", str(given.latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        url = server.stdout.readline().strip()
        with tempfile.TemporaryDirectory() as folder:
            rounds = [graded(url, given, Path(folder) / f"{n}.sqlite") for n in range(given.rounds + 1)][1:]
        server.stdin.close()
    ideal = given.questions * given.latency / given.connections
    medians = {name: round(statistics.median(r[name] for r in rounds), 3) for name in rounds[0]}
    found = {"questions": given.questions, "ideal_s": ideal, "ratio": round(medians["wall_s"] / ideal, 3)}
    found |= {"median": medians, "rounds": rounds, "load": os.getloadavg()}
    print(json.dumps(found, indent=1))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
