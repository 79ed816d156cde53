"""How long the page of a run takes to write and to open: 300, 3,000 and 100,000 texts with a judge's reasons.

    python benchmarks/pages.py 300 3000 100000 > results/pages.md

Needs Chromium and chromedriver. Texts have 45 words; each rubric item has a reason of 16 words and a quote.
"""

from __future__ import annotations

import itertools
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from skillmix_eval.domain import load_domain  # noqa: E402
from skillmix_eval.evaluate import report_page, run_figures  # noqa: E402
from skillmix_eval.records import Grading, GradingStatus, Question, Sample, Text, TextStatus, Verdict  # noqa: E402
from skillmix_eval.runs import Run, RunInfo  # noqa: E402
from skillmix_eval.spec import RunSpec  # noqa: E402
from skillmix_eval.stages.sample import sample  # noqa: E402
from skillmix_eval.stages.score import score  # noqa: E402
from tests.browsing import Page, start  # noqa: E402

INFO = RunInfo("made", "made", "draft", "mean", "language", "", "all", 0, "balanced", {}, "0")
KS = (2, 3, 4, 5)
WORDS = [
    "the",
    "quiet",
    "baker",
    "trusted",
    "her",
    "starter",
    "while",
    "a",
    "storm",
    "of",
    "small",
    "doubts",
    "gathered",
    "over",
    "one",
    "harbour",
]


def made(texts: int) -> Run:
    """Return a run of made-up texts on real questions."""
    random.seed(0)
    domain = load_domain("language", None, None, False)
    questions = [q for k in KS for q in sample(domain, k, texts // len(KS), 0, "all", "balanced")]
    return Run(RunSpec(), INFO, tuple(map(answered, questions)))


def answered(question: Question) -> Sample:
    """Return a question with a text and one grading, right four times in five."""
    words = " ".join(random.choices(WORDS, k=45)) + "."
    text = Text(question.id, 0, words, TextStatus.OK)
    reason = " ".join(random.choices(WORDS, k=16))
    verdicts = {i: Verdict(random.random() < 0.8, reason, words[20:60]) for i in question.items}
    gradings = (Grading(question.id, 0, 0, "made", GradingStatus.OK, verdicts),)
    return Sample(question, text, gradings, score(question, text, gradings))


def fill(page: Page, name: str, value: str) -> None:
    """Set a filter as a person would."""
    page.js(
        "const f = document.querySelector('form.filters').elements[arguments[0]]; f.value = arguments[1];"
        "f.dispatchEvent(new Event('input', {bubbles: true}))",
        name,
        value,
    )


def timed(page: Page, run: Run, place: Path) -> list[str]:
    """Write and open a run's page; return the cells of its row, in seconds."""
    figures = run_figures(run)
    began = time.perf_counter()
    file = place / "page.html"
    file.write_text(report_page(run, figures), encoding="utf-8")
    written = time.perf_counter()
    page.driver.get(file.as_uri())
    page.wait("document.querySelectorAll('.preview').length > 0")
    opened = time.perf_counter()
    page.js("document.querySelector('.row').open = true")
    page.wait("document.querySelector('.row p.text')")
    read = time.perf_counter()
    fill(page, "k", "5")
    page.wait("document.querySelector('output').value.includes('among')")
    filtered = time.perf_counter()
    fill(page, "words", "harbour her quiet")
    time.sleep(0.2)  # the page waits as long for a person to go on typing
    page.wait("!document.querySelector('output').value.includes('searching')")
    found = time.perf_counter()
    steps = (began, written, opened, read, filtered, found)
    seconds = [f"{b - a:.2f}" for a, b in itertools.pairwise(steps)]
    return [f"{len(run.samples):,}", f"{file.stat().st_size / 1e6:.1f}", *seconds]


def main() -> None:
    """Print one row per size."""
    print("Pages of a run: texts, MB, seconds to write, open, open one text, filter by k, search.\n")
    print("| texts | MB | write | open | one text | filter | search |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        page = Page(start(Path(folder) / "profile"))
        try:
            for texts in map(int, sys.argv[1:]):
                print("| " + " | ".join(timed(page, made(texts), Path(folder))) + " |", flush=True)
        finally:
            page.driver.quit()


main()
