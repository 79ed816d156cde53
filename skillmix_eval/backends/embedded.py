"""`embedded`: the small student in this package, run by CTranslate2 on the CPU; no torch, no network.

`embedded/default` computes in int8, `embedded/float32` unquantised; `embedded/<folder>` is another model in
the same layout (Hugging Face files, and CTranslate2's in the folder ct2). Greedy without a temperature.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..errors import BackendError, BadInputError, CallFailedError
from ..records import Reply, Request, Usage
from ..spec import ModelSpec
from ..templates import Header, Template
from ._batching import Answer, MicroBatcher
from ._local import content_hash, draw_seed, turns

PACKAGED = Path(__file__).parent.parent / "models" / "embedded"
_OWN = {"default": "int8", "float32": "float32"}  # compute types of the packaged model
_MAX_TOKENS = 160
_BATCH = 64
_THREADS = 2


def create(settings: ModelSpec, model: str) -> EmbeddedBackend:
    """Return the packaged student, or one from a folder.

    Raises BadInputError where there is no such model.
    """
    folder = PACKAGED if model in _OWN else Path(model)
    if not (folder / "ct2" / "model.bin").is_file():
        raise BadInputError(
            f"embedded/{model}: there is no such model; use embedded/default, embedded/float32, or a folder "
            "with tokenizer.json, tokenizer_config.json and CTranslate2's files in ct2."
        )
    return EmbeddedBackend(settings, folder, _OWN.get(model, "int8"))


class EmbeddedBackend:
    """A CTranslate2 generator. Each text is computed by itself, so its batch never changes it."""

    def __init__(self, settings: ModelSpec, folder: Path, compute_type: str) -> None:
        import ctranslate2
        import tokenizers

        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            about = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
            self._engine = ctranslate2.Generator(
                str(folder / "ct2"),
                device="cpu",
                compute_type=compute_type,
                inter_threads=_THREADS,
                intra_threads=1,
            )
        except Exception as error:  # each library has its own kinds of errors
            raise BackendError(f"The model in {folder} cannot be loaded: {error}") from None
        self._chat = Template("chat template", Header(), about["chat_template"], "")
        self._end = self._tokenizer.token_to_id(about["eos_token"])
        self._room = about["model_max_length"]
        self._threads = ThreadPoolExecutor(_THREADS)  # none is started before a text is sampled
        self._batcher = MicroBatcher(self._answer_all, _BATCH)
        self.limit = min(_BATCH, settings.connections)
        self.identity = {
            "backend": "embedded",
            "model": content_hash(folder),
            "engine": f"ctranslate2 {ctranslate2.__version__} {compute_type}",
        }

    async def complete(self, request: Request) -> Reply:
        """Return the student's text."""
        return await self._batcher(request)

    async def aclose(self) -> None:
        """Stop the engine's threads."""
        await self._batcher.aclose()
        self._threads.shutdown()

    def _answer_all(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer a batch: greedy ones together in the engine, sampled ones each on a thread of its own."""
        prompts = [self._prompt(r) for r in requests]
        answers: list[Answer] = [CallFailedError("the prompt is longer than the student can read")] * len(
            requests
        )
        groups: dict[int, list[int]] = {}
        sampled: list[tuple[int, Future[list[int]]]] = []
        for at, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
            most = request.max_tokens or _MAX_TOKENS
            if len(prompt) + most > self._room:
                continue
            if request.temperature:
                sampled.append((at, self._threads.submit(self._sample, prompt, most, request)))
            else:
                groups.setdefault(most, []).append(at)
        for most, places in groups.items():
            found = self._greedy([prompts[at] for at in places], most)
            for at, ids in zip(places, found, strict=True):
                answers[at] = self._reply(prompts[at], ids)
        for at, drawn in sampled:
            answers[at] = self._reply(prompts[at], drawn.result())
        return answers

    def _prompt(self, request: Request) -> list[int]:
        text = self._chat.render(messages=turns(request), add_generation_prompt=True)
        return list(self._tokenizer.encode(text).ids)

    def _reply(self, prompt: list[int], ids: list[int]) -> Reply:
        ended = bool(ids) and ids[-1] == self._end
        return Reply(
            text=self._tokenizer.decode(ids).strip(),
            stop="stop" if ended else "length",
            usage=Usage(len(prompt), len(ids)),
        )

    def _greedy(self, prompts: list[list[int]], most: int) -> list[list[int]]:
        """Let the engine write; with batches of one, as the share of padding would change the last digits."""
        results = self._engine.generate_batch(
            [self._pieces(p) for p in prompts],
            max_length=most,
            max_batch_size=1,
            sampling_topk=1,
            include_prompt_in_result=False,
            return_end_token=True,
        )
        return [list(r.sequences_ids[0]) for r in results]

    def _sample(self, prompt: list[int], most: int, request: Request) -> list[int]:
        """Draw token by token; the engine's own sampling cannot be seeded for each request."""
        import ctranslate2
        import numpy as np

        rng = np.random.default_rng(draw_seed(request))
        ids: list[int] = []
        while len(ids) < most and ids[-1:] != [self._end]:
            logits = self._engine.forward_batch([self._pieces(prompt + ids)])
            last = np.asarray(logits.to(ctranslate2.DataType.float32))[0, -1].astype(np.float64)
            ids.append(_drawn(last / (request.temperature or 1), request.top_p, rng))
        return ids

    def _pieces(self, ids: list[int]) -> list[str]:
        return [str(self._tokenizer.id_to_token(i)) for i in ids]


def _drawn(logits: Any, top_p: float | None, rng: Any) -> int:
    """Draw an index by its share among those that together have `top_p` of the probability."""
    import numpy as np

    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    order = np.argsort(-shares, kind="stable")
    before = np.cumsum(shares[order]) - shares[order]
    kept = order[before < (top_p or 1.0)]
    return int(kept[np.searchsorted(np.cumsum(shares[kept]), rng.random() * shares[kept].sum())])
