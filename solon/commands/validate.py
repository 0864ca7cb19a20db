"""`solon validate`: everything about a recipe that can be found out before a model loads."""

import argparse
import sys

from solon.commands.arguments import Commands, add_recipe


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("validate", help="check a recipe and all that it names; loads no model")
    add_recipe(parser)
    parser.set_defaults(command=_validate, resumes=False)


def _validate(given: argparse.Namespace) -> int:
    from solon.loaded_recipe import load_recipe
    from solon.run_folder import default_out
    from solon.validate import require_sound

    loaded = load_recipe(given.recipe, given.settings)
    out = given.out or default_out(loaded.recipe)
    require_sound(loaded, out)
    begun = "goes on in" if out.exists() else "goes to"
    sys.stdout.write(
        f"{given.recipe} is in order. Stages: {', '.join(loaded.recipe.stages)}. The run {begun} {out}.\n"
    )
    return 0
