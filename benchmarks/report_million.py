"""How long a full report on a million graded texts takes, and how much memory; writes results/report_million.md.

    python benchmarks/report_million.py [--texts 1000000]

Makes a run folder of that many texts on the catalogue of `language` (k = 2 to 6, one text to a question, drawn
points), then measures `skillmix report FOLDER --json` and `--markdown` in a process of their own: from the
folder on disk to all figures. Making the folder is not measured.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skillmix_eval.evaluate import describe, prepare
from skillmix_eval.records import Grading, GradingStatus, Question, Sample, Text, TextStatus, Usage, Verdict
from skillmix_eval.runs import Run, write_run
from skillmix_eval.spec import make_spec
from skillmix_eval.stages.score import score

OUT = Path(__file__).parents[1] / "results" / "report_million.md"
KS = (2, 3, 4, 5, 6)  # of k = 1 there are not so many questions
TEXT = "The old miller kept his word, and his word kept him; {} of the {} stood in the yard until dusk."


def samples(questions: Iterator[Question]) -> Iterator[Sample]:
    """Give each question a text and a grading by chance; a few texts fail and a few gradings are unreadable."""
    random = np.random.RandomState(0)
    usage = Usage(120, 40)
    for number, q in enumerate(questions):
        status = TextStatus.FAILED if number % 500 == 0 else TextStatus.OK
        words = TEXT.format(number, q.topic.name)
        text = Text(q.id, 0, words, status, why="the server was down" * (number % 500 == 0), usage=usage)
        earned = random.random_sample(len(q.items)) < 0.85
        verdicts = {i: Verdict(bool(p), "shown in the text") for i, p in zip(q.items, earned, strict=True)}
        if number % 300 == 0:
            grading = Grading(q.id, 0, 0, "judge", GradingStatus.UNREADABLE, why="no verdict", usage=usage)
        else:
            grading = Grading(q.id, 0, 0, "judge", GradingStatus.OK, verdicts, usage=usage)
        gradings = (grading,) if status is TextStatus.OK else ()
        yield Sample(q, text, gradings, score(q, text, gradings))


def make(folder: Path, texts: int) -> None:
    """Write the run folder."""
    spec = make_spec({"domain": "language", "k": list(KS), "n": texts // len(KS), "protocol": "draft"})
    setting = prepare(spec, check_questions=False)
    info = describe(setting, "judge; made up")
    write_run(folder, Run(spec, info, tuple(samples(iter(setting.questions())))), {})


def measured(command: list[str]) -> tuple[float, float, float]:
    """Run a command; return seconds of wall clock, seconds of CPU, and its largest memory in GB."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as sink:
        child = subprocess.Popen(command, stdout=sink)
        _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def main() -> None:
    """Make the folder in a child, so that its memory is not counted, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="Where the made run is, or is to be kept.")
    parser.add_argument("--make", action="store_true", help="Only make the folder.")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp()) / "run"
    if given.make:
        make(folder, given.texts)
        return
    if not (folder / "samples.parquet").is_file():
        size = str(given.texts)
        again = [sys.executable, __file__, "--make", "--texts", size, "--folder", str(folder)]
        subprocess.run(again, check=True)
    lines = [
        f"# A report on {given.texts:,} graded texts",
        "",
        f"`python benchmarks/report_million.py --texts {given.texts}`: from the run folder to all figures, in a "
        f"process of its own; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before.",
        "",
        "| command | wall s | CPU s | memory GB |",
        "|---|---|---|---|",
    ]
    for flag in ("", "--json", "--markdown"):
        command = ["-m", "skillmix_eval", "report", str(folder), *flag.split()]
        wall, cpu, memory = measured([sys.executable, *command])
        shown = f"skillmix report FOLDER {flag}".strip()
        lines.append(f"| `{shown}` | {wall:.1f} | {cpu:.1f} | {memory:.2f} |")
    size = (folder / "samples.parquet").stat().st_size / 1e6
    lines += [
        "",
        f"The folder's samples.parquet has {size:,.0f} MB.",
        "",
    ]
    OUT.write_text("\n".join(lines))
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
