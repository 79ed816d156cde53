"""Draws a run's telling texts, asks code or people for their truth, and writes both into the run folder."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from .calibrated import draw_from, drawn, graded, key
from .calibration import FILE, Calibration, majority
from .domain import load_domain
from .errors import BadInputError
from .evaluate import report_files
from .figures import ITEMS
from .labels import COLUMNS, Label
from .records import Question, skill_item
from .runs import Run, redacted, write_file

SHEET = "to_label.csv"


def start(run: Run, n: int) -> Calibration:
    """Draw about n texts of a judged run; raises BadInputError where there is no judge to measure."""
    if run.info.judge.startswith("rules/"):
        raise BadInputError(
            "This run is graded by code, which is the truth here; give a judge's run: `skillmix grade RUN "
            "--judge BACKEND/MODEL` has its texts graded by one."
        )
    if not graded(run.samples):
        raise BadInputError("No text of this run has a readable grading, so there is nothing to measure.")
    return draw_from(run.samples, run.info.judge, n)


def by_code(run: Run, found: Calibration) -> Calibration | None:
    """Add the truth by the domain's own checkers, or return None where it has none."""
    if run.spec.skills or run.spec.topics:
        return None
    domain = load_domain(run.spec.domain)
    if domain.about.grading != "rules":
        return None
    rules = importlib.import_module(f"{__package__}.domains.{domain.name}.rules")
    texts = drawn(run.samples, found)
    truth = {
        key(s): {item: v.met for item, v in rules.verdicts(s.question, s.text.text).items()} for s in texts
    }
    return replace(found, source=f"the checkers of {domain.name}", truth=truth)


def by_people(run: Run, found: Calibration, labels: Sequence[Label]) -> tuple[Calibration, str]:
    """Add people's labels of drawn texts; also return what was left out, in words.

    Raises BadInputError where no drawn text has a label for each of its items.
    """
    truth, texts = majority(labels), drawn(run.samples, found)
    asked = {key(s): set(s.question.judged_items) for s in texts}
    kept = {text: items for text, items in truth.items() if items.keys() >= asked.get(text, {""})}
    if not kept:
        raise BadInputError(
            f"None of the {len(asked)} drawn texts has a label for each of its items; label them with "
            f"`skillmix view`, or fill in {SHEET} in the run folder (a text is drawn again the same way)."
        )
    others = len(truth.keys() - asked.keys())
    part = len(truth.keys() & asked.keys()) - len(kept)
    left_out = [f"{others} labelled texts were not drawn (a larger -n draws more)"] * bool(others)
    left_out += [f"{part} drawn texts lack a label for some item, or raters tie there"] * bool(part)
    raters = sorted({label.rater for label in labels})
    source = f"labels by {len(raters)} rater{'s' * (len(raters) > 1)}"
    return replace(found, source=source, truth=kept), "; ".join(left_out)


def write(folder: Path, run: Run, found: Calibration, show_private: bool = False) -> None:
    """Write calibration.json, and the run's reports anew with the corrected figures beside the raw ones."""
    write_file(folder / FILE, msgspec.json.format(msgspec.json.encode(found, order="deterministic")) + b"\n")
    shown = run if show_private or not run.info.private else redacted(run)
    if found.truth:
        for name, content in report_files(replace(shown, calibration=found), show_private).items():
            write_file(folder / name, content)


def sheet(run: Run, found: Calibration, show_private: bool = False) -> bytes:
    """Return the drawn texts as a CSV file to fill in: a row per item, the column `met` empty."""
    hidden = run.info.private and not show_private
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*COLUMNS, "question", "definition", "words"])
    for sample in drawn(run.samples, found):
        for item in sample.question.judged_items:
            asked = ("", "") if hidden else _asked(sample.question, item)
            row = [key(sample), item, "", "me", "", "", *asked, sample.text.text]
            writer.writerow([_harmless(cell) for cell in row])
    return out.getvalue().encode()


def _asked(question: Question, item: str) -> tuple[str, str]:
    for skill in question.skills:
        if item == skill_item(skill.id):
            return f"Does the text show {skill.name}?", skill.definition
    return f"{ITEMS[item]}? (topic: {question.topic.name})", ""


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
