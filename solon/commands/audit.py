"""`solon audit`: a recipe's judge, a model, or verdicts given elsewhere, held against people's labels."""

import argparse
from pathlib import Path

from solon.commands.arguments import Commands, add_consent, add_out
from solon.commands.carry_out import carry_out


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    purpose = "how far a judge agrees with people, and whether its labels may train"
    parser = commands.add_parser("audit", help=purpose, description=purpose.capitalize() + ".")
    parser.add_argument(
        "recipe",
        metavar="RECIPE|MODEL|VERDICTS",
        help="a recipe, or its folder; or a model alone: a folder, an id on the Hub, or `embedded`; or a "
        "file of labelled pairs with the verdicts that a judge gave elsewhere (`judgments`)",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="pairs that people labelled, for `audit.labels`",
    )
    parser.add_argument("--budget", type=int, metavar="N", help="at most so many pairs (`audit.budget`)")
    add_out(parser)
    add_consent(parser)
    parser.set_defaults(command=_audit, resumes=True)


def _audit(given: argparse.Namespace) -> int:
    from solon.audit import audit_settings, judge_recipe
    from solon.audit_recorded import audit_recorded, is_recorded

    if is_recorded(verdicts := Path(given.recipe).expanduser()):
        from solon.console import reporter

        audit_recorded(verdicts, overrides=given.settings, out=given.out, reporter=reporter())
        return 0
    loaded = judge_recipe(
        given.recipe, labels=given.labels or (), budget=given.budget, overrides=given.settings
    )
    audit_settings(loaded)
    return carry_out(loaded, ("audit",), given)
