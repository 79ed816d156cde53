"""What is known of some texts' truth, and which texts were drawn for it: the file calibration.json of a run.

Every text has a random number, its key, which is a hash. A text is drawn if that is below its chance; texts
that a judge is more likely to have got wrong have twice the chance. `skillmix view` shows texts in the order
in which a growing draw takes them, so whoever labels some there labels drawn texts first.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from .errors import BadInputError
from .labels import Label
from .records import Record

FILE = "calibration.json"
DOUBTFUL = 2.0  # how many times likelier a doubtful text is drawn


class Calibration(Record, frozen=True, gc=False):
    """A draw of texts and the truth of those that were labelled."""

    judge: str  # fingerprint of who is measured
    population: str  # hash of all graded texts' keys
    sure: float  # chance of a text that got full marks without a dissenting vote
    doubtful: float  # chance of any other
    source: str = ""  # who knows the truth
    truth: Mapping[str, dict[str, bool]] = msgspec.field(
        default_factory=dict
    )  # text key -> rubric item id -> met

    def chance(self, doubtful: bool) -> float:
        """Return the chance that a text was drawn with."""
        return self.doubtful if doubtful else self.sure

    def drawn(self, key: str, doubtful: bool) -> bool:
        """Tell whether a text was drawn."""
        return number(key) < self.chance(doubtful)


def number(key: str) -> float:
    """Return the random number in [0, 1) that a text's key is."""
    return int(key[:13], 16) / 16**13


def draw(judge: str, texts: Mapping[str, bool], n: int) -> Calibration:
    """Draw about n texts, given for each key whether it is doubtful."""
    many = sum(texts.values())
    few = len(texts) - many
    sure = min(1.0, n / max(1.0, few + DOUBTFUL * many))
    doubtful = min(1.0, DOUBTFUL * sure)
    if doubtful == 1.0 and few:
        sure = min(1.0, max(sure, (n - many) / few))
    return Calibration(judge, population(texts), sure, doubtful)


def population(keys: Iterable[str]) -> str:
    """Return the hash of all texts that could be drawn."""
    return hashlib.blake2b("".join(sorted(keys)).encode(), digest_size=8).hexdigest()


def majority(labels: Iterable[Label]) -> dict[str, dict[str, bool]]:
    """Return what most raters say of each item of each text; a tie, or nobody sure, is no truth."""
    votes: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for label in labels:
        if label.met is not None:
            votes[label.text][label.item].append(label.met)
    return {
        text: {i: 2 * sum(said) > len(said) for i, said in items.items() if 2 * sum(said) != len(said)}
        for text, items in votes.items()
    }


def read_calibration(folder: Path) -> Calibration | None:
    """Return a run folder's calibration, or None; raises BadInputError for a file that is none."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Calibration)
    except (msgspec.MsgspecError, OSError) as error:
        raise BadInputError(
            f"{path} cannot be read ({error}); remove it and run `skillmix calibrate` again."
        ) from None
