"""The command line: arguments in, an exit code out, and every expected error as a text without a traceback.

Exit codes: 0 done, 1 the run failed on the way, 2 something that was written is wrong, 130 stopped by Ctrl-C.
The commands themselves are in `solon.commands`.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from solon.commands import (
    annotate,
    audit,
    constitution,
    estimate,
    evaluate,
    export,
    init,
    run,
    serve,
    status,
    train,
    validate,
)
from solon.errors import FAILED, INTERRUPTED, exit_code, is_stop
from solon.terminal import ask_for_quiet, complain

_COMMANDS = (
    run, train, evaluate, audit, status, annotate, export, estimate, serve, validate, init, constitution,
)  # fmt: skip
"""In the order of `--help`."""

_EPILOG = """\
examples:
  solon init my-project                     a recipe, a constitution, prompts and data to edit
  solon validate my-project/recipe.yaml     everything that can be found out before a model loads
  solon estimate my-project/recipe.yaml     what it will cost, from a small sample
  solon audit my-project/recipe.yaml        how far its judge agrees with people
  solon run my-project/recipe.yaml          all of it; run it again to go on where it stopped
  solon train dpo my-project/recipe.yaml    one way to train alone, on what is there
  solon status runs/my-run                  how far it is
  solon serve my-project/recipe.yaml        vLLM's server for the recipe's model, until Ctrl-C
  solon run my-project/recipe.yaml --set training.sft.learning_rate=1e-4 --out runs/lower
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    given = _parser().parse_args(arguments)
    given.arguments = arguments
    ask_for_quiet()
    try:
        return given.command(given)
    except KeyboardInterrupt:
        return _stopped(given, arguments)
    except BrokenPipeError:
        # The reader of a pipe has gone, as `| head` does; Python would complain once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if is_stop(error):
            return _stopped(given, arguments)
        code = exit_code(error)
        if code is None:
            raise
        complain(str(error) or type(error).__name__)
        return code


def _stopped(given: argparse.Namespace, arguments: Sequence[str]) -> int:
    if given.resumes:
        from solon.interrupt import how_to_go_on

        complain(f"\n{how_to_go_on(arguments)}")
    else:
        complain("\nstopped")
    return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="solon",
        description="From a written constitution to AI-labelled data and harmlessness-tuned models.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, help="show Solon's version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands)
    return parser


class _Version(argparse.Action):
    """Looks the version up only where it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("solon")
        except PackageNotFoundError:
            number = "(not installed: run from its source folder)"
        sys.stdout.write(f"solon {number}\n")
        parser.exit()
