"""`solon export`: what a trainer of another project needs of a run."""

import argparse
import sys
from pathlib import Path

from solon.commands.arguments import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    purpose = "a run's datasets and rewards for a trainer of another project, with launch scripts"
    parser = commands.add_parser("export", help=purpose, description=purpose.capitalize() + ".")
    parser.add_argument("project", choices=("openrlhf", "verl"), help="openrlhf (0.11) or verl (0.9)")
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    parser.set_defaults(command=_export, resumes=False)


def _export(given: argparse.Namespace) -> int:
    from solon.export import export

    sys.stdout.write(export(given.project, given.run, given.out))
    return 0
