"""Convert checkpoints for CTranslate2, put the last one into the package and earlier ones under results/.

    python experiments/embedded/package.py

The packaged folder is in Hugging Face layout; its folder ct2 holds CTranslate2's conversion with weights in
half precision, which the engine turns into int8 or float32 when it loads them.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from skillmix_eval.training.student import convert

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PACKAGED = ROOT / "skillmix_eval" / "models" / "embedded"
EARLIER = ROOT / "results" / "devices" / "checkpoints"


def package(steps: Path) -> None:
    """Convert all checkpoints; the last goes into the package, the earlier ones into results."""
    folders = sorted((p for p in steps.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
    for folder in folders:
        convert(folder)
    card = PACKAGED / "README.md"
    kept = card.read_bytes() if card.is_file() else None
    for place in (PACKAGED, EARLIER):
        shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folders[-1], PACKAGED)
    if kept is not None:
        card.write_bytes(kept)
    for folder in folders[:-1]:
        shutil.copytree(folder, EARLIER / folder.name)
    for path in [*PACKAGED.rglob("*"), *EARLIER.rglob("*")]:
        if path.is_file():
            path.chmod(0o644)


def main() -> None:
    """Read the options and package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=Path, default=HERE / "out" / "steps")
    package(parser.parse_args().steps)


if __name__ == "__main__":
    main()
