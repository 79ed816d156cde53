"""`skillmix view`: a server on this machine only, to read runs, watch them and spot-check the judge.

Every request needs the token of this start (in the printed address, then in a cookie) and a local host name;
what writes also needs the page's own origin and the token in a header. No address is a path of a file.
"""

from __future__ import annotations

import datetime
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from . import spot
from .compare import compare
from .errors import BadInputError, SkillMixError
from .evaluate import report_page, run_figures
from .labels import Label, Labels
from .page import render
from .pair_page import compare_page
from .runs import Run
from .shelf import Shelf
from .stages.report import interval
from .stats import Estimate, estimate

HOSTS = ["127.0.0.1", "localhost"]
_CONNECT = "connect-src 'self'; "
_LARGEST = 64_000  # bytes of a request
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _View:
    """What the addresses answer."""

    def __init__(self, shelf: Shelf, labels: Labels, token: str, rater: str) -> None:
        self.shelf, self.labels, self.token, self.rater = shelf, labels, token, rater
        self._pages: dict[int, tuple[Run, str]] = {}
        self._kept: tuple[list[Run], list[spot.Task], dict[str, str]] | None = None

    def index(self, request: Request) -> Response:  # noqa: ARG002
        rows = []
        for number, folder in enumerate(self.shelf.look()):
            finished = self.shelf.finished(number)
            about = self._finished(number) if finished else self._unfinished(number)
            rows.append({"fault": "", "number": number, "folder": folder.name, "finished": finished, **about})
        return self._html(
            "view_index.html.j2",
            ("view.js", "index.js"),
            title="Runs",
            runs=rows,
            labels=str(self.labels.path),
        )

    def _finished(self, number: int) -> dict[str, Any]:
        """Return a finished run's figures as they were written, which is quicker than reading its texts."""
        try:
            found = msgspec.json.decode(
                (self.shelf.folder(number) / "scores.json").read_bytes(), type=_Scores
            )
        except (OSError, msgspec.MsgspecError) as error:
            return {"fault": f"scores.json cannot be read: {error}"}
        by_k = found.figures.by_k
        return {
            "title": found.run.student,
            "judge": found.run.judge,
            "protocol": found.run.protocol,
            "texts": sum(row.texts for row in by_k),
            "full": [(r.k, r.metrics["full_marks"].estimate) for r in by_k],
        }

    def _unfinished(self, number: int) -> dict[str, Any]:
        watcher = self.shelf.watcher(number)
        return {"done": watcher.done, "total": watcher.total}

    def read(self, request: Request) -> Response:
        number = request.path_params["number"]
        if not self.shelf.finished(number):
            return self._html(
                "view_live.html.j2", ("view.js", "live.js"), title="A run goes on", number=number
            )
        run, private = self.shelf.run(number), self.shelf.show_private
        if number not in self._pages or self._pages[number][0] is not run:
            self._pages[number] = (run, report_page(run, run_figures(run, private), private))
        return HTMLResponse(self._pages[number][1])

    def compare(self, request: Request) -> Response:
        """Give the page of two finished runs; what cannot be compared is said."""
        numbers = [request.query_params.get(side, "") for side in ("old", "new")]
        if not all(n.isdecimal() and len(n) < 6 for n in numbers):
            raise HTTPException(404, "Give two runs by number.")
        old, new = (self.shelf.run(int(n)) for n in numbers)
        private = self.shelf.show_private
        return HTMLResponse(compare_page(compare(old, new, private), old, new, private))

    def live(self, request: Request) -> Response:
        number = request.path_params["number"]
        watcher = self.shelf.watcher(number)
        by_k = [
            {"k": k, "texts": watcher.texts[k], "scored": len(full), "full": interval(estimate(full))}
            for k, full in sorted(watcher.full.items())
        ]
        found = {"done": watcher.done, "total": watcher.total, "by_k": by_k, "last": list(watcher.last)[::-1]}
        return _json(found | {"finished": self.shelf.finished(number)})

    def spot_page(self, request: Request) -> Response:
        run = _number(request)
        scripts = ("view.js", "spot.js")
        return self._html("view_spot.html.j2", scripts, title="Spot-check", rater=self.rater, run=run)

    def next_text(self, request: Request) -> Response:
        """Give one text and what this rater has said of it: `at`, else the first that is not decided."""
        found, names = self._tasks(_number(request))
        if not found:
            raise HTTPException(404, "No finished run has a scored text yet.")
        everyone = self.labels.all()
        grouped = spot.by_rater(everyone)
        rater = _rater(request.query_params.get("rater", ""))
        own = grouped.get(rater, {})
        done = [spot.is_done(task, own) for task in found]
        first = done.index(False) if False in done else len(found) - 1
        given = request.query_params.get("at", "")
        at = min(int(given), len(found) - 1) if given.isdecimal() and len(given) < 10 else first
        said = {
            x.item: {"met": x.met, "note": x.note}
            for x in everyone
            if (x.rater, x.text) == (rater, found[at].key)
        }
        told = {"at": at, "total": len(found), "done": sum(done), "gain": spot.gain(found, grouped)}
        return _json(told | {"task": spot.shown(found[at], names), "labels": said})

    async def label(self, request: Request) -> Response:
        """Keep one label; the answer comes when it is on disk."""
        given = msgspec.json.decode(await _body(request), type=_Given)
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        label = Label(given.text, given.item, given.met, _rater(given.rater), at, given.note)
        self.labels.add([label])
        return _json({"kept": at})

    async def undo(self, request: Request) -> Response:
        """Take back the rater's last label and say where its text is."""
        given = msgspec.json.decode(await _body(request), type=_Undo)
        undone = self.labels.undo(_rater(given.rater))
        keys = [task.key for task in self._tasks(given.run)[0]]
        at = keys.index(undone.text) if undone and undone.text in keys else None
        return _json({"at": at, "item": undone.item if undone else None})

    def agreement(self, request: Request) -> Response:
        found, _ = self._tasks(_number(request))
        grouped = spot.by_rater(self.labels.all())
        tables = [spot.judge_table(found, grouped), spot.raters_table(grouped)]
        shown = [t for t in tables if t.rows]
        said = spot.gain(found, grouped)
        return self._html("view_agreement.html.j2", (), title="Agreement", tables=shown, said=said)

    def _tasks(self, number: int | None) -> tuple[list[spot.Task], dict[str, str]]:
        """Return the texts to read, and names; kept until a run is read anew."""
        runs = spot.readable(self.shelf.runs(number), self.shelf.show_private)
        if self._kept is None or [*map(id, self._kept[0])] != [*map(id, runs)]:
            self._kept = (runs, *self._found(runs))
        return self._kept[1:]

    def _found(self, runs: list[Run]) -> tuple[list[spot.Task], dict[str, str]]:
        names: dict[str, str] = {}
        for run in runs:
            names |= self.shelf.names(run)
        return spot.tasks(runs), names

    def _html(self, template: str, scripts: tuple[str, ...], **values: Any) -> Response:
        return HTMLResponse(render(template, scripts, _CONNECT, token=self.token, **values))


class _Metric(msgspec.Struct):
    estimate: Estimate


class _Row(msgspec.Struct):
    k: int
    texts: int
    metrics: dict[str, _Metric]


class _Figures(msgspec.Struct):
    by_k: tuple[_Row, ...]


class _Who(msgspec.Struct):
    student: str
    judge: str
    protocol: str


class _Scores(msgspec.Struct):
    """The part of scores.json that the list of runs shows; other releases may write more beside it."""

    run: _Who
    figures: _Figures


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    rater: str
    text: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]  # a run that has it may be gone: a label is kept
    item: Annotated[str, Meta(min_length=1, max_length=200)]
    met: bool | None
    note: Annotated[str, Meta(max_length=2000)] = ""


class _Undo(msgspec.Struct):
    rater: str
    run: int | None = None


class _Guard(BaseHTTPMiddleware):
    """Lets in only who has the token, and writes only from our own pages."""

    def __init__(self, app: Any, token: str, cookie: str) -> None:
        super().__init__(app)
        self.token, self.cookie = token, cookie

    async def dispatch(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        if request.method == "GET" and self._is_token(request.query_params.get("token", "")):
            response: Response = RedirectResponse(request.url.path, 303)
            response.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
        elif not self._is_token(request.cookies.get(self.cookie, "")):
            response = _refused(
                "Open the address that `skillmix view` printed: it holds the token of this start."
            )
        elif request.method != "GET" and not self._is_ours(request):
            response = _refused("Only this server's own pages may write.")
        else:
            response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _is_ours(self, request: Request) -> bool:
        own = f"http://{request.headers.get('host', '')}"
        return request.headers.get("origin") == own and self._is_token(request.headers.get("x-token", ""))


def application(shelf: Shelf, labels: Labels, token: str, port: int, rater: str = "") -> Starlette:
    """Return the server's application."""
    view = _View(shelf, labels, token, rater)
    routes = [
        Route("/", view.index),
        Route("/runs/{number:int}", view.read),
        Route("/compare", view.compare),
        Route("/spot", view.spot_page),
        Route("/agreement", view.agreement),
        Route("/api/runs/{number:int}", view.live),
        Route("/api/spot", view.next_text),
        Route("/api/label", view.label, methods=["POST"]),
        Route("/api/undo", view.undo, methods=["POST"]),
    ]
    guards = [
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
        Middleware(_Guard, token=token, cookie=f"skillmix-{port}"),
    ]
    told: Any = {HTTPException: _said, SkillMixError: _said, msgspec.MsgspecError: _malformed}
    return Starlette(routes=routes, middleware=guards, exception_handlers=told)


def new_token() -> str:
    """Return a token for one start of the server."""
    return secrets.token_urlsafe(24)


def _said(request: Request, error: Exception) -> Response:  # noqa: ARG001
    if isinstance(error, HTTPException):
        return Response(error.detail, error.status_code, media_type="text/plain")
    status = 400 if isinstance(error, BadInputError) else 500
    return Response(str(error), status, media_type="text/plain")


def _malformed(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return Response(f"This cannot be read: {error}.", 400, media_type="text/plain")


def _refused(words: str) -> Response:
    return Response(words, 403, media_type="text/plain")


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


async def _body(request: Request) -> bytes:
    found = b""
    async for part in request.stream():
        found += part
        if len(found) > _LARGEST:
            raise HTTPException(413, "This is too long for a label.")
    return found


def _rater(given: str) -> str:
    name = " ".join(given.split())[:60]
    if not name:
        raise HTTPException(400, "Say who you are: the field `Rater` is empty.")
    return name


def _number(request: Request) -> int | None:
    given = request.query_params.get("run", "")
    return int(given) if given.isdecimal() and len(given) < 6 else None
