"""`skillmix view`, a real server and a real browser: labels outlive everything, strangers get nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from skillmix_eval.evaluate import report_files
from skillmix_eval.labels import Label, read_labels
from skillmix_eval.live import FILE, Watcher, unwatch, watched
from skillmix_eval.runs import write_run
from skillmix_eval.spec import write_spec

from .browsing import Page, until
from .test_pages import HOSTILE, PART, make_run

pytest.importorskip("uvicorn", reason="needs the extra `view`")


class Served:
    """A server of its own process, as people start it."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        command = [sys.executable, "-m", "skillmix_eval", "view", str(folder / "runs"), "--no-browser"]
        command += ["--labels", str(folder / "labels.sqlite"), "--port", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.address = self.process.stdout.readline().removeprefix("Open ").strip()
        self.port = int(self.address.split(":")[2].split("/")[0])
        self.base, _, self.token = self.address.partition("?token=")
        self.cookie = f"skillmix-{self.port}={self.token}"

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    def ask(self, path: str, body: object = None, **headers: str) -> tuple[int, str]:
        """Send one request as it stands and return status and body."""
        sent = {"cookie": self.cookie} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest("GET" if body is None else "POST", path, skip_host="host" in sent)
            data = b"" if body is None else json.dumps(body).encode()
            for name, value in (sent | {"content-length": str(len(data))}).items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two runs, hostile texts among them."""
    folder = tmp_path_factory.mktemp("view")
    for name, run in (
        ("one", make_run([*HOSTILE, "A brook sings."])),
        ("two", make_run(["Other words.", "More."], PART, "m/two")),
    ):
        write_run(folder / "runs" / name, run, report_files(run))
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    """Give a running server."""
    server = Served(folder)
    yield server
    server.kill()


def said(folder: Path, rater: str) -> list[Label]:
    """Return the labels of one rater that are on disk."""
    return [x for x in read_labels(folder / "labels.sqlite") if x.rater == rater]


def choose(page: Page, key: str, folder: Path) -> None:
    """Press a key for an item and wait until its label is on disk."""
    before = len(read_labels(folder / "labels.sqlite"))
    page.keys(key)
    until(lambda: len(read_labels(folder / "labels.sqlite")) > before, f"a label after {key}")
    page.wait("state && !sending && !busy")


def test_labels_outlive_the_server(page: Page, folder: Path) -> None:
    """Ten texts by keyboard, the server killed between labels and under one: every label is there after."""
    served = Served(folder)
    page.open(served.address)
    page.driver.get(served.base + "spot")
    page.js("localStorage.clear()")
    page.keys("ada")
    page.wait("document.activeElement.id === 'rater'")
    page.keys("\ue007")  # Enter leaves the field
    page.wait("state !== null")
    pressed = []
    for number in range(50):  # ten texts of five items
        if number == 23:
            again = _killed_under_a_label(page, served, folder)
            pressed.append("y")
            continue
        key = "ynu"[number % 3]
        choose(page, key, folder)
        pressed.append(key)
    page.wait("state.done === 10")
    found = said(folder, "ada")
    assert len({(x.text, x.item) for x in found}) == len(found) == 50
    assert [{True: "y", False: "n", None: "u"}[x.met] for x in found] == pressed
    assert all(x.at.endswith("+00:00") for x in found)
    again.kill()


def _killed_under_a_label(page: Page, served: Served, folder: Path) -> Served:
    """Kill the server, label while it is away, start it anew, open the new address."""
    before = len(read_labels(folder / "labels.sqlite"))
    served.kill()
    page.keys("y")
    page.wait("!document.getElementById('trouble').hidden")
    again = Served(folder, served.port)
    page.driver.get(again.address)
    page.driver.get(again.base + "spot")
    until(lambda: len(read_labels(folder / "labels.sqlite")) == before + 1, "the label that waited")
    page.wait("state && !sending && state.task.items.filter(i => i.item in state.labels).length === 4")
    return again


def test_undo_note_and_blindness(page: Page, served: Served, folder: Path) -> None:
    """An undo takes back the last label, a note is kept with its item, and the page names no model."""
    page.open(served.address)
    page.driver.get(served.base + "spot")
    page.js("localStorage.setItem('skillmix-rater', 'bob')")
    page.driver.refresh()
    page.wait("state !== null")
    assert "m/one" not in page.js("return document.documentElement.outerHTML")
    choose(page, "n", folder)
    choose(page, "y", folder)
    page.keys("z")
    until(lambda: len(said(folder, "bob")) == 1, "the undo")
    page.wait("!sending && item === 1")
    page.keys("\ue013", "o", "why not", "\ue007")  # up, to the note of the first item
    until(lambda: [x.note for x in said(folder, "bob")] == ["why not"], "the note")
    assert page.violations() == []
    assert page.complaints() == []
    assert page.hosts() <= {f"127.0.0.1:{served.port}", ""}
    page.driver.get(served.base + "agreement")
    assert "bob" in page.js("return document.body.innerText")
    assert page.violations() == []


def test_two_runs_are_compared(page: Page, served: Served) -> None:
    """From the list of runs, two are compared with a press; what cannot be compared says why."""
    page.open(served.address)
    assert page.violations() == []
    page.js("document.getElementById('compare').click()")
    page.wait("document.querySelector('.verdict')?.textContent.startsWith('m/two against m/one')")
    assert page.complaints() == []
    assert served.ask("/compare?old=0&new=99")[0] == 404
    assert served.ask("/compare?old=0")[0] == 404


def test_hostile_texts_in_spot_check(page: Page, served: Served) -> None:
    """Every hostile text stands in spot-check as it is."""
    page.open(served.address)
    page.js("localStorage.setItem('skillmix-rater', 'eve')")
    page.driver.get(served.base + "spot?run=0")
    page.wait("state !== null")
    seen = set()
    for number in range(len(HOSTILE) + 1):
        page.wait("state.at === arguments[0]", number)
        seen.add(page.js("return document.getElementById('text').textContent"))
        page.keys("\ue014")
    assert seen == {*HOSTILE, "A brook sings."}
    assert page.js("return window.hit") is None
    assert page.complaints() == []


def test_strangers_get_nothing(served: Served) -> None:
    """Without the token of this start nothing is read; another host's name is refused with or without it."""
    assert served.ask("/")[0] == 200
    assert served.ask("/", cookie="")[0] == 403
    assert served.ask("/?token=guess", cookie="")[0] == 403
    assert served.ask("/", host=f"evil.example:{served.port}")[0] == 400
    assert served.ask("/api/spot?rater=ada", cookie="skillmix=1")[0] == 403


def test_writes_need_our_origin(served: Served, folder: Path) -> None:
    """A label is taken only from our own page: its origin, its token, its form."""
    label = {"rater": "carol", "text": "0" * 32, "item": "on_topic", "met": True}
    own, token = f"http://127.0.0.1:{served.port}", served.token
    assert served.ask("/api/label", label, origin="http://evil.example", x_token=token)[0] == 403
    assert served.ask("/api/label", label, x_token=token)[0] == 403
    assert served.ask("/api/label", label, origin=own)[0] == 403
    assert served.ask("/api/undo", {"rater": "ada"}, origin="null", x_token=token)[0] == 403
    assert served.ask("/api/label", label | {"text": "../x"}, origin=own, x_token=token)[0] == 400
    assert served.ask("/api/label", label | {"note": "x" * 99_999}, origin=own, x_token=token)[0] == 413
    assert served.ask("/api/label", label | {"rater": " "}, origin=own, x_token=token)[0] == 400
    assert said(folder, "carol") == []
    assert served.ask("/api/label", label, origin=own, x_token=token)[0] == 200
    assert len(said(folder, "carol")) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/runs/99",
        "/runs/-1",
        "/runs/../labels.sqlite",
        "/..%2f..%2fetc/passwd",
        "/runs/0/spec.yaml",
    ],
)
def test_no_path_is_a_file(served: Served, path: str) -> None:
    """Whatever the path, only runs by number are served."""
    assert served.ask(path)[0] == 404


def test_a_run_is_watched(page: Page, served: Served, folder: Path) -> None:
    """A run that goes on shows its texts as they come, and its page once it is written."""
    run, place = make_run(["First words.", "Second words."]), folder / "runs" / "zz"
    place.mkdir()
    (place / "spec.yaml").write_text(write_spec(run.spec))
    with watched(place, 2) as note:
        page.open(served.address)
        page.driver.get(served.base + "runs/2")
        note(run.samples[0])
        page.wait("document.getElementById('count').value === '1 of 2 texts'")
        assert "First words." in page.js("return document.body.innerText")
        assert page.violations() == []
        note(run.samples[1])
    write_run(place, run, report_files(run))
    unwatch(place)
    assert not (place / FILE).exists()
    page.wait("document.querySelectorAll('.row').length === 2")
    for file in place.iterdir():
        file.unlink()
    place.rmdir()


def test_watching_starts_anew(tmp_path: Path) -> None:
    """A run that begins again is watched from its start, and half a line is waited for."""
    samples = make_run(["a", "b"]).samples
    watcher = Watcher(tmp_path)
    with watched(tmp_path, 2) as note:
        for sample in samples:
            note(sample)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"k":')
    watcher.read()
    assert (watcher.done, watcher.total) == (2, 2)
    with watched(tmp_path, 2) as note:
        note(samples[0])
    watcher.read()
    assert watcher.done == 1


def test_a_run_that_cannot_be_watched_goes_on(tmp_path: Path) -> None:
    """Where the file cannot be written, a run does not notice."""
    with watched(tmp_path / "missing", 1) as note:
        note(make_run(["a"]).samples[0])


def test_control_c_ends_it(folder: Path) -> None:
    """Control-C ends the server without a traceback."""
    server = Served(folder)
    threading.Timer(0.3, os.kill, (server.process.pid, signal.SIGINT)).start()
    out, _ = server.process.communicate(timeout=20)
    assert "Traceback" not in out
