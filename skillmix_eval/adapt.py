"""From what a run misses to what to train on next: observations in, a plan out, files for a trainer."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec

from .domain import Domain, load_domain
from .errors import BadInputError, unknown
from .inputs import questions_of_file
from .mixing import Item, Miss, Observed, Planned, check_needs, checked, shares
from .plugins import load_method
from .records import Message, Question, Sample, TextStatus
from .runs import Run, read_run, write_file
from .spec import ModelSpec
from .stages.prompt import draft_request
from .templates import Template, load_template
from .texts import storable

_GIVEN = ("observed", "budget", "seed")


class Example(msgspec.Struct, frozen=True):
    """A training example: what the model is asked and what it is to answer."""

    item: Item
    messages: tuple[Message, ...]


class Graph(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A graph of skills: row i, a trained skill, helps column j, an evaluated one.

    Without rows it says only which skills are trained and which are targets.
    """

    skills: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    targets: tuple[str, ...] = ()

    def of(self, known: Collection[str]) -> Graph:
        """Return it; raises BadInputError for a skill that is not known, or is named twice."""
        for names in (self.skills, self.targets):
            for skill in names:
                if skill not in known:
                    raise unknown("skill of the graph or target", skill, known)
                if names.count(skill) > 1:
                    raise BadInputError(f"The graph names the skill '{skill}' twice; each has one place.")
        return self


class _Known(msgspec.Struct, frozen=True):
    """What a row of a pool may say of its text."""

    text: Annotated[str, msgspec.Meta(pattern=r"\S")]
    loss: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    full_marks: bool = True


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


def graph_of(place: Path | None, skills: Sequence[str], targets: Sequence[str]) -> Graph | None:
    """Return the graph of a file, or one that says no more than the targets; None where nothing is said."""
    if place and targets:
        raise BadInputError(f'The graph {place} has its own "targets"; change these, or leave out --targets.')
    if place:
        return read_graph(place)
    return Graph(tuple(skills), (), tuple(targets)) if targets else None


def read_graph(path: Path) -> Graph:
    """Read a graph of skills from JSON: skills, rows and, where they differ from the skills, targets."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Graph)
    except OSError as error:
        raise BadInputError(f"The graph {path} cannot be read: {error.strerror}.") from None
    except (msgspec.MsgspecError, RecursionError) as error:
        form = '{"skills": ["a", "b"], "rows": [[1, 0], [0.5, 1]]}'
        raise BadInputError(f"The graph {path} is not of the form {form}: {error}.") from None


def read_pool(place: Path, domain: Domain) -> list[Example]:
    """Return a pool's examples: a run folder of a good writer (its texts), or a JSON Lines or CSV file
    of texts.

    A file has the columns text, topic and skills, and may have loss and full_marks. Prompts are the
    harness's. Raises BadInputError that names the text for a blank one and values of another kind.
    """
    template = load_template("draft", "draft", domain.folder)
    if place.is_dir():
        written = [s for s in read_run(place).samples if s.text.status is TextStatus.OK]
        return [
            _example(str(n), s.question, s.text.text, template, full_marks=_full(s))
            for n, s in enumerate(written)
        ]
    found = []
    for n, (question, row) in enumerate(questions_of_file(place, domain)):
        known = _known(row, f"{place} text {n + 1}")
        found.append(_example(str(n), question, known.text, template, known.loss, known.full_marks))
    return found


def _known(row: Mapping[str, Any], where: str) -> _Known:
    """Return what a row says of its text; CSV has words for numbers, and nothing where there is none."""
    given = {name: row[name] for name in ("loss", "full_marks") if row.get(name) not in (None, "")}
    try:
        return msgspec.convert({**given, "text": storable(row["text"])}, _Known, strict=False)
    except msgspec.ValidationError as error:
        fault, _, place = str(error).replace("`", "").partition(" - at $.")
        fault = "it is blank" if "regex" in fault else fault
        raise BadInputError(f"{where}: '{place}' cannot be used: {fault}.") from None


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
    item = Item(name, tuple(s.id for s in question.skills), loss, full_marks)
    return Example(item, (*request.messages, Message("assistant", text)))


def plan(method: str, observed: Observed, budget: int, seed: int, options: Mapping[str, Any]) -> Planned:
    """Return a method's plan for a budget in examples; for one of 0 the mixture alone, which needs no pool.

    Raises BadInputError for an option that the method does not have or that is out of range, for what it
    needs and was not given, and for a mixture that cannot be drawn.
    """
    module = load_method(method)
    chosen = _options(method, module.plan, options)
    check_needs(method, module.NEEDS if budget else (), observed)
    return checked(module.plan(observed, budget, seed, **chosen), observed)


def _options(method: str, planner: Callable[..., Planned], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as the kinds that the method's own signature names (`mixing.Rate` and the like)."""
    known = {n: p.default for n, p in inspect.signature(planner).parameters.items() if n not in _GIVEN}
    for name in given:
        if name not in known:
            raise BadInputError(f"{method} has no option '{name}'; it has: {', '.join(known) or 'none'}.")
    kinds = get_type_hints(planner, include_extras=True)
    options = msgspec.defstruct("Options", [(name, kinds[name], usual) for name, usual in known.items()])
    try:
        found = msgspec.convert(dict(given), options)
    except msgspec.ValidationError as error:
        fault, _, name = str(error).replace("`", "").partition(" - at $.")
        raise BadInputError(f"The option {name} of {method} cannot be {given[name]!r}: {fault}.") from None
    return {name: getattr(found, name) for name in given}


def write_plan(out: Path, found: Planned, examples: list[Example], about: dict[str, Any]) -> dict[str, Any]:
    """Write train.jsonl (chat messages, as TRL and others read them; none without a pool) and mixture.json;
    return the latter.

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
    if rows:
        write_file(out / "train.jsonl", b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    else:
        (out / "train.jsonl").unlink(missing_ok=True)  # of another plan, which this one takes the place of
    write_file(out / "mixture.json", msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    return document


def domain_of(run: Run | None, name: str | None) -> Domain:
    """Return the domain that a plan is for: the run's, or the one that is named."""
    spec = run.spec if run else None
    if name or spec is None:
        return load_domain(name or "devices")
    lists = [Path(p) if p else None for p in (spec.skills, spec.topics)]
    return load_domain(spec.domain, lists[0], lists[1], spec.public)
