"""`solon status`: how far a run is."""

import argparse
import sys
from pathlib import Path

from solon.commands.arguments import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("status", help="how far a run is, what failed and why, what it spent")
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    parser.set_defaults(command=_status, resumes=False)


def _status(given: argparse.Namespace) -> int:
    from solon.status import status

    sys.stdout.write(status(given.run))
    return 0
