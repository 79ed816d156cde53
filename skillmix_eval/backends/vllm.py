"""`vllm/<folder or id>`: a model in this process, by vLLM's asynchronous engine (extra `vllm`).

The engine starts with the first call. A folder with a LoRA adapter is served on its base model. Without a
temperature the model's generation_config decides. Arguments of the engine that a machine needs
(tensor_parallel_size, data_parallel_size, dtype, max_model_len) come as JSON in SKILLMIX_VLLM_ARGS.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
from pathlib import Path
from typing import Any

from ..errors import BackendError, BadInputError, CallFailedError
from ..records import Reply, Request, Usage
from ..spec import ModelSpec
from ._local import DEFAULT_TOKENS, draw_seed, require, turns, weights

ARGUMENTS = "SKILLMIX_VLLM_ARGS"
_IN_FLIGHT = 2048  # the engine schedules them itself: more than it works on at a time
_HARMLESS = {"gpu_memory_utilization", "disable_log_stats", "max_num_seqs"}  # arguments that change no reply
_ADAPTER = "adapter_config.json"
_MEMORY = ("memory", "cache blocks", "kv cache", "core initialization")


def create(settings: ModelSpec, model: str) -> VllmBackend:
    """Return the model in a folder, or by its id on the hub.

    Raises BackendError where vLLM is missing, BadInputError for bad arguments or a broken adapter.
    """
    try:
        arguments = json.loads(os.environ.get(ARGUMENTS) or "{}")
    except json.JSONDecodeError as error:
        raise BadInputError(f"{ARGUMENTS} is not valid JSON: {error}.") from None
    if not isinstance(arguments, dict):
        raise BadInputError(f'{ARGUMENTS} must be a JSON object such as {{"dtype": "float32"}}.')
    adapter = _adapter(Path(model))
    if adapter:
        arguments = {"enable_lora": True, "max_lora_rank": _rank(adapter["r"]), **arguments}
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")  # standard output is for results
    base = adapter["base_model_name_or_path"] if adapter else model
    return VllmBackend(settings, model, base, arguments, require("vllm", "vllm", ("vllm",))["vllm"])


def _adapter(folder: Path) -> dict[str, Any] | None:
    """Return the settings of the LoRA adapter in a folder, None where there is none."""
    try:
        found = json.loads((folder / _ADAPTER).read_text(encoding="utf-8"))
        return {name: found[name] for name in ("base_model_name_or_path", "r")}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"The adapter {folder / _ADAPTER} cannot be used: {error!r}.") from None


def _rank(rank: int) -> int:
    """Return the smallest rank that vLLM has room for and this adapter fits into."""
    return next((r for r in (8, 16, 32, 64, 128, 256, 320) if r >= rank), rank)


class VllmBackend:
    """vLLM takes up requests while it works on others; each has a seed of its own."""

    fills_device = True  # another such engine has to wait until this one is closed

    def __init__(
        self, settings: ModelSpec, model: str, base: str, arguments: dict[str, Any], vllm: Any
    ) -> None:
        self._vllm, self._name, self._count = vllm, model, 0
        self._arguments = {"model": base, "revision": settings.revision, **arguments}
        self._arguments.setdefault("disable_log_stats", True)
        self._engine: Any = None
        self._turn = asyncio.Lock()
        self._lora: Any = None
        self.limit = _IN_FLIGHT
        telling = {n: v for n, v in sorted(arguments.items()) if n not in _HARMLESS}
        self.identity = {
            "backend": "vllm",
            "model": weights(model) if model == base else f"{weights(base)} + {weights(model)}",
            "revision": settings.revision or "",
            "engine": f"vllm {vllm.__version__} {json.dumps(telling)}",
        }

    async def complete(self, request: Request) -> Reply:
        """Return the model's reply; raises CallFailedError for this request, BackendError for the engine."""
        try:
            async with self._turn:  # the engine begins with the first while the next are made ready
                if self._engine is None:
                    self._start()
                prompt, settings = {"prompt_token_ids": self._tokens(request)}, self._settings(request)
                self._count += 1
                name = str(self._count)
            stream = self._engine.generate(prompt, settings, name, **self._with)
            return _read([output async for output in stream][-1])
        except BackendError:
            raise
        except Exception as error:  # each library has its own kinds of errors
            if self._engine is not None and not self._engine.errored:  # it lives: this request is at fault
                raise CallFailedError(f"vLLM cannot take it: {_short(error)}") from None
            raise self._fault("failed", error) from None

    async def aclose(self) -> None:
        """Stop the engine and free its memory; the next call would start it again."""
        engine, self._engine = self._engine, None
        if engine is None:
            return
        if engine.output_handler:  # it would take the end of the engine for its death, and say so at length
            engine.output_handler.cancel()
            await asyncio.gather(engine.output_handler, return_exceptions=True)
        await asyncio.to_thread(engine.shutdown)

    def _start(self) -> None:
        """Load the model; this takes from seconds to minutes, in which nothing else can be done anyway."""
        from vllm.platforms import current_platform

        if current_platform.is_cpu():  # where a seed is fatal to a prompt that is taken in pieces (vLLM 0.32)
            self._arguments.setdefault("enable_chunked_prefill", False)
        try:
            arguments = self._vllm.AsyncEngineArgs(**self._arguments)
            offline = importlib.import_module("vllm.usage.usage_lib").UsageContext.LLM_CLASS
            # sized for throughput, as vLLM's own LLM is: an engine that serves people takes smaller steps
            self._engine = self._vllm.AsyncLLMEngine.from_engine_args(arguments, usage_context=offline)
            self._own = self._engine.model_config.try_get_generation_config()  # from the disk: once
            self._usual = self._engine.model_config.get_diff_sampling_param()
            self._tokenizer = self._engine.get_tokenizer()
        except Exception as error:  # each library has its own kinds of errors
            raise self._fault("cannot be loaded", error) from None
        self._with: dict[str, Any] = {}
        if self._arguments.get("enable_lora") and _adapter(Path(self._name)):
            from vllm.lora.request import LoRARequest

            self._with = {"lora_request": LoRARequest("adapter", 1, str(Path(self._name).resolve()))}

    def _fault(self, what: str, error: Exception) -> BackendError:
        said = _short(error)
        if not any(word in said.lower() for word in _MEMORY):
            return BackendError(f"vllm/{self._name} {what}: {said}")
        return BackendError(
            f"vllm/{self._name} {what}, for want of memory if nothing else is said above ({said}); set "
            f'{ARGUMENTS}, for example {{"gpu_memory_utilization": 0.8, "max_model_len": 4096}} or '
            '{"tensor_parallel_size": 2}, or use a smaller model.'
        )

    def _tokens(self, request: Request) -> list[int]:
        found = self._tokenizer.apply_chat_template(turns(request), add_generation_prompt=True, tokenize=True)
        return list(found if isinstance(found, list) else found["input_ids"])

    def _settings(self, request: Request) -> Any:
        """Return the model's own sampling settings with the request's in place of them."""
        settings = self._vllm.SamplingParams.from_optional(**self._usual)
        if not self._own.get("do_sample"):
            settings.temperature = 0.0  # as transformers reads a generation_config that does not say
        if request.temperature is not None:
            settings.temperature = request.temperature
        if request.top_p is not None:
            settings.top_p = request.top_p
        settings.max_tokens = request.max_tokens or self._own.get("max_new_tokens") or DEFAULT_TOKENS
        settings.seed = draw_seed(request)
        settings.output_kind = type(settings.output_kind).FINAL_ONLY
        if request.schema is not None:
            _hold_to(settings, request.schema)
        return settings


def _hold_to(settings: Any, schema: dict[str, Any]) -> None:
    """Have the reply follow a JSON schema (guided decoding, whose names changed with vLLM 0.10)."""
    kinds = importlib.import_module("vllm.sampling_params")
    if hasattr(kinds, "StructuredOutputsParams"):
        settings.structured_outputs = kinds.StructuredOutputsParams(json=schema)
    else:
        settings.guided_decoding = kinds.GuidedDecodingParams(json=schema)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _read(output: Any) -> Reply:
    best = output.outputs[0]
    return Reply(
        text=best.text.strip(),
        stop="length" if best.finish_reason == "length" else "stop",
        usage=Usage(len(output.prompt_token_ids), len(best.token_ids)),
    )
