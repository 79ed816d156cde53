"""The error tree.

SkillMixError                 what the user reads: one clear sentence, no traceback
├── BadInputError             an option, a file or a name is wrong              -> exit 2, nothing written
├── BackendError              a model cannot be used at all (key, model name)   -> the run stops at once
├── StoreError                answers can no longer be kept (disk, permissions) -> the run stops at once
├── IncompleteError           too many texts could not be had                   -> exit 3, all is kept
│   └── BudgetError           the next call could cost more than is allowed     -> the run stops at once
└── CallFailedError           one call failed for good                          -> data: `failed`
    └── TransientError        one call failed, and may succeed later            -> tried again
UnreadableError               a judge's reply is not a verdict                  -> data: `unreadable`
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

STOPPED = "Interrupted; every answer that was paid for is kept: run the same command again to go on."


class SkillMixError(Exception):
    """Base of all errors that the user reads; its message is one sentence: what, where, what to do."""

    exit_code = 2


class BadInputError(SkillMixError):
    """An option, a name or a file is wrong; raised before anything is paid for or written."""


class BackendError(SkillMixError):
    """A model cannot be used at all (bad key, unknown model, missing extra); the run stops at once."""


class StoreError(SkillMixError):
    """Answers can no longer be kept; the run stops before it pays for another call."""

    exit_code = 1


class CallFailedError(SkillMixError):
    """One call failed after its retries; the pipeline turns it into a record with status `failed`.

    `paid` tells that it may be on the bill.
    """

    def __init__(self, said: str, *, paid: bool = False) -> None:
        super().__init__(said)
        self.paid = paid


class TransientError(CallFailedError):
    """One call failed in a way that can heal: `Caller` repeats it.

    `wait` tells that the endpoint asks for fewer calls (its limit shrinks), `after` the seconds that it asks
    for, `stops_after` the tries after which the run stops where no call was ever answered (0: never).
    """

    def __init__(
        self,
        said: str,
        *,
        wait: bool = False,
        after: float | None = None,
        stops_after: int = 0,
        paid: bool = False,
    ) -> None:
        super().__init__(said, paid=paid)
        self.wait, self.after, self.stops_after = wait, after, stops_after


class IncompleteError(SkillMixError):
    """A run is not complete and does not stand; what was paid for is kept."""

    exit_code = 3


class BudgetError(IncompleteError):
    """The next call could pass the cost that the user allows."""


class UnreadableError(Exception):
    """A judge's reply cannot be read as a verdict on each rubric item; the message says why."""


def unknown(what: str, given: str, allowed: Iterable[str]) -> BadInputError:
    """Return the error for a name that does not exist: what was given, what there is, the nearest name."""
    names = sorted(allowed)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return BadInputError(f"No {what} named '{given}'; there are: {shown or 'none'}.{hint}")
