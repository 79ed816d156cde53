"""What a run's model calls cost in time: ours beside bare loops and peers, on one local server with fixed latency.

    python benchmarks/calls.py --questions 1000 --rounds 3 --out results/calls/speed.json
    python benchmarks/calls.py --memory 1000,10000,100000 --out results/calls/memory.json

Each question has one draft and one grading. The server is a process of its own that answers each call after
`--latency` seconds; each client is a process of its own, too, and the clients take turns (`--rounds`). Timed is the work,
without imports: ours keeps every answer durably (SQLite, fsync) and scores it; the bare loops send the same prompts,
rendered beforehand, and keep nothing. `--inspect PYTHON` and `--lm-eval PYTHON` name pythons that have these peers.
The ideal is calls x latency / connections.
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

ROOT = Path(__file__).resolve().parents[1]
STUDENT, JUDGE = "good-student", "good-judge"


# ---------------------------------------------------------------------------------------------------- the server


def serve(latency: float) -> None:
    """Answer chat completions, each after the latency, until standard input closes."""
    sys.path.insert(0, str(ROOT))
    from tests.server import judge, write

    def answer(raw: bytes) -> bytes:
        body = json.loads(raw)
        prompt = body["messages"][-1]["content"]
        if not isinstance(prompt, str):
            prompt = "".join(part.get("text", "") for part in prompt)
            body["messages"][-1]["content"] = prompt
        if "Reply with one JSON object" in prompt:
            text = judge(prompt)
        else:
            text = "GRADE: C" if "GRADE:" in prompt else write(body)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(text) // 4, "total_tokens": 1}
        found = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [choice],
        }
        return json.dumps(found | {"usage": usage}).encode()

    class Http(asyncio.Protocol):
        """As little HTTP/1.1 as will do, so that the server takes little of the processor."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport, self.data = transport, b""

        def data_received(self, data: bytes) -> None:
            self.data += data
            while (end := self.data.find(b"\r\n\r\n")) >= 0:
                head = self.data[:end].lower()
                at = head.find(b"content-length:")
                size = int(head[at + 15 :].split(b"\r\n")[0]) if at >= 0 else 0
                if len(self.data) < end + 4 + size:
                    return
                body, self.data = self.data[end + 4 : end + 4 + size], self.data[end + 4 + size :]
                asyncio.get_running_loop().call_later(latency, self.reply, body)

        def reply(self, body: bytes) -> None:
            found = answer(body) if body else b"{}"
            head = (
                f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(found)}\r\n\r\n"
            )
            if not self.transport.is_closing():
                self.transport.write(head.encode() + found)

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Http, "127.0.0.1", 0, backlog=1000)
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
        await asyncio.to_thread(sys.stdin.read)

    asyncio.run(run())


# --------------------------------------------------------------------------------------------------- the clients


def settings(url: str, questions: int, connections: int) -> dict:
    """Return the run's settings; student and judge share the connections."""
    half = connections // 2
    return {
        "student": {"model": f"openai/{STUDENT}", "base_url": url, "max_connections": half},
        "judge": {"model": f"openai/{JUDGE}", "base_url": url, "max_connections": connections - half},
        "domain": "language",
        "protocol": "draft",
        "k": 3,
        "n": questions,
        "anchors": 0,
    }


def ours(url: str, questions: int, connections: int, folder: Path) -> dict:
    """Run ours, with a durable store."""
    import aiohttp  # noqa: F401  imported beforehand, as the other clients' libraries are

    from skillmix_eval.evaluate import evaluate, load_models, prepare
    from skillmix_eval.spec import make_spec
    from skillmix_eval.store import Store

    with timed() as found:
        setting = prepare(make_spec(settings(url, questions, connections)))
        store = Store(folder / "store.sqlite")
        result = evaluate(setting, load_models(setting), store)
        store.close()
    check(all(s.score for s in result.run.samples))
    check(sum(s.paid_calls for s in result.spend.values()) == 2 * questions)
    return found


def prompts(url: str, questions: int, connections: int) -> list[str]:
    """Return the prompts of the run, for clients that only send them."""
    from skillmix_eval.evaluate import prepare
    from skillmix_eval.spec import make_spec
    from skillmix_eval.stages.prompt import draft_request

    setting = prepare(make_spec(settings(url, questions, connections)))
    asked = (draft_request(q, 0, setting.draft, setting.spec.student) for q in setting.questions())
    return [request.messages[-1].content for request in asked]


RUBRIC = (
    "You are grading a short text. Is each of these at work in it? End with GRADE: C or GRADE: I.\n"
    + "- a skill\n" * 180
)


def bare_openai(url: str, questions: int, connections: int, _: Path) -> dict:
    """A loop on the openai package that keeps nothing."""
    import openai

    texts = prompts(url, questions, connections)

    async def work() -> None:
        client = openai.AsyncOpenAI(api_key="none", base_url=url)
        places = asyncio.Semaphore(connections)

        async def ask(model: str, prompt: str) -> str:
            async with places:
                messages = [{"role": "user", "content": prompt}]
                answer = await client.chat.completions.create(model=model, messages=messages)
                return answer.choices[0].message.content

        async def one(prompt: str) -> None:
            text = await ask(STUDENT, prompt)
            await ask(JUDGE, f"{RUBRIC}\n{text}")

        await asyncio.gather(*map(one, texts))

    with timed() as found:
        asyncio.run(work())
    return found


def bare_aiohttp(url: str, questions: int, connections: int, _: Path) -> dict:
    """A loop on aiohttp that keeps nothing."""
    import aiohttp

    texts = prompts(url, questions, connections)

    async def work() -> None:
        places = asyncio.Semaphore(connections)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def ask(model: str, prompt: str) -> str:
                async with places:
                    body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
                    async with session.post(f"{url}/chat/completions", json=body) as answer:
                        return (await answer.json())["choices"][0]["message"]["content"]

            async def one(prompt: str) -> None:
                text = await ask(STUDENT, prompt)
                await ask(JUDGE, f"{RUBRIC}\n{text}")

            await asyncio.gather(*map(one, texts))

    with timed() as found:
        asyncio.run(work())
    return found


def inspect(url: str, questions: int, connections: int, folder: Path) -> dict:
    """Inspect AI with `model_graded_qa`, its log written as it does by default."""
    from inspect_ai import Task
    from inspect_ai import eval as evaluate
    from inspect_ai.dataset import Sample
    from inspect_ai.model import get_model
    from inspect_ai.scorer import model_graded_qa
    from inspect_ai.solver import generate

    texts = json.loads((folder / "prompts.json").read_text())
    both = [get_model(f"openai-api/local/{n}", base_url=url, api_key="none") for n in (STUDENT, JUDGE)]
    task = Task(
        dataset=[Sample(input=text, target="It does what was asked.") for text in texts],
        solver=generate(),
        scorer=model_graded_qa(model=both[1]),
    )
    with timed() as found:
        limits = {"max_connections": connections, "max_samples": connections}
        (log,) = evaluate(task, model=both[0], log_dir=str(folder / "logs"), display="none", **limits)
    check(log.status == "success" and len(log.samples or ()) == questions)
    return found


def lm_eval(url: str, questions: int, connections: int, folder: Path) -> dict:
    """lm-eval's `local-chat-completions`, graded in one go by this package's batch filter."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    from skillmix_eval.templates import data_folder

    os.environ["SKILLMIX_STORE"] = str(folder / "store.sqlite")
    judge = {"judge": f"openai/{JUDGE}", "judge_base_url": url, "judge_max_connections": connections}
    options = {"n": questions, "seed": 0, **judge}
    with timed() as found:
        manager = TaskManager(include_path=str(data_folder("tasks")), metadata=options)
        arguments = {"model": STUDENT, "base_url": f"{url}/chat/completions", "num_concurrent": connections}
        result = lm_eval.simple_evaluate(
            model="local-chat-completions",
            model_args=arguments,
            tasks=["skillmix_language_k3"],
            task_manager=manager,
            apply_chat_template=True,
            metadata=options,
            bootstrap_iters=0,
        )
    check(len(result["samples"]["skillmix_language_k3"]) == questions)
    return found


def check(holds: bool) -> None:
    """Stop where a client did not do its work."""
    if not holds:
        sys.exit("the client did not do all of its work")


class timed:  # noqa: N801  reads as a verb
    """Measure wall and processor seconds of a block, and the peak memory of the process after it."""

    def __enter__(self) -> dict:
        self.found: dict = {}
        self.began, self.used = time.perf_counter(), os.times()
        return self.found

    def __exit__(self, *_: object) -> None:
        used = os.times()
        self.found["wall_s"] = time.perf_counter() - self.began
        self.found["cpu_s"] = used.user + used.system - self.used.user - self.used.system
        self.found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


CLIENTS = {f.__name__: f for f in (ours, bare_openai, bare_aiohttp, inspect, lm_eval)}


# ------------------------------------------------------------------------------------------------ the comparison


def measure(client: str, python: str, url: str, questions: int, connections: int) -> dict:
    """Run one client in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        if client == "inspect":  # its python need not have this package
            (Path(folder) / "prompts.json").write_text(json.dumps(prompts(url, questions, connections)))
        command = [python, __file__, "--client", client, "--url", url, "--folder", folder]
        command += ["--questions", str(questions), "--connections", str(connections)]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "none"}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{client} failed:\n{done.stderr[-3000:]}")
        return json.loads(done.stdout.rpartition("RESULT ")[2])


def compare(given: argparse.Namespace, url: str) -> dict:
    """Let the clients take turns; return the median of each, with its ratios."""
    pythons = dict.fromkeys(("ours", "bare_openai", "bare_aiohttp"), sys.executable)
    pythons |= {name: path for name, path in (("inspect", given.inspect), ("lm_eval", given.lm_eval)) if path}
    for name in CLIENTS.keys() - pythons.keys():
        print(f"{name} is left out: no python that has it was named")
    found: dict[str, list[dict]] = {name: [] for name in pythons}
    loads = []
    for number in range(given.rounds):
        for name, python in pythons.items():
            loads.append(os.getloadavg()[0])
            found[name].append(measure(name, python, url, given.questions, given.connections))
            print(number, name, {k: round(v, 2) for k, v in found[name][-1].items()}, flush=True)
    ideal = 2 * given.questions * given.latency / given.connections
    middle = {n: {k: statistics.median(r[k] for r in rs) for k in rs[0]} for n, rs in found.items()}
    table = {
        name: {
            "wall_s": round(m["wall_s"], 2),
            "wall_over_ideal": round(m["wall_s"] / ideal, 2),
            "wall_over_ours": round(
                statistics.median(
                    a["wall_s"] / b["wall_s"] for a, b in zip(found[name], found["ours"], strict=True)
                ),
                2,
            ),
            "cpu_ms_per_call": round(1000 * m["cpu_s"] / (2 * given.questions), 2),
            "peak_mb": round(m["peak_mb"]),
            "walls_s": [round(r["wall_s"], 2) for r in found[name]],
        }
        for name, m in middle.items()
    }
    setup = {n: getattr(given, n) for n in ("questions", "latency", "connections", "rounds")}
    return {"setup": setup, "ideal_s": ideal, "load_1min": [round(x, 1) for x in loads], "clients": table}


def memory(given: argparse.Namespace, url: str) -> dict:
    """Return time and peak memory of ours by number of questions."""
    rows = {}
    for questions in map(int, given.memory.split(",")):
        found = measure("ours", sys.executable, url, questions, given.connections)
        rows[questions] = {
            "wall_s": round(found["wall_s"], 1),
            "cpu_ms_per_call": round(1000 * found["cpu_s"] / (2 * questions), 2),
            "peak_mb": round(found["peak_mb"]),
        }
        print(questions, rows[questions], flush=True)
    return {"latency": given.latency, "connections": given.connections, "by_questions": rows}


def main() -> None:
    """Serve, be a client, or start both and compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", help="numbers of questions: measure the memory of ours instead")
    parser.add_argument("--inspect", help="a python that has inspect-ai and openai")
    parser.add_argument("--lm-eval", help="a python that has lm-eval and this package's requirements")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--client", choices=CLIENTS)
    parser.add_argument("--url")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.serve:
        serve(given.latency)
    elif given.client:
        found = CLIENTS[given.client](given.url, given.questions, given.connections, given.folder)
        print("RESULT " + json.dumps(found))
    else:
        measured(given)


def measured(given: argparse.Namespace) -> None:
    """Start the server, compare, print and write."""
    sys.path.insert(0, str(ROOT))
    command = [sys.executable, __file__, "--serve", "--latency", str(given.latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        url = server.stdout.readline().strip()
        found = memory(given, url) if given.memory else compare(given, url)
        server.stdin.close()
    print(json.dumps(found, indent=1))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
