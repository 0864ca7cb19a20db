"""`solon init`: a project to edit."""

import argparse
import shlex
import sys
from pathlib import Path

from solon.commands.arguments import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("init", help="write a recipe, a constitution, prompts and data to edit")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a new or empty folder")
    parser.set_defaults(command=_init, resumes=False)


def _init(given: argparse.Namespace) -> int:
    from solon.init import write_starter

    written = write_starter(given.folder)
    names = "\n".join(f"  {path}" for path in written)
    here = shlex.quote(str(given.folder / "recipe.yaml"))
    sys.stdout.write(f"Wrote\n{names}\nRead {given.folder / 'README.md'}, then:\n  solon run {here}\n")
    return 0
