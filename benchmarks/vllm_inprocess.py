"""Throughput of `vllm/<model>` in process beside a bare `LLM.chat` on the same prompts; each in a process of its own.

    SKILLMIX_VLLM_ARGS='{"dtype": "float32", ...}' python benchmarks/vllm_inprocess.py MODEL --prompts 1000 --rounds 3

Loading is left out; the first prompts warm each engine up. Reported: median of the rounds, and the ratio of medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time


def requests(count: int, temperature: float, max_tokens: int) -> list:
    """Return the requests of a run on the domain `devices`."""
    from skillmix_eval.domain import load_domain
    from skillmix_eval.spec import ModelSpec
    from skillmix_eval.stages.prompt import draft_request
    from skillmix_eval.stages.sample import sample
    from skillmix_eval.templates import load_template

    domain, template = load_domain("devices"), load_template("draft", "draft")
    student = ModelSpec(model="vllm/x", temperature=temperature, max_tokens=max_tokens)
    questions = sample(domain, 3, count, 1, "all", "balanced")
    return [draft_request(q, 0, template, student) for q in questions]


def ours(model: str, asked: list, rounds: int) -> tuple[list[float], int]:
    """Time the backend, asked as the pipeline asks it."""
    from skillmix_eval.plugins import load_backend
    from skillmix_eval.spec import ModelSpec

    async def session() -> tuple[list[float], int]:
        backend = load_backend(ModelSpec(model=f"vllm/{model}"))
        await asyncio.gather(*map(backend.complete, asked[:50]))
        times, tokens = [], 0
        for _ in range(rounds):
            began = time.perf_counter()
            replies = await asyncio.gather(*map(backend.complete, asked))
            times.append(time.perf_counter() - began)
            tokens = sum(r.usage.output for r in replies)
        await backend.aclose()
        return times, tokens

    return asyncio.run(session())


def bare(model: str, asked: list, rounds: int) -> tuple[list[float], int]:
    """Time `LLM.chat` with all prompts at once."""
    import vllm

    from skillmix_eval.backends._local import draw_seed, turns

    engine = vllm.LLM(model=model, **json.loads(os.environ.get("SKILLMIX_VLLM_ARGS") or "{}"))
    kinds = [
        vllm.SamplingParams(temperature=r.temperature, max_tokens=r.max_tokens, seed=draw_seed(r))
        for r in asked
    ]
    chats = [turns(r) for r in asked]
    engine.chat(chats[:50], kinds[:50], use_tqdm=False)
    times, tokens = [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        outputs = engine.chat(chats, kinds, use_tqdm=False)
        times.append(time.perf_counter() - began)
        tokens = sum(len(o.outputs[0].token_ids) for o in outputs)
    return times, tokens


def main() -> None:
    """Run both, several times in turn, and print one JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--which", choices=["ours", "bare"])
    given = parser.parse_args()
    if given.which:
        asked = requests(given.prompts, given.temperature, given.max_tokens)
        times, tokens = globals()[given.which](given.model, asked, given.rounds)
        sys.stdout.write("\nRESULT " + json.dumps({"seconds": times, "tokens": tokens}) + "\n")
        return
    found: dict[str, list[float]] = {"bare": [], "ours": []}
    tokens: dict[str, int] = {}
    for _ in range(given.turns):
        for which in found:
            command = [sys.executable, __file__, *sys.argv[1:], "--which", which]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            result = json.loads(out.rpartition("RESULT ")[2].splitlines()[0])
            found[which] += result["seconds"]
            tokens[which] = result["tokens"]
    medians = {which: statistics.median(times) for which, times in found.items()}
    print(
        json.dumps(
            {
                "prompts": given.prompts,
                "seconds": {w: [round(t, 2) for t in ts] for w, ts in found.items()},
                "median": {w: round(t, 2) for w, t in medians.items()},
                "tokens": tokens,
                "ours_over_bare_throughput": round(
                    (tokens["ours"] / medians["ours"]) / (tokens["bare"] / medians["bare"]), 3
                ),
                "load": os.getloadavg(),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
