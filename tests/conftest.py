"""Settings that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
