"""A data set whose mixture of skills a method updates during training, for Hugging Face's Trainer and TRL.

    stream = MixtureStream("data/next/train.jsonl", tokenizer)
    trainer = Trainer(model, arguments, DataCollatorForSeq2Seq(tokenizer), stream, ...)
    trainer.add_callback(MixtureCallback(stream, "graph.json", every=100, eta=0.5))

Files are those of `skillmix adapt`. Every `every` steps the callback measures each skill's loss on texts kept
apart, and the method (Skill-It, unless another is named) sets the mixture that is drawn from then on.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .adapt import Graph, plan, read_graph
from .errors import BackendError, BadInputError
from .mixing import Observed, check_mixture
from .training.found import as_found

if TYPE_CHECKING:
    from torch.utils.data import IterableDataset
    from transformers import TrainerCallback
else:
    try:
        from torch.utils.data import IterableDataset
        from transformers import TrainerCallback
    except ImportError as error:
        raise BackendError(
            "Streams need torch and transformers: pip install 'skillmix-eval[train]'."
        ) from error

LOG, SHARE = "skillmix/loss/", "skillmix/share/"  # before a skill's name, in the trainer's log


class _Row(msgspec.Struct):
    """A line of train.jsonl."""

    messages: list[dict[str, str]]
    skills: tuple[str, ...]


class MixtureStream(IterableDataset):  # type: ignore[misc]
    """Tokenised chats without end: a skill by the mixture, then one of its texts; prompts are no labels.

    `apart` texts of each skill are kept to measure losses on and never drawn, however often they stand in
    the file. The mixture is in shared
    memory, so loader processes see it change (what they have fetched already comes first).
    """

    def __init__(self, path: str | Path, tokenizer: Any, apart: int = 8, seed: int = 0) -> None:
        import torch

        self.seed = seed
        by_skill: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in _rows(Path(path)):
            tokens = _tokens(row, tokenizer)
            for skill in row.skills:
                by_skill[skill].append(tokens)
        distinct = {skill: {_content(t): t for t in texts} for skill, texts in sorted(by_skill.items())}
        self.checks = {skill: list(texts.values())[:apart] for skill, texts in distinct.items()}
        held = {_content(text) for texts in self.checks.values() for text in texts}
        self.texts = {s: [t for t in by_skill[s] if _content(t) not in held] for s in self.checks}
        for skill, texts in self.texts.items():
            if not texts:
                raise BadInputError(
                    f"{path} has too few texts of the skill '{skill}' to keep {apart} of them apart; give "
                    "more, or a smaller apart."
                )
        self._shares = torch.full((len(self.texts),), 1 / len(self.texts)).share_memory_()

    @property
    def skills(self) -> tuple[str, ...]:
        """Skills in the mixture's order."""
        return tuple(self.texts)

    @property
    def mixture(self) -> dict[str, float]:
        """Share of each skill in what is drawn; those not named when it is set get none.

        Raises BadInputError for shares that do not sum to 1 or are of a skill that no text shows.
        """
        return dict(zip(self.texts, self._shares.tolist(), strict=True))

    @mixture.setter
    def mixture(self, shares: Mapping[str, float]) -> None:
        check_mixture(shares, self.texts, "a stream")
        for at, skill in enumerate(self.texts):
            self._shares[at] = shares.get(skill, 0.0)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        from torch.utils.data import get_worker_info

        worker = get_worker_info()
        rng = random.Random(f"{self.seed}.{worker.id if worker else 0}")  # noqa: S311  repeatable, no secret
        while True:
            skill = rng.choices(self.skills, self._shares.tolist())[0]
            yield rng.choice(self.texts[skill])


class MixtureCallback(TrainerCallback):  # type: ignore[misc]
    """Sets a stream's mixture by a method, before the first step and then every `every` steps.

    `options` are the method's (eta, window, ...). Losses and the mixture that follows are in the trainer's
    log, from which a training that is resumed takes those of before. Raises BadInputError for a graph or
    options that no mixture would follow from.
    """

    def __init__(
        self,
        stream: MixtureStream,
        graph: Graph | str | Path | None = None,
        every: int = 100,
        method: str = "skill_it",
        **options: Any,
    ) -> None:
        self.stream, self.every, self.method, self.options = stream, every, method, options
        if every < 1:
            raise BadInputError(f"every = {every} is no number of steps; give 1 or more.")
        found = graph if graph is None or isinstance(graph, Graph) else read_graph(Path(graph))
        self.graph = found and found.of(stream.skills)
        self.skills = self.graph.skills if self.graph else stream.skills
        self.targets = (self.graph.targets if self.graph else ()) or self.skills
        self.losses: list[tuple[float, ...]] = []
        self._planned(((1.0,) * len(self.targets),), 0)  # a fault is told now, not after an hour's training

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        """Set the first mixture, or the one that a resumed training had."""
        logged = [row for row in state.log_history if LOG + self.targets[0] in row]
        self.losses = [tuple(row[LOG + t] for t in self.targets) for row in logged]
        self._plan(state, given["model"], measure=not logged)

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        """Update the mixture where the step is one of those."""
        if state.global_step % self.every == 0 and state.global_step < state.max_steps:
            self._plan(state, given["model"], measure=True)

    def _plan(self, state: Any, model: Any, measure: bool) -> None:
        if measure:
            row = {t: _loss(model, self.stream.checks[t]) for t in self.targets}
            self.losses.append(tuple(row.values()))
        self.stream.mixture = shares = self._planned(tuple(self.losses), state.max_steps)
        if measure:
            logged = {LOG + t: loss for t, loss in row.items()} | {SHARE + s: p for s, p in shares.items()}
            state.log_history.append({**logged, "step": state.global_step})

    def _planned(self, losses: tuple[tuple[float, ...], ...], steps: int) -> dict[str, float]:
        observed = Observed(
            self.skills,
            losses=losses,
            targets=self.targets if self.targets != self.skills else (),
            graph=self.graph.rows if self.graph else (),
            round=len(losses) - 1,
            rounds=max(1, steps // self.every),
            from_start=True,
        )
        return plan(self.method, observed, 0, 0, self.options).mixture


def _rows(path: Path) -> Iterator[_Row]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BadInputError(f"The texts {path} cannot be read: {error.strerror}.") from None
    for number, line in enumerate(lines, start=1):
        try:
            row = msgspec.json.decode(line, type=_Row)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise BadInputError(
                f"{path} line {number} is no row of `skillmix adapt` (messages and skills): {error}."
            ) from None
        if not row.skills:
            raise BadInputError(f"{path} line {number} names no skill, so no mixture can hold it.")
        yield row


def _tokens(row: _Row, tokenizer: Any) -> dict[str, Any]:
    """Return a chat's tokens; labels are -100 but for the last message and the token that ends it."""
    asked = tokenizer.apply_chat_template(row.messages[:-1], add_generation_prompt=True, tokenize=False)
    first = tokenizer(asked, add_special_tokens=False)["input_ids"]
    second = tokenizer(row.messages[-1]["content"] + tokenizer.eos_token, add_special_tokens=False)[
        "input_ids"
    ]
    ids = first + second
    return {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": [-100] * len(first) + second}


def _content(text: Mapping[str, Any]) -> tuple[int, ...]:
    """Return what makes two texts the same: their tokens and which of them are labels."""
    return (*text["input_ids"], *text["labels"])


def _loss(model: Any, texts: Sequence[Mapping[str, Any]]) -> float:
    """Return the mean over texts of the loss in nats a token, with the model left as it was."""
    import torch

    losses = []
    with as_found(model), torch.inference_mode():
        for text in texts:
            row = {name: torch.tensor([ids], device=model.device) for name, ids in text.items()}
            losses.append(float(model(**row, use_cache=False).loss))
    return sum(losses) / len(losses)
