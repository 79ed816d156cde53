"""Train the student from scratch on the teacher's texts: a flat loop, on a CPU or a GPU, that can be resumed.

    python experiments/embedded/train.py --steps 10000

Each example is the prompt that the harness sends and the teacher's text; the loss is on the text alone.
Writes folders in Hugging Face layout at a few steps and at the last (out/steps/<step>). The learning rate
rises, stays, and falls over the last third, so that the number of steps may still be changed before that: a
run that was cut off goes on from its last saved state, and ends as if it had been planned so from the start.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizer import LENGTH, OUT, chat, prompt
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from skillmix_eval.domain import load_domain
from skillmix_eval.stages.sample import make_question
from skillmix_eval.training.fresh import END, PAD

Example = tuple[list[int], int]  # token ids of prompt and text, length of the prompt
BATCH_TOKENS = 3072
RATE, FLOOR, WARM_UP, FALL = 3e-3, 0.03, 150, 1 / 3
CHECKPOINTS = (400, 1000, 2000)
SEED = 1
STATE_EVERY = 200
VALIDATION = 400


def new_model(tokenizer: Tokenizer, size: int, layers: int) -> LlamaForCausalLM:
    """Return an untrained Llama with heads of size 64 and tied embeddings."""
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=size,
        intermediate_size=3 * size,
        num_hidden_layers=layers,
        num_attention_heads=size // 64,
        num_key_value_heads=size // 64,
        max_position_embeddings=LENGTH,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    return LlamaForCausalLM(config)


def read_examples(texts: Path, tokenizer: Tokenizer) -> list[Example]:
    """Turn each line of the texts into the token ids that the student sees."""
    domain = load_domain("devices")
    skills, topics = {s.id: s for s in domain.skills}, {t.id: t for t in domain.topics}
    with gzip.open(texts, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    questions = (make_question(tuple(skills[i] for i in row["skills"]), topics[row["topic"]]) for row in rows)
    asked = tokenizer.encode_batch([chat(prompt(question)) for question in questions])
    replies = tokenizer.encode_batch([row["text"] + END for row in rows])
    return [(a.ids + r.ids, len(a.ids)) for a, r in zip(asked, replies, strict=True)]


def batches(examples: list[Example], seed: int, tokens: int) -> Iterator[list[Example]]:
    """Yield batches for ever: each epoch in a new order, examples of like length together."""
    epoch = 0
    while True:
        rng = random.Random(f"{seed}.{epoch}")
        order = rng.sample(examples, len(examples))
        order.sort(key=lambda e: len(e[0]) + rng.random() * 8)
        found, start = [], 0
        while start < len(order):
            many = max(1, tokens // len(order[start][0]))
            found.append(order[start : start + many])
            start += many
        rng.shuffle(found)
        yield from found
        epoch += 1


def loss_of(model: LlamaForCausalLM, batch: list[Example], device: str) -> torch.Tensor:
    """Return the mean loss per token of the texts; padding is on the right and never a target."""
    width = max(len(ids) for ids, _ in batch)
    inputs = torch.zeros(len(batch), width, dtype=torch.long)
    targets = torch.full((len(batch), width), -100)
    for row, (ids, start) in enumerate(batch):
        inputs[row, : len(ids)] = torch.tensor(ids)
        targets[row, start - 1 : len(ids) - 1] = torch.tensor(ids[start:])
    inputs, targets = inputs.to(device), targets.to(device)
    wanted = targets != -100
    hidden = model.model(input_ids=inputs, use_cache=False).last_hidden_state[wanted]
    return torch.nn.functional.cross_entropy(model.lm_head(hidden).float(), targets[wanted])


def rate_at(step: int, steps: int) -> float:
    """Return the learning rate: a short rise, a plateau, and a cosine down over the last third."""
    rise = min(1.0, (step + 1) / WARM_UP)
    fallen = max(0.0, (step - (1 - FALL) * steps) / (FALL * steps))
    return RATE * rise * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * fallen)))


def new_optimizer(model: LlamaForCausalLM) -> torch.optim.AdamW:
    """Return AdamW; only matrices decay."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95))


def save_checkpoint(model: LlamaForCausalLM, tokenizer_folder: Path, folder: Path) -> None:
    """Write a folder that transformers and vLLM load: half-precision weights, settings, tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {n: t.detach().cpu().half().contiguous() for n, t in model.state_dict().items()}
    weights.pop("lm_head.weight")  # tied to the embeddings
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    settings = model.config.to_dict() | {"architectures": ["LlamaForCausalLM"], "dtype": "float16"}
    (folder / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    ends = {"eos_token_id": model.config.eos_token_id, "pad_token_id": model.config.pad_token_id}
    generation = {**ends, "do_sample": False, "max_new_tokens": 160}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((tokenizer_folder / name).read_bytes())


def train(options: argparse.Namespace) -> None:
    """Train for the given steps, from the saved state where there is one."""
    torch.manual_seed(SEED)
    tokenizer = Tokenizer.from_file(str(options.tokenizer / "tokenizer.json"))
    examples = read_examples(options.texts, tokenizer)
    rng = random.Random(SEED)
    rng.shuffle(examples)
    held, examples = examples[:VALIDATION], examples[VALIDATION:]
    model = new_model(tokenizer, options.size, options.layers).to(options.device)
    optimizer = new_optimizer(model)
    state, first, seconds = options.out / "state.pt", 0, 0.0
    if state.is_file():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        first, seconds = saved["step"], saved["seconds"]
    marks = {*CHECKPOINTS, options.steps}
    print(f"{model.num_parameters():,} parameters, {len(examples):,} examples, from step {first}", flush=True)
    start, tokens = time.monotonic() - seconds, 0
    for step, batch in enumerate(batches(examples, SEED, BATCH_TOKENS)):
        if step < first:
            continue
        if step == options.steps:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, options.steps)
        loss = loss_of(model, batch, options.device)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        tokens += sum(len(ids) for ids, _ in batch)
        seconds = time.monotonic() - start
        if (step + 1) % 100 == 0:
            speed = tokens / (seconds or 1)
            print(f"step {step + 1} loss {loss.item():.4f} {seconds:.0f} s {speed:.0f} tokens/s", flush=True)
        if step + 1 in marks:
            save_checkpoint(model, options.tokenizer, options.out / "steps" / str(step + 1))
        if (step + 1) % STATE_EVERY == 0 or step + 1 in marks:
            with torch.no_grad():
                print(f"  validation loss {loss_of(model, held, options.device).item():.4f}", flush=True)
            content = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**content, "step": step + 1, "seconds": seconds}, state)


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--texts", type=Path, default=OUT / "texts.jsonl.gz")
    parser.add_argument("--tokenizer", type=Path, default=OUT / "tokenizer")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--steps", type=int, default=10000)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    train(options)


if __name__ == "__main__":
    main()
