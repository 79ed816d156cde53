"""Texts that lm-eval has -> graded texts -> its metrics: all texts of a task in one go, never raising.

lm-eval generates the texts of all tasks before any is graded, and an exception would lose every text that was
paid for. The parts are also lm-eval's to use by name in tasks of your own (entry points, from the release
after 0.4.13): the filter `skillmix_grade`, the metrics `skillmix_full_marks` and so on.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from tqdm import tqdm

from .errors import SkillMixError, TransientError
from .evaluate import Setting, evaluate, load_models
from .figures import METRICS
from .interfaces import Backend
from .lm_eval_model import drafted
from .lm_eval_texts import Graded, by_judge, read
from .pipeline import Job
from .records import Question, Reply, Request, Sample, Text
from .stats import estimate
from .store import Store

_log = logging.getLogger(__name__)
_WAITING = (
    "the judge's endpoint asks to wait or answers too late, so fewer calls are sent; grading goes on when it "
    "answers. Ctrl-C keeps every verdict that was paid for; judge_max_connections bounds what is sent."
)


class Tally(msgspec.Struct):
    """How many texts this process was given to grade, and how many have a score."""

    texts: int = 0
    scored: int = 0


TALLY = Tally()


class _Heard:
    """A judge's backend that tells when its endpoint asks to wait; else the bar would just stand still."""

    def __init__(self, backend: Backend, tell: Callable[[], None]) -> None:
        self.identity, self.limit = backend.identity, backend.limit
        self.fills_device = getattr(backend, "fills_device", False)
        self._backend, self._tell = backend, tell

    async def complete(self, request: Request) -> Reply:
        """Return the judge's reply."""
        try:
            return await self._backend.complete(request)
        except TransientError as error:
            if error.wait:
                self._tell()
            raise

    async def aclose(self) -> None:
        """Release what the backend holds."""
        await self._backend.aclose()


class BatchGrader(msgspec.Struct, frozen=True):
    """Grades many texts at once; `ranks` processes share the connections to the judge."""

    name: str
    setting: Setting
    store: Path
    rank: int = 0
    ranks: int = 1

    def lines(self, replies: Sequence[tuple[Question, Sequence[str]]]) -> list[list[str]]:
        """Return each question's graded texts as lines of JSON."""
        samples = self._grade(replies)
        return [[self._line(q, i, reply, samples) for i, reply in enumerate(rs)] for q, rs in replies]

    def _line(
        self, question: Question, index: int, reply: str, samples: Mapping[tuple[str, int], Sample]
    ) -> str:
        sample = samples.get((question.id, index))
        text = sample.text if sample else read(self.setting, question, index, reply, drafted(reply))
        return msgspec.json.encode(self._graded(text, sample, drafted(reply))).decode()

    def _jobs(self, replies: Sequence[tuple[Question, Sequence[str]]]) -> Iterator[Job]:
        """Give the texts one by one, each read when it is its turn, while judges are thinking."""
        for question, said in replies:
            for index, reply in enumerate(said):
                text = read(self.setting, question, index, reply, drafted(reply))
                yield Job(question, index, text)

    def _grade(self, replies: Sequence[tuple[Question, Sequence[str]]]) -> dict[tuple[str, int], Sample]:
        """Return the samples that could be graded; whatever goes wrong is said, and raises nothing."""
        samples: dict[tuple[str, int], Sample] = {}
        judged, asked = by_judge(self.setting), sum(len(said) for _, said in replies)
        if judged and self.ranks == 1 and os.environ.get("LOCAL_RANK", "0") != "0":
            return samples  # tensor parallel: every process holds all texts, and only the first one reports
        with tqdm(total=asked, desc=f"Grading {self.name}", disable=self.rank > 0 or not judged) as bar:

            def on_sample(sample: Sample) -> None:
                samples[sample.text.question, sample.text.index] = sample
                bar.set_postfix_str("", refresh=False)
                bar.update()

            def waiting() -> None:
                bar.set_postfix_str("the judge's endpoint asks to wait")
                if not told:
                    _log.warning(f"{self.name}: {_WAITING}")
                told.append(True)

            told: list[bool] = []
            try:
                self._ask(self._jobs(replies), on_sample, waiting)
            except SkillMixError as error:
                _log.error(self._unfinished(asked - len(samples), asked, str(error)))
            except Exception as error:
                _log.exception(self._unfinished(asked - len(samples), asked, repr(error)))
        TALLY.texts += asked
        TALLY.scored += sum(s.score is not None for s in samples.values())
        self._count_unscored(samples.values())
        return samples

    def _ask(
        self, jobs: Iterable[Job], on_sample: Callable[[Sample], None], waiting: Callable[[], None]
    ) -> None:
        judged = by_judge(self.setting)
        setting = self._share() if judged else self.setting
        spec = msgspec.structs.replace(setting.spec, anchors=0)  # lm-eval's results have no place for them
        setting = msgspec.structs.replace(setting, spec=spec)
        models = load_models(setting, student=False)
        judges = tuple(b and _Heard(b, waiting) for b in models.judges)
        models = msgspec.structs.replace(models, judges=judges)
        store = Store(self.store) if judged else None
        gc.freeze()  # lm-eval's heap is large, and has nothing to be collected meanwhile
        try:
            evaluate(setting, models, store, on_sample, jobs)
        finally:
            gc.unfreeze()
            if store:
                store.close()

    def _share(self) -> Setting:
        """Return the setting with this rank's share of the connections to each judge."""
        first, *others = (
            msgspec.structs.replace(j, max_connections=max(1, j.connections // self.ranks))
            for j in self.setting.spec.judges
        )
        spec = msgspec.structs.replace(self.setting.spec, judge=first, panel=tuple(others))
        return msgspec.structs.replace(self.setting, spec=spec)

    def _unfinished(self, left: int, asked: int, why: str) -> str:
        kept = f" Verdicts that were paid for are kept in {self.store}." if by_judge(self.setting) else ""
        return f"{self.name}: {left} of {asked} texts are not graded and count in no mean: {why}{kept}"

    def _count_unscored(self, samples: Iterable[Sample]) -> None:
        reasons = [_why(s) for s in samples if s.score is None]
        if reasons:
            # a server's complaint may quote the prompt
            first = "" if self.setting.domain.private else f"; the first: {reasons[0]}"
            _log.warning(
                f"{self.name}: {len(reasons)} texts have no score and count in no mean (see coverage){first}"
            )

    def _graded(self, text: Text, sample: Sample | None, draft: str | None) -> Graded:
        if sample is None:
            return Graded(text.index, text.status, why="not graded", draft=draft)
        score, private = sample.score, self.setting.domain.private
        return Graded(
            text.index,
            text.status,
            score.marks if score else None,
            score.points if score else {},
            score.named if score else (),
            () if private else sample.gradings,  # a judge's reasons speak of the user's own skills
            "" if score or private else _why(sample),
            draft,
        )


def _why(sample: Sample) -> str:
    return next((g.why for g in sample.gradings if g.why), sample.text.why or sample.text.status)


def process_results(doc: Mapping[str, Any], results: Sequence[Sequence[str]]) -> dict[str, float | None]:
    """Return a question's metrics from its graded texts; each metric also under the name of its error."""
    found: dict[str, float | None] = {}
    for metric in METRICS:
        value = of_texts(metric, results[0], doc["reduce"])
        # lm-eval has no error for a custom mean; a later metric of this name takes its place in the table
        found |= {metric: value, f"{metric}_stderr": value}
    return found | {"coverage": of_texts("coverage", results[0], doc["reduce"])}


def of_texts(metric: str, lines: Sequence[str], reduce: str = "mean") -> float | None:
    """Return a metric over a question's graded texts; None where none has a score."""
    graded = [msgspec.json.decode(line, type=Graded) for line in lines]
    scored = [g.marks for g in graded if g.marks]
    if metric == "coverage":
        return len(scored) / len(graded)
    values: list[float] = [getattr(m, metric) for m in scored]
    if not values:
        return None
    return max(values) if reduce == "max" else sum(values) / len(values)


def mean(values: Sequence[float | None]) -> float:
    """Return the mean over the questions that have a score; not a number where none has."""
    found = estimate([v for v in values if v is not None]).value
    return float("nan") if found is None else found


def standard_error(values: Sequence[float | None]) -> float | str:
    """Return our standard error of that mean, or lm-eval's word for none."""
    found = estimate([v for v in values if v is not None]).se
    return "N/A" if found is None else found


__all__ = ["TALLY", "BatchGrader", "Tally", "mean", "of_texts", "process_results", "standard_error"]
