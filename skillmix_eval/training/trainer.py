"""The loop: examples in a planned order, once; killed at any time, it goes on with the same next step."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..errors import BadInputError
from .student import Diverged, Example, Student

_WINDOW = 16  # batches whose examples are sorted by length together, so that little is padding
STATE = "state.pt"  # beside a checkpoint that is not finished
CARRIED = "carried.pt"  # beside one that is, for the next part


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How a student is trained: AdamW, a short rise of the rate, then a straight line down to 0."""

    rate: float = 1e-3
    batch: int = 32  # examples
    warm_up: int = 10  # steps
    decay: float = 0.1  # of matrices
    clip: float = 1.0
    seed: int = 0  # of the order within the plan
    save_every: int = 50  # steps
    part: int = 0  # of a training in parts, which have one schedule and one optimiser
    parts: int = 1


class Step(msgspec.Struct, frozen=True):
    """What one step did; `seen` and `tokens` count examples and tokens since the first step."""

    step: int
    of: int
    loss: float
    seen: int
    tokens: int


def train(
    student: Student,
    examples: Sequence[Example],
    folder: Path,
    course: Course,
    on_step: Callable[[Step], None] = lambda _: None,
) -> Step:
    """Train on examples, each once, and write the checkpoint `folder`; the state beside it lets it go on.

    A later part of a training takes weights and optimiser from beside the student's own folder. Raises
    Diverged with step and data when a loss is not a number, and where a weight to be written is none,
    BadInputError where the state is of another training.
    """
    torch = student.torch
    torch.manual_seed(course.seed)
    order = batches([len(ids) for ids, _ in examples], course.batch, course.seed)
    state, own = _beside(folder, STATE), _fingerprint(student, examples, course)
    model, optimizer = student.model, _optimizer(student, course)
    last, tokens = _resumed(state, own, student, optimizer)
    if not last and course.part:
        _load(student, optimizer, _beside(student.folder, CARRIED))
    seen = sum(map(len, order[:last]))
    model.train()
    done = Step(last, len(order), math.nan, seen, tokens)
    for step in range(last, len(order)):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, len(order), course)
        batch = [examples[i] for i in order[step]]
        loss = student.token_losses(batch)[0].mean()
        if not math.isfinite(loss.item()):
            raise Diverged(
                f"The loss at step {step + 1} is {loss.item()}; lower the rate, or look at the texts of its "
                f"batch, which end in {', '.join(map(student.shown, batch[:3]))}."
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), course.clip)
        optimizer.step()
        optimizer.zero_grad()
        seen, tokens = seen + len(batch), tokens + sum(len(ids) for ids, _ in batch)
        done = Step(step + 1, len(order), loss.item(), seen, tokens)
        on_step(done)
        if (step + 1) % course.save_every == 0 and step + 1 < len(order):
            _save(student, optimizer, state, {"step": step + 1, "tokens": tokens, "of": own})
    if course.part + 1 < course.parts:
        _save(student, optimizer, _beside(folder, CARRIED), {})
    student.save(folder)
    state.unlink(missing_ok=True)
    return done


def batches(lengths: Sequence[int], batch: int, seed: int) -> list[list[int]]:
    """Return the places of examples in batches, in the plan's order but for swaps among near ones."""
    rng, found = random.Random(seed), list[list[int]]()  # noqa: S311  repeatable, no secret
    for start in range(0, len(lengths), batch * _WINDOW):
        near = sorted(range(start, min(start + batch * _WINDOW, len(lengths))), key=lengths.__getitem__)
        cut = [near[i : i + batch] for i in range(0, len(near), batch)]
        rng.shuffle(cut)
        found += cut
    return found


def rate_at(step: int, steps: int, course: Course) -> float:
    """Return the learning rate of a step of this part, counted from 0; parts are of equal length."""
    step, steps = step + course.part * steps, steps * course.parts
    return course.rate * min(1.0, (step + 1) / max(1, course.warm_up)) * (1 - step / steps)


def _optimizer(student: Student, course: Course) -> Any:
    """Return AdamW; only matrices decay."""
    parameters = list(student.model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": course.decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return student.torch.optim.AdamW(groups, lr=course.rate, betas=(0.9, 0.95))


def _fingerprint(student: Student, examples: Sequence[Example], course: Course) -> str:
    """Hash what a training is of: where it starts, what it sees, how."""
    digest = hashlib.blake2b(digest_size=10)
    for path in sorted(student.folder.glob("*.safetensors")):
        digest.update(path.read_bytes())
    digest.update(msgspec.json.encode((examples, course)))
    return digest.hexdigest()


def _resumed(state: Path, own: str, student: Student, optimizer: Any) -> tuple[int, int]:
    """Load a saved state, if there is one; return the steps and tokens that it has behind it."""
    if not state.is_file():
        return 0, 0
    saved = student.torch.load(state, weights_only=True, map_location=student.device)
    if saved["of"] != own:
        raise BadInputError(
            f"{state} is of another training (other start, examples or settings); give another --out, or "
            "remove it to start anew."
        )
    student.model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return saved["step"], saved["tokens"]


def _load(student: Student, optimizer: Any, path: Path) -> None:
    """Load what the part before left; raises BadInputError where it is gone."""
    if not path.is_file():
        raise BadInputError(
            f"{path} is gone, so the training cannot go on from that part; remove the folder to start anew."
        )
    saved = student.torch.load(path, weights_only=True, map_location=student.device)
    student.model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])


def _save(student: Student, optimizer: Any, path: Path, about: dict[str, Any]) -> None:
    content = {"model": student.model.state_dict(), "optimizer": optimizer.state_dict(), **about}
    part = _beside(path, "part")
    path.parent.mkdir(parents=True, exist_ok=True)
    student.torch.save(content, part)
    part.rename(path)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}.{ending}")
