"""Give trained students the present wording of the skills: a skill's whole prompt line is one token of theirs.

    python experiments/embedded/relabel.py skillmix_eval/models/embedded results/devices/checkpoints/*

A definition may be made more exact after training. Its token keeps its number and so all it has learned; only the
words that it stands for change, in tokenizer.json and in CTranslate2's vocabulary.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tokenizer import skill_line

from skillmix_eval.domain import load_domain


def main(folders: list[str]) -> None:
    """Write the present lines into each folder's two files and print how many changed."""
    lines = {f"- {skill.name}: ": skill_line(skill) for skill in load_domain("devices").skills}
    for folder in map(Path, folders):
        tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        old = [token["content"] for token in tokenizer["added_tokens"]]
        new = [next((line for start, line in lines.items() if text.startswith(start)), text) for text in old]
        for token, text in zip(tokenizer["added_tokens"], new, strict=True):
            token["content"] = text
        vocabulary = json.loads((folder / "ct2" / "vocabulary.json").read_text(encoding="utf-8"))
        renamed = dict(zip(old, new, strict=True))
        _write(folder / "tokenizer.json", tokenizer, ensure_ascii=False, separators=(",", ":"))
        _write(folder / "ct2" / "vocabulary.json", [renamed.get(t, t) for t in vocabulary], indent=2)
        print(folder, sum(a != b for a, b in renamed.items()), "lines changed")


def _write(path: Path, content: Any, **how: Any) -> None:
    path.write_text(json.dumps(content, **how), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
