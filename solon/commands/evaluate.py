"""`solon evaluate`: a run's models, several runs pooled, or models by themselves; measured, with a report."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from solon.commands.arguments import Commands, add_consent, add_out
from solon.commands.carry_out import carry_out, stages_of
from solon.commands.gate import add_gate, asked_of, gated
from solon.terminal import hush_libraries


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    purpose = "measure a run's models, or models by themselves, and write the report"
    parser = commands.add_parser("evaluate", help=purpose, description=purpose.capitalize() + ".")
    parser.add_argument(
        "targets",
        nargs="+",
        metavar="RUN|RECIPE|MODEL",
        help="a run's folder, several runs to pool (seeds of one recipe), a recipe, or models: folders, ids "
        "on the Hub, `embedded`; the first model is the base",
    )
    parser.add_argument(
        "--suite",
        action="append",
        default=[],
        metavar="[KIND=]FILE",
        help="prompts to measure on, in place of the recipe's; KIND: harmful, harmless, helpful, verifiable; "
        "may be repeated",
    )
    add_gate(parser)
    add_out(parser)
    add_consent(parser)
    parser.set_defaults(command=_evaluate, resumes=True)


def _evaluate(given: argparse.Namespace) -> int:
    """A recipe, or one run as it is, is evaluated as its last stage; anything else in a folder of its own."""
    from solon.checkpoints import is_run
    from solon.loaded_recipe import is_recipe, load_recipe
    from solon.run_folder import RunFolder, load_run_recipe

    paths = [Path(target).expanduser() for target in given.targets]
    held = [is_run(path) for path in paths]
    if len(paths) == 1 and not given.suite:
        if held[0] and given.out is None:
            given.out = paths[0]
            loaded = load_run_recipe(RunFolder(paths[0]), given.settings)
            return carry_out(loaded, ("evaluate",), given)
        if not held[0] and is_recipe(paths[0]):
            loaded = load_recipe(paths[0], given.settings)
            return carry_out(loaded, stages_of(loaded, ("evaluate",)), given)
    return _measure(given, paths, runs=any(held) or any(is_recipe(path) for path in paths))


def _measure(given: argparse.Namespace, paths: Sequence[Path], *, runs: bool) -> int:
    from solon import evaluation
    from solon.console import reporter
    from solon.interrupt import stoppable

    suites = evaluation.suites_of(given.suite)
    if runs:
        targets = evaluation.runs(paths, suites, overrides=given.settings)
    else:
        targets = evaluation.models(given.targets, suites, overrides=given.settings)
    out = given.out or evaluation.default_out(targets)
    evaluation.require_sound(targets, out)
    question = asked_of(targets[0].loaded, given)
    with stoppable(given.arguments) as stop:
        hush_libraries(targets[0].loaded)
        evaluation.evaluate(targets, out, reporter(), stop=stop)
    return gated(question, out)
