"""`hf/<folder or id>`: a Hugging Face model in this process, by transformers and torch (extra `hf`).

Without a temperature the model's generation_config decides; temperature 0 is greedy. On a CPU the weights are
computed in float32, on a GPU in the type they are stored in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import BackendError
from ..records import Reply, Request, Usage
from ..spec import ModelSpec
from ._batching import Answer, MicroBatcher
from ._local import DEFAULT_TOKENS, draw_seed, require, turns, weights

_BATCH = 32


def create(settings: ModelSpec, model: str) -> HuggingFaceBackend:
    """Return the model in a folder, or by its id on the hub.

    Raises BackendError where torch or transformers is missing or the model cannot be loaded.
    """
    found = require("hf", "hf", ("torch", "transformers"))
    torch, transformers = found["torch"], found["transformers"]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = "auto" if device == "cuda" else torch.float32
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(model, revision=settings.revision)
        loaded = transformers.AutoModelForCausalLM.from_pretrained(
            model, revision=settings.revision, dtype=kind
        )
    except Exception as error:  # each library has its own kinds of errors
        why = " ".join(str(error).split())[:300]
        raise BackendError(f"hf/{model} cannot be loaded: {why}") from None
    folder = Path(model)
    commit = str(getattr(loaded.config, "_commit_hash", None) or settings.revision or "")
    identity = {
        "backend": "hf",
        "model": weights(model),
        "revision": "" if folder.is_dir() else commit,
        "engine": f"transformers {transformers.__version__} {loaded.dtype} {device}",
    }
    return HuggingFaceBackend(loaded.to(device).eval(), tokenizer, identity, settings.connections)


class HuggingFaceBackend:
    """Greedy requests share a batch; sampled ones are drawn alone, so that their seeds mean something.

    The model may be one that is being trained: it is asked as it is, on the device where it is.
    """

    def __init__(self, model: Any, tokenizer: Any, identity: dict[str, str], most: int = _BATCH) -> None:
        import torch

        if not tokenizer.chat_template:
            raise BackendError(
                f"hf/{identity['model']} has no chat template, so it cannot be asked as a chat model."
            )
        self._torch, self._model, self._tokenizer = torch, model, tokenizer
        self._device = model.device
        tokenizer.padding_side = "left"
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self._batcher = MicroBatcher(self._answer_all, _BATCH)
        self.limit = min(_BATCH, most)
        self.identity = identity

    async def complete(self, request: Request) -> Reply:
        """Return the model's reply."""
        return await self._batcher(request)

    async def aclose(self) -> None:
        """Stop the engine's thread."""
        await self._batcher.aclose()

    def _answer_all(self, requests: Sequence[Request]) -> list[Answer]:
        answers: dict[int, Answer] = {}
        groups: dict[tuple[int, int], list[int]] = {}
        for at, request in enumerate(requests):
            alone = at if self._samples(request) else -1
            groups.setdefault((self._most(request), alone), []).append(at)
        for places in groups.values():
            found = self._generate([requests[at] for at in places])
            answers.update(zip(places, found, strict=True))
        return [answers[at] for at in range(len(requests))]

    def _samples(self, request: Request) -> bool:
        if request.temperature is None:
            return bool(self._model.generation_config.do_sample)
        return request.temperature > 0

    def _most(self, request: Request) -> int:
        return request.max_tokens or self._model.generation_config.max_new_tokens or DEFAULT_TOKENS

    def _settings(self, request: Request) -> dict[str, Any]:
        """Return generate()'s settings; what the request leaves open stays the model's own."""
        settings: dict[str, Any] = {"max_new_tokens": self._most(request)}
        if not self._samples(request):
            return settings | {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        chosen = {"temperature": request.temperature, "top_p": request.top_p}
        return settings | {"do_sample": True} | {n: v for n, v in chosen.items() if v is not None}

    def _generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer requests that share their settings."""
        texts = [
            self._tokenizer.apply_chat_template(turns(r), add_generation_prompt=True, tokenize=False)
            for r in requests
        ]
        inputs = self._tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        self._torch.manual_seed(draw_seed(requests[0]))
        with self._torch.inference_mode():
            written = self._model.generate(
                input_ids=inputs["input_ids"].to(self._device),
                attention_mask=inputs["attention_mask"].to(self._device),
                pad_token_id=self._tokenizer.pad_token_id,
                **self._settings(requests[0]),
            )
        asked = inputs["attention_mask"].sum(dim=1).tolist()
        width = inputs["input_ids"].shape[1]
        return [self._reply(n, row[width:].tolist()) for n, row in zip(asked, written, strict=True)]

    def _reply(self, asked: int, ids: list[int]) -> Reply:
        """Cut a row at its end token; what stands after it is padding."""
        given = self._model.generation_config.eos_token_id
        ends = set(given) if isinstance(given, list) else {given, self._tokenizer.eos_token_id}
        last = next((i for i, token in enumerate(ids) if token in ends), None)
        own = ids if last is None else ids[: last + 1]
        text = self._tokenizer.decode(own, skip_special_tokens=True).strip()
        return Reply(text, stop="length" if last is None else "stop", usage=Usage(asked, len(own)))
