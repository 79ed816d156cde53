"""A student in training: loading, what it sees of an example, its losses, checkpoints that others load."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BackendError, BadInputError, SkillMixError
from ..records import Message

Example = tuple[list[int], int]  # token ids of prompt and text, length of the prompt
_WEIGHTS = {".safetensors", ".bin", ".pt"}
_LOSS_BATCH = 64


def libraries() -> tuple[Any, Any]:
    """Return torch and transformers; raises BackendError where the extra `train` is missing."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise BackendError(
            f"Training needs {error.name}, which is not installed; pip install 'skillmix-eval[train]' "
            "brings it."
        ) from None
    return torch, transformers


class Diverged(SkillMixError):  # noqa: N818  what happened, not an error's name
    """A loss or a weight is not a number."""

    exit_code = 1


class Measure(NamedTuple):
    """Mean loss per token in nats, the number of tokens, and if a greedy student writes this very text."""

    loss: float
    tokens: int
    exact: bool


class Student:
    """A causal language model with its tokenizer, from a folder in Hugging Face layout."""

    def __init__(self, folder: Path, device: str | None = None) -> None:
        self.torch, transformers = libraries()
        if not (folder / "config.json").is_file():
            raise BadInputError(f"{folder} is no checkpoint; it needs config.json, weights and a tokenizer.")
        self.device = device or ("cuda" if self.torch.cuda.is_available() else "cpu")
        transformers.utils.logging.disable_progress_bar()
        try:
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            loaded = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=self.torch.float32)
        except Exception as error:  # each library has its own kinds of errors
            raise BackendError(
                f"The checkpoint {folder} cannot be loaded: {' '.join(str(error).split())[:300]}"
            ) from None
        if not hasattr(loaded, "lm_head"):
            raise BadInputError(
                f"{folder} is a {type(loaded).__name__}, which writes no text token by token; give a causal "
                "language model with a head lm_head, such as a Llama."
            )
        if not self.tokenizer.chat_template:
            raise BadInputError(f"{folder} has no chat template, so it cannot be trained on chats.")
        self.folder, self.model = folder, loaded.to(self.device)

    def examples(self, chats: Sequence[Sequence[Message]]) -> list[Example]:
        """Return what the student sees of chats whose last message is its own, its end token after it.

        Raises BadInputError for a text that the model has no embeddings or positions for.
        """
        asked = [
            self.tokenizer.apply_chat_template(
                [{"role": m.role, "content": m.content} for m in chat[:-1]],
                add_generation_prompt=True,
                tokenize=False,
            )
            for chat in chats
        ]
        first = self.tokenizer(asked, add_special_tokens=False)["input_ids"]
        ended = [chat[-1].content + self.tokenizer.eos_token for chat in chats]
        second = self.tokenizer(ended, add_special_tokens=False)["input_ids"]
        return [self._fitting((a + b, len(a))) for a, b in zip(first, second, strict=True)]

    def _fitting(self, example: Example) -> Example:
        words = self.model.get_input_embeddings().num_embeddings
        longest = getattr(self.model.config, "max_position_embeddings", None)
        if max(example[0]) >= words:
            raise BadInputError(
                f"The model {self.folder} knows {words:,} tokens, but its tokenizer writes number "
                f"{max(example[0]):,}: they do not belong together; give a whole checkpoint."
            )
        if longest and len(example[0]) > longest:
            raise BadInputError(
                f"A text has {len(example[0]):,} tokens, and {self.folder} has places for {longest:,}; leave "
                f"it out: {self.shown(example)}."
            )
        return example

    def shown(self, example: Example) -> str:
        """Return an example's last words, by which a person finds it."""
        return "..." + repr(self.tokenizer.decode(example[0], skip_special_tokens=True)[-80:])

    def token_losses(self, batch: Sequence[Example]) -> tuple[Any, Any, Any]:
        """Return for every token of the replies its loss in nats, its row, and if it is the likeliest one;
        all (tokens,).

        Prompts are no targets, and padding is on the right.
        """
        torch = self.torch
        width = max(len(ids) for ids, _ in batch)
        inputs = torch.zeros(len(batch), width, dtype=torch.long)
        targets = torch.full((len(batch), width), -100)
        for row, (ids, start) in enumerate(batch):
            inputs[row, : len(ids)] = torch.tensor(ids)
            targets[row, start - 1 : len(ids) - 1] = torch.tensor(ids[start:])
        inputs, targets = inputs.to(self.device), targets.to(self.device)
        wanted = targets != -100
        hidden = self.model.base_model(input_ids=inputs, use_cache=False).last_hidden_state[wanted]
        logits = self.model.lm_head(hidden).float()  # of the texts alone: most of the time is spent here
        losses = torch.nn.functional.cross_entropy(logits, targets[wanted], reduction="none")
        return losses, wanted.nonzero()[:, 0], logits.detach().argmax(-1) == targets[wanted]

    def measure(self, examples: Sequence[Example]) -> list[Measure]:
        """Return how well the student does on each example's text."""
        found: list[Measure] = []
        self.model.eval()
        with self.torch.inference_mode():
            for at in range(0, len(examples), _LOSS_BATCH):
                batch = examples[at : at + _LOSS_BATCH]
                losses, rows, right = self.token_losses(batch)
                sums = self.torch.zeros(2, len(batch), device=losses.device)
                sums.index_add_(1, rows, self.torch.stack([losses, right.float()]))
                counts = self.torch.bincount(rows, minlength=len(batch))
                means = (sums[0] / counts).tolist()
                found += map(Measure, means, counts.tolist(), (sums[1] == counts).tolist())
        return found

    def save(self, folder: Path) -> None:
        """Write a folder that transformers, vLLM and lm-eval load, whole or not at all.

        Weights are in half precision; everything else is as it was in the student's own folder. Raises
        Diverged, with nothing written, where a weight is not a number in half precision.
        """
        state = {n: t.detach().cpu().half().contiguous() for n, t in self.model.state_dict().items()}
        for name, weights in state.items():
            if not weights.isfinite().all():
                raise Diverged(f"{folder} is not written: {name} holds what is no number; lower the rate.")
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        self.model.save_pretrained(part, state_dict=state)
        for path in self.folder.iterdir():
            if path.is_file() and path.suffix not in _WEIGHTS and not path.name.endswith(".index.json"):
                shutil.copyfile(path, part / path.name)
        settings = json.loads((part / "config.json").read_text(encoding="utf-8"))
        settings["dtype"] = "float16"
        (part / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)


def convert(folder: Path) -> None:
    """Write CTranslate2's conversion of a checkpoint into its folder ct2, which `embedded/<folder>` loads."""
    libraries()
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(folder)).convert(str(folder / "ct2"), quantization="float16", force=True)
    settings = folder / "ct2" / "config.json"
    content = json.loads(settings.read_text(encoding="utf-8"))
    content["bos_token"] = content["eos_token"]  # never used, but the engine loads no model without one
    settings.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
