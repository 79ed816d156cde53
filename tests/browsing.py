"""A real headless Chromium for tests: one for the whole session, with its console and its requests kept."""

from __future__ import annotations

import importlib.util
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from skillmix_eval.browser import find_browser

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars "
    "--window-size=1280,1000"
)


def start(profile: Path) -> Any:
    """Return a running driver, or skip the test where there is no Chromium or no driver for it."""
    browser, driver = find_browser(), shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("no Chromium and chromedriver on this machine (Debian: chromium chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


class Page:
    """What tests ask of the browser."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        """Go to an address, with the logs of earlier pages forgotten."""
        self.driver.get("about:blank")
        self.complaints(), self.hosts()
        self.driver.get(address)

    def js(self, code: str, *given: Any) -> Any:
        """Run a script's body in the page and return what it returns."""
        return self.driver.execute_script(code, *given)

    def wait(self, code: str, *given: Any) -> Any:
        """Wait until an expression is true, and return it."""
        return until(lambda: self.js(f"return {code}", *given), code)

    def keys(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def complaints(self) -> list[str]:
        """Return what the console has had to say since the last time."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def hosts(self) -> set[str]:
        """Return the hosts that were asked since the last time; a file's is empty."""
        found = set()
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                address = urlsplit(event["params"]["request"]["url"])
                found |= {address.netloc} if address.scheme not in ("data", "about", "blob") else set()
        return found

    def violations(self) -> list[str]:
        """Return what axe-core finds that is serious or critical; skips where it is not installed."""
        spec = importlib.util.find_spec("axe_playwright_python")
        if spec is None or not spec.submodule_search_locations:
            pytest.skip("no axe-core: pip install --no-deps axe-playwright-python")
        self.js((Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(r => done("
            "r.violations.filter(v => ['serious', 'critical'].includes(v.impact))"
            ".map(v => `${v.id}: ${v.nodes[0].html}`)))"
        )
        return list(found)


def until(ready: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Wait for a condition and return its value."""
    end = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < end, f"waited {seconds} s for: {what}"
        time.sleep(0.02)
    return found


def pages(tmp: Path) -> Iterator[Page]:
    """Give a browser for as long as the session lasts."""
    driver = start(tmp / "profile")
    try:
        yield Page(driver)
    finally:
        driver.quit()
