"""`vllm/<folder or id>`: a model in this process, by vLLM's offline engine (extra `vllm`).

Without a temperature the model's generation_config decides. Arguments of vLLM's `LLM` that a machine needs
(tensor_parallel_size, dtype, gpu_memory_utilization) come as JSON in SKILLMIX_VLLM_ARGS.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import BackendError, BadInputError
from ..records import Reply, Request, Usage
from ..spec import ModelSpec
from ._batching import Answer, MicroBatcher
from ._local import DEFAULT_TOKENS, content_hash, draw_seed, require, turns

ARGUMENTS = "SKILLMIX_VLLM_ARGS"
_BATCH = 256
_HARMLESS = {"gpu_memory_utilization", "disable_log_stats"}  # arguments that change no reply


def create(settings: ModelSpec, model: str) -> VllmBackend:
    """Return the model in a folder, or by its id on the hub.

    Raises BackendError where vLLM is missing or cannot load the model, BadInputError for bad arguments.
    """
    try:
        arguments = json.loads(os.environ.get(ARGUMENTS) or "{}")
    except json.JSONDecodeError as error:
        raise BadInputError(f"{ARGUMENTS} is not valid JSON: {error}.") from None
    if not isinstance(arguments, dict):
        raise BadInputError(f'{ARGUMENTS} must be a JSON object such as {{"dtype": "float32"}}.')
    return VllmBackend(settings, model, arguments, require("vllm", "vllm", ("vllm",))["vllm"])


class VllmBackend:
    """vLLM schedules a batch's requests by itself; each has a seed of its own."""

    def __init__(self, settings: ModelSpec, model: str, arguments: dict[str, Any], vllm: Any) -> None:
        try:
            self._engine = vllm.LLM(model=model, revision=settings.revision, **arguments)
        except Exception as error:  # each library has its own kinds of errors
            why = " ".join(str(error).split())[:300]
            raise BackendError(f"vllm/{model} cannot be loaded: {why}") from None
        self._own: dict[str, Any] = self._engine.model_config.try_get_generation_config()
        self._batcher = MicroBatcher(self._answer_all, _BATCH)
        self.limit = min(_BATCH, settings.max_connections)
        folder = Path(model)
        telling = {n: v for n, v in sorted(arguments.items()) if n not in _HARMLESS}
        self.identity = {
            "backend": "vllm",
            "model": content_hash(folder) if folder.is_dir() else model,
            "revision": settings.revision or "",
            "engine": f"vllm {vllm.__version__} {json.dumps(telling)}",
        }

    async def complete(self, request: Request) -> Reply:
        """Return the model's reply."""
        return await self._batcher(request)

    async def aclose(self) -> None:
        """Stop the engine's thread and its processes, which otherwise outlive the run for a while."""
        await self._batcher.aclose()
        core = getattr(self._engine.llm_engine, "engine_core", None)
        if core is not None:
            await asyncio.to_thread(core.shutdown)

    def _answer_all(self, requests: Sequence[Request]) -> list[Answer]:
        outputs = self._engine.chat(
            [turns(r) for r in requests], [self._settings(r) for r in requests], use_tqdm=False
        )
        return [_read(output) for output in outputs]

    def _settings(self, request: Request) -> Any:
        """Return the model's own sampling settings with the request's in place of them."""
        settings = self._engine.get_default_sampling_params()
        if not self._own.get("do_sample"):
            settings.temperature = 0.0  # as transformers reads a generation_config that does not say
        if request.temperature is not None:
            settings.temperature = request.temperature
        if request.top_p is not None:
            settings.top_p = request.top_p
        settings.max_tokens = request.max_tokens or self._own.get("max_new_tokens") or DEFAULT_TOKENS
        settings.seed = draw_seed(request)
        return settings


def _read(output: Any) -> Reply:
    best = output.outputs[0]
    return Reply(
        text=best.text.strip(),
        stop="length" if best.finish_reason == "length" else "stop",
        usage=Usage(len(output.prompt_token_ids), len(best.token_ids)),
    )
