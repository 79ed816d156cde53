"""Re-create the embedded student from nothing: texts, tokenizer, training, packaging.

    pip install -e '.[train]' && python experiments/embedded/build.py

Needs no network and no GPU. What was done already under experiments/embedded/out is not done again; remove
that folder to start afresh.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
OUT = HERE / "out"
STAGES = {
    "make_texts.py": OUT / "texts.jsonl.gz",
    "tokenizer.py": OUT / "tokenizer" / "tokenizer.json",
    "train.py": None,  # goes on from its own saved state
    "package.py": None,
}


def main() -> None:
    """Run the stages that are left, and say how long each took."""
    for script, result in STAGES.items():
        if result is not None and result.is_file():
            print(f"{script}: {result.name} is there", flush=True)
            continue
        start = time.monotonic()
        # passive threads: on a machine that does other work, too, waiting in a loop costs most of the speed
        subprocess.run(
            [sys.executable, str(HERE / script)], check=True, env={"OMP_WAIT_POLICY": "passive", **os.environ}
        )
        print(f"{script}: {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
