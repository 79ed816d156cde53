"""The command `skillmix`: its groups of commands, and how errors become one sentence and an exit code."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence

import rich_click as click

from .. import __version__
from ..errors import STOPPED, SkillMixError, unknown
from . import board, bring, decide, harness, judge, look, rounds, score, show, train, view, watch

OK, INTERNAL, USAGE, INTERRUPTED = 0, 1, 2, 130


class _Commands(click.RichGroup):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            raise unknown("command", name, self.list_commands(ctx))
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="skillmix")
def cli() -> None:
    """Evaluate how well a language model COMBINES language skills (SKILL-MIX).

    A question asks for a short text on a topic that shows k random skills at once. Code or a judge model
    gives one point for each skill, for topic, sense and length.

    `skillmix run` alone evaluates the embedded default offline and prints a table.
    """


COMMANDS = (
    score.run,
    look.sample,
    score.grade,
    bring.import_,
    look.report,
    look.check,
    view.view,
    decide.compare,
    decide.gate,
    decide.plan,
    judge.attack,
    judge.calibrate,
    judge.bridge,
    board.leaderboard,
    board.export,
    train.adapt,
    watch.watch,
    rounds.train,
    rounds.loop,
    harness.lm_eval,
    harness.lm_eval_path,
)
for command in COMMANDS:
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    0 done or passed, 1 internal error, 2 usage or bad input, 3 incomplete (money, failed calls), 130
    interrupted; a gate's 10 regression, 11 inconclusive, 12 invalid.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # ends as Ctrl-C does
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 still shows the rest
    try:
        code = cli.main(args=arguments, prog_name="skillmix", standalone_mode=False)
        sys.stdout.flush()
    except SkillMixError as error:
        print(f"Error: {show.visible(str(error))}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except click.ClickException as error:
        print(f"Error: {_one_line(error)}", file=sys.stderr)  # noqa: T201
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        print(f"\n{STOPPED}", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except SystemExit as end:
        unread = show.out.quiet or type(sys.stdout).__name__ == "_PacifyFlushWrapper"
        if end.code != INTERNAL or not unread:
            raise
        return OK  # so click and rich end where nobody reads on
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on, as with | head
        return OK
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return _bug()
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("Error: The output cannot be written: no space is left on the device.", file=sys.stderr)  # noqa: T201
        return INTERNAL
    except Exception:
        return _bug()
    return code if isinstance(code, int) else OK  # ctx.exit(code): a gate's verdict


def _bug() -> int:
    traceback.print_exc()
    print("\nThis is a bug in skillmix-eval; every paid answer is kept.", file=sys.stderr)  # noqa: T201
    return INTERNAL


def _one_line(error: click.ClickException) -> str:
    """Return a usage error as one sentence that names the command whose help explains it."""
    words = show.visible(" ".join(error.format_message().split())).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{words}; see `{context.command_path if context else 'skillmix'} --help`."
