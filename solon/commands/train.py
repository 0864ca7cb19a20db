"""`solon train METHOD`: one way to train alone, or all that the recipe has; with `--dry-run` a look at it."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from solon.commands.arguments import Commands, add_consent, add_recipe
from solon.commands.carry_out import carry_out, stages_of
from solon.terminal import hush_libraries

if TYPE_CHECKING:
    from solon.loaded_recipe import LoadedRecipe
    from training.settings import MethodName

METHODS = ("sft", "reward", "dpo", "orpo", "kto", "rrhf", "ppo", "grpo", "online_dpo")
"""`training.settings.MethodName`, which takes `--help` too long to import."""

ALL = "all"


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    purpose = "train by one method, or by all that the recipe has"
    parser = commands.add_parser("train", help=purpose, description=purpose.capitalize() + ".")
    parser.add_argument(
        "method", metavar="METHOD", choices=(*METHODS, ALL), help=f"{', '.join(METHODS)}, or {ALL}"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show token counts, a batch, parameters and memory; train nothing, write nothing",
    )
    add_recipe(parser)
    add_consent(parser)
    parser.set_defaults(command=_train, resumes=True)


def _train(given: argparse.Namespace) -> int:
    from solon.loaded_recipe import load_recipe

    loaded = load_recipe(given.recipe, given.settings)
    stages = stages_of(loaded, METHODS if given.method == ALL else (given.method,))
    if given.dry_run:
        return _dry_run(loaded, cast("Sequence[MethodName]", stages), given)
    return carry_out(loaded, stages, given)


def _dry_run(loaded: "LoadedRecipe", methods: "Sequence[MethodName]", given: argparse.Namespace) -> int:
    from solon.run_folder import RunFolder, default_out
    from solon.together import speaks
    from solon.validate import require_sound

    if not speaks():
        return 0
    out = given.out or default_out(loaded.recipe)
    require_sound(loaded, out)
    from solon.dry_run import dry_run

    hush_libraries(loaded)
    for text in dry_run(loaded, RunFolder(out), methods):
        sys.stdout.write(text)
    return 0
