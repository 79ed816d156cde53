"""Time 1,000 questions with a judge against a local server that takes 200 ms: ours beside what people use.

    python benchmarks/calls.py --inspect path/to/python-with-inspect-ai

Each question is one call for a text and one for its grading, 100 in flight at most; ideal is 2,000 x 0.2 s / 100. Ours
stores every reply durably and scores it; the bare loops store nothing and read nothing; Inspect AI grades with
`model_graded_qa`. Arms run in turns, each in a process of its own; medians are printed, with processor time and peak
memory of that process. The server is another process on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LATENCY, AT_ONCE = 0.2, 100
PROMPT = "Write one sentence about quays that shows a metaphor. " * 8


def serve() -> None:
    """Answer chat completions after the latency, as student and as judge; print the port."""
    sys.path.insert(0, str(ROOT))
    from aiohttp import web

    from tests.server import judge, write

    async def answer(request: web.Request) -> web.Response:
        began = time.monotonic()
        body = await request.json()
        prompt = body["messages"][-1]["content"]
        if "grading a short English text" in prompt:
            text = judge(prompt)
        else:
            text = "GRADE: C" if "GRADE" in prompt else write(body)
        await asyncio.sleep(max(0.0, LATENCY - (time.monotonic() - began)))
        usage = {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        head = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"]}
        return web.json_response({**head, "choices": [choice], "usage": usage})

    async def main() -> None:
        application = web.Application(client_max_size=2**24)
        application.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())


def ours(url: str, n: int) -> None:
    """Evaluate through the package, every reply on disk before it is used."""
    from skillmix_eval import run

    models = {"base_url": url, "max_connections": AT_ONCE // 2}
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        finished = run(
            store=Path(folder) / "store.sqlite",
            student={"model": "openai/student", **models},
            judge={"model": "openai/judge", **models},
            domain="language",
            protocol="draft",
            k=3,
            n=n,
            anchors=0,
        )
    assert sum(s.score is not None for s in finished.samples) == n


async def loop(n: int, call: Any) -> None:
    """Make n drafts, each followed by a grading, 100 at once."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def question() -> None:
        async with slots:
            text = await call("student", PROMPT)
            await call("judge", PROMPT + text)

    await asyncio.gather(*(question() for _ in range(n)))


def sdk(url: str, n: int) -> None:
    """A bare loop on the openai package; nothing is kept."""
    import openai

    async def main() -> None:
        async with openai.AsyncOpenAI(api_key="key", base_url=url) as client:

            async def call(model: str, prompt: str) -> str:
                messages: Any = [{"role": "user", "content": prompt}]
                answer = await client.chat.completions.create(model=model, messages=messages)
                return answer.choices[0].message.content or ""

            await loop(n, call)

    asyncio.run(main())


def bare(url: str, n: int) -> None:
    """A bare loop on aiohttp; nothing is kept."""
    import aiohttp

    async def main() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def call(model: str, prompt: str) -> str:
                body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
                async with session.post(f"{url}/chat/completions", json=body) as answer:
                    return str((await answer.json())["choices"][0]["message"]["content"])

            await loop(n, call)

    asyncio.run(main())


def inspect(url: str, n: int) -> None:
    """Inspect AI: one generation, graded by `model_graded_qa`."""
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import get_model
    from inspect_ai.scorer import model_graded_qa
    from inspect_ai.solver import generate

    os.environ["OPENAI_API_KEY"] = "key"
    judge = get_model("openai/judge", base_url=url, api_key="key", max_connections=AT_ONCE // 2)
    student = get_model("openai/student", base_url=url, api_key="key", max_connections=AT_ONCE // 2)
    samples = [Sample(input=f"{PROMPT} {i}", target="a metaphor") for i in range(n)]
    task = Task(dataset=samples, solver=generate(), scorer=model_graded_qa(model=judge))
    with tempfile.TemporaryDirectory() as folder:
        logs = eval(task, model=student, log_dir=folder, display="none", max_samples=AT_ONCE, max_tasks=1)
    assert logs[0].status == "success", logs[0].error


ARMS = {"ours": ours, "bare aiohttp": bare, "bare openai SDK": sdk, "Inspect AI": inspect}


def timed(arm: str, url: str, n: int, python: str) -> dict[str, float]:
    """Run an arm in a process of its own."""
    command = [python, __file__, "--arm", arm, "--url", url, "-n", str(n)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Serve, time one arm, or time all in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--inspect", help="a Python that has inspect-ai")
    options = parser.parse_args()
    if options.serve:
        serve()
    elif options.arm:
        began = time.perf_counter()
        ARMS[options.arm](options.url, options.n)
        wall = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_SELF)
        row = {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1024}
        print(json.dumps(row), flush=True)
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """Time all arms in turns; the server lives as long as this."""
    pythons = dict.fromkeys(("ours", "bare aiohttp", "bare openai SDK"), sys.executable)
    if options.inspect:
        pythons["Inspect AI"] = options.inspect
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        rows: dict[str, list[dict[str, float]]] = {arm: [] for arm in pythons}
        loads = [os.getloadavg()[0]]
        try:
            for _ in range(options.rounds):
                for arm, python in pythons.items():
                    rows[arm].append(timed(arm, url, options.n, python))
            loads.append(os.getloadavg()[0])
        finally:
            server.terminate()
    calls = 2 * options.n
    ideal = calls * LATENCY / AT_ONCE
    print(f"{options.n:,} questions, ideal {ideal:.1f} s, load {loads[0]:.1f} to {loads[1]:.1f}\n")
    print("| arm | wall | x ideal | CPU per call | peak memory |\n|---|---|---|---|---|")
    for arm, found in rows.items():
        wall, cpu, memory = (statistics.median(r[key] for r in found) for key in ("wall", "cpu", "megabytes"))
        print(
            f"| {arm} | {wall:.1f} s | {wall / ideal:.2f} | {1000 * cpu / calls:.2f} ms | {memory:.0f} MB |"
        )


if __name__ == "__main__":
    main()
