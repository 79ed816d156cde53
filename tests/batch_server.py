"""The server of the other tests with /v1/files and /v1/batches: it works on a batch when it is let."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from .server import Fault, Server, _completion, _Handler


class BatchServer(Server):
    """Keeps files and batches; a batch is done when it is looked at while `may_work` is set."""

    def __init__(self, fault: Fault = lambda _: None) -> None:
        super().__init__(fault=fault, handler=_BatchHandler)
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.may_work = threading.Event()
        self.may_work.set()
        self.live_calls = 0
        self.lose_creation = False  # make the next batch, but cut the connection before saying so

    def sizes(self) -> list[int]:
        """How many calls each batch had."""
        return [len(self.files[b["input_file_id"]].splitlines()) for b in self.batches.values()]

    def look(self, name: str) -> dict[str, Any]:
        """Return a batch, worked on if that is allowed."""
        batch = self.batches[name]
        if batch["status"] == "in_progress" and self.may_work.is_set():
            self.work(batch)
        return batch

    def work(self, batch: dict[str, Any]) -> None:
        """Answer a batch's calls into an output and an error file, in another order."""
        out, bad = [], []
        for row in reversed(self.files[batch["input_file_id"]].splitlines()):
            line = json.loads(row)
            assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
            call = self.begin(line["body"], {})
            self.end(call)
            one = {"id": f"r{call.number}", "custom_id": line["custom_id"], "error": None, "response": None}
            if call.fault == "expired":
                one["error"] = {"code": "batch_expired", "message": "This request could not be executed."}
                batch["status"] = "expired"
            elif call.fault and call.fault.startswith("failed:"):
                said = call.fault.removeprefix("failed:")
                batch["errors"] = {"object": "list", "data": [{"code": "x", "message": said}]}
                batch["status"] = "failed"
                return
            elif call.fault and call.fault.startswith("error:"):
                one["error"] = {"code": "x", "message": call.fault.removeprefix("error:")}
            elif call.fault and call.fault[:3] in ("400", "401", "429", "500"):
                body = {"error": {"message": call.fault[4:] or "It cannot be done.", "code": None}}
                one["response"] = {"status_code": int(call.fault[:3]), "request_id": "q", "body": body}
            elif call.fault == "left out":
                continue
            else:
                one["response"] = {"status_code": 200, "request_id": "q", "body": _completion(call)}
            good = one["response"] is not None and one["response"]["status_code"] == 200
            (out if good else bad).append(json.dumps(one))
        for kind, lines in (("output_file_id", out), ("error_file_id", bad)):
            batch[kind] = self.keep("\n".join(lines).encode()) if lines else None
        batch["status"] = "expired" if batch["status"] == "expired" else "completed"

    def keep(self, content: bytes) -> str:
        """Keep a file and return its id."""
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return name


class _BatchHandler(_Handler):
    def do_POST(self) -> None:  # noqa: N802
        """Take a file, a batch, or one call."""
        server = self.server.chat
        assert isinstance(server, BatchServer)
        if self.path == "/v1/files":
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            self._send(200, _file(server.keep(_uploaded(raw, self.headers["Content-Type"]))))
        elif self.path == "/v1/batches":
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = f"batch-{len(server.batches)}"
            server.batches[name] = _batch(name, given["input_file_id"])
            if server.lose_creation:
                server.lose_creation = False
                server.may_work.clear()
                time.sleep(600)
            self._send(200, server.batches[name])
        else:
            server.live_calls += 1
            super().do_POST()

    def do_GET(self) -> None:  # noqa: N802
        """Show a batch, all batches, or a file's content."""
        server = self.server.chat
        assert isinstance(server, BatchServer)
        path = self.path.partition("?")[0].removeprefix("/v1/")
        if path == "batches":
            data = list(server.batches.values())
            self._send(
                200, {"object": "list", "data": data, "has_more": False, "first_id": None, "last_id": None}
            )
        elif path.removeprefix("batches/") in server.batches:
            self._send(200, server.look(path.removeprefix("batches/")))
        elif path.removeprefix("files/").removesuffix("/content") in server.files:
            name = path.removeprefix("files/").removesuffix("/content")
            self._send_bytes(200, server.files[name], "application/jsonl")
        else:
            self._send(404, {"error": {"message": f"no {path}"}})


def _uploaded(raw: bytes, kind: str) -> bytes:
    """Return the file in a multipart form."""
    boundary = kind.partition("boundary=")[2].strip('"').encode()
    for part in raw.split(b"--" + boundary):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="file"' in head:
            return content.removesuffix(b"\r\n")
    raise AssertionError("no file in the form")


def _file(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "file",
        "bytes": 0,
        "created_at": 0,
        "filename": "calls.jsonl",
        "purpose": "batch",
        "status": "processed",
    }


def _batch(name: str, file: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "input_file_id": file,
        "completion_window": "24h",
        "status": "in_progress",
        "created_at": 0,
        "output_file_id": None,
        "error_file_id": None,
        "errors": None,
    }
