"""What our part of an lm-eval run with a judge costs in time: filter and metrics, beside the ideal.

    python benchmarks/lm_eval_judge.py --rounds 5 --out results/calls/lm_eval_judge.json

The texts are given, as they are when lm-eval hands them to a task's filter. The judge is the server of
benchmarks/calls.py, a process of its own that answers each call after `--latency` seconds. Timed are lm-eval's own
calls of our task: `apply_filters`, `process_results` for each document, and the aggregations; each round has a store of
its own, so that nothing is known before. The ideal is calls x latency / connections. Turn about, a bare aiohttp loop
sends the same number of prompts and keeps nothing: what the machine can do at that moment. Needs lm-eval.
"""

from __future__ import annotations

import argparse
import asyncio
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


async def bare(url: str, given: argparse.Namespace) -> float:
    """Return the seconds that a loop takes that only sends as many prompts."""
    import aiohttp

    question = 'c0000001: Does the text show the skill "x"?\n----- text a begins -----\nSo.\n----- text a ends -----\n'
    words = f"Reply with one JSON object\n{question}" + "word " * 400 + '"receipt": "00"'
    body = {"model": "good-judge", "messages": [{"role": "user", "content": words}]}
    prompts = iter(range(given.questions))
    began = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work() -> None:
            for _ in prompts:
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    await response.json()

        await asyncio.gather(*(work() for _ in range(given.connections)))
    return time.perf_counter() - began


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
            rounds = []
            for number in range(given.rounds + 1):  # the first, which imports, is left out
                took = graded(url, given, Path(folder) / f"{number}.sqlite")
                rounds.append(took | {"bare_s": asyncio.run(bare(url, given))})
        server.stdin.close()
    ideal = given.questions * given.latency / given.connections
    rounds = [{name: round(value, 3) for name, value in r.items()} for r in rounds[1:]]
    medians = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    found = {"questions": given.questions, "ideal_s": ideal, "to_ideal": round(medians["wall_s"] / ideal, 3)}
    found["to_bare"] = round(statistics.median(r["wall_s"] / r["bare_s"] for r in rounds), 3)
    found |= {"median": medians, "rounds": rounds, "load": os.getloadavg()}
    print(json.dumps(found, indent=1))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
