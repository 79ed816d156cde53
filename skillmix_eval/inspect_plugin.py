"""Inspect AI's front end: `inspect eval skillmix_eval/language -T k=3` asks our questions and grades
with our rubric.

Texts, batches, caching, resume and the viewer are Inspect's; prompts, reading, grading and scores are
the same pure halves as everywhere. The judge is the model role `grader` (--model-role
grader=openai/gpt-4.1). A text without a score is NaN, which the metrics leave out; `coverage` counts it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from inspect_ai import Epochs, Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    ModelOutput,
    ResponseSchema,
    get_model,
)
from inspect_ai.scorer import (
    Metric,
    SampleScore,
    Score,
    Scorer,
    ScoreReducer,
    Target,
    metric,
    score_reducer,
    scorer,
)
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import JSONSchema
from rich.markup import escape

from .calls import without_thoughts
from .errors import SkillMixError
from .evaluate import Setting, prepare
from .figures import METRICS
from .plugins import load_graders
from .records import Question, Reply, Request, Text, Usage
from .spec import ModelSpec, make_spec
from .stages.generate import read_refined, read_text, refinable
from .stages.grade import grade
from .stages.prompt import draft_request, refine_request
from .stages.score import score
from .stats import estimate

_STOPS = {"max_tokens": "length", "model_length": "length", "content_filter": "refusal"}
_TEXT = "skillmix_text"  # where a sample's text is kept from solver to scorer
_STUDENT = ModelSpec(model="inspect/model")


@task
def devices(k: str | int | list[int] = "1-5", n: int = 100, seed: int = 0, split: str = "all") -> Task:
    """Rhetorical and logical figures that code verifies; no judge, no cost of grading."""
    return _task({"domain": "devices", "k": k, "n": n, "seed": seed, "split": split})


@task
def strings(k: str | int | list[int] = "1-4", n: int = 100, seed: int = 0, split: str = "all") -> Task:
    """Functions on strings composed k deep, graded to the letter."""
    return _task({"domain": "strings", "k": k, "n": n, "seed": seed, "split": split})


@task
def language(
    k: str | int | list[int] = 3, n: int = 100, seed: int = 0, split: str = "all", protocol: str = "standard"
) -> Task:
    """SKILL-MIX proper, graded by the model role `grader`."""
    asked = {"domain": "language", "k": k, "n": n, "seed": seed, "split": split, "protocol": protocol}
    return _task(asked | {"judge": "inspect/grader"})


def _task(settings: dict[str, Any]) -> Task:
    ks = settings["k"]  # -T k=1,3 comes as a list
    settings["k"] = ",".join(map(str, ks)) if isinstance(ks, list | tuple) else str(ks)
    try:
        setting = prepare(make_spec(settings, "-T"))
    except SkillMixError as error:
        raise _without_traceback(error) from None
    questions = {q.id: q for q in setting.questions()}
    samples = [
        Sample(
            input=_chat(draft_request(q, 0, setting.draft, _STUDENT).messages),
            id=q.id,
            metadata={"k": q.k, "skills": [s.id for s in q.skills], "topic": q.topic.id},
        )
        for q in questions.values()
    ]
    return Task(
        dataset=MemoryDataset(samples, name=f"skillmix_{setting.domain.name}"),
        solver=write(setting, questions),
        scorer=rubric(setting, questions),
        epochs=Epochs(setting.protocol.texts, over_texts(setting.protocol.reduce)),
    )


def _without_traceback(error: SkillMixError) -> Exception:
    """Return the error that Inspect shows as one sentence, where this version of it has one."""
    try:
        from inspect_ai._util.error import PrerequisiteError
    except ImportError:
        return error
    shown: Exception = PrerequisiteError(escape(str(error)))
    return shown


@solver
def write(setting: Setting, questions: dict[str, Question]) -> Solver:
    """Generate a text, and a better one where the protocol has a second turn."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if setting.domain.about.grading == "judge":  # said now, not when the texts are paid for
            get_model(role="grader", required=True)
        state = await generate(state)
        first = draft_request(questions[str(state.sample_id)], state.epoch - 1, setting.draft, _STUDENT)
        reply = _reply(state.output)
        text = read_text(first, state.epoch - 1, reply, setting.draft.header.reply)
        if setting.refine is not None and refinable(text):
            second = refine_request(first, reply.text, text.text, setting.refine)
            state.messages.append(ChatMessageUser(content=second.messages[-1].content))
            state = await generate(state)
            text = read_refined(second, text, _reply(state.output), setting.refine.header.reply)
        state.store.set(_TEXT, msgspec.to_builtins(text))
        return state

    return solve


@score_reducer(name="skillmix_texts")
def over_texts(reduce: str = "mean") -> ScoreReducer:
    """Make a question's texts one score as a run of ours does: mean or best of those with a score."""

    def reduced(scores: list[Score]) -> Score:
        values: dict[str, Any] = {}
        for name in (*METRICS, "coverage"):
            given = [s.as_dict()[name] for s in scores if isinstance(s.value, dict)]
            known = [float(v) for v in given if isinstance(v, int | float) and not math.isnan(v)]
            best = reduce == "max" and name != "coverage"
            values[name] = (max(known) if best else sum(known) / len(known)) if known else math.nan
        return scores[0].model_copy(update={"value": values})

    return reduced


@metric
def figures() -> Metric:
    """Mean and standard error over the questions with a score for each k, and of the mean of the ks."""

    def compute(scores: list[SampleScore]) -> dict[str, float]:
        found: dict[str, float] = {}
        ks = sorted({int((s.sample_metadata or {})["k"]) for s in scores})
        for name in (*METRICS, "coverage"):
            means, errors = [], []
            for k in ks:
                given = [s.score.as_dict()[name] for s in scores if (s.sample_metadata or {})["k"] == k]
                of_k = estimate([float(v) for v in given if v is not None and not math.isnan(float(v))])
                means.append(math.nan if of_k.value is None else of_k.value)
                found[f"{name}_k{k}"] = means[-1]
                if name != "coverage":
                    errors.append(math.nan if of_k.se is None else of_k.se)
                    found[f"{name}_k{k}_stderr"] = errors[-1]
            if len(ks) > 1:
                found[name] = sum(means) / len(means)
            if len(ks) > 1 and errors:  # the questions of one k are none of another's
                found[f"{name}_stderr"] = math.hypot(*errors) / len(errors)
        return found

    return compute


@scorer(metrics=[figures()])
def rubric(setting: Setting, questions: dict[str, Question]) -> Scorer:
    """Score by the rubric of k + 3 points: exact checkers, or the model role `grader`."""
    graders = load_graders(setting.spec, setting.domain, setting.protocol)

    async def compute(state: TaskState, target: Target) -> Score:  # noqa: ARG001
        question, protocol = questions[str(state.sample_id)], setting.protocol
        kept = state.store.get(_TEXT)
        if kept is None:  # another solver wrote it
            request = draft_request(question, state.epoch - 1, setting.draft, _STUDENT)
            text = read_text(request, state.epoch - 1, _reply(state.output), setting.draft.header.reply)
        else:
            text = msgspec.convert(kept, Text)
        gradings = await grade(question, text, graders[0], _ask, protocol.gradings, protocol.sentence_counter)
        found = score(question, text, gradings)
        values = {name: getattr(found.marks, name) if found else math.nan for name in METRICS}
        why = text.why or "; ".join(g.why for g in gradings if g.why)
        points = found.points if found else {}
        return Score(
            value={**values, "coverage": float(found is not None)},
            answer=text.text,
            explanation=why or ", ".join(f"{item} {int(met)}" for item, met in points.items()),
            metadata={
                "k": question.k,
                "status": str(text.status),
                "points": points,
                "judge": graders[0].fingerprint,
            },
        )

    return compute


async def _ask(request: Request) -> Reply:
    """Ask the model role `grader`, held to the schema where its provider can."""
    config = GenerateConfig(temperature=request.temperature, max_tokens=request.max_tokens, seed=request.seed)
    if request.schema is not None:
        config.response_schema = ResponseSchema(
            name="verdict", json_schema=JSONSchema.model_validate(request.schema)
        )
    judge = get_model(role="grader", required=True)
    return _reply(await judge.generate(_chat(request.messages), config=config))


def _chat(messages: Sequence[Any]) -> list[ChatMessage]:
    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser}
    return [kinds[m.role](content=m.content) for m in messages]


def _reply(output: ModelOutput) -> Reply:
    used = output.usage
    usage = Usage(used.input_tokens, used.output_tokens, used.reasoning_tokens or 0) if used else Usage()
    return without_thoughts(Reply(output.completion, _STOPS.get(output.stop_reason, "stop"), usage))
