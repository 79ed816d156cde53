"""`skillmix lm-eval` and `skillmix lm-eval-path`: lm-eval with our tasks found."""

from __future__ import annotations

import functools
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rich_click as click

from ..errors import BackendError, BadInputError, IncompleteError, SkillMixError
from ..templates import data_folder

_COMMANDS = ("run", "ls", "validate")
_KEY = re.compile(
    r"""(?ix) (?<![a-z_])
    (api_?key | openai_api_key | (?:auth_|access_|hf_|use_auth_)?token | password | secret | authorization)
    ["']? \s* [=:] \s* (?! ["']? (?:true|false|none|null)\b)"""
)


@click.command("lm-eval-path")
def lm_eval_path() -> None:
    """Print the folder that lm_eval's --include_path needs.

    Example:

      lm_eval --include_path "$(skillmix lm-eval-path)" --tasks skillmix_devices --model hf
      --model_args pretrained=MODEL --apply_chat_template
    """
    sys.stdout.write(f"{data_folder('tasks').resolve()}\n")


@click.command("lm-eval", context_settings={"ignore_unknown_options": True})
@click.option(
    "--no-chat-template", is_flag=True, help="Send prompts as plain text, for a model that is no chat model."
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def lm_eval(no_chat_template: bool, arguments: tuple[str, ...]) -> None:
    """Run lm_eval with ARGUMENTS, our tasks found and the model's chat template applied.

    Where only tasks of ours are asked for, lm-eval's index of its own tasks (many seconds) is left out. The
    tasks ask once per question: they score drafts; --model skillmix asks the model named by inner= twice, and
    has refined texts scored. Questions and judge are set with --metadata.

    Examples:

      skillmix lm-eval --model hf --model_args pretrained=MODEL --tasks skillmix_devices

      skillmix lm-eval --model skillmix --model_args inner=hf,pretrained=MODEL --tasks skillmix_devices

      skillmix lm-eval --model local-chat-completions --model_args
      model=NAME,base_url=http://localhost:8000/v1/chat/completions --tasks skillmix_language_k3
      --metadata '{"n": 300, "seed": 7, "judge": "openai/gpt-4.1"}'
    """
    if importlib.util.find_spec("lm_eval") is None:
        raise BackendError("lm-eval is not installed; run: pip install 'skillmix-eval[lm-eval]'")
    given = complete(arguments, not no_chat_template)
    refuse_keys(given)
    with _tasks_found(only_ours=asks_only_ours(given)), _arguments(given):
        _execute()
    _check_scores()


def _check_scores() -> None:
    """Raise IncompleteError where texts were graded and none has a score: lm-eval itself ends well."""
    from ..lm_eval_grading import TALLY

    if TALLY.texts and not TALLY.scored:
        raise IncompleteError(
            f"None of {TALLY.texts:,} texts has a score, so these results do not stand; the warnings above "
            "say why, and what was paid for is kept: run it again to go on."
        )


def complete(arguments: Sequence[str], chat_template: bool) -> list[str]:
    """Return lm_eval's arguments with the command, our tasks' folder and the chat template filled in."""
    command, *given = arguments if arguments and arguments[0] in _COMMANDS else ("run", *arguments)
    names = {a.split("=")[0] for a in given}
    if command != "run" or names & {"-h", "--help"}:
        return [command, *given]
    if "--include_path" not in names:
        given += ["--include_path", str(data_folder("tasks").resolve())]
    if chat_template and not names & {"--apply_chat_template", "--config", "-C"}:
        given += ["--apply_chat_template"]
    return [command, *given]


def asks_only_ours(arguments: Sequence[str]) -> bool:
    """Tell whether all tasks that lm_eval is asked for are tasks or groups of ours."""
    tasks: list[str] = []
    reading = False
    for argument in arguments:
        if argument.startswith("-"):
            name, _, value = argument.partition("=")
            reading = name in ("--tasks", "-t")
            argument = value
        if reading:
            tasks += [t for t in argument.split(",") if t]
    return bool(tasks) and all(t == "skillmix" or t.startswith("skillmix_") for t in tasks)


def refuse_keys(arguments: Sequence[str]) -> None:
    """Raise BadInputError where --model_args hold a key, which lm-eval would write into its results file."""
    reading = False
    for argument in arguments:
        if argument.startswith("-"):
            name, _, argument = argument.partition("=")
            reading = name in ("--model_args", "-a")
        if reading and (found := _KEY.search(argument)):
            raise BadInputError(
                f"lm-eval writes --model_args into its results, so {found[1]} must not be there; give the "
                "key by an environment variable: OPENAI_API_KEY for a server, HF_TOKEN for the hub."
            )


def _execute() -> None:
    import lm_eval.models  # noqa: F401  they are looked for only while no model is known
    from lm_eval.__main__ import cli_evaluate
    from lm_eval.api.registry import model_registry

    if "skillmix" not in model_registry:  # lm-eval 0.4.13 knows no entry points
        model_registry.register("skillmix", target="skillmix_eval.lm_eval_model:SkillMixLM")
    try:
        cli_evaluate()
    except SkillMixError:
        raise
    except ValueError as error:
        raise BadInputError(f"lm-eval: {error}") from None
    except Exception as error:
        traceback.print_exc()
        raise _StoppedError(f"lm-eval stopped ({type(error).__name__}); its own message is above.") from None


class _StoppedError(SkillMixError):
    """lm-eval failed at something of its own."""

    exit_code = 1


@contextmanager
def _tasks_found(only_ours: bool) -> Iterator[None]:
    """Have lm_eval's command line find our tasks beside a user's --include_path, and skip its own if it may.

    Its command line has no option for either; its task manager has both.
    """
    import lm_eval.tasks as module

    manager = module.TaskManager

    @functools.wraps(manager, updated=())
    def build(include_path: str | None = None, **given: object) -> object:
        paths = dict.fromkeys(
            [str(data_folder("tasks").resolve()), *([include_path] if include_path else [])]
        )
        return manager(include_path=list(paths), **{"include_defaults": not only_ours, **given})

    module.TaskManager = build
    try:
        yield
    finally:
        module.TaskManager = manager


@contextmanager
def _arguments(given: Sequence[str]) -> Iterator[None]:
    """Hand arguments to a command line that reads them from sys.argv."""
    before = sys.argv
    sys.argv = ["lm_eval", *given]
    try:
        yield
    finally:
        sys.argv = before
