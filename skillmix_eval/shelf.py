"""The run folders that `skillmix view` shows, finished or going on, by number."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from starlette.exceptions import HTTPException

from .errors import SkillMixError
from .evaluate import run_labels
from .live import FILE, Watcher
from .runs import Run, read_run


class Shelf:
    """The runs that are shown, by number. A number stays with its folder while the server is up."""

    def __init__(self, roots: Iterable[Path], show_private: bool) -> None:
        self.roots = [root.resolve() for root in roots]
        self.show_private = show_private
        self.folders: list[Path] = []
        self._read: dict[Path, tuple[int, Run]] = {}
        self._watchers: dict[Path, Watcher] = {}

    def look(self) -> list[Path]:
        """Find runs among the roots and directly in them, new ones too."""
        for root in self.roots:
            for folder in (root, *(sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else ())):
                if (folder / "spec.yaml").is_file() and folder not in self.folders:
                    self.folders.append(folder)
        return self.folders

    def finished(self, number: int) -> bool:
        """Tell whether a run is written."""
        folder = self.folder(number)
        return (folder / "catalogue.json").is_file() and not (folder / FILE).exists()

    def folder(self, number: int) -> Path:
        """Return a run's folder; raises 404 for a number that there is not."""
        if not 0 <= number < len(self.look()):
            raise HTTPException(404, "There is no such run.")
        return self.folders[number]

    def run(self, number: int) -> Run:
        """Return a finished run, read again when it was written anew."""
        folder = self.folder(number)
        try:
            changed = (folder / "samples.parquet").stat().st_mtime_ns
            if folder not in self._read or self._read[folder][0] != changed:
                self._read[folder] = (changed, read_run(folder))
        except (OSError, SkillMixError) as error:
            raise HTTPException(409, str(error)) from None
        return self._read[folder][1]

    def watcher(self, number: int) -> Watcher:
        """Return the reader of an unfinished run's texts."""
        watcher = self._watchers.setdefault(self.folder(number), Watcher(self.folder(number)))
        watcher.read()
        return watcher

    def runs(self, number: int | None) -> list[Run]:
        """Return one finished run, or all that can be read."""
        if number is not None:
            return [self.run(number)]
        return [self.run(n) for n in range(len(self.look())) if self.finished(n) and not self.fault(n)]

    def fault(self, number: int) -> str:
        """Return why a run that seems finished cannot be read; empty where it can."""
        try:
            self.run(number)
        except HTTPException as error:
            return error.detail
        return ""

    def names(self, run: Run) -> dict[str, str]:
        """Return the names to show for ids."""
        return run_labels(run, self.show_private)
