"""From what a run misses to what to train on next: observations in, a plan out, files for a trainer."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from .domain import Domain, load_domain
from .errors import BadInputError
from .inputs import questions_of_file
from .mixing import Item, Miss, Observed, Planned, checked, shares
from .plugins import load_method
from .records import Message, Question, Sample, TextStatus
from .runs import Run, read_run, write_file
from .spec import ModelSpec
from .stages.prompt import draft_request
from .templates import Template, load_template

_GIVEN = ("observed", "budget", "seed")


class Example(msgspec.Struct, frozen=True):
    """A training example: what the model is asked and what it is to answer."""

    item: Item
    messages: tuple[Message, ...]


class Graph(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A graph of skills: row i, a trained skill, helps column j, an evaluated one."""

    skills: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    targets: tuple[str, ...] = ()


def observed_of(run: Run | None, trained: Sequence[str], graph: Graph | None = None) -> Observed:
    """Return what a run shows of its student: misses per question, and 1 - the rate of each skill as its
    loss.

    A graph's own skills go before the `trained` ones. Skills that a run never asked have no loss, so the
    losses are left out unless all were asked.
    """
    names = graph.skills if graph else tuple(trained)
    targets = (graph.targets or names) if graph else names
    samples = [s for s in run.samples if s.score] if run else []
    missed = [(s, tuple(i for i in _missed(s) if i in names)) for s in samples]
    tries = Counter(skill.id for s in samples for skill in s.question.skills)
    lost = Counter(skill for s, _ in missed for skill in _missed(s))
    losses = tuple(lost[t] / tries[t] for t in targets) if all(tries[t] for t in targets) else ()
    return Observed(
        names,
        losses=(losses,) if losses else (),
        targets=targets if graph and graph.targets else (),
        graph=graph.rows if graph else (),
        misses=tuple(Miss(s.question.id, skills) for s, skills in missed if skills),
    )


def _missed(sample: Sample) -> list[str]:
    assert sample.score is not None  # noqa: S101  only scored samples are looked at
    return [s.id for s in sample.question.skills if not sample.score.earned(s.id)]


def read_graph(path: Path) -> Graph:
    """Read a graph of skills from JSON: skills, rows and, where they differ from the skills, targets."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Graph)
    except OSError as error:
        raise BadInputError(f"The graph {path} cannot be read: {error.strerror}.") from None
    except msgspec.MsgspecError as error:
        form = '{"skills": ["a", "b"], "rows": [[1, 0], [0.5, 1]]}'
        raise BadInputError(f"The graph {path} is not of the form {form}: {error}.") from None


def read_pool(place: Path, domain: Domain) -> list[Example]:
    """Return a pool's examples: a run folder of a good writer (its texts), or a JSON Lines or CSV file
    of texts.

    A file has the columns text, topic and skills, and may have loss and full_marks. Prompts are the
    harness's.
    """
    template = load_template("draft", "draft", domain.folder)
    if place.is_dir():
        written = [s for s in read_run(place).samples if s.text.status is TextStatus.OK]
        return [
            _example(str(n), s.question, s.text.text, template, full_marks=_full(s))
            for n, s in enumerate(written)
        ]
    return [
        _example(str(n), question, row["text"], template, row.get("loss"), bool(row.get("full_marks", True)))
        for n, (question, row) in enumerate(questions_of_file(place, domain))
    ]


def _full(sample: Sample) -> bool:
    return bool(sample.score and sample.score.marks.full_marks == 1)


def _example(
    name: str,
    question: Question,
    text: str,
    template: Template,
    loss: float | None = None,
    full_marks: bool = True,
) -> Example:
    request = draft_request(question, 0, template, ModelSpec(model="embedded"))
    item = Item(name, tuple(s.id for s in question.skills), None if loss is None else float(loss), full_marks)
    return Example(item, (*request.messages, Message("assistant", text)))


def plan(method: str, observed: Observed, budget: int, seed: int, options: Mapping[str, Any]) -> Planned:
    """Return a method's plan for a budget in examples; BadInputError for an option that it does not have."""
    module = load_method(method)
    known = [n for n in inspect.signature(module.plan).parameters if n not in _GIVEN]
    for name in options:
        if name not in known:
            raise BadInputError(f"{method} has no option '{name}'; it has: {', '.join(known) or 'none'}.")
    try:
        found: Planned = module.plan(observed, budget, seed, **options)
    except TypeError as error:
        raise BadInputError(f"An option of {method} has the wrong kind of value: {error}.") from None
    return checked(found)


def write_plan(out: Path, found: Planned, examples: list[Example], about: dict[str, Any]) -> dict[str, Any]:
    """Write train.jsonl (chat messages, as TRL and others read them) and mixture.json; return the latter.

    mixture.json holds the plan, the realised mixture, and the budget in examples, distinct ones and
    characters.
    """
    by_id = {e.item.id: e for e in examples}
    chosen = [by_id[i] for i in found.items]
    rows = [{"messages": e.messages, "skills": e.item.skills} for e in chosen]
    document = {
        **about,
        **msgspec.to_builtins(msgspec.structs.replace(found, items=())),
        "realised": shares([e.item for e in chosen]) if chosen else {},
        "examples": len(chosen),
        "distinct": len(set(found.items)),
        "characters": sum(len(e.messages[-1].content) for e in chosen),
    }
    del document["items"]
    write_file(out / "train.jsonl", b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    write_file(out / "mixture.json", msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    return document


def domain_of(run: Run | None, name: str | None) -> Domain:
    """Return the domain that a plan is for: the run's, or the one that is named."""
    spec = run.spec if run else None
    if name or spec is None:
        return load_domain(name or "devices")
    lists = [Path(p) if p else None for p in (spec.skills, spec.topics)]
    return load_domain(spec.domain, lists[0], lists[1], spec.public)
