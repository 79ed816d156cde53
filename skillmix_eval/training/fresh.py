"""A student that knows nothing yet: a small Llama with a tokenizer of characters, for exercises."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .student import libraries

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"
LENGTH = 512  # most tokens of prompt and reply together
CHAT = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def new_student(folder: Path, pieces: Sequence[str], seed: int, size: int = 64, layers: int = 4) -> Path:
    """Write an untrained student in Hugging Face layout, in the place of whatever is in its folder; `pieces`
    are strings that are one token each.

    Weights start larger than is usual, as a width of 64 needs: with 0.02 attention stays flat for long.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
    from tokenizers import models as kinds

    torch, transformers = libraries()
    transformers.utils.logging.disable_progress_bar()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = [PAD, USER, ASSISTANT, END, *alphabet]
    tokenizer = Tokenizer(kinds.BPE({name: at for at, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([PAD, USER, ASSISTANT, END])
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in pieces])
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=size,
        intermediate_size=3 * size,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=LENGTH,
        initializer_range=0.1,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    transformers.LlamaForCausalLM(config).save_pretrained(part)
    save_tokenizer(tokenizer, part, LENGTH)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return folder


def save_tokenizer(tokenizer: Tokenizer, folder: Path, length: int) -> None:
    """Write the two files that transformers, vLLM and the embedded backend read.

    `length` is the most tokens of prompt and reply together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": length,
        "eos_token": END,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
