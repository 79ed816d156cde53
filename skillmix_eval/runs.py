"""A run and its folder: spec.yaml, samples.parquet, catalogue.json, and its reports.

Nothing in a folder depends on when or how often the run was interrupted: the same spec and replies give
the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from .calibration import Calibration, read_calibration
from .columns import Columns, columns_of
from .domain import load_domain
from .errors import BadInputError, StoreError
from .figures import ITEMS, METRICS, Anchors
from .hiding import Hider
from .parquet import read_columns
from .records import Grading, Question, Record, Sample, Score, Skill, Text, TextStatus, Topic
from .spec import RunSpec, make_spec, read_spec, write_spec
from .texts import count_sentences, words

_ROWS = 2_000  # texts that are turned into rows at once


class RunInfo(Record, frozen=True, gc=False):
    """Who was asked what by which protocol, and who graded: no figure is shown without it."""

    student: str
    judge: str
    protocol: str
    reduce: str
    domain: str
    lists: str  # fingerprint of skills and topics
    split: str
    seed: int
    sampler: str
    prompts: dict[str, str]  # file name and hash of each prompt that was used
    version: str
    held_out_categories: tuple[str, ...] = ()
    private: bool = False  # a user's own lists: their words are nowhere in the folder
    notes: tuple[str, ...] = ()
    anchors: Anchors | None = None  # what the judge made of texts whose grade is known
    weights: str = ""  # hash of the student's files, where a checkpoint's name may come to mean others


class Run(msgspec.Struct, frozen=True):
    """A finished run."""

    spec: RunSpec
    info: RunInfo
    samples: Sequence[Sample]
    calibration: Calibration | None = None

    @property
    def columns(self) -> Columns:
        """All texts as columns."""
        return columns_of(self.samples)


def redacted(run: Run) -> Run:
    """Return a run without a private list's words: judges' reasons, drafts, copies of the prompt, and names,
    definitions and examples where a text or a quote repeats them.
    """
    hider = Hider(sample.question for sample in run.samples)
    return Run(run.spec, run.info, tuple(_redacted(s, hider) for s in run.samples), run.calibration)


def _redacted(sample: Sample, hider: Hider) -> Sample:
    words_of = sample.text.text
    written = "" if sample.text.status is TextStatus.ECHOED else hider.text(words_of)
    text = msgspec.structs.replace(sample.text, text=written, draft="")
    gradings = []
    for grading in sample.gradings:
        verdicts = {
            i: msgspec.structs.replace(
                v, reason="", quote=hider.text(v.quote), span=v.span if written == words_of else None
            )
            for i, v in grading.verdicts.items()
        }
        gradings.append(msgspec.structs.replace(grading, verdicts=verdicts))
    return msgspec.structs.replace(sample, text=text, gradings=tuple(gradings))


class _Catalogue(msgspec.Struct, frozen=True):
    info: RunInfo
    skills: tuple[Skill, ...] = ()
    topics: tuple[Topic, ...] = ()


def open_folder(folder: Path, spec: RunSpec) -> None:
    """Make the folder and write the spec into it, before anything is paid for.

    Raises BadInputError when another run is there, StoreError when nothing can be written.
    """
    there = folder / "spec.yaml"
    if there.is_file() and not _continues(make_spec(read_spec(there), str(there)), spec):
        raise BadInputError(
            f"{folder} holds another run (its spec.yaml has other settings); choose another --out."
        )
    others = [p for p in folder.iterdir() if p.suffix != ".part"] if folder.is_dir() else []
    if others and not there.is_file():  # a .part is what a kill left of a file of ours
        raise BadInputError(f"{folder} is not empty and holds no run; choose another --out.")
    if there.is_file() and there.read_text(encoding="utf-8") != write_spec(spec):
        (folder / "catalogue.json").unlink(missing_ok=True)  # the old samples are no run of the new spec
    write_file(there, write_spec(spec).encode())


def _continues(old: RunSpec, new: RunSpec) -> bool:
    """Tell whether a run may take another's place: the same but for more questions, and how fast."""
    if not set(old.k) <= set(new.k) or new.n < old.n:
        return False
    loose: dict[str, Any] = {"k": (1,), "n": 1, "public": False, "anchors": 0}
    students = [msgspec.structs.replace(s.student, max_connections=1, price=None) for s in (old, new)]
    judges = [
        tuple(msgspec.structs.replace(j, max_connections=1, price=None) for j in s.judges) for s in (old, new)
    ]
    first, second = (
        msgspec.structs.replace(s, **loose, student=student, judge=None, panel=panel)
        for s, student, panel in zip((old, new), students, judges, strict=True)
    )
    return first == second


def write_run(folder: Path, run: Run, reports: dict[str, bytes]) -> None:
    """Write a finished run and its reports; each file appears whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    skills: dict[str, Skill] = {}
    topics: dict[str, Topic] = {}
    sink, schema = pa.BufferOutputStream(), _schema(pa)
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for start in range(0, max(1, len(run.samples)), _ROWS):
            part = run.samples[start : start + _ROWS]
            writer.write_table(pa.Table.from_pylist([_row(s) for s in part], schema))
            skills |= {s.id: s for x in part for s in x.question.skills}
            topics |= {x.question.topic.id: x.question.topic for x in part}
    catalogue = _Catalogue(run.info) if run.info.private else _Catalogue(run.info, *_sorted(skills, topics))
    write_file(folder / "samples.parquet", sink.getvalue().to_pybytes())
    write_file(folder / "catalogue.json", msgspec.json.format(msgspec.json.encode(catalogue)))
    for name, content in reports.items():
        write_file(folder / name, content)
    write_file(folder / "spec.yaml", write_spec(run.spec).encode())


def read_run(folder: Path) -> Run:
    """Read a run folder back.

    Raises BadInputError when it is none, is unfinished, or its private lists are not where they were.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    spec, catalogue = _about(folder)
    lists = _Lists(catalogue, spec)
    try:
        rows = pq.read_table(folder / "samples.parquet").to_pylist()
        samples = tuple(lists.sample(row) for row in rows)
    except (msgspec.MsgspecError, pa.ArrowException, KeyError, OSError) as error:
        raise _damaged(folder / "samples.parquet", error) from None
    return Run(spec, catalogue.info, samples, read_calibration(folder))


class StoredRun:
    """A run in its folder, of which only what is looked at is read.

    Raises BadInputError as `read_run` does.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.spec, self._catalogue = _about(folder)
        self.info = self._catalogue.info
        self.calibration = read_calibration(folder)

    @cached_property
    def samples(self) -> Sequence[Sample]:
        """All texts as records."""
        return read_run(self._folder).samples

    @cached_property
    def columns(self) -> Columns:
        """All texts as columns."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        lists, path = _Lists(self._catalogue, self.spec), self._folder / "samples.parquet"
        try:
            if "words" not in pq.read_schema(path).names:  # by an earlier release
                return columns_of(self.samples)
            return read_columns(path, lists.skills, lists.topics)
        except (pa.ArrowException, KeyError, OSError) as error:
            raise _damaged(path, error) from None


def _about(folder: Path) -> tuple[RunSpec, _Catalogue]:
    if not folder.is_dir():
        raise BadInputError(f"There is no run folder {folder}.")
    for name in ("spec.yaml", "catalogue.json", "samples.parquet"):
        if not (folder / name).is_file():
            raise BadInputError(
                f"{folder} is not a finished run: it has no {name}. Run `skillmix run` again with the same "
                "settings to finish it."
            )
    spec = make_spec(read_spec(folder / "spec.yaml"), str(folder / "spec.yaml"))
    try:
        catalogue = msgspec.json.decode((folder / "catalogue.json").read_bytes(), type=_Catalogue)
    except (msgspec.MsgspecError, OSError) as error:
        raise _damaged(folder / "catalogue.json", error) from None
    return spec, catalogue


def _damaged(path: Path, error: Exception) -> BadInputError:
    words = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return BadInputError(
        f"{path} is damaged ({words}); run `skillmix run` or `grade` again with the settings of spec.yaml: "
        "what is in the store is not asked again."
    )


def frame(run: Run) -> Any:
    """Return a run's texts as a pandas DataFrame, one row each, for analysis in a notebook.

    Columns: question, k, skills, topic, text, status, scored, the three metrics (NaN where unscored) with and
    without the naming deduction, and one 0/1 column `point:<item>` for each rubric item that is no skill.
    """
    import pandas as pd

    return pd.DataFrame([_flat(sample) for sample in run.samples])


def _flat(sample: Sample) -> dict[str, Any]:
    question, score = sample.question, sample.score
    row: dict[str, Any] = {
        "question": question.id,
        "k": question.k,
        "skills": [s.id for s in question.skills],
        "topic": question.topic.id,
        "text_index": sample.text.index,
        "text": sample.text.text,
        "status": str(sample.text.status),
        "scored": score is not None,
    }
    for metric in METRICS:
        row[metric] = getattr(score.marks, metric) if score else None
        row[f"{metric}_naming_allowed"] = getattr(score.marks_naming_allowed, metric) if score else None
    return row | {f"point:{item}": float(score.points[item]) if score else None for item in ITEMS}


class _Lists:
    """Skills and topics by id: from the run folder, or from the user's private files."""

    def __init__(self, catalogue: _Catalogue, spec: RunSpec) -> None:
        skills, topics = catalogue.skills, catalogue.topics
        if catalogue.info.private:
            domain = load_domain(spec.domain, _path(spec.skills), _path(spec.topics), spec.public)
            if domain.fingerprint != catalogue.info.lists:
                raise BadInputError(
                    f"This run used private lists ({spec.skills}, {spec.topics}) that have changed since; "
                    "put the old files back to read it."
                )
            skills, topics = domain.skills, domain.topics
        self.skills = {s.id: s for s in skills}
        self.topics = {t.id: t for t in topics}

    def sample(self, row: dict[str, Any]) -> Sample:
        question = Question(
            row["question"],
            tuple(self.skills[s] for s in row["skills"]),
            self.topics[row["topic"]],
            row["occurrence"],
        )
        text = msgspec.convert(row["text"], Text)
        gradings = tuple(msgspec.convert(_with_dict(g, "verdicts"), Grading) for g in row["gradings"])
        kept = row["score"]
        return Sample(
            question, text, gradings, msgspec.convert(_with_dict(kept, "points"), Score) if kept else None
        )


def _row(sample: Sample) -> dict[str, Any]:
    question = sample.question
    gradings = [msgspec.to_builtins(g) for g in sample.gradings]
    score = msgspec.to_builtins(sample.score) if sample.score else None
    return {
        "question": question.id,
        "k": question.k,
        "skills": [s.id for s in question.skills],
        "topic": question.topic.id,
        "occurrence": question.occurrence,
        "words": len(words(sample.text.text)),  # read by figures, which then need no text
        "sentences": count_sentences(sample.text.text),
        "text": msgspec.to_builtins(sample.text),
        "gradings": [{**g, "verdicts": list(g["verdicts"].items())} for g in gradings],
        "score": {**score, "points": list(score["points"].items())} if score else None,
    }


def _with_dict(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {**row, name: dict(row[name])}


def _schema(pa: Any) -> Any:
    usage = pa.struct([(n, pa.int64()) for n in ("input", "output", "reasoning")])
    verdict = pa.struct(
        [("met", pa.bool_()), ("reason", pa.string()), ("quote", pa.string()), ("span", pa.list_(pa.int64()))]
    )
    marks = pa.struct([(m, pa.float64()) for m in ("full_marks", "all_skills", "skill_fraction")])
    text = pa.struct(
        [(n, pa.string()) for n in ("question", "text", "status", "draft", "why")]
        + [("index", pa.int64()), ("usage", usage)]
    )
    grading = pa.struct(
        [(n, pa.string()) for n in ("question", "judge", "status", "why")]
        + [("text", pa.int64()), ("index", pa.int64()), ("usage", usage)]
        + [("calls", pa.int64()), ("decoys", pa.list_(pa.bool_()))]
        + [("verdicts", pa.map_(pa.string(), verdict))]
    )
    names = pa.list_(pa.string())
    score = pa.struct(
        [
            ("question", pa.string()),
            ("text", pa.int64()),
            ("points", pa.map_(pa.string(), pa.bool_())),
            ("ties", names),
            ("named", names),
            ("marks", marks),
            ("marks_naming_allowed", marks),
        ]
    )
    return pa.schema(
        [
            ("question", pa.string()),
            ("k", pa.int64()),
            ("skills", names),
            ("topic", pa.string()),
            ("occurrence", pa.int64()),
            ("words", pa.int64()),
            ("sentences", pa.int64()),
            ("text", text),
            ("gradings", pa.list_(grading)),
            ("score", score),
        ]
    )


def _sorted(
    skills: dict[str, Skill], topics: dict[str, Topic]
) -> tuple[tuple[Skill, ...], tuple[Topic, ...]]:
    return tuple(skills[i] for i in sorted(skills)), tuple(topics[i] for i in sorted(topics))


def _path(given: str | None) -> Path | None:
    return Path(given) if given else None


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; raises StoreError where that cannot be done."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)  # noqa: PTH105  atomic on every platform
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}); make room or choose another --out. Every answer "
            "that was paid for is in the store."
        ) from None
