"""The package as a library: what a notebook does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import skillmix_eval
from skillmix_eval import frame, run


def test_run_in_python(tmp_path: Path) -> None:
    """A run in Python has the samples of the same run on the command line, and its table one row a text."""
    finished = run(store=tmp_path / "s.sqlite", k=(1, 2), n=3)
    table = frame(finished)
    assert list(table.k) == [1, 1, 1, 2, 2, 2]
    assert list(table.full_marks) == [s.score.marks.full_marks for s in finished.samples if s.score]
    assert run(store=tmp_path / "s.sqlite", k="1-2", n=3) == finished


def test_run_in_a_notebook() -> None:
    """Where an event loop runs already, as in Jupyter, a run is done all the same."""

    async def cell() -> int:
        return len(run(k=1, n=2).samples)

    assert asyncio.run(cell()) == 2


def test_public_names() -> None:
    """Every public name can be imported, and importing the package alone loads none of them."""
    assert all(getattr(skillmix_eval, name) for name in skillmix_eval.__all__)
    code = "import sys, skillmix_eval; assert not {'numpy', 'msgspec', 'jinja2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
