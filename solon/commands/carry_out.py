"""Stages of a recipe: which of them a command is for, and all that it takes to carry them out.

In: a loaded recipe and a command's arguments. Out: a run folder with what the stages made, and an exit code.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from solon.commands.gate import asked_of, gated
from solon.errors import BadInputError
from solon.terminal import hush_libraries

if TYPE_CHECKING:
    from solon.loaded_recipe import LoadedRecipe
    from solon.stage import Stage


def stages_of(loaded: "LoadedRecipe", wanted: "Sequence[Stage] | None") -> tuple["Stage", ...]:
    """The recipe's stages, or those of them that are wanted; `BadInputError` where it has none of these."""
    from solon.stage import SECTIONS

    if wanted is None:
        return loaded.recipe.stages
    stages: tuple[Stage, ...] = tuple(stage for stage in loaded.recipe.stages if stage in wanted)
    if not stages:
        lacking = " or ".join(f"`{SECTIONS[stage]}:`" for stage in wanted)
        raise BadInputError(
            f"{loaded.path}: the recipe has no {lacking}\n"
            "  next: add the section (docs/recipes.md), or use another command"
        )
    return stages


def carry_out(loaded: "LoadedRecipe", stages: "Sequence[Stage]", given: argparse.Namespace) -> int:
    """Check the recipe, run the stages in its folder and gate what an evaluation found."""
    from solon.console import reporter
    from solon.run_folder import default_out, open_run_folder
    from solon.together import follow, meet, part, several, speaks
    from solon.validate import require_sound

    out = given.out or default_out(loaded.recipe)
    if several():
        meet(loaded, stages)
        if not speaks():
            follow(loaded, out)
            return 0
    require_sound(loaded, out, accept_changes=given.accept_changes)
    question = asked_of(loaded, given) if "evaluate" in stages else None
    from solon.interrupt import stoppable
    from solon.run import run

    with stoppable(given.arguments) as stop:
        folder = open_run_folder(out, loaded, accept_changes=given.accept_changes)
        hush_libraries(loaded)
        run(loaded, folder, stages, reporter(), stop=stop)
    if several():
        part()
    return 0 if question is None else gated(question, out)
