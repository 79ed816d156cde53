"""A real chat-completions server that answers well, or misbehaves when told to, and ways to use it in tests.

As a student it writes a short text that depends on the messages and the seed. As a judge it answers in the
form its prompt asks for. What it answers is a function of the request alone, so two runs get the same.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from skillmix_eval.styles._decoys import DECOYS

ROOT = Path(__file__).parent.parent
STUDENT, JUDGE, OTHER_JUDGE = "good-student", "good-judge", "other-judge"

_ADJECTIVES = ["amber", "brittle", "copper", "dusty", "early", "faded", "gentle", "hollow"]
_NOUNS = ["anvil", "barge", "candle", "drum", "ember", "ferry", "gate", "heron"]
_VERBS = ["bends", "cools", "drifts", "fades", "hums", "leans", "rests", "waits"]


@dataclass
class Call:
    """One request as the server saw it, and what became of it."""

    model: str
    role: str  # student or judge
    turn: str  # draft, refine or judge
    body: dict[str, Any]
    key: str  # hash of the body: equal for equal requests
    number: int  # how many calls came before this one
    attempt: int  # how many calls with this key came before this one
    began: float
    ended: float = 0.0
    fault: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The last message."""
        return str(self.body["messages"][-1]["content"])


Fault = Callable[[Call], str | None]


class Server:
    """Serves until the with-block ends. `fault` names how a call is to go wrong, or returns None."""

    def __init__(
        self,
        student_s: float = 0.0,
        judge_s: float = 0.0,
        fault: Fault = lambda _: None,
        handler: type[BaseHTTPRequestHandler] | None = None,
    ) -> None:
        self.calls: list[Call] = []
        self.most_in_flight: Counter[str] = Counter()
        self.errors: list[str] = []
        self.fault = fault
        self.seconds = {"student": student_s, "judge": judge_s}
        self._in_flight: Counter[str] = Counter()
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", 0), handler or _Handler)
        self._http.chat = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        assert error or not self.errors, self.errors

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def of(self, role: str) -> list[Call]:
        """The calls so far of one role."""
        return [c for c in list(self.calls) if c.role == role]

    def forget(self) -> None:
        """Start counting afresh."""
        with self._lock:
            self.calls, self.most_in_flight = [], Counter()

    def begin(self, body: dict[str, Any], headers: dict[str, str]) -> Call:
        """Note a call's arrival."""
        turn = _turn(body)
        role = "judge" if turn == "judge" else "student"
        key = hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=8).hexdigest()
        with self._lock:
            call = Call(
                body["model"], role, turn, body, key, len(self.calls), self._attempts[key], time.monotonic()
            )
            call.headers = headers
            self.calls.append(call)
            self._attempts[key] += 1
            self._in_flight[role] += 1
            self.most_in_flight[role] = max(self.most_in_flight[role], self._in_flight[role])
        call.fault = self.fault(call)
        time.sleep(self.seconds[role])
        return call

    def end(self, call: Call) -> None:
        """Note that a call is about to be answered."""
        with self._lock:
            self._in_flight[call.role] -= 1
            call.ended = time.monotonic()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    chat: Server

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Clients are killed in these tests: a broken connection is no fault of the server."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.chat.errors.append(repr(error))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_POST(self) -> None:
        """Answer one chat completion."""
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        chat = self.server.chat
        if len(raw) < int(self.headers["Content-Length"]):
            self.close_connection = True  # the client was killed while it sent
            return
        if self.path != "/v1/chat/completions":
            self._send(404, {"error": {"message": f"no such path {self.path}"}})
            return
        call = chat.begin(json.loads(raw), {k.lower(): v for k, v in self.headers.items()})
        chat.end(call)  # before the answer is sent: the client cannot begin its next call earlier
        if call.fault and re.match(r"\d{3}:", call.fault):
            status, _, said = call.fault.partition(":")
            said = said.replace("KEY", self.headers.get("Authorization", "").removeprefix("Bearer "))
            self._send(int(status), {"error": {"message": said, "type": "error"}})
        elif call.fault in _REFUSALS:
            status, extra = _REFUSALS[call.fault]
            said = f"You sent Authorization: {self.headers.get('Authorization')} for model {call.model}"
            self._send(status, {"error": {"message": said, "type": "error"}}, extra)
        elif call.fault == "hang-up":
            self.close_connection = True
        elif call.fault == "malformed":
            self._send_bytes(200, b'{"choices": [{"mess')
        elif call.fault == "endless":
            self._send_bytes(200, b" " * (2**25 + 1))
        elif call.fault and call.fault.startswith("body:"):
            self._send_bytes(200, call.fault.removeprefix("body:").encode())
        elif call.fault == "html":
            self._send_bytes(200, b"<html>Bad gateway</html>", "text/html")
        else:
            self._send(200, _completion(call))

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _send(self, status: int, body: dict[str, Any], extra: dict[str, str] | None = None) -> None:
        self._send_bytes(status, json.dumps(body).encode(), "application/json", extra)

    def _send_bytes(
        self,
        status: int,
        data: bytes,
        kind: str = "application/json",
        extra: dict[str, str] | None = None,
    ) -> None:
        head = {"Content-Type": kind, "Content-Length": str(len(data)), **(extra or {})}
        lines = [f"HTTP/1.1 {status} Status", *(f"{k}: {v}" for k, v in head.items()), "", ""]
        self.wfile.write("\r\n".join(lines).encode() + data)  # one write: no wait for an acknowledgement


_REFUSALS: dict[str, tuple[int, dict[str, str]]] = {
    "400": (400, {}),
    "401": (401, {}),
    "404": (404, {}),
    "429": (429, {"Retry-After": "0"}),
    "503": (503, {"Retry-After": "0"}),
    "500": (500, {"Retry-After-Ms": "1"}),
}


def once(fault: str, which: Callable[[Call], bool] = lambda _: True) -> Fault:
    """Return the rule that each call for which `which` holds goes wrong the first time it is made."""
    return lambda call: fault if call.attempt == 0 and which(call) else None


def _completion(call: Call) -> dict[str, Any]:
    text: str | None = judge(call.prompt) if call.role == "judge" else write(call.body)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    finish = "stop"
    match call.fault:
        case "length":
            message["content"], finish = str(text)[: len(str(text)) // 2], "length"
        case "refusal":
            message["content"], message["refusal"] = None, "I will not do that."
        case "filter":
            finish = "content_filter"
        case "reasoning":
            message["reasoning_content"] = "First I think of metaphors."
        case "only reasoning":
            message |= {"content": None, "reasoning_content": "First I think of met"}
            finish = "length"
        case "null":
            message["content"] = None
        case "gibberish":
            message["content"] = "I would rather talk about the weather."
        case "surrogate":
            message["content"] = "Half a pair \ud83d is left at the gate."
        case str(said) if said.startswith("say:"):
            message["content"] = said.removeprefix("say:")
        case str(said) if said.startswith("finish:"):
            finish = said.removeprefix("finish:")
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": call.model,
        "choices": []
        if call.fault == "no choices"
        else [{**choices[0], "message": None}]
        if call.fault == "no message"
        else choices,
        "usage": _usage(call, str(text), "reasoning_content" in message),
    }


def _usage(call: Call, text: str, reasons: bool) -> dict[str, Any] | None:
    many = 20_000 if call.fault == "20000 tokens" and call.role == "student" else len(text.split())
    usage: dict[str, Any] = {"prompt_tokens": len(call.prompt.split()), "completion_tokens": many}
    usage["total_tokens"] = usage["prompt_tokens"] + many + 1000 * (call.fault == "total")
    if reasons:
        usage["completion_tokens_details"] = {"reasoning_tokens": 7}
    return None if call.fault == "no usage" else usage


def _turn(body: dict[str, Any]) -> str:
    prompt = body["messages"][-1]["content"]
    if "grading a short English text" in prompt or "help me mark a student's short piece" in prompt:
        return "judge"
    return "refine" if any(m["role"] == "assistant" for m in body["messages"]) else "draft"


def write(body: dict[str, Any]) -> str:
    """Return a student's answer: one sentence, in the form the messages ask for."""
    digest = hashlib.blake2b(json.dumps([body["messages"], body.get("seed")]).encode(), digest_size=8)
    a, n, v, tag = (
        digest.digest()[0] % 8,
        digest.digest()[1] % 8,
        digest.digest()[2] % 8,
        digest.hexdigest(),
    )
    text = f"By lot {tag} the {_ADJECTIVES[a]} {_NOUNS[n]} {_VERBS[v]} beside us."
    if "'Answer:'" in body["messages"][-1]["content"]:
        return f"Answer: {text}\n\nExplanation: it does what was asked."
    return text


def judge(prompt: str) -> str:
    """Return a judge's reply in the form that its prompt asks for; about one point in four is not earned."""
    if "Reply with one JSON object" in prompt:
        return _judge_json(prompt)
    _, _, below = prompt.partition("word for word, are:\n")
    table = bool(below)
    below = below or prompt.partition("each worth one point:\n")[2]
    labels = [line[2:] for line in below.split("\n\n")[0].splitlines()]
    points = [int(_met(prompt + label)) for label in labels]
    if not table:
        lines = [f"{label}: it is so.\nPoint earned: {p}\n" for label, p in zip(labels, points, strict=True)]
        return "\n".join([*lines, f"Grade: {sum(points)}"])
    rows = [f"| {label.replace('|', chr(92) + '|')} | {p} |" for label, p in zip(labels, points, strict=True)]
    head = ["Here's the grading table:", "", "| Criteria | Points Earned |", "| --- | --- |"]
    return "\n".join([*head, *rows, f"| Total Points Earned | {sum(points)} |", "", "Explanation: fair."])


def _judge_json(prompt: str) -> str:
    asked = re.findall(r"^(c[0-9a-f]{6,}): (.*)$", prompt, re.MULTILINE)
    boundary = re.search(r"^----- text (\w+) begins -----$", prompt, re.MULTILINE)
    receipt = re.search(r'"receipt": "(\w+)"', prompt)
    assert boundary, "the prompt marks no text"
    assert receipt, "the prompt asks for no receipt"
    text = prompt.partition(boundary[0])[2].partition(f"----- text {boundary[1]} ends -----")[0]
    quote = " ".join(text.split()[:4])
    met = {code: _met(code) and not any(f'"{d}"' in question for d in DECOYS) for code, question in asked}
    answers = {code: {"reason": "It is so.", "quote": quote, "met": m} for code, m in met.items()}
    return json.dumps({**answers, "receipt": receipt[1]})


def _met(what: str) -> bool:
    return hashlib.blake2b(what.encode(), digest_size=1).digest()[0] % 4 != 0


@dataclass
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


def command(*arguments: object) -> list[str]:
    """Return the command line that runs skillmix from this checkout."""
    return [sys.executable, "-m", "skillmix_eval", *map(str, arguments)]


def environment(**extra: str) -> dict[str, str]:
    """Return the environment for a command: this checkout's package, a key, no terminal settings."""
    kept = {k: v for k, v in os.environ.items() if k not in {"FORCE_COLOR", "NO_COLOR", "COLUMNS", "TERM"}}
    return {**kept, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "key", "TERM": "xterm-256color", **extra}


def skillmix(*arguments: object, cwd: Path, timeout: float = 300, **env: str) -> Done:
    """Run the command line as its own process, with pipes for its output."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(**env),
        capture_output=True,
        timeout=timeout,
        encoding="utf-8",
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def one_sentence(done: Done, *words: str) -> None:
    """Check that a command failed with one line that says what is wrong, and nothing else."""
    assert "Traceback" not in done.err, done.err
    assert done.out == ""
    lines = [line for line in done.err.splitlines() if line.strip()]
    assert len(lines) == 1, done.err
    for word in words:
        assert word in done.err, done.err


def write_lists(folder: Path, skills: int = 6, topics: int = 5, mark: str = "") -> tuple[Path, Path]:
    """Write small lists of skills and topics; `mark` is put into every name, definition and example."""
    rows = [
        {
            "category": ("literary", "rhetorical", "logical")[i % 3],
            "name": f"{mark}turn {'abcdefghijklmnop'[i]}",
            "definition": f"Does the {mark}thing numbered {i} in the writing itself.",
            "example": f"The {mark}old sign {i} swung all night.",
        }
        for i in range(skills)
    ]
    with (folder / "skills.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    names = [f"{mark}{name}" for name in ("quays", "looms", "kilns", "orchards", "tides", "bells")[:topics]]
    (folder / "topics.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return folder / "skills.csv", folder / "topics.txt"


def models(server: Server) -> list[object]:
    """Return the options that name the server's student and judge."""
    return [
        *("--student", f"openai/{STUDENT}", "--base-url", server.url),
        *("--judge", f"openai/{JUDGE}", "--judge-base-url", server.url),
    ]


def run_options(server: Server, folder: Path) -> list[object]:
    """Return options of a run on small public lists, written into `folder` unless they are there."""
    if not (folder / "skills.csv").exists():
        write_lists(folder)
    lists = ["--domain", "language", "--skills", folder / "skills.csv", "--topics", folder / "topics.txt"]
    rest = ["--anchors", 0, "--store", folder / "store.sqlite"]
    return [*lists, "--public", *models(server), *rest]


def files_of(folder: Path) -> dict[str, bytes]:
    """Return a folder's files and their contents."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def run_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a run folder, all of which must be there."""
    found = files_of(folder)
    reports = ["report.html", "report.md", "samples.parquet", "scores.json", "spec.yaml"]
    assert sorted(found) == ["catalogue.json", *reports]
    return found
