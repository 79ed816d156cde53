"""What an unfinished run has so far, for people who watch: one line per text, in a file that goes at the end.

The file is no result: nothing is resumed from it, and a run that cannot write it goes on without.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from .records import Record, Sample, TextStatus

FILE = "progress.jsonl.part"
LAST = 5  # texts that are shown


class Passing(Record, frozen=True, gc=False):
    """A text as it comes in: ids only, so that a private list stays private."""

    k: int
    topic: str
    skills: tuple[str, ...]
    status: str
    text: str
    full: float | None  # full marks; None where it is unscored


class _Start(Record, frozen=True, gc=False):
    total: int


@contextmanager
def watched(folder: Path, total: int) -> Iterator[Callable[[Sample], None]]:
    """Give a function that notes each text as it is scored; the file goes when the run is written."""
    path = folder / FILE
    try:
        file = path.open("wb", buffering=0)
        file.write(msgspec.json.encode(_Start(total)) + b"\n")
    except OSError:
        yield lambda _: None
        return

    def note(sample: Sample) -> None:
        try:
            file.write(msgspec.json.encode(_passing(sample)) + b"\n")
        except (OSError, ValueError):  # a full disk stops the run elsewhere, where it matters
            file.close()

    with file:
        yield note


def unwatch(folder: Path) -> None:
    """Take the file away: the run is written."""
    (folder / FILE).unlink(missing_ok=True)


def _passing(sample: Sample) -> Passing:
    question, text = sample.question, sample.text
    words = "" if text.status is TextStatus.ECHOED else text.text  # an echo repeats the prompt and its lists
    full = sample.score.marks.full_marks if sample.score else None
    skills = tuple(s.id for s in question.skills)
    return Passing(question.k, question.topic.id, skills, str(text.status), words, full)


class Watcher:
    """Reads what a run's file has more each time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._reset()

    def _reset(self) -> None:
        self._at = 0
        self.total = self.done = 0
        self.full: dict[int, list[float]] = {}  # by k, of scored texts
        self.texts: dict[int, int] = {}
        self.last: deque[Passing] = deque(maxlen=LAST)

    def read(self) -> None:
        """Take in the lines that were added; a run that began anew is read from its start."""
        try:
            if self.path.stat().st_size < self._at:
                self._reset()
            with self.path.open("rb") as file:
                file.seek(self._at)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._at += len(line)
                    self._take(line)
        except (OSError, msgspec.MsgspecError):
            return

    def _take(self, line: bytes) -> None:
        if not self.total:
            self.total = msgspec.json.decode(line, type=_Start).total
            return
        found = msgspec.json.decode(line, type=Passing)
        self.done += 1
        self.texts[found.k] = self.texts.get(found.k, 0) + 1
        self.full.setdefault(found.k, [])
        if found.full is not None:
            self.full[found.k].append(found.full)
        self.last.append(found)
