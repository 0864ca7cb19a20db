"""`solon annotate`: a run's pairs written for people to vote on, and their votes read."""

import argparse
import sys
from pathlib import Path

from solon.commands.arguments import Commands
from solon.errors import BadInputError
from solon.terminal import visible


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("annotate", help="have people vote on a run's pairs, and read their votes")
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run with labelled pairs")
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--export", type=Path, metavar="FILE", help="write pairs to vote on: .jsonl, .csv, .json (Argilla)"
    )
    way.add_argument("--import", type=Path, dest="votes", metavar="FILE", help="read votes in any of these")
    parser.add_argument("--limit", type=int, metavar="N", help="export so many pairs, drawn at random")
    parser.set_defaults(command=_annotate, resumes=False)


def _annotate(given: argparse.Namespace) -> int:
    from solon.annotate import export_pairs, import_votes, summary

    if given.limit is not None and (given.export is None or given.limit < 1):
        raise BadInputError(f"--limit {given.limit}: expected at least one pair, to --export")
    if given.export is not None:
        said = export_pairs(given.run, given.export, limit=given.limit)
    else:
        said = summary(given.run) if given.votes is None else import_votes(given.run, given.votes)
    sys.stdout.write(visible(said))
    return 0
