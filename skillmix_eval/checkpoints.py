"""Checkpoints in a folder: which are whole, what an evaluation of one writes, and what a look finds."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from . import gate
from .backends._local import content_hash, model_files
from .errors import BadInputError, StoreError
from .evaluate import Models, Setting, evaluate, load_models, prepare, report_files
from .interfaces import Backend
from .runs import Run, StoredRun, read_run, write_run
from .spec import RunSpec
from .store import Store
from .verdict import Policy, Verdict

_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")


def checkpoints(folder: Path) -> list[Path]:
    """Return the whole checkpoints in a folder (or the folder itself, if it is one), oldest step first."""
    return [p for p in _folders(folder) if not missing(p)]


def _folders(folder: Path) -> list[Path]:
    found = (p for p in (folder, *folder.iterdir()) if p.is_dir())
    return sorted(found, key=lambda p: (step_of(p), p.name))


def step_of(folder: Path) -> int:
    """Return the step in a checkpoint's name, such as checkpoint-500; 0 where there is none."""
    numbers = re.findall(r"\d+", folder.name)
    return int(numbers[-1]) if numbers else 0


def missing(folder: Path) -> str:
    """Say what a checkpoint is waited for; nothing where it is written to its end."""
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        return "it holds an adapter (PEFT) alone; merge it into its model to have it evaluated"
    for name in _FILES:
        try:
            json.loads((folder / name).read_bytes())
        except (OSError, ValueError):
            return f"it has no whole {name} yet"
    try:
        index = folder / "model.safetensors.index.json"
        names = {"model.safetensors"}
        if index.is_file():
            names = set(json.loads(index.read_bytes())["weight_map"].values())
        whole = all(_whole_file(folder / name) for name in names)
    except (OSError, ValueError, KeyError, AttributeError):
        whole = False
    return "" if whole else "its safetensors are not whole yet"


def _whole_file(path: Path) -> bool:
    """Compare a safetensors file's size with the one that its header promises."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(min(size, 10**8)))
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    return path.stat().st_size == 8 + size + max(ends, default=0)


def check_settings(spec: RunSpec) -> None:
    """Find what is wrong with settings or judge before a student is there; raises BadInputError or
    BackendError.
    """
    judges = load_models(prepare(spec), student=False).judges

    async def close() -> None:
        for judge in filter(None, judges):
            await judge.aclose()

    with ThreadPoolExecutor(1) as own:  # a notebook's own loop must not be entered twice
        own.submit(lambda: asyncio.run(close())).result()


def evaluate_live(folder: Path, spec: RunSpec, backend: Backend) -> Run:
    """Evaluate a model that is being trained into a run folder, always afresh: no name tells its weights."""
    setting = prepare(spec)
    models = load_models(setting, student=False)
    return _into(folder, setting, Models(models.graders, backend, models.judges), None)


def evaluate_files(folder: Path, spec: RunSpec, weights: str, store: Store | None) -> Run:
    """Evaluate a student of these `weights` into a run folder, unless that holds this run already."""
    kept = _kept(folder)
    if kept and kept.spec == spec and kept.info.weights == weights:
        return read_run(folder)
    setting = prepare(spec)
    return _into(folder, setting, load_models(setting), store, weights)


def _kept(folder: Path) -> StoredRun | None:
    """Return the finished run in a folder; None where an evaluation was cut off, or there was none."""
    try:
        return StoredRun(folder)
    except BadInputError:
        return None


def _into(folder: Path, setting: Setting, models: Models, store: Store | None, weights: str = "") -> Run:
    found = evaluate(setting, models, store).run
    run = Run(found.spec, msgspec.structs.replace(found.info, weights=weights), found.samples)
    for name in ("gate.json", "catalogue.json"):  # those of other weights that stood here
        (folder / name).unlink(missing_ok=True)
    write_run(folder, run, report_files(run))
    return run


def judged(folder: Path, old: Run, new: Run, policy: Policy) -> Verdict:
    """Return the gate's verdict on two runs, and keep it in the new one's folder as gate.json."""
    verdict = gate.fixed(old, new, policy)
    (folder / "gate.json").write_bytes(msgspec.json.format(msgspec.json.encode(verdict)) + b"\n")
    return verdict


class Seen(msgspec.Struct, frozen=True):
    """What became of a checkpoint: a run with its verdict, or why it has none."""

    checkpoint: Path
    run: Run | None = None
    verdict: Verdict | None = None
    why: str = ""
    failed: bool = False  # it is whole, and yet could not be evaluated


class Watch:
    """What is known of a folder of checkpoints: the evaluated runs in `place`, and what they were made of.

    `baseline` is a run that all are gated against, "previous" for the run that was evaluated before
    (whether its checkpoint is still there or not), or None.
    """

    def __init__(
        self,
        place: Path,
        store: Store,
        spec_of: Callable[[Path], RunSpec],
        baseline: Run | str | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.place, self.store, self.spec_of = place, store, spec_of
        self.baseline, self.policy = baseline, policy or Policy()
        self._done: dict[Path, Any] = {}  # the files of each checkpoint when it was evaluated
        self._said: set[tuple[Path, str]] = set()

    def look(self, folder: Path) -> Iterator[Seen]:
        """Evaluate the checkpoints that are new or have other files, oldest first; a fault is said once."""
        for checkpoint in _folders(folder):
            if why := missing(checkpoint):
                if any(checkpoint.glob("*.safetensors")):
                    yield from self._say_once(Seen(checkpoint, why=f"is left: {why}"))
                continue
            files = _stamp(checkpoint)
            if self._done.get(checkpoint) == files:
                continue
            try:
                seen = self._evaluate(checkpoint)
            except StoreError:
                raise
            except Exception as error:  # whatever its loading or asking raises, others may be well
                if not missing(checkpoint):  # else a trainer has taken it away meanwhile
                    why = " ".join(str(error).split())[:300] or type(error).__name__
                    why = f"cannot be evaluated, and is tried again at each look: {why}"
                    yield from self._say_once(Seen(checkpoint, why=why.rstrip("."), failed=True))
                continue
            self._done[checkpoint] = files
            yield seen

    def _say_once(self, seen: Seen) -> Iterator[Seen]:
        if (seen.checkpoint, seen.why) not in self._said:
            self._said.add((seen.checkpoint, seen.why))
            yield seen

    def _evaluate(self, checkpoint: Path) -> Seen:
        folder = self.place / f"step-{step_of(checkpoint)}_{checkpoint.name}"
        spec, weights = self.spec_of(checkpoint), content_hash(checkpoint)
        old = self._before(folder, spec, weights)
        run = evaluate_files(folder, spec, weights, self.store)
        kept = folder / "gate.json"
        if self.baseline == "previous" and kept.is_file():  # a verdict once given stays
            return Seen(checkpoint, run, msgspec.json.decode(kept.read_bytes(), type=Verdict))
        return Seen(checkpoint, run, judged(folder, old, run, self.policy) if old else None)

    def _before(self, folder: Path, spec: RunSpec, weights: str) -> Run | None:
        """Return the run to gate against: the given one, or the one that was evaluated before."""
        if not isinstance(self.baseline, str):
            return self.baseline
        earlier: list[Path] = []
        for place in sorted(self.place.glob("*/catalogue.json"), key=lambda p: p.stat().st_mtime_ns):
            kept = _kept(place.parent)
            if kept is None:
                continue
            if place.parent == folder and kept.info.weights == weights and kept.spec == spec:
                break
            if msgspec.structs.replace(kept.spec, student=spec.student) == spec:
                earlier.append(place.parent)
        return read_run(earlier[-1]) if earlier else None


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what shows that files are still those that were hashed, without reading them."""
    found = [(p, p.stat()) for p in model_files(folder)]
    return tuple((str(p), s.st_size, s.st_mtime_ns) for p, s in found)
