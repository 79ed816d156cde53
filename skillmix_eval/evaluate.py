"""Spec -> run: puts domain, prompts, models and grader together; every front end goes through here."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from . import __version__, pipeline
from .anchors import FIRST_INDEX, anchors, read_anchors
from .batches import BatchBackend, by_files
from .calibrated import calibrated
from .calls import Caller, Spend
from .domain import Domain, load_domain
from .errors import BadInputError
from .families import same_family
from .figures import Anchors, Figures
from .interfaces import Backend, Grader
from .limits import Limit
from .page import RunReport, run_page
from .pipeline import Job, Judge, Plan, jobs_for
from .plugins import load_backend, load_graders, load_style
from .prices import Budget, Money, read_prices, run_prices
from .records import Question, Sample, Usage
from .runs import Run, RunInfo, StoredRun
from .spec import CONNECTIONS, ModelSpec, Protocol, RunSpec, label, make_spec, write_spec
from .stages.agreement import agreements
from .stages.imitation import Assumption, assumed_of, beyond_imitation
from .stages.profile import profile
from .stages.report import markdown
from .stages.sample import sample
from .stages.summarise import summarise
from .statistics.judging import proportion
from .store import Store
from .templates import Template, load_template

DEFAULT_ENDPOINT = "https://api.openai.com/v1"
ASSUMED = Path(__file__).parent / "frequencies.yaml"


class Setting(msgspec.Struct, frozen=True):
    """What a spec means once its files are read; nothing has been asked yet."""

    spec: RunSpec
    domain: Domain
    protocol: Protocol
    draft: Template
    refine: Template | None
    money: Money = Money()

    def questions(self) -> Iterable[Question]:
        """Return the run's questions, smaller k first."""
        spec = self.spec
        for k in spec.k:
            yield from sample(self.domain, k, spec.n, spec.seed, spec.split, spec.sampler)

    @property
    def texts(self) -> int:
        """How many texts the run asks for."""
        return len(self.spec.k) * self.spec.n * self.protocol.texts


def prepare(spec: RunSpec, check_questions: bool = True) -> Setting:
    """Read and check everything that a spec names; raises BadInputError before anything is paid for."""
    domain = load_domain(spec.domain, _path(spec.skills), _path(spec.topics), spec.public)
    protocol = spec.resolved_protocol(domain.about.protocol)
    load_style(protocol.judge_style)  # a wrong name shows even where no judge is asked
    draft = load_template(protocol.prompt, "draft", domain.folder)
    refine = load_template(protocol.refine_prompt, "refine", domain.folder) if protocol.refine else None
    setting = Setting(spec, domain, protocol, draft, refine)
    for k in spec.k if check_questions else ():  # too many questions asked for is found out now
        sample(domain, k, spec.n, spec.seed, spec.split, spec.sampler)
    return setting


class Models(msgspec.Struct, frozen=True):
    """Who writes and who grades, loaded and ready; nothing has been asked yet."""

    graders: tuple[Grader, ...]
    student: Backend | None
    judges: tuple[Backend | None, ...]  # one for each grader; None where code grades


def load_models(setting: Setting, student: bool = True, asked: bool = True) -> Models:
    """Load what the spec names; raises BadInputError or BackendError for an unknown name or missing key.

    Models that are not to be `asked`, only looked at, need no key.
    """
    spec = setting.spec
    graders = load_graders(spec, setting.domain, setting.protocol)
    judges = tuple(load_backend(j, asked) if j.model != "rules" else None for j in spec.judges) or (None,)
    for grader, judge, backend in zip(graders, spec.judges, judges, strict=False):
        if backend:
            grader.fingerprint += _beyond_its_name(judge, backend.identity)
    return Models(graders, load_backend(spec.student, asked) if student else None, judges)


def _beyond_its_name(judge: ModelSpec, identity: Mapping[str, str]) -> str:
    """Return what tells judges of one name apart: a hash of weights, or of an endpoint set elsewhere."""
    name, endpoint = judge.model.partition("/")[2], identity.get("endpoint", "")
    told = f"; weights {identity['model'][:16]}" if identity.get("model", name) != name else ""
    if endpoint and not judge.base_url and endpoint != DEFAULT_ENDPOINT:
        told += f"; endpoint {hashlib.blake2b(endpoint.encode(), digest_size=6).hexdigest()}"
    return told


class Result(msgspec.Struct, frozen=True):
    """A finished run and what was paid for it now."""

    run: Run
    spend: dict[str, Spend]


def evaluate(
    setting: Setting,
    models: Models,
    store: Store | None,
    on_sample: Callable[[Sample], None] = lambda _: None,
    jobs: Iterable[Job] | None = None,
) -> Result:
    """Ask, grade and score everything that the store does not hold yet; with `jobs`, only grade their texts.

    Raises BackendError or StoreError; what was paid for until then is in the store.
    """
    found: list[Result] = []

    async def work() -> None:  # returns nothing, since asyncio.run spells out what its task returned
        found.append(await _evaluate(setting, models, store, on_sample, jobs))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work())
    else:
        with ThreadPoolExecutor(1) as own:  # a notebook's own loop must not be entered twice
            own.submit(lambda: asyncio.run(work())).result()
    return found[0]


def run(store: str | Path | None = None, **settings: Any) -> Run:
    """Evaluate with the settings of a run (see `RunSpec`), answers kept in the file `store` if one is given.

    The same as `skillmix run` without its files: `runs.write_run` writes them. Raises SkillMixError.
    """
    setting = prepare(make_spec(settings))
    kept = Store(Path(store)) if store else None
    try:
        return evaluate(setting, load_models(setting), kept).run
    finally:
        if kept:
            kept.close()


async def _evaluate(
    setting: Setting,
    models: Models,
    store: Store | None,
    on_sample: Callable[[Sample], None],
    jobs: Iterable[Job] | None,
) -> Result:
    spec = setting.spec
    work = jobs if jobs is not None else jobs_for(setting.questions(), setting.protocol.texts)
    known = anchors(spec, spec.anchors) if spec.anchors and any(models.judges) else []

    def seen(sample: Sample) -> None:
        if sample.text.index < FIRST_INDEX:
            on_sample(sample)

    async with opened(setting, models, store) as plan:
        every: Iterable[Job] = chain((a.job for a in known), work)
        if _take_turns(models) and models.student:
            every = await pipeline.write_all(plan, every)
            await models.student.aclose()
        samples = await pipeline.run(plan, every, seen)
    info = describe(setting, plan.fingerprint)
    if known:
        info = msgspec.structs.replace(info, anchors=read_anchors(known, samples[: len(known)]))
    return Result(Run(spec, info, samples[len(known) :]), spent(plan))


async def check_judges(plan: Plan, spec: RunSpec) -> Anchors | None:
    """Have the anchors of a spec graded; None where code grades or none are wanted."""
    known = anchors(spec, spec.anchors) if any(judge.ask for judge in plan.judges) else []
    samples = await pipeline.run(plan, [a.job for a in known], lambda _: None) if known else ()
    return read_anchors(known, samples) if known else None


@asynccontextmanager
async def opened(setting: Setting, models: Models, store: Store | None) -> AsyncIterator[Plan]:
    """Give the plan of a setting, its models ready to be asked through the store, and close them after."""
    spec, protocol = setting.spec, setting.protocol
    callers = _callers(setting, models, store)
    student, *judges = callers
    panel = tuple(Judge(grader, ask) for grader, ask in zip(models.graders, judges, strict=True))
    try:
        yield Plan(protocol, spec.student, setting.draft, setting.refine, panel, student)
    finally:
        for caller in filter(None, callers):
            await caller.backend.aclose()


def _take_turns(models: Models) -> bool:
    """Tell whether student and judge each fill the device, so that one has to go before the other comes."""
    student, *judges = (getattr(b, "fills_device", False) for b in (models.student, *models.judges))
    if sum(judges) > 1:
        raise BadInputError(
            "A panel can have one judge that runs in this process by vLLM; serve the others with `vllm "
            "serve` and name them openai/... with --judge-base-url."
        )
    return student and any(judges)


def _callers(setting: Setting, models: Models, store: Store | None) -> list[Caller | None]:
    """Return who asks student and judges: those at one endpoint share its limit, and all share the budget."""
    spec, money = setting.spec, setting.money
    backends = (models.student, *models.judges)
    specs = (spec.student, *(spec.judges or (None,)))
    most: dict[str, int] = {}
    for backend, model in zip(backends, specs, strict=True):
        if backend and model and not isinstance(backend, BatchBackend):
            endpoint = backend.identity.get("endpoint", "")
            most[endpoint] = most.get(endpoint, 0) + (model.max_connections or 0)
    limits = {endpoint: Limit(many or CONNECTIONS) for endpoint, many in most.items() if endpoint}
    budgets = money.budgets([s if b else None for b, s in zip(backends, specs, strict=True)])

    def caller(backend: Backend, budget: Budget | None, model: ModelSpec | None) -> Caller:
        if budget and isinstance(backend, BatchBackend) and model and not model.max_tokens:
            raise BadInputError(
                "--batch with --max-cost needs --max-tokens (for the judge --judge-max-tokens): a batch is "
                "sent as a whole, before the length of any reply is known."
            )
        shared = limits.get(backend.identity.get("endpoint", ""))
        own = Limit(backend.limit, adaptive=False) if isinstance(backend, BatchBackend) else shared
        return Caller(backend, store, own, budget)

    parts = zip(backends, budgets, specs, strict=True)
    return [caller(backend, budget, model) if backend else None for backend, budget, model in parts]


def by_batch(models: Models, store: Store, say: Callable[[str], None]) -> Models:
    """Return the models with those at an endpoint asked by files and batches; `say` tells of each batch."""
    student, *judges = by_files((models.student, *models.judges), store, say)
    return msgspec.structs.replace(models, student=student, judges=tuple(judges))


def spent(plan: Plan) -> dict[str, Spend]:
    """Return what was paid for so far, by role."""
    asked = {"student": [plan.ask_student], "judge": [judge.ask for judge in plan.judges]}
    return {
        role: sum((ask.spend for ask in asks if ask), Spend()) for role, asks in asked.items() if any(asks)
    }


def describe(setting: Setting, judge: str, notes: tuple[str, ...] = ()) -> RunInfo:
    """Return what has to stand beside every figure of a run."""
    spec, domain, protocol = setting.spec, setting.domain, setting.protocol
    ours = spec.student.model.partition("/")[0] not in ("file", "released")
    used = [t for t in (setting.draft, setting.refine) if t and ours]
    return RunInfo(
        student=label(spec.student),
        judge=judge,
        protocol=protocol.name,
        reduce=protocol.reduce,
        domain=domain.name,
        lists=domain.fingerprint,
        split=spec.split,
        seed=spec.seed,
        sampler=spec.sampler,
        prompts={t.name: t.hash for t in used},
        version=__version__,
        held_out_categories=domain.about.held_out_categories,
        private=domain.private,
        notes=(*notes, *_kinship(spec)),
    )


def _kinship(spec: RunSpec) -> Iterable[str]:
    for judge in spec.judges:
        shared = same_family(spec.student.model, judge.model)
        if shared:
            yield (
                f"Student and judge {judge.model} {shared}, and judges pass their own family's failures more "
                "often; have a judge of another family grade too."
            )


def run_labels(run: Run | StoredRun, show_private: bool = False) -> dict[str, str]:
    """Return the names to show for ids; of private lists the ids stand for the names, unless asked."""
    labels: dict[str, str] = {}
    if show_private or not run.info.private:
        for found in run.samples:
            labels |= {s.id: s.name for s in found.question.skills}
            labels[found.question.topic.id] = found.question.topic.name
    return labels


def run_figures(
    run: Run | StoredRun, show_private: bool = False, assumptions: Sequence[Assumption] = ()
) -> Figures:
    """Return the figures of a run, with those on copying where assumptions about a corpus are given."""
    columns, labels = run.columns, {}
    if show_private or not run.info.private:
        labels = {s.id: s.name for s in columns.skills} | {t.id: t.name for t in columns.topics}
    figures = summarise(columns, run.info.reduce, labels, run.info.held_out_categories)
    hidden = run.info.private and not show_private  # a server's complaint may quote the prompt
    return msgspec.structs.replace(
        figures,
        reasons=() if hidden else figures.reasons,
        agreement=agreements(run.samples) if columns.most_gradings > 1 else (),
        decoys=proportion(*columns.decoys) if columns.decoys[1] else None,
        second_calls=columns.second_calls,
        anchors=run.info.anchors,
        calibrated=calibrated(run, run.calibration) if run.calibration and run.calibration.truth else None,
        profile=profile(columns, labels),
        beyond=beyond_imitation(columns, figures, assumptions),
        assumed=assumed_of(assumptions),
    )


class _Assumptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    assumptions: tuple[Assumption, ...]


def read_assumptions(given: str) -> tuple[Assumption, ...]:
    """Read what is assumed of a training corpus from a YAML file; `assumed` is the file in this package."""
    path = ASSUMED if given == "assumed" else Path(given)
    try:
        return msgspec.yaml.decode(path.read_bytes(), type=_Assumptions).assumptions
    except OSError as error:
        raise BadInputError(f"The frequencies {path} cannot be read: {error.strerror}.") from None
    except msgspec.MsgspecError as error:
        raise BadInputError(f"The frequencies {path} are not as in {ASSUMED}: {error}.") from None


def report_files(run: Run, show_private: bool = False, figures: Figures | None = None) -> dict[str, bytes]:
    """Return what people and programs read of a run, by file name: the same run gives the same bytes."""
    figures, info = figures or run_figures(run, show_private), run.info
    title, header = report_title(info), report_header(info)
    return {
        "scores.json": scores_json(info, figures),
        "report.md": markdown(title, header, figures, info.reduce).encode(),
        "report.html": report_page(run, figures, show_private).encode(),
    }


def report_page(run: Run | StoredRun, figures: Figures, show_private: bool = False) -> str:
    """Return the page of a run with these figures."""
    labels, spec = run_labels(run, show_private), write_spec(run.spec)
    title, header = report_title(run.info), report_header(run.info)
    spend = cost_lines(run.spec, figures)
    ours = run.spec.student.model.partition("/")[0] not in ("file", "released")
    command = "skillmix run spec.yaml" if ours else ""
    shown = RunReport(title, header, figures, run.info.reduce, run.samples, labels, spec, spend, command)
    return run_page(shown)


def cost_lines(spec: RunSpec, figures: Figures) -> list[str]:
    """Return what each model's tokens cost, where its price is known; list prices, not a bill."""
    table, lines = read_prices(), []
    models = {"student": (spec.student,), "judge": spec.judges}
    for role, price in zip(models, run_prices(spec, table), strict=True):
        used = figures.usage.get(role, Usage())
        along = figures.anchors.usage if figures.anchors and role == "judge" else Usage()
        if used + along != Usage() and price and (price.input or price.output):
            used += along
            tokens = f"{used.input:,} tokens in, {used.output:,} out"
            tokens += ", texts of known grade among them" if along != Usage() else ""
            rate = f"{price.input:g}/{price.output:g}"
            listed = "" if all(m.price for m in models[role]) else f", list price of {table.date}"
            dollars = f"${price.of(used):.2f}"
            lines.append(f"Cost of the {role} at ${rate} a million{listed}: {dollars} ({tokens}).")
    return lines


def report_title(info: RunInfo) -> str:
    """Return the headline of a run's report."""
    return f"Skill composition: {info.student.partition(';')[0]}"


def report_header(info: RunInfo) -> list[str]:
    """Return the lines without which no figure may be read: who, by which protocol, graded by whom."""
    prompts = ", ".join(f"{name} {digest}" for name, digest in info.prompts.items()) or "not ours"
    lists = f"domain {info.domain} (lists {info.lists}), split {info.split}"
    lines = [
        f"Student: {info.student}",
        f"Judge: {info.judge}",
        f"Protocol: {info.protocol}; {info.reduce} over texts",
        f"Questions: {lists}, sampler {info.sampler}, seed {info.seed}",
        f"Prompts: {prompts}; skillmix-eval {info.version}",
    ]
    faults = info.anchors.faults if info.anchors else ()
    return [*(f"INVALID RUN: {fault}." for fault in faults), *lines, *(f"Note: {n}" for n in info.notes)]


def scores_json(info: RunInfo, figures: Figures) -> bytes:
    """Return a run's figures as one JSON document."""
    document = {"run": info, "figures": figures}
    return msgspec.json.format(msgspec.json.encode(document, order="deterministic")) + b"\n"


def _path(given: str | None) -> Path | None:
    return Path(given) if given else None
