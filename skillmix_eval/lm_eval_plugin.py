"""lm-eval's front end: its tasks (`tasks/*.yaml`) ask our questions and grade with our graders.

lm-eval asks once per document, so the tasks score drafts; its model `skillmix` (`lm_eval_model.py`) asks for
a better text, too. From the first text on nothing may raise (`lm_eval_grading.py`).
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import datasets
from lm_eval.api.task import ConfigurableTask

from . import __version__
from .errors import BadInputError
from .evaluate import Setting, load_models, prepare
from .lm_eval_grading import BatchGrader, mean, process_results, standard_error
from .lm_eval_model import SkillMixLM, mark
from .lm_eval_settings import STUDENT, say_once, task_spec
from .lm_eval_texts import by_judge, second_turn
from .stages.prompt import draft_request
from .store import Store

_log = logging.getLogger(__name__)


class SkillMixTask(ConfigurableTask):  # type: ignore[misc]  # lm-eval has no types
    """One k of one domain. The questions come from the settings, the texts from lm-eval, all else from us."""

    def __init__(self, config: dict[str, Any]) -> None:
        config = {name: value for name, value in config.items() if name != "class"}
        metadata = config.pop("metadata", None) or {}
        if config.get("repeats", 1) > 1:
            metadata = {"texts": config["repeats"], **metadata}
        self._asked = metadata, config.pop("dataset_kwargs", None) or {}
        self._setting = prepare(task_spec(*self._asked))
        self._questions = {q.id: q for q in self._setting.questions()}
        self._store = Path(
            metadata.get("store") or os.environ.get("SKILLMIX_STORE") or "results/store.sqlite"
        )
        self._rank, self._ranks = 0, 1
        self._system: list[dict[str, str]] = []
        if self._setting.protocol.texts > 1:
            config["repeats"] = self._setting.protocol.texts
        config["metadata"] = {"version": metadata.get("version"), **_described(self._setting)}
        super().__init__(config=config)

    @property
    def _only_texts(self) -> bool:
        """Tell whether lm-eval was asked for texts alone (--predict_only)."""
        return "bypass" in self._metric_fn_list

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **_: Any) -> None:  # noqa: ARG002
        """Make the documents: ids only, so that private lists reach no sample file."""
        rows = [
            {
                "id": q.id,
                "k": q.k,
                "skills": [s.id for s in q.skills],
                "topic": q.topic.id,
                "reduce": self._setting.protocol.reduce,
            }
            for q in self._questions.values()
        ]
        self.dataset = {"test": datasets.Dataset.from_list(rows)}

    def doc_to_text(self, doc: Mapping[str, Any], doc_to_text: Any = None) -> str:  # noqa: ARG002
        """Return the prompt: the user's turn of our own first request."""
        request = draft_request(self._questions[doc["id"]], 0, self._setting.draft, STUDENT)
        return request.messages[-1].content

    def doc_to_target(self, doc: Mapping[str, Any], doc_to_target: Any = None) -> str:  # noqa: ARG002
        """Return nothing, without lm-eval's compiling a template for each question."""
        return ""

    def build_all_requests(self, **given: Any) -> None:
        """Check all that could stop the grading before a text is paid for, then build lm-eval's requests."""
        self._rank, self._ranks = given.get("rank", 0), given.get("world_size", 1)
        apply = given.get("chat_template")
        self._choose_turns(apply, given.get("system_instruction"))
        if not self._only_texts:
            self._check_judge()
        if given.get("cache_requests"):
            say_once("--cache_requests is ignored: lm-eval's key does not hold the questions' seed.")
            given["cache_requests"] = False
        if not given.get("apply_chat_template"):
            say_once(
                "No chat template is applied; where the model is a chat model, add --apply_chat_template."
            )
        elif not _has_chat_template(apply):
            say_once("The model's tokenizer has no chat template, so the prompts go to it as plain text.")
            given |= {"apply_chat_template": False, "chat_template": None, "fewshot_as_multiturn": False}
        super().build_all_requests(**given)

    def _choose_turns(self, apply: Any, system: str | None) -> None:
        """Draft and refine where the model can, which shows in its hook; else say that drafts are scored."""
        twice = isinstance(getattr(apply, "__self__", None), SkillMixLM)
        self._system = [{"role": "system", "content": system}] if system else []
        self._setting = prepare(task_spec(*self._asked, refine=twice))
        self._config.metadata.update(_described(self._setting))
        if not twice:
            say_once(
                "The skillmix tasks score drafts: lm-eval asks once per question. For draft and refine run "
                "skillmix lm-eval --model skillmix --model_args inner=TYPE_OF_MODEL,... instead."
            )

    def construct_requests(self, doc: Mapping[str, Any], ctx: Any, **given: Any) -> Any:
        """Build lm-eval's request, marked with its second turn where it has one."""
        request = super().construct_requests(doc, ctx, **given)
        turn = functools.partial(self._second_turn, doc["id"]) if self._setting.refine else None
        mark(request, turn)
        return request

    def _second_turn(self, question_id: str, reply: str) -> list[dict[str, str]] | None:
        chat = second_turn(self._setting, self._questions[question_id], reply)
        return chat and [*self._system, *chat]

    def _check_judge(self) -> None:
        spec = self._setting.spec
        if by_judge(self._setting) and spec.judge is None:
            raise BadInputError(
                f"The task {self.task_name} is graded by a judge model; name one, for example --metadata "
                '\'{"judge": "openai/gpt-4.1"}\' (with "judge_base_url" for a server of your own) or in the '
                "environment variable SKILLMIX_JUDGE."
            )
        models = load_models(self._setting, student=False)
        self._config.metadata["judge"] = " + ".join(grader.fingerprint for grader in models.graders)
        for judge in filter(None, models.judges):
            _run(judge.aclose())
        if any(models.judges):
            Store(self._store).close()

    def apply_filters(self) -> Any:
        """Grade all texts of this rank at once; lm-eval calls it when all tasks have their texts."""
        instances = self._instances
        if self._setting.domain.private:  # the prompt spells out the user's own skills
            for instance in instances:
                instance.arguments = ("(private)", *instance.arguments[1:])
        if self._only_texts:
            return super().apply_filters()
        _warn_of_equal_texts(self.task_name, [i.resps for i in instances])
        grader = BatchGrader(self.task_name, self._setting, self._store, self._rank, self._ranks)
        graded = grader.lines([(self._questions[i.doc["id"]], i.resps[: i.repeats]) for i in instances])
        kind = "judge" if by_judge(self._setting) else "rules"
        for instance, lines in zip(instances, graded, strict=True):
            instance.filtered_resps[kind] = lines
        return instances


def _described(setting: Setting) -> dict[str, Any]:
    """Return what has to stand beside the figures, in place of metadata that may hold keys."""
    spec = setting.spec
    return {
        "domain": setting.domain.name,
        "k": spec.k[0],
        "n": spec.n,
        "seed": spec.seed,
        "split": spec.split,
        "sampler": spec.sampler,
        "protocol": setting.protocol.name,
        "texts": setting.protocol.texts,
        "reduce": setting.protocol.reduce,
        "lists": setting.domain.fingerprint,
        "prompt": " + ".join(f"{t.name} {t.hash}" for t in (setting.draft, setting.refine) if t),
        "skillmix_eval": __version__,
    }


def _has_chat_template(apply: Any) -> bool:
    """Tell whether the model behind lm-eval's hook can format a chat; a server that does it itself can."""
    try:
        tokenizer = getattr(getattr(apply, "__self__", None), "tokenizer", None)
    except Exception:  # one that is fetched when first used, and cannot be: lm-eval will say so itself
        return True
    return getattr(tokenizer, "chat_template", "") is not None


def _warn_of_equal_texts(task: str, replies: Sequence[Sequence[str]]) -> None:
    if len(replies) > 1 and all(len(r) > 1 and len(set(r)) == 1 for r in replies):
        _log.warning(
            f"{task}: all {len(replies[0])} texts of each question are the same; for others, sample with "
            "--gen_kwargs do_sample=True,temperature=0.7 (and no --use_cache)."
        )


def _run(work: Coroutine[Any, Any, None]) -> None:
    _apart(functools.partial(asyncio.run, work))


def _apart(work: Callable[[], object]) -> None:
    """Do work that starts an event loop, in a thread of its own where one is running (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        work()
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


__all__ = ["SkillMixTask", "mean", "process_results", "standard_error"]
