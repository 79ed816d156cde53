"""The wheel, built and used outside the source tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from .server import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True, cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


def test_what_a_wheel_holds(wheel: Path) -> None:
    """The wheel holds every prompt, task and data file, the type marker and the licence."""
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("prompts", "tasks"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"skillmix_eval/{path.relative_to(ROOT)}" in names
    assert "skillmix_eval/py.typed" in names
    assert "skillmix_eval/domains/language/skills.csv" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith("tests") for name in names)


def test_an_installed_wheel_works(wheel: Path, tmp_path: Path) -> None:
    """Installed into a fresh environment, the command finds its prompts and lists from any folder."""
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / "bin" / "python"
    paths = [sysconfig.get_path("purelib", vars={"base": str(home)})]
    Path(paths[0], "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")  # the dependencies
    install = [python, "-m", "pip", "install", "--no-deps", "--no-index", "--ignore-installed", wheel]
    subprocess.run(install, check=True, capture_output=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def skillmix(*arguments: str) -> str:
        return subprocess.run(
            [home / "bin" / "skillmix", *arguments],
            check=True,
            capture_output=True,
            text=True,
            cwd=empty,
            env=env,
        ).stdout

    where = "import skillmix_eval; print(skillmix_eval.__file__)"
    used = subprocess.run(
        [python, "-c", where], check=True, capture_output=True, text=True, cwd=empty, env=env
    )
    assert used.stdout.startswith(str(home))
    assert skillmix("--version").startswith("skillmix, version ")
    rows = json.loads(skillmix("sample", "--domain", "language", "-k", "3", "-n", "2", "--prompts", "--json"))
    assert [len(row["skills"]) for row in rows] == [3, 3]
    assert all("Reply with the text alone." in row["prompt"] for row in rows)
