"""Many samples in little memory: those beyond a number wait in a temporary file until they are read."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Sequence
from typing import IO, overload

import msgspec

from .errors import StoreError
from .records import Sample

KEPT = 10_000  # samples that stay in memory, about 12 KB each


class Spool:
    """Takes samples in any order, each by its number."""

    def __init__(self, kept: int = KEPT) -> None:
        self._most = kept
        self._kept: dict[int, Sample] = {}
        self._places: dict[int, tuple[int, int]] = {}  # where in the file, and how many bytes
        self._size = 0
        self._file: IO[bytes] | None = None

    def put(self, number: int, sample: Sample) -> None:
        """Keep a sample; raises StoreError where the temporary file cannot grow."""
        if len(self._kept) < self._most:
            self._kept[number] = sample
            return
        data = msgspec.msgpack.encode(sample)
        try:
            file = self._opened()
            file.seek(self._size)
            file.write(data)
        except OSError as error:
            raise StoreError(
                f"The temporary folder {tempfile.gettempdir()} cannot hold the samples "
                f"({error.strerror}); make "
                "room or name another by TMPDIR. Every answer that was paid for is in the store."
            ) from None
        self._places[number] = (self._size, len(data))
        self._size += len(data)

    def get(self, number: int) -> Sample:
        """Return the sample of a number."""
        if number in self._kept:
            return self._kept[number]
        place, size = self._places[number]
        file = self._opened()
        file.seek(place)
        return msgspec.msgpack.decode(file.read(size), type=Sample)

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed below
            weakref.finalize(self, self._file.close)  # read for as long as its samples are
        return self._file

    def samples(self) -> Sequence[Sample]:
        """Return all samples in order of their numbers, which are 0, 1, 2 and so on."""
        if not self._places:
            return tuple(self._kept[number] for number in sorted(self._kept))
        return _Samples(self, range(len(self._kept) + len(self._places)))


class _Samples(Sequence[Sample]):
    """Samples of a spool, read when they are asked for."""

    def __init__(self, spool: Spool, numbers: range) -> None:
        self._spool, self._numbers = spool, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, which: int) -> Sample: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[Sample]: ...
    def __getitem__(self, which: int | slice) -> Sample | Sequence[Sample]:
        found = self._numbers[which]
        return _Samples(self._spool, found) if isinstance(found, range) else self._spool.get(found)
