"""Makes the pictures in the README: run from the repository's root, with Chromium and chromedriver installed.

    python experiments/screenshots.py

Runs the embedded student and its earlier checkpoints (a minute, offline), then takes pictures of the run page,
the leaderboard and spot-check.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.browsing import Page, start  # noqa: E402

CHECKPOINTS = ROOT / "results/devices/checkpoints"
SKILLMIX = [sys.executable, "-m", "skillmix_eval"]


def picture(page: Page, name: str, height: int) -> None:
    """Save what the window shows, in light colours, as docs/NAME.png."""
    size = {"width": 1080, "height": height, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    light = {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", light)
    time.sleep(0.5)
    page.driver.save_screenshot(str(ROOT / "docs" / f"{name}.png"))
    print(name, (ROOT / "docs" / f"{name}.png").stat().st_size, "bytes")


def main() -> None:
    """Make all three."""
    with tempfile.TemporaryDirectory() as place:
        runs = Path(place) / "runs"
        students = {
            "final": "embedded",
            **{f"step-{n}": f"embedded/{CHECKPOINTS.name}/{n}" for n in (2000, 1000)},
        }
        for name, student in students.items():
            command = [*SKILLMIX, "run", "--student", student, "--out", str(runs / name)]
            command += ["--store", f"{place}/store.sqlite"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=CHECKPOINTS.parent)
        board = [*SKILLMIX, "leaderboard", str(runs), "--out", f"{place}/board"]
        subprocess.run(board, check=True, stdout=subprocess.DEVNULL)
        server = [
            *SKILLMIX,
            "view",
            str(runs),
            "--no-browser",
            "--port",
            "0",
            "--labels",
            f"{place}/labels.sqlite",
        ]
        with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as view:
            address = (view.stdout or sys.stdin).readline().removeprefix("Open ").strip()
            page = Page(start(Path(place) / "profile"))
            try:
                take(page, runs, Path(place) / "board", address)
            finally:
                page.driver.quit()
                view.kill()


def take(page: Page, runs: Path, board: Path, address: str) -> None:
    """Open each page, put it into the state to show, and save its picture."""
    page.open((runs / "final" / "report.html").as_uri())
    page.wait("document.querySelectorAll('.preview').length > 0")
    picture(page, "run-page", 1000)
    page.open((board / "leaderboard.html").as_uri())
    page.wait("document.querySelectorAll('.preview').length > 0")
    page.js("document.querySelectorAll('.row')[1].open = true")
    page.wait("document.querySelector('.pair')")
    picture(page, "leaderboard", 1060)
    page.open(address)
    page.js("localStorage.setItem('skillmix-rater', 'ada')")
    page.driver.get(address.partition("?")[0] + "spot")
    for _ in range(300):  # some texts are decided already
        page.wait("state && !sending && !busy")
        if page.js("return state.done >= 12 && state.task.items.length === 4"):
            break
        page.keys("y")
    page.keys("y", "n")
    picture(page, "spot-check", 760)


main()
