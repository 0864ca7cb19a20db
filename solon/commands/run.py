"""`solon run`, `solon critique`, `solon label`: a recipe's stages, all of them or those of one name."""

import argparse

from solon.commands.arguments import Commands, add_consent, add_recipe
from solon.commands.carry_out import carry_out, stages_of

_COMMANDS = (
    ("run", "all stages of a recipe, from its prompts to the report", None),
    ("critique", "answers, critiques and revisions, and the dataset to learn from", ("critique",)),
    ("label", "preference pairs and their labels", ("label",)),
)
"""Name, purpose and stages; None: all that the recipe has."""


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    for name, purpose, wanted in _COMMANDS:
        parser = commands.add_parser(name, help=purpose, description=purpose.capitalize() + ".")
        add_recipe(parser)
        add_consent(parser)
        parser.set_defaults(command=_run, wanted=wanted, resumes=True)


def _run(given: argparse.Namespace) -> int:
    from solon.loaded_recipe import load_recipe

    loaded = load_recipe(given.recipe, given.settings)
    return carry_out(loaded, stages_of(loaded, given.wanted), given)
