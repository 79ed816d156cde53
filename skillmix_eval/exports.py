"""Runs -> files for other tools: flat rows (JSON Lines, CSV, Parquet) and Every Eval Ever 0.3.0.

A private list leaves no name, definition or example in an export, even where a text or a judge repeats it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec

from .errors import unknown
from .evaluate import run_figures
from .figures import METRICS, Figure, KRow
from .hiding import Hider
from .records import Sample, TextStatus
from .runs import Run

EEE_VERSION = "0.3.0"
_SELF_DEPLOYED = {"embedded", "hf", "vllm", "teacher"}


class Publisher(msgspec.Struct, frozen=True):
    """Who publishes an export and when, which no run knows."""

    organization: str = "unknown"
    model_id: str | None = None  # as its developer names it, such as meta-llama/Llama-3.1-8B-Instruct
    retrieved: int = 0  # seconds since 1970


def export(
    run: Run, to: str, show_private: bool = False, publisher: Publisher | None = None
) -> dict[str, bytes]:
    """Return an export's files by their path inside the folder for it; BadInputError for a bad `to`."""
    if to not in FORMATS:
        raise unknown("export format", to, FORMATS)
    return FORMATS[to](run, _Hider(run, show_private), publisher or Publisher())


class _Hider(Hider):
    """Takes a private list's words out of what an export says."""

    def __init__(self, run: Run, show_private: bool) -> None:
        super().__init__((x.question for x in run.samples), run.info.private and not show_private)

    def name(self, item: Any) -> str:
        """Return a skill's or topic's name, or its id."""
        return str(item.id if self.hides else item.name)

    def judge_words(self, text: str) -> str:
        """Return what a judge wrote; nothing of it where the list is private."""
        return "" if self.hides else text


def _rows(run: Run, hider: _Hider) -> Iterable[dict[str, Any]]:
    """Return one flat row per text."""
    for s in run.samples:
        yield {
            "student": run.info.student,
            "judge": run.info.judge,
            "protocol": run.info.protocol,
            "domain": run.info.domain,
            "lists": run.info.lists,
            "question": s.question.id,
            "k": s.question.k,
            "skills": [x.id for x in s.question.skills],
            "skill_names": [hider.name(x) for x in s.question.skills],
            "topic": s.question.topic.id,
            "topic_name": hider.name(s.question.topic),
            "text_index": s.text.index,
            "text": hider.text(s.text.text),
            "draft": hider.text(s.text.draft),
            "status": str(s.text.status),
            "scored": s.score is not None,
            **_scores(s),
            "named": list(s.score.named) if s.score else [],
            "gradings": [_grading(g, hider) for g in s.gradings],
        }


def _scores(s: Sample) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for metric in METRICS:
        found[metric] = getattr(s.score.marks, metric) if s.score else None
        found[f"{metric}_naming_allowed"] = getattr(s.score.marks_naming_allowed, metric) if s.score else None
    return found | {"points": s.score.points if s.score else {}}


def _grading(g: Any, hider: _Hider) -> dict[str, Any]:
    verdicts = {
        item: {"met": v.met, "reason": hider.judge_words(v.reason), "quote": hider.judge_words(v.quote)}
        for item, v in g.verdicts.items()
    }
    return {"judge": g.judge, "status": str(g.status), "verdicts": verdicts, "why": hider.judge_words(g.why)}


def _jsonl(run: Run, hider: _Hider, _: Publisher) -> dict[str, bytes]:
    return {"samples.jsonl": b"".join(_line(row) for row in _rows(run, hider))}


def _line(row: Any) -> bytes:
    return msgspec.json.encode(row) + b"\n"


def _flat(run: Run, hider: _Hider) -> list[dict[str, Any]]:
    """Return rows whose nested columns are JSON, for formats that hold plain cells."""
    nested = ("points", "gradings")
    return [
        {name: json.dumps(x, ensure_ascii=False) if name in nested else x for name, x in row.items()}
        for row in _rows(run, hider)
    ]


def _csv(run: Run, hider: _Hider, _: Publisher) -> dict[str, bytes]:
    rows = _flat(run, hider)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({n: ";".join(x) if isinstance(x, list) else x for n, x in row.items()})
    return {"samples.csv": out.getvalue().encode()}


def _parquet(run: Run, hider: _Hider, _: Publisher) -> dict[str, bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(_flat(run, hider)), sink, compression="zstd")
    return {"samples.parquet": sink.getvalue().to_pybytes()}


def model_id(student: str) -> str:
    """Return developer/model for a student: a repository's id where it is one, else with its backend."""
    backend, _, name = student.split(";")[0].strip().partition("/")
    if name.startswith(("/", ".", "~")):
        name = "local/" + PurePosixPath(name).name
    clean = re.sub(r"[^\w./-]+", "-", name or backend)
    return clean.strip("/") if "/" in clean.strip("/") else f"{backend if name else 'skillmix'}/{clean}"


def _eee(run: Run, hider: _Hider, publisher: Publisher) -> dict[str, bytes]:
    """Return the two files of Every Eval Ever, at their place in its data store (arXiv 2606.14516)."""
    model = publisher.model_id or model_id(run.info.student)
    when = str(publisher.retrieved)
    evaluation = f"skillmix-{run.info.domain}/{model.replace('/', '_')}/{when}"
    developer, _, rest = model.partition("/")
    folder = f"data/skillmix-{_component(run.info.domain)}/{_component(developer)}/{_component(rest)}"
    rows = b"".join(_line(x) for x in _instances(run, hider, model, evaluation))
    digest = hashlib.blake2b(msgspec.json.encode((run.spec, run.info)) + rows, digest_size=16).digest()
    stem = str(uuid.UUID(bytes=digest, version=4))
    document = {
        "schema_version": EEE_VERSION,
        "evaluation_id": evaluation,
        "retrieved_timestamp": when,
        "source_metadata": {
            "source_name": "skillmix-eval",
            "source_type": "evaluation_run",
            "source_organization_name": publisher.organization,
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": "skillmix-eval", "version": run.info.version},
        "model_info": _model_info(model, run.info.student),
        "evaluation_results": _results(run),
    }
    files = {}
    if rows:
        path = f"{folder}/{stem}_samples.jsonl"
        files[path] = rows
        document["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": path,
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(rows).hexdigest(),
            "total_rows": rows.count(b"\n"),
        }
    return {f"{folder}/{stem}.json": msgspec.json.format(msgspec.json.encode(document)) + b"\n", **files}


def _component(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "unnamed"


def _model_info(model: str, student: str) -> dict[str, Any]:
    backend = student.partition("/")[0]
    details = {
        "deployment_type": "self_deployed" if backend in _SELF_DEPLOYED else "unknown",
        "model_availability": "open_weights" if backend in _SELF_DEPLOYED else "unknown",
        "skillmix_model": student,
    }
    return {"name": model.partition("/")[2], "id": model, "additional_details": details}


def _results(run: Run) -> list[dict[str, Any]]:
    return [
        _result(run, row, metric, row.metrics[metric])
        for row in run_figures(run).by_k
        for metric in METRICS
        if row.metrics[metric].estimate.value is not None
    ]


def _result(run: Run, row: KRow, metric: str, figure: Figure) -> dict[str, Any]:
    found, info = figure.estimate, run.info
    interval = {"lower": found.low, "upper": found.high, "confidence_level": 0.95, "method": "Wilson"}
    uncertainty: dict[str, Any] = {"confidence_interval": interval, "num_samples": found.n}
    if found.se is not None:
        uncertainty |= {
            "standard_error": {"value": found.se, "method": "analytic"},
            "standard_deviation": found.se * found.n**0.5,
        }
    details = {"coverage": str(row.coverage), "lowest": str(figure.lowest), "highest": str(figure.highest)}
    whose = {"lists": info.lists, "split": info.split, "private": str(info.private).lower()}
    return {
        "evaluation_result_id": f"k{row.k}.{metric}",
        "evaluation_name": f"skillmix {info.domain} k={row.k} {METRICS[metric].lower()}",
        "source_data": {
            "dataset_name": f"skillmix {info.domain}",
            "source_type": "other",
            "additional_details": {**whose, "seed": str(info.seed), "sampler": info.sampler},
        },
        "metric_config": _metric(run, row.k, metric),
        "score_details": {"score": found.value, "details": details, "uncertainty": uncertainty},
        "generation_config": _generation(run),
    }


def _metric(run: Run, k: int, metric: str) -> dict[str, Any]:
    by_code = run.info.judge.startswith("rules")
    found: dict[str, Any] = {
        "evaluation_description": (
            f"{METRICS[metric]} of short texts asked to show {k} skills at once on a topic; "
            f"{run.info.reduce} over a question's texts; graded by {'code' if by_code else 'a judge model'}"
        ),
        "metric_id": f"skillmix.{metric}",
        "metric_name": METRICS[metric],
        "metric_kind": metric,
        "metric_unit": "proportion",
        "metric_parameters": {"k": float(k), "protocol": run.info.protocol},
        "lower_is_better": False,
        "score_type": "continuous",
        "min_score": 0.0,
        "max_score": 1.0,
        "additional_details": {"graded_by": run.info.judge},
    }
    return found if by_code else found | {"llm_scoring": _judging(run)}


def _judging(run: Run) -> dict[str, Any]:
    judge = run.info.judge.split(";")[0].strip()
    prompts = ", ".join(f"{name} {digest}" for name, digest in run.info.prompts.items())
    found: dict[str, Any] = {
        "judges": [{"model_info": _model_info(model_id(judge), judge)}],
        "input_prompt": f"of the judge: see {run.info.judge}; of the student: {prompts}",
        "additional_details": {"fingerprint": run.info.judge},
    }
    several = max((len(s.gradings) for s in run.samples), default=0) > 1
    return found | ({"aggregation_method": "majority_vote"} if several else {})


def _generation(run: Run) -> dict[str, Any]:
    student = run.spec.student
    given = {n: getattr(student, n) for n in ("temperature", "top_p", "max_tokens")}
    prompts = ", ".join(f"{name} {digest}" for name, digest in run.info.prompts.items())
    return {
        "generation_args": {n: v for n, v in given.items() if v is not None},
        "additional_details": {"protocol": run.info.protocol, "prompts": prompts},
    }


def _instances(run: Run, hider: _Hider, model: str, evaluation: str) -> Iterable[dict[str, Any]]:
    """Return one row per scored text, of its full marks; unscored is not zero, so such texts have no row."""
    for s in run.samples:
        if s.score:
            full = s.score.marks.full_marks
            yield {
                "schema_version": EEE_VERSION,
                "evaluation_id": evaluation,
                "model_id": model,
                "evaluation_name": f"skillmix {run.info.domain} k={s.question.k} full marks",
                "evaluation_result_id": f"k{s.question.k}.full_marks",
                "sample_id": f"{s.question.id}-{s.text.index}",
                **_exchange(run, s, hider),
                "evaluation": {"score": full, "is_correct": full == 1.0},
                **_usage(s),
                **({} if s.text.status is TextStatus.OK else {"error": str(s.text.status)}),
                "metadata": {
                    "k": s.question.k,
                    "skills": [x.id for x in s.question.skills],
                    "topic": s.question.topic.id,
                    "points": s.score.points,
                    "named": list(s.score.named),
                    "all_skills": s.score.marks.all_skills,
                    "skill_fraction": s.score.marks.skill_fraction,
                },
            }


def _exchange(run: Run, s: Sample, hider: _Hider) -> dict[str, Any]:
    """Return what was asked and answered: one turn, or draft and refinement."""
    asked = ", ".join(hider.name(x) for x in s.question.skills)
    raw = f"Skills: {asked}. Topic: {hider.name(s.question.topic)}."
    text, turn = hider.text(s.text.text), 0
    found: dict[str, Any] = {"input": {"raw": raw, "reference": []}}
    if s.text.draft:
        turn = 3
        refine = f"(refine prompt {run.info.prompts.get('refine', '')})"
        said = (("user", raw), ("assistant", hider.text(s.text.draft)), ("user", refine), ("assistant", text))
        messages = [{"turn_idx": i, "role": role, "content": x} for i, (role, x) in enumerate(said)]
        found |= {"interaction_type": "multi_turn", "messages": messages}
    else:
        found |= {"interaction_type": "single_turn", "output": {"raw": [text]}}
    answer = {
        "turn_idx": turn,
        "source": "messages[3].content" if turn else "output.raw",
        "extracted_value": text,
        "extraction_method": "custom" if run.info.judge.startswith("rules") else "llm_judge",
        "is_terminal": True,
    }
    return found | {"answer_attribution": [answer]}


def _usage(s: Sample) -> dict[str, Any]:
    used = s.text.usage
    total = used.input + used.output
    counts = {"input_tokens": used.input, "output_tokens": used.output, "total_tokens": total}
    return {"token_usage": counts} if total else {}


_Format = Callable[[Run, _Hider, Publisher], dict[str, bytes]]
FORMATS: Mapping[str, _Format] = {"csv": _csv, "eee": _eee, "jsonl": _jsonl, "parquet": _parquet}
__all__: Sequence[str] = ["FORMATS", "Publisher", "export", "model_id"]
