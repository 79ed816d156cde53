"""Convert checkpoints for CTranslate2, put the last one into the package and earlier ones under results/.

    python experiments/embedded/package.py

The packaged folder is in Hugging Face layout; its folder ct2 holds CTranslate2's conversion with weights in
half precision, which the engine turns into int8 or float32 when it loads them.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from ctranslate2.converters import TransformersConverter

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PACKAGED = ROOT / "skillmix_eval" / "models" / "embedded"
EARLIER = ROOT / "results" / "devices" / "checkpoints"


def convert(folder: Path) -> None:
    """Write CTranslate2's conversion of a checkpoint into its folder ct2."""
    TransformersConverter(str(folder)).convert(str(folder / "ct2"), quantization="float16", force=True)
    settings = folder / "ct2" / "config.json"
    content = json.loads(settings.read_text(encoding="utf-8"))
    content["bos_token"] = content["eos_token"]  # never used, but the engine loads no model without one
    settings.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


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
