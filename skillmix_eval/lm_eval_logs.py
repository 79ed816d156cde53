"""lm-eval's sample logs of our tasks -> runs. Needs no lm-eval: the logs hold all that a run does."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from .domain import Domain
from .errors import BadInputError
from .evaluate import Setting, describe, prepare
from .lm_eval_texts import Graded, read
from .records import Question, Sample, Score, Text, skill_item
from .runs import Run
from .spec import make_spec
from .stages.score import marks, score

_LOG = re.compile(r"samples_(?P<task>.+)_(?P<when>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")
_SAME = ("domain", "seed", "split", "sampler", "protocol", "texts", "reduce", "lists", "prompt", "judge")


class _Line(msgspec.Struct, frozen=True):
    doc: dict[str, Any]
    resps: list[list[str]]
    filtered_resps: list[Any]


def is_lm_eval(folder: Path) -> bool:
    """Tell whether a folder holds lm-eval's sample logs."""
    return any(True for _ in _logs(folder))


def _logs(folder: Path) -> Iterable[Path]:
    return (p for p in sorted(folder.rglob("samples_*.jsonl")) if _LOG.fullmatch(p.name))


def import_lm_eval(folder: Path, settings: Mapping[str, Any]) -> list[tuple[str, Run]]:
    """Return one run per model, time and settings, from lm-eval's output; tasks of one k are joined.

    Raises BadInputError where a log is not of our tasks, was cut, or its lists are not the ones at hand.
    """
    found: dict[tuple[str, str, str], list[tuple[Path, dict[str, Any]]]] = defaultdict(list)
    for path in _logs(folder):
        model, when, metadata = _described(path)
        same = msgspec.json.encode({name: metadata.get(name) for name in _SAME}, order="sorted").decode()
        found[model, when, same].append((path, metadata))
    runs: list[tuple[str, Run]] = []
    for (model, when, _), logs in found.items():
        name = "-".join(re.sub(r"[^\w.]+", "-", part).strip("-") for part in (model, when))
        number = sum(other.startswith(name) for other, _ in runs)
        runs.append((f"{name}-{number}" if number else name, _run(model, logs, settings)))
    return runs


def _described(path: Path) -> tuple[str, str, dict[str, Any]]:
    """Return the model, the time and the task's settings from the results beside a log."""
    match = _LOG.fullmatch(path.name)
    assert match  # noqa: S101  _logs gives no other
    beside = path.with_name(f"results_{match['when']}.json")
    try:
        results = json.loads(beside.read_text(encoding="utf-8"))
        metadata = results["configs"][match["task"]]["metadata"]
        model = str(results.get("model_name") or results.get("model_source") or "model")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{path} has no {beside.name} beside it that describes its task ({error!r}); import the folder "
            "that lm-eval wrote with --output_path and --log_samples."
        ) from None
    if not isinstance(metadata, dict) or not {"domain", "k", "lists", "judge"} <= metadata.keys():
        raise BadInputError(f"{path} is not a log of a skillmix task that was graded; leave it out.")
    return model, match["when"], metadata


def _run(model: str, logs: list[tuple[Path, dict[str, Any]]], settings: Mapping[str, Any]) -> Run:
    metadata = logs[0][1]
    ks = tuple(sorted({int(m["k"]) for _, m in logs}))
    kept = ("domain", "seed", "split", "sampler", "texts", "reduce")
    given: dict[str, Any] = {name: metadata[name] for name in kept if name in metadata}
    protocol = str(metadata.get("protocol", "draft"))
    refine = {"refine": False} if "refine=False" in protocol else {}
    given |= {"protocol": protocol.split(" ")[0], **refine, "k": ks}
    given |= {"n": max(int(m.get("n", 1)) for _, m in logs), "student": {"model": f"lm-eval/{model}"}}
    setting = prepare(make_spec({**given, **settings}), check_questions=False)
    if setting.domain.fingerprint != metadata["lists"]:
        raise BadInputError(
            f"{logs[0][0]} was made with other lists ({metadata['lists']}) than {given['domain']} has here; "
            "name them with --skills and --topics."
        )
    samples = tuple(
        s for path, _ in sorted(logs, key=lambda x: int(x[1]["k"])) for s in _samples(path, setting)
    )
    prompts = (p.partition(" ") for p in str(metadata.get("prompt", "draft")).split(" + "))
    info = msgspec.structs.replace(
        describe(setting, str(metadata["judge"]), ("Imported from lm-eval's sample logs.",)),
        protocol=str(metadata.get("protocol", setting.protocol.name)),
        prompts={name: digest for name, _, digest in prompts},
        version=str(metadata.get("skillmix_eval", "unknown")),
    )
    return Run(setting.spec, info, samples)


def _samples(path: Path, setting: Setting) -> Iterable[Sample]:
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    for number, line in enumerate(lines, start=1):
        try:
            read = msgspec.json.decode(line, type=_Line)
            question = _question(read.doc, setting.domain)
            graded = [msgspec.json.decode(g, type=Graded) for g in _flat(read.filtered_resps)]
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            raise BadInputError(f"{path} line {number} is not as our tasks write it: {error!r}.") from None
        for text, found in zip(read.resps[0], graded, strict=False):
            yield _sample(question, text, found, setting)


def _flat(given: list[Any]) -> list[str]:
    return [text for part in given for text in (part if isinstance(part, list) else [part])]


def _question(doc: Mapping[str, Any], domain: Domain) -> Question:
    skills = {s.id: s for s in domain.skills}
    topics = {t.id: t for t in domain.topics}
    return Question(doc["id"], tuple(skills[s] for s in doc["skills"]), topics[doc["topic"]])


def _sample(question: Question, written: str, found: Graded, setting: Setting) -> Sample:
    """Return a text with its score: anew from its gradings, or from its points where those were held back."""
    text = read(setting, question, found.index, written, found.draft)
    if found.gradings or not found.points:
        return Sample(question, text, found.gradings, score(question, text, found.gradings))
    return Sample(question, text, (), _score(question, text, found))


def _score(question: Question, text: Text, found: Graded) -> Score:
    earned = [found.points[skill_item(s.id)] for s in question.skills]
    unnamed = [p and s.id not in found.named for p, s in zip(earned, question.skills, strict=True)]
    others = [met for item, met in found.points.items() if not item.startswith("skill:")]
    named, allowed = marks(unnamed, others), marks(earned, others)
    return Score(question.id, text.index, found.points, (), found.named, named, allowed)
