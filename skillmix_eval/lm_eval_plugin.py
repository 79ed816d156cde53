"""lm-eval's front end: its tasks (`tasks/*.yaml`) ask our questions and grade with our graders.

lm-eval asks once per document, so the tasks score drafts: their protocol is `draft`. It generates the texts
of all tasks first and then has each task grade them in one go; from there on nothing may raise, because
lm-eval would lose every text that was paid for.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import datasets
import msgspec
from lm_eval.api.task import ConfigurableTask
from tqdm import tqdm

from . import __version__
from .errors import BadInputError, SkillMixError, unknown
from .evaluate import Setting, evaluate, load_models, prepare
from .figures import METRICS
from .pipeline import Job
from .records import Grading, Marks, Reply, Sample, Text
from .spec import ModelSpec, RunSpec, make_spec, read_spec
from .stages.generate import read_text
from .stages.prompt import draft_request
from .stats import estimate
from .store import Store

STUDENT = ModelSpec(model="lm-eval/model")
_JUDGE = "judge_"
_SETTINGS = set(RunSpec.__struct_fields__) - {"student", "judge", "refine", "refine_prompt"}
_JUDGE_SETTINGS = set(ModelSpec.__struct_fields__) - {"model"}
_log = logging.getLogger(__name__)


class Graded(msgspec.Struct, frozen=True):
    """What became of one text: a line of JSON in lm-eval's samples. Not scored is `marks` null, never 0."""

    index: int
    status: str
    marks: Marks | None = None
    points: dict[str, bool] = {}
    named: tuple[str, ...] = ()
    gradings: tuple[Grading, ...] = ()
    why: str = ""


def task_spec(metadata: Mapping[str, Any], fixed: Mapping[str, Any]) -> RunSpec:
    """Return the spec behind a task: what the task fixes, then metadata, then a spec file, then environment.

    lm-eval mixes the model's arguments (keys among them) into `metadata`: only known names are read.
    Raises BadInputError where metadata asks for what the task fixes, or a setting is wrong.
    """
    given = {name: value for name, value in metadata.items() if name in _SETTINGS}
    for name in ("domain", "k"):
        if name in fixed and given.get(name, fixed[name]) != fixed[name]:
            raise BadInputError(
                f"The task has {name}={fixed[name]}, but the metadata asks for {name}={given[name]}; choose "
                f"the task with the {name} you want, and leave {name} out of --metadata."
            )
    file = read_spec(Path(metadata["spec"])) if "spec" in metadata else {}
    if file.get("domain", "devices") != fixed.get("domain", file.get("domain", "devices")):
        file = {name: value for name, value in file.items() if name not in ("skills", "topics", "public")}
    settings = {"protocol": "draft", **file, **given, **fixed, "refine": False}
    settings["student"] = msgspec.to_builtins(STUDENT)
    settings["judge"] = _judge_settings(metadata, file.get("judge"), fixed.get("judge"))
    spec = make_spec(settings, "the task's metadata")
    if len(spec.k) != 1:
        raise BadInputError(f"A task has one k, not {list(spec.k)}; use one task for each.")
    return spec


def _judge_settings(metadata: Mapping[str, Any], file: Any, fixed: str | None) -> dict[str, Any] | None:
    if fixed:
        return {"model": fixed}
    settings = {
        name: os.environ[variable]
        for name, variable in (("model", "SKILLMIX_JUDGE"), ("base_url", "SKILLMIX_JUDGE_BASE_URL"))
        if os.environ.get(variable)
    }
    for found in (file, metadata.get("judge")):
        if found:
            settings = {"model": found} if isinstance(found, str) else dict(found)
    for name, value in metadata.items():
        short = name.removeprefix(_JUDGE)
        if name.startswith(_JUDGE) and name not in _SETTINGS:
            if short not in _JUDGE_SETTINGS:
                raise unknown("setting", name, [_JUDGE + n for n in _JUDGE_SETTINGS])
            settings[short] = value
    return settings or None


class SkillMixTask(ConfigurableTask):  # type: ignore[misc]  # lm-eval has no types
    """One k of one domain. The questions come from the settings, the texts from lm-eval, all else from us."""

    def __init__(self, config: dict[str, Any]) -> None:
        config = {name: value for name, value in config.items() if name != "class"}
        metadata = config.pop("metadata", None) or {}
        if config.get("repeats", 1) > 1:
            metadata = {"texts": config["repeats"], **metadata}
        self._setting = prepare(task_spec(metadata, config.pop("dataset_kwargs", None) or {}))
        self._questions = {q.id: q for q in self._setting.questions()}
        self._store = Path(
            metadata.get("store") or os.environ.get("SKILLMIX_STORE") or "results/store.sqlite"
        )
        self._rank, self._ranks = 0, 1
        if self._setting.protocol.texts > 1:
            config["repeats"] = self._setting.protocol.texts
        config["metadata"] = {"version": metadata.get("version"), **_described(self._setting)}
        super().__init__(config=config)

    @property
    def _by_judge(self) -> bool:
        judge = self._setting.spec.judge
        return self._setting.domain.about.grading == "judge" or bool(judge and judge.model != "rules")

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

    def build_all_requests(self, **given: Any) -> None:
        """Check all that could stop the grading before a text is paid for, then build lm-eval's requests."""
        self._rank, self._ranks = given.get("rank", 0), given.get("world_size", 1)
        if not self._only_texts:
            self._check_judge()
        if given.get("cache_requests"):
            _say_once("--cache_requests is ignored: lm-eval's key does not hold the questions' seed.")
            given["cache_requests"] = False
        if not given.get("apply_chat_template"):
            _say_once(
                "No chat template is applied; where the model is a chat model, add --apply_chat_template."
            )
        elif not _has_chat_template(given.get("chat_template")):
            _say_once("The model's tokenizer has no chat template, so the prompts go to it as plain text.")
            given |= {"apply_chat_template": False, "chat_template": None, "fewshot_as_multiturn": False}
        super().build_all_requests(**given)

    def _check_judge(self) -> None:
        spec = self._setting.spec
        if self._by_judge and spec.judge is None:
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
        if self._only_texts:
            return super().apply_filters()
        instances = self._instances
        texts = [self._read(i.doc["id"], index, str(r)) for i in instances for index, r in enumerate(i.resps)]
        _warn_of_equal_texts(self.task_name, [i.resps for i in instances])
        samples = self._grade(texts)
        private = self._setting.domain.private
        graded = iter([_graded(t, samples.get((t.question, t.index)), private) for t in texts])
        for instance in instances:
            lines = [msgspec.json.encode(next(graded)).decode() for _ in instance.resps]
            instance.filtered_resps["judge" if self._by_judge else "rules"] = lines
            if private:  # the prompt spells out the user's own skills
                instance.arguments = ("(private)", *instance.arguments[1:])
        return instances

    def _read(self, question_id: str, index: int, reply: str) -> Text:
        request = draft_request(self._questions[question_id], index, self._setting.draft, STUDENT)
        return read_text(request, index, Reply(reply), self._setting.draft.header.reply)

    def _grade(self, texts: Sequence[Text]) -> dict[tuple[str, int], Sample]:
        """Return the samples that could be graded; whatever goes wrong is said, and raises nothing."""
        samples: dict[tuple[str, int], Sample] = {}
        if self._by_judge and self._ranks == 1 and os.environ.get("LOCAL_RANK", "0") != "0":
            return samples  # tensor parallel: every process holds all texts, and only the first one reports
        jobs = [Job(self._questions[t.question], t.index, t) for t in texts]
        hidden = self._rank > 0 or not self._by_judge
        with tqdm(total=len(jobs), desc=f"Grading {self.task_name}", disable=hidden) as bar:

            def on_sample(sample: Sample) -> None:
                samples[sample.text.question, sample.text.index] = sample
                bar.update()

            try:
                self._ask(jobs, on_sample)
            except SkillMixError as error:
                _log.error(self._unfinished(len(jobs) - len(samples), len(jobs), str(error)))
            except Exception as error:
                _log.exception(self._unfinished(len(jobs) - len(samples), len(jobs), repr(error)))
        self._count_unscored(samples.values())
        return samples

    def _ask(self, jobs: Sequence[Job], on_sample: Callable[[Sample], None]) -> None:
        setting = self._share() if self._by_judge else self._setting
        spec = msgspec.structs.replace(setting.spec, anchors=0)  # its results have no place for them
        setting = msgspec.structs.replace(setting, spec=spec)
        models = load_models(setting, student=False)
        store = Store(self._store) if self._by_judge else None
        try:
            _apart(functools.partial(evaluate, setting, models, store, on_sample, jobs))
        finally:
            if store:
                store.close()

    def _share(self) -> Setting:
        """Return the setting with this rank's share of the connections to the judge."""
        spec = self._setting.spec
        assert spec.judge is not None  # noqa: S101  _check_judge saw to it
        first, *others = (
            msgspec.structs.replace(j, max_connections=max(1, j.max_connections // self._ranks))
            for j in spec.judges
        )
        shared = msgspec.structs.replace(spec, judge=first, panel=tuple(others))
        return msgspec.structs.replace(self._setting, spec=shared)

    def _unfinished(self, left: int, asked: int, why: str) -> str:
        kept = f" Verdicts that were paid for are kept in {self._store}." if self._by_judge else ""
        return f"{self.task_name}: {left} of {asked} texts are not graded and count in no mean: {why}{kept}"

    def _count_unscored(self, samples: Iterable[Sample]) -> None:
        reasons = [_why(s) for s in samples if s.score is None]
        if reasons:
            _log.warning(
                f"{self.task_name}: {len(reasons)} texts have no score and count in no mean (see coverage); "
                f"the first: {reasons[0]}"
            )


def _graded(text: Text, sample: Sample | None, private: bool) -> Graded:
    if sample is None:
        return Graded(text.index, text.status, why="not graded")
    score = sample.score
    return Graded(
        text.index,
        text.status,
        score.marks if score else None,
        score.points if score else {},
        score.named if score else (),
        () if private else sample.gradings,  # a judge's reasons speak of the user's own skills
        "" if score or private else _why(sample),
    )


def _why(sample: Sample) -> str:
    return next((g.why for g in sample.gradings if g.why), sample.text.why or sample.text.status)


def process_results(doc: Mapping[str, Any], results: Sequence[Sequence[str]]) -> dict[str, float | None]:
    """Return a question's metrics from its graded texts; each metric also under the name of its error."""
    graded = [msgspec.json.decode(line, type=Graded) for line in results[0]]
    scored = [g.marks for g in graded if g.marks]
    found: dict[str, float | None] = {}
    for metric in METRICS:
        values = [getattr(m, metric) for m in scored]
        best = doc["reduce"] == "max"
        value = (max(values) if best else sum(values) / len(values)) if values else None
        # lm-eval has no error for a custom mean; a later metric of this name takes its place in the table
        found |= {metric: value, f"{metric}_stderr": value}
    return found | {"coverage": len(scored) / len(graded)}


def mean(values: Sequence[float | None]) -> float:
    """Return the mean over the questions that have a score; not a number where none has."""
    found = estimate([v for v in values if v is not None]).value
    return float("nan") if found is None else found


def standard_error(values: Sequence[float | None]) -> float | str:
    """Return our standard error of that mean, or lm-eval's word for none."""
    found = estimate([v for v in values if v is not None]).se
    return "N/A" if found is None else found


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
        "prompt": f"{setting.draft.name} {setting.draft.hash}",
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


@functools.cache
def _say_once(sentence: str) -> None:
    _log.warning(sentence)


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


__all__ = ["Graded", "SkillMixTask", "mean", "process_results", "standard_error", "task_spec"]
