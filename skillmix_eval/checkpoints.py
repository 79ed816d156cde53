"""Checkpoints in a folder: which are whole, and what an evaluation of one writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from . import gate
from .evaluate import Models, Setting, evaluate, load_models, prepare, report_files
from .interfaces import Backend
from .runs import Run, read_run, write_run
from .spec import RunSpec
from .store import Store
from .verdict import Policy, Verdict


def checkpoints(folder: Path) -> list[Path]:
    """Return the whole checkpoints in a folder (or the folder itself, if it is one), oldest step first."""
    found = [p for p in (folder, *folder.iterdir()) if p.is_dir() and is_whole(p)]
    return sorted(found, key=lambda p: (step_of(p), p.name))


def step_of(folder: Path) -> int:
    """Return the step in a checkpoint's name, such as checkpoint-500; 0 where there is none."""
    numbers = re.findall(r"\d+", folder.name)
    return int(numbers[-1]) if numbers else 0


def is_whole(folder: Path) -> bool:
    """Tell whether a checkpoint is written to its end: settings, tokenizer, all of its safetensors."""
    try:
        json.loads((folder / "config.json").read_bytes())
        json.loads((folder / "tokenizer.json").read_bytes())
        index = folder / "model.safetensors.index.json"
        if index.is_file():
            names = set(json.loads(index.read_bytes())["weight_map"].values())
            return all(_whole_file(folder / name) for name in names)
        return _whole_file(folder / "model.safetensors")
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _whole_file(path: Path) -> bool:
    """Compare a safetensors file's size with the one that its header promises."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(min(size, 10**8)))
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    return path.stat().st_size == 8 + size + max(ends, default=0)


def evaluate_into(folder: Path, spec: RunSpec, store: Store | None, backend: Backend | None = None) -> Run:
    """Evaluate a student into a run folder, unless that holds this run already; return it.

    `backend` is asked instead of the one that the spec names: a model that is being trained.
    """
    if (folder / "samples.parquet").is_file():
        kept = read_run(folder)
        if kept.spec == spec:
            return kept
    setting: Setting = prepare(spec)
    models = load_models(setting, student=backend is None)
    if backend is not None:
        models = Models(models.graders, backend, models.judges)
    run = evaluate(setting, models, store).run
    write_run(folder, run, report_files(run))
    return run


def judged(folder: Path, old: Run, new: Run, policy: Policy) -> Verdict:
    """Return the gate's verdict on two runs, and keep it in the new one's folder as gate.json."""
    import msgspec

    verdict = gate.fixed(old, new, policy)
    (folder / "gate.json").write_bytes(msgspec.json.format(msgspec.json.encode(verdict)) + b"\n")
    return verdict
