"""`solon estimate`: what a run will cost, from a small sample of it."""

import argparse

from solon.commands.arguments import Commands, add_recipe
from solon.errors import BadInputError
from solon.terminal import hush_libraries


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("estimate", help="calls, tokens, time and money of a run, from a sample")
    add_recipe(parser)
    parser.add_argument("--sample", type=int, default=8, metavar="N", help="rows to ask about (default: 8)")
    for kind in ("prompt", "completion"):
        parser.add_argument(
            f"--price-{kind}",
            type=float,
            default=0.0,
            metavar="PRICE",
            help=f"what a million {kind} tokens cost",
        )
    parser.set_defaults(command=_estimate, resumes=True)


def _estimate(given: argparse.Namespace) -> int:
    from solon.console import reporter
    from solon.estimated import Prices
    from solon.loaded_recipe import load_recipe
    from solon.run_folder import default_out
    from solon.validate import require_sound

    if given.sample < 1:
        raise BadInputError(f"--sample {given.sample}: expected at least one row")
    loaded = load_recipe(given.recipe, given.settings)
    out = given.out or default_out(loaded.recipe)
    # A run that the folder may hold is not touched: only what the recipe itself says is looked at.
    require_sound(loaded, out, accept_changes=True)
    from solon.estimate import estimate
    from solon.interrupt import stoppable

    with stoppable(given.arguments) as stop:
        hush_libraries(loaded)
        prices = Prices(given.price_prompt, given.price_completion)
        estimate(loaded, out, reporter(), sample=given.sample, prices=prices, stop=stop)
    return 0
