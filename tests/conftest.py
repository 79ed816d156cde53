"""Settings that all tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from .browsing import Page, pages

# The same examples on every machine; a busy machine is no failure.
settings.register_profile(
    "suite", max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

RELEASED = Path(__file__).parents[2] / "shared" / "skillmix_released"


@pytest.fixture(scope="session")
def released() -> Path:
    """Return the folder of the public repository's records, or skip where there is none."""
    if not RELEASED.is_dir():
        pytest.skip("the released SKILL-MIX records are not beside this checkout")
    return RELEASED


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Give one real browser to all tests of pages, or skip where there is none."""
    yield from pages(tmp_path_factory.mktemp("browser"))


@pytest.fixture
def serve() -> Iterator[Callable[..., Any]]:
    """Start servers for tests of lm-eval, that end with the test."""
    from .lm_eval_help import Server

    started: list[Server] = []

    def start(answer: Any, seconds: float = 0.0) -> Server:
        started.append(Server(answer, seconds))
        return started[-1]

    yield start
    for server in started:
        server.http.shutdown()
        server.http.server_close()
