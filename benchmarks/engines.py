"""Compare two engines that could run the packaged student on a CPU: CTranslate2 and ONNX Runtime, in one run.

    pip install -e '.[train]' 'optimum-onnx[onnxruntime]' && python benchmarks/engines.py

Both write greedy texts for the same 100 prompts with two threads, in turns, five times. Prints the median time and
how many texts equal those of CTranslate2 in float32.
ONNX Runtime has no loop for writing text of its own, so it is driven through Optimum, which needs torch and
transformers; that alone rules it out for an install that is to be light.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from skillmix_eval.backends import embedded
from skillmix_eval.domain import load_domain
from skillmix_eval.records import Request
from skillmix_eval.spec import ModelSpec
from skillmix_eval.stages.prompt import draft_request
from skillmix_eval.stages.sample import sample
from skillmix_eval.templates import load_template

TEXTS, ROUNDS, BATCH, MOST = 100, 5, 32, 160


def requests() -> list[Request]:
    """Return the requests of 100 questions."""
    domain = load_domain("devices")
    template = load_template("draft", "draft", domain.folder)
    found = sample(domain, 3, TEXTS, 0, "train", "balanced")
    return [draft_request(q, 0, template, ModelSpec(model="embedded")) for q in found]


def ctranslate2(kind: str, asked: list[Request]) -> Callable[[], list[str]]:
    """Return what writes all texts with the engine of the base install, as `skillmix run` does."""
    backend = embedded.create(ModelSpec(model=f"embedded/{kind}"), kind)

    async def write() -> list[str]:
        return [reply.text for reply in await asyncio.gather(*(backend.complete(r) for r in asked))]

    loop = asyncio.new_event_loop()
    return lambda: loop.run_until_complete(write())


def onnx(asked: list[Request]) -> Callable[[], list[str]]:
    """Return what writes all texts with ONNX Runtime, batches of 32 padded on the left."""
    from onnxruntime import SessionOptions
    from optimum.onnxruntime import ORTModelForCausalLM
    from transformers import AutoTokenizer

    options = SessionOptions()
    options.intra_op_num_threads = 2
    folder = str(embedded.PACKAGED)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = ORTModelForCausalLM.from_pretrained(folder, export=True, session_options=options)
    chats = [
        tokenizer.apply_chat_template(
            [{"role": m.role, "content": m.content} for m in r.messages],
            tokenize=False,
            add_generation_prompt=True,
        )
        for r in asked
    ]

    def write() -> Iterator[str]:
        for start in range(0, len(chats), BATCH):
            given = tokenizer(
                chats[start : start + BATCH], return_tensors="pt", padding=True, add_special_tokens=False
            )
            given.pop("token_type_ids", None)
            ids = model.generate(**given, max_new_tokens=MOST, do_sample=False)
            yield from tokenizer.batch_decode(ids[:, given["input_ids"].shape[1] :], skip_special_tokens=True)

    return lambda: [text.strip() for text in write()]


def main() -> None:
    """Time the engines in turns and print medians."""
    asked = requests()
    engines = {
        "CTranslate2 int8": ctranslate2("default", asked),
        "CTranslate2 float32": ctranslate2("float32", asked),
    }
    if "--without-onnx" not in sys.argv:
        engines["ONNX Runtime float32"] = onnx(asked)
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    texts = {name: write() for name, write in engines.items()}  # the first round warms up
    for _ in range(ROUNDS):
        for name, write in engines.items():
            start = time.perf_counter()
            write()
            seconds[name].append(time.perf_counter() - start)
    like = texts["CTranslate2 float32"]
    for name, found in seconds.items():
        same = sum(a == b for a, b in zip(texts[name], like, strict=True))
        row = {"engine": name, "seconds": round(statistics.median(found), 2), "texts": TEXTS, "equal": same}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
