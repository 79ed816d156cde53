"""Evaluate how well a language model combines language skills (SKILL-MIX, Yu et al. 2023).

In Python, as on the command line:

    from skillmix_eval import frame, run

    finished = run(student="openai/gpt-4.1-mini", k=(2, 3), n=50)
    frame(finished).groupby("k").full_marks.mean()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evaluate import run, run_figures
    from .runs import Run, frame, read_run
    from .spec import ModelSpec, RunSpec

__version__ = "0.1.0"
__all__ = ["ModelSpec", "Run", "RunSpec", "frame", "read_run", "run", "run_figures"]

_PLACES = {"ModelSpec": "spec", "RunSpec": "spec", "run": "evaluate", "run_figures": "evaluate"}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for, so that `import skillmix_eval` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES.get(name, 'runs')}"), name)
