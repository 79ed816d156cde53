"""The command line: the only reader of arguments and the only writer to the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..errors import STOPPED


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; being interrupted while it loads is no traceback either."""
    try:
        from .main import main as run

        run(arguments)
    except KeyboardInterrupt:
        print(f"\n{STOPPED}", file=sys.stderr)  # noqa: T201
        sys.exit(130)


__all__ = ["main"]
