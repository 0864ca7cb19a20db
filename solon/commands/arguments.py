"""Arguments that several commands take."""

import argparse
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where a command is added to the parser."""


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """A recipe, where its run goes, and values to write over."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="a recipe's YAML file, or its folder")
    add_out(parser)


def add_out(parser: argparse.ArgumentParser) -> None:
    """Where a run goes, and values to write over."""
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: runs/<name>)")
    add_settings(parser)


def add_settings(
    parser: argparse.ArgumentParser, *, of: str = "the recipe, as in training.sft.learning_rate=1e-4"
) -> None:
    """Values to write over, as `given.settings`; `of` what, and an example."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help=f"write over a value of {of}; may be repeated",
    )


def add_consent(parser: argparse.ArgumentParser) -> None:
    """Whether a run may go on although what it is made from changed."""
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="go on although the recipe or its files changed, and make again only what that touches",
    )
