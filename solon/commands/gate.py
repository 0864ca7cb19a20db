"""What `evaluate` is asked to show: options in, the exit code of a gate out (`solon.gate`)."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from solon.errors import FAILED

if TYPE_CHECKING:
    from solon.gate import Asked
    from solon.loaded_recipe import LoadedRecipe


def add_gate(parser: argparse.ArgumentParser) -> None:
    """An earlier report, and what has to hold."""
    parser.add_argument(
        "--baseline",
        type=Path,
        metavar="REPORT.json",
        help="an earlier report: end with status 1 where a measure surely fell below it",
    )
    parser.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="[MODEL.]MEASURE[>=N]",
        help="end with status 1 where this does not hold, as in harmful_refused>=0.8 or dpo.kl<=5; without a "
        "number, where the measure fell below the baseline's; may be repeated",
    )


def asked_of(loaded: "LoadedRecipe", given: argparse.Namespace) -> "Asked":
    """What the evaluation has to show; only `evaluate` has options for it, the recipe may ask besides."""
    from solon.gate import asked

    return asked(loaded, getattr(given, "require", ()), getattr(given, "baseline", None))


def gated(question: "Asked", out: Path) -> int:
    """The exit code that the report in the folder earns."""
    from solon.console import reporter
    from solon.gate import holds

    return 0 if not question or holds(question, out, reporter().say) else FAILED
