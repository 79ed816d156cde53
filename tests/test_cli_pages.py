"""The commands that write pages and figures, and `skillmix view` where it cannot start."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from skillmix_eval.cli import main
from skillmix_eval.evaluate import report_files
from skillmix_eval.labels import Label, Labels
from skillmix_eval.runs import read_run, write_run
from skillmix_eval.spot import tasks

from .server import skillmix
from .test_pages import FULL, PART, make_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two runs on the same questions."""
    folder = tmp_path_factory.mktemp("runs")
    for name, points in (("old", FULL), ("new", PART)):
        run = make_run([f"{name} {i}" for i in range(12)], points, f"m/{name}")
        write_run(folder / name, run, report_files(run))
    return folder


def run(*arguments: object) -> int:
    """Run a command and return its exit code."""
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


def test_report_page(runs: Path, tmp_path: Path) -> None:
    """`report --html` writes the page that the run folder has."""
    assert run("report", runs / "old", "--html", tmp_path / "page.html") == 0
    assert (tmp_path / "page.html").read_bytes() == (runs / "old" / "report.html").read_bytes()


def test_a_narrow_terminal(runs: Path) -> None:
    """On forty columns a table is a list, and each figure stays in one piece."""
    done = skillmix("report", runs / "old", cwd=runs, COLUMNS="40")
    assert "\n  Full marks: 1.00 ± 0.000 [0.76, 1.00]\n" in done.out, done.out


def test_compare_page(runs: Path, tmp_path: Path) -> None:
    """`compare --html` writes one file with both models' texts."""
    assert run("compare", runs / "old", runs / "new", "--html", tmp_path / "page.html") == 0
    page = (tmp_path / "page.html").read_text()
    assert "old 3" in page
    assert "new 3" in page


def test_gate_page(runs: Path, tmp_path: Path) -> None:
    """`gate --html` writes the verdict and keeps its exit code."""
    sides = ("--baseline", runs / "old", "--candidate", runs / "new")
    assert run("gate", *sides, "--html", tmp_path / "page.html") == 10
    assert "Verdict: REGRESSION" in (tmp_path / "page.html").read_text()


def test_leaderboard_without_texts(runs: Path, tmp_path: Path) -> None:
    """`leaderboard --no-texts` leaves the texts out of its page."""
    assert run("leaderboard", runs, "--out", tmp_path / "with") == 0
    assert run("leaderboard", runs, "--out", tmp_path / "without", "--no-texts") == 0
    assert "new 3" in (tmp_path / "with" / "leaderboard.html").read_text()
    assert "new 3" not in (tmp_path / "without" / "leaderboard.html").read_text()


def test_view_needs_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`view` says what it needs where there are no runs."""
    assert run("view", tmp_path / "nowhere", "--no-browser") == 2
    assert "nowhere is no folder; give run folders" in capsys.readouterr().err


def test_view_needs_its_extra(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its extra, `view` names it."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run("view", runs) == 2
    assert "pip install 'skillmix-eval[view]'" in capsys.readouterr().err


def test_view_says_that_a_port_is_taken(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that another program has is named, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run("view", runs, "--no-browser", "--port", port) == 2
    assert f"Port {port} cannot be had" in capsys.readouterr().err


def test_figures_need_a_browser(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no Chromium, saving figures says so, and what to do instead."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("report", runs / "old", "--svg", tmp_path / "figures") == 2
    assert "needs Chrome or Chromium on the PATH; without one, open the page" in capsys.readouterr().err


def test_labels_feed_calibrate(runs: Path, tmp_path: Path) -> None:
    """What people say in spot-check is what `calibrate` corrects figures by."""
    old = read_run(runs / "old")
    labels = Labels(tmp_path / "labels.sqlite")
    for task in tasks([old])[:8]:
        labels.add(Label(task.key, item, True, "ada", "2026-01-01T00:00:00+00:00") for item in task.items)
    labels.close()
    copy = tmp_path / "run"
    write_run(copy, old, report_files(old))
    assert run("calibrate", copy, "-n", 6, "--labels", labels.path) == 0
    found = read_run(copy).calibration
    assert found
    assert len(found.truth) >= 4
    assert "orrected" in (copy / "report.html").read_text()
