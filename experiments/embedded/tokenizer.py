"""The student's tokenizer: byte-level BPE learned on the training texts, one token per fixed prompt piece.

    python experiments/embedded/tokenizer.py --texts experiments/embedded/out/texts.jsonl.gz

A train-split skill's whole line in the prompt is one added token, and so is each sentence around the lines,
so that a prompt takes some ten tokens. Held-out skills and topics are spelled in ordinary sub-words.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from skillmix_eval.domain import Domain, load_domain
from skillmix_eval.records import Question, Skill
from skillmix_eval.spec import ModelSpec
from skillmix_eval.stages.prompt import draft_request
from skillmix_eval.stages.sample import make_question
from skillmix_eval.templates import Template, load_template
from skillmix_eval.training.fresh import ASSISTANT, END, PAD, USER, save_tokenizer

OUT = Path(__file__).parent / "out"
VOCABULARY = 2048
LENGTH = 4096  # most tokens of prompt and reply together
SYSTEM = "<|system|>"


@lru_cache(maxsize=1)
def template() -> Template:
    """Return the shipped prompt, read once."""
    return load_template("draft", "draft")


def prompt(question: Question) -> str:
    """Return the user message that the harness sends for a question."""
    request = draft_request(question, 0, template(), ModelSpec(model="embedded"))
    return request.messages[0].content


def chat(user: str) -> str:
    """Return what the chat template makes of one user message, ready for the reply."""
    return f"{USER}{user}{END}{ASSISTANT}"


def skill_line(skill: Skill) -> str:
    """Return a skill's line of the prompt."""
    example = f" For example: {skill.example}" if skill.example else ""
    return f"- {skill.name}: {skill.definition}{example}"


def fixed_pieces(domain: Domain) -> list[str]:
    """Return what stays the same in all prompts: what is around the topic, the lines and the limit."""
    found: dict[str, None] = {}
    for k in (1, 2):
        question = make_question(domain.skills[:k], domain.topics[0])
        rest = prompt(question)
        lines = [skill_line(s) for s in question.skills]
        for cut in (question.topic.name, lines[0], *lines[1:], question.limit_words):
            piece, _, rest = rest.partition(cut)
            found[piece.rstrip(" ")] = None  # the next word keeps its space, as in texts
        found[rest] = None
    return [piece for piece in found if piece.strip()]


def corpus(texts: Path, domain: Domain) -> Iterator[str]:
    """Yield what the sub-words are learned on: the texts, and the words of prompts that are no tokens."""
    with gzip.open(texts, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line)["text"] for line in lines)
    for topic in domain.topics:
        yield from [f"about {topic.name} that"] * 100
    for skill in domain.skills:
        if domain.held_out(skill):
            yield from [f"- {skill.name}: {skill.definition} For example: {skill.example}\n"] * 20
    for number in ("one sentence", "two sentences", "three sentences", "four sentences", "five sentences"):
        yield from [f"at most {number}"] * 100


def build(texts: Path) -> Tokenizer:
    """Learn the tokenizer."""
    domain = load_domain("devices")
    lines = [skill_line(s) for s in domain.skills if not domain.held_out(s)]
    added = fixed_pieces(domain) + lines
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(added),
        special_tokens=[PAD, SYSTEM, USER, ASSISTANT, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(texts, domain), trainer)
    tokenizer.add_tokens([AddedToken(piece, normalized=False, special=False) for piece in added])
    return tokenizer


def main() -> None:
    """Learn and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--texts", type=Path, default=OUT / "texts.jsonl.gz")
    parser.add_argument("--out", type=Path, default=OUT / "tokenizer")
    options = parser.parse_args()
    save_tokenizer(build(options.texts), options.out, LENGTH)


if __name__ == "__main__":
    main()
