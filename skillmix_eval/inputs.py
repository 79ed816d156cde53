"""Texts that exist already -> jobs or runs: of an earlier run, a file, the public repository's records."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from .domain import Domain
from .errors import BadInputError, UnreadableError, unknown
from .evaluate import Setting, describe, prepare
from .pipeline import Job
from .plugins import load_style
from .records import Grading, GradingStatus, Question, Reply, Sample, Skill, Text, Topic
from .released import ReleasedGrading, ReleasedRow, ReleasedStudent, judge_style_for, read_released
from .runs import Run, read_run
from .spec import make_spec
from .stages.generate import read_text
from .stages.grade import settle
from .stages.prompt import draft_request
from .stages.sample import make_question
from .stages.score import score
from .texts import storable


def jobs_of_run(folder: Path, changes: dict[str, Any]) -> tuple[Setting, list[Job]]:
    """Return an earlier run's texts as jobs to grade, under its spec with the changes."""
    run = read_run(folder)
    merged = msgspec.to_builtins(run.spec) | {k: v for k, v in changes.items() if v is not None}
    setting = prepare(make_spec(merged), check_questions=False)
    return setting, [Job(s.question, s.text.index, s.text) for s in run.samples]


def jobs_of_file(path: Path, settings: dict[str, Any]) -> tuple[Setting, list[Job]]:
    """Return the texts of a JSON Lines or CSV file as jobs to grade.

    Raises BadInputError that names the line for a broken row, an unknown skill or topic.
    """
    rows = _rows(path)
    student = {"student": {"model": f"file/{path.name}"}}
    setting = prepare(make_spec(student | settings | {"k": (1,), "n": 1}), check_questions=False)
    finder = _Finder(setting.domain)
    jobs: list[Job] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        where = f"{path} text {number}"
        question = finder.question(row.get("skills"), row.get("topic"), where)
        if not isinstance(row.get("text"), str):
            raise BadInputError(f"{where} has no 'text'; each needs text, topic and skills.")
        index = seen[question.id] = seen.get(question.id, -1) + 1
        jobs.append(Job(question, index, _given_text(setting, question, index, row["text"])))
    ks = tuple(sorted({job.question.k for job in jobs}))
    return msgspec.structs.replace(
        setting, spec=msgspec.structs.replace(setting.spec, k=ks, n=len(jobs))
    ), jobs


def questions_of_file(path: Path, domain: Domain) -> Iterator[tuple[Question, dict[str, Any]]]:
    """Return the question and the row of each text in a JSON Lines or CSV file; errors as `jobs_of_file`."""
    finder = _Finder(domain)
    for number, row in enumerate(_rows(path), start=1):
        where = f"{path} text {number}"
        if not isinstance(row.get("text"), str):
            raise BadInputError(f"{where} has no 'text'; each needs text, topic and skills.")
        yield finder.question(row.get("skills"), row.get("topic"), where), row


def import_released(folder: Path, settings: dict[str, Any]) -> list[tuple[str, Run]]:
    """Turn the public repository's records into one run per student, with the judge replies read anew."""
    lists = _list_files(folder, settings)
    runs = []
    for student in read_released(folder):
        given = {"domain": "language", "protocol": "paper", "public": True, **lists, **settings}
        rows = student.rows
        given |= {"k": tuple(sorted({r.k for r in rows})), "seed": rows[0].seed, "sampler": "reference"}
        given |= {
            "n": max(Counter(k for k, *_ in {(r.k, r.skills, r.topic) for r in rows}).values()),
            "student": {"model": f"released/{student.student}"},
        }
        runs.append(
            (student.student, _released_run(prepare(make_spec(given), check_questions=False), student))
        )
    return runs


def _released_run(setting: Setting, student: ReleasedStudent) -> Run:
    finder = _Finder(setting.domain)
    samples = []
    for row in sorted(student.rows, key=lambda r: r.k):
        question = finder.question(list(row.skills), row.topic, f"the records of {student.student}")
        text = _given_text(setting, question, row.round - 1, row.text, row.draft)
        gradings = tuple(_released_grading(setting, question, text, g) for g in _of_final_text(row))
        samples.append(Sample(question, text, gradings, score(question, text, gradings)))
    judges = sorted({g.judge for s in samples for g in s.gradings})
    return Run(setting.spec, describe(setting, "; ".join(judges) or "none", student.notes), tuple(samples))


def _of_final_text(row: ReleasedRow) -> Iterable[ReleasedGrading]:
    return [g for g in row.gradings if g.turn == 1]


def _released_grading(setting: Setting, question: Question, text: Text, found: ReleasedGrading) -> Grading:
    style = load_style(judge_style_for(found.reply)).Style()
    verdicts, status, why = {}, GradingStatus.OK, ""
    try:
        verdicts = style.read(question, text, found.run - 1, found.reply)
    except UnreadableError as error:
        status, why = GradingStatus.UNREADABLE, str(error)
    judge = f"released/{found.judge}; prompt {found.prompt}"
    grading = Grading(question.id, text.index, found.run - 1, judge, status, verdicts, why)
    return settle(question, text, grading, setting.protocol.sentence_counter)


def _given_text(setting: Setting, question: Question, index: int, text: str, draft: str = "") -> Text:
    request = draft_request(question, index, setting.draft, setting.spec.student)
    return msgspec.structs.replace(read_text(request, index, Reply(text), "text"), draft=draft)


class _Finder:
    """Finds skills and topics by id or by name."""

    def __init__(self, domain: Domain) -> None:
        self._skills: dict[str, Skill] = {}
        self._topics: dict[str, Topic] = {}
        self._private = domain.private
        for skill in domain.skills:
            self._skills |= {skill.id.casefold(): skill, skill.name.casefold(): skill}
        for topic in domain.topics:
            self._topics |= {topic.id.casefold(): topic, topic.name.casefold(): topic}

    def question(self, skills: Any, topic: Any, where: str) -> Question:
        names = skills.split(";") if isinstance(skills, str) else skills
        if not names or not isinstance(names, list) or not isinstance(topic, str):
            raise BadInputError(f"{where} has no skills or no topic; each needs text, topic and skills.")
        found = tuple(self._find(self._skills, "skill", str(name), where) for name in names)
        if len(set(found)) < len(found):
            raise BadInputError(f"{where} names a skill twice.")
        return make_question(found, self._find(self._topics, "topic", topic, where))

    def _find(self, there: dict[str, Any], what: str, name: str, where: str) -> Any:
        name = storable(name)
        found = there.get(" ".join(name.split()).casefold())
        if found is None and self._private:
            raise BadInputError(f"{where}: your private list has no {what} named '{name.strip()}'.")
        if found is None:
            raise BadInputError(f"{where}: {unknown(what, name.strip(), {x.name for x in there.values()})}")
        return found


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"The texts {path} cannot be read: {error}.") from None
    rows: list[Any] = []
    if path.suffix == ".csv":
        try:
            rows = list(csv.DictReader(io.StringIO(content), strict=True))
        except csv.Error as error:
            raise BadInputError(f"{path} is not a CSV file that can be read: {error}.") from None
    else:
        for number, line in enumerate(content.split("\n"), start=1):  # a text may hold U+2028, as it is
            try:
                rows += [json.loads(line)] if line.strip() else []
            except (ValueError, RecursionError) as error:  # also a number of 5,000 digits
                raise BadInputError(f"{path} line {number} is not JSON: {error}.") from None
    if not rows or not all(isinstance(r, dict) for r in rows):
        raise BadInputError(f"{path} holds no texts; it needs one JSON object a line, or CSV with a header.")
    return rows


def _list_files(folder: Path, given: dict[str, Any]) -> dict[str, str]:
    if not folder.is_dir():
        raise BadInputError(f"There is no folder {folder}.")
    wanted = {"skills": "skills.csv", "topics": "topics.txt"}
    places = (folder, folder.resolve().parent)  # the public repository has its lists beside its records
    files = {
        name: next((p / file for p in places if (p / file).is_file()), folder / file)
        for name, file in wanted.items()
        if not given.get(name)
    }
    for name, path in files.items():
        if not path.is_file():
            raise BadInputError(
                f"{folder} has no {path.name}, which the records need; name one with --{name}."
            )
    return {name: str(path) for name, path in files.items()}
