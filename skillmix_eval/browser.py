"""A headless Chrome or Chromium draws the figures of a page to files: the same drawings as in the page."""

from __future__ import annotations

import base64
import html
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec

from .errors import BadInputError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=10000",
    "--window-size=1280,1000",
    "--dump-dom",
)
_LONGEST = 60  # seconds


def find_browser() -> str | None:
    """Return the path of a Chromium-like browser, or None."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def drawn(page: str, kinds: tuple[str, ...]) -> dict[str, bytes]:
    """Return the figures of a page of ours by file name, such as curves.svg; `kinds` are svg and png.

    The page may load nothing, so the browser asks no other host. Raises BadInputError where there is none.
    """
    browser = find_browser()
    if browser is None:
        raise BadInputError(
            "Saving figures needs Chrome or Chromium on the PATH; without one, open the page with --html and "
            "press SVG or PNG under a figure."
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(page, encoding="utf-8")
        root = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []  # root has no sandbox
        command = [browser, *_FLAGS, *root, f"--user-data-dir={folder}/profile", f"{file.as_uri()}#export"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_LONGEST, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise BadInputError(f"{browser} took over {_LONGEST} s to draw the figures; try again.") from None
    left = re.search(r'<pre id="exported">(.*?)</pre>', done.stdout.decode(errors="replace"), re.DOTALL)
    if left is None:
        why = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no figures came back"]
        raise BadInputError(f"{browser} could not draw the figures: {why[0]}.")
    figures: dict[str, dict[str, str]] = msgspec.json.decode(html.unescape(left[1]))
    files: dict[str, bytes] = {}
    for name, found in figures.items():
        for kind in kinds:
            data = found[kind]
            files[f"{name}.{kind}"] = (
                data.encode() if kind == "svg" else base64.b64decode(data.partition(",")[2])
            )
    return files
