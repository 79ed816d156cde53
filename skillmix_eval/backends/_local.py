"""What backends that run in this process share: hashing model files, seeding a request, missing extras."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import msgspec

from ..errors import BackendError
from ..records import Request

DEFAULT_TOKENS = 512  # longest reply where neither the request nor the model says one
_MODEL_FILES = {".safetensors", ".bin", ".json", ".jinja", ".model", ".pt", ".py"}
_OTHER_WEIGHTS = {".gguf", ".pth"}  # left out beside safetensors, which are what is loaded then
_OTHER_WORDS = {"merges.txt", "vocab.txt"}  # beside a tokenizer.json, the same
_TRAINER_FILES = {"optimizer.pt", "scheduler.pt", "scaler.pt", "trainer_state.json", "training_args.bin"}


def model_files(folder: Path) -> list[Path]:
    """Return all files of a model folder that can change its replies; those of a trainer cannot."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in _TRAINER_FILES)
    suffixes, names = set(_MODEL_FILES), set[str]()
    if not any(p.suffix == ".safetensors" for p in files):
        suffixes |= _OTHER_WEIGHTS
    if not any(p.name == "tokenizer.json" for p in files):
        names |= _OTHER_WORDS
    return [p for p in files if p.suffix in suffixes or p.name in names]


def weights(model: str) -> str:
    """Return what tells a model from others: a hash of its folder or file, or its id on the hub."""
    path = Path(model)
    return content_hash(path) if path.exists() else model


def content_hash(model: Path) -> str:
    """Hash a model's file, or all files of its folder that can change its replies, with their names."""
    digest = hashlib.blake2b(digest_size=10)
    for path in [model] if model.is_file() else model_files(model):
        digest.update(f"{path.relative_to(model).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def draw_seed(request: Request) -> int:
    """Return a seed made of the whole request, so that a sampled text depends on nothing else."""
    parts = (request.messages, request.temperature, request.top_p, request.seed, request.draw)
    return int.from_bytes(hashlib.blake2b(msgspec.json.encode(parts), digest_size=4).digest(), "big")


def turns(request: Request) -> list[dict[str, str]]:
    """Return a request's messages as chat templates take them."""
    return [{"role": m.role, "content": m.content} for m in request.messages]


def require(backend: str, extra: str, modules: Iterable[str]) -> dict[str, ModuleType]:
    """Import what a backend needs, late; raises BackendError that names the extra when it is missing."""
    try:
        return {name: importlib.import_module(name) for name in modules}
    except ImportError as error:
        raise BackendError(
            f"The backend {backend} needs {error.name or 'a package'}, which is not installed; "
            f"pip install 'skillmix-eval[{extra}]' brings it."
        ) from None
