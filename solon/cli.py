"""The command line: arguments in, an exit code out, and every expected error as a text without a traceback.

Exit codes: 0 done, 1 the run failed on the way, 2 something that was written is wrong, 130 stopped by Ctrl-C.
Nothing heavy is imported before a command needs it, so that `solon --help` is there at once.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from solon.errors import BAD_INPUT, FAILED, INTERRUPTED, BadInputError, exit_code, is_stop

if TYPE_CHECKING:
    from constitution.model import Constitution
    from solon.gate import Asked
    from solon.recipe import LoadedRecipe, Stage
    from training.settings import MethodName

Command = Callable[[argparse.Namespace], int]

_QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""Set unless the environment says otherwise; whether the Hub may be asked is left to the user."""

METHODS = ("sft", "reward", "dpo", "orpo", "kto", "rrhf", "ppo", "grpo", "online_dpo")
"""`training.settings.MethodName`, which takes `--help` too long to import."""

ALL = "all"

_EPILOG = """\
examples:
  solon init my-project                     a recipe, a constitution, prompts and data to edit
  solon validate my-project/recipe.yaml     everything that can be found out before a model loads
  solon estimate my-project/recipe.yaml     what it will cost, from a small sample
  solon audit my-project/recipe.yaml        how far its judge agrees with people
  solon run my-project/recipe.yaml          all of it; run it again to go on where it stopped
  solon train dpo my-project/recipe.yaml    one way to train alone, on what is there
  solon status runs/my-run                  how far it is
  solon serve my-project/recipe.yaml        vLLM's server for the recipe's model, until Ctrl-C
  solon run my-project/recipe.yaml --set training.sft.learning_rate=1e-4 --out runs/lower
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    given = _parser().parse_args(arguments)
    given.arguments = arguments
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        return given.command(given)
    except KeyboardInterrupt:
        return _stopped(given, arguments)
    except BrokenPipeError:
        # The reader of a pipe has gone, as `| head` does; Python would complain once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if is_stop(error):
            return _stopped(given, arguments)
        code = exit_code(error)
        if code is None:
            raise
        _complain(str(error) or type(error).__name__)
        return code


def _stopped(given: argparse.Namespace, arguments: Sequence[str]) -> int:
    if given.resumes:
        from solon.interrupt import how_to_go_on

        _complain(f"\n{how_to_go_on(arguments)}")
    else:
        _complain("\nstopped")
    return INTERRUPTED


def _complain(text: str) -> None:
    # Of several processes, as `accelerate launch` starts them, the first one speaks.
    if os.environ.get("RANK", "0") == "0":
        print(_visible(text), file=sys.stderr)


def _visible(text: str) -> str:
    """Control characters spelled out: a file's text must not drive the terminal."""
    return "".join(mark if mark.isprintable() or mark == "\n" else repr(mark)[1:-1] for mark in text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="solon",
        description="From a written constitution to AI-labelled data and harmlessness-tuned models.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, help="show Solon's version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run_commands(commands)
    _add_evaluate(commands)
    _add_audit(commands)
    _add_watching_commands(commands)
    _add_serve(commands)
    _add_other_commands(commands)
    _add_constitution_commands(commands)
    return parser


class _Version(argparse.Action):
    """Looks the version up only where it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("solon")
        except PackageNotFoundError:
            number = "(not installed: run from its source folder)"
        sys.stdout.write(f"solon {number}\n")
        parser.exit()


def _add_run_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    stages = (
        ("run", "all stages of a recipe, from its prompts to the report", None),
        ("critique", "answers, critiques and revisions, and the dataset to learn from", ("critique",)),
        ("label", "preference pairs and their labels", ("label",)),
        ("train", "train by one method, or by all that the recipe has", None),
    )
    for name, purpose, only in stages:
        parser = commands.add_parser(name, help=purpose, description=purpose.capitalize() + ".")
        parser.set_defaults(command=_run, only=only, method=None, dry_run=False, resumes=True)
        if name == "train":
            parser.add_argument(
                "method", metavar="METHOD", choices=(*METHODS, ALL), help=f"{', '.join(METHODS)}, or {ALL}"
            )
            parser.add_argument(
                "--dry-run",
                action="store_true",
                help="show token counts, a batch, parameters and memory; train nothing, write nothing",
            )
        _add_recipe(parser)
        _add_consent(parser)


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    _add_gate(parser)
    _add_out(parser)
    _add_consent(parser)
    parser.set_defaults(command=_evaluate, resumes=True)


def _add_gate(parser: argparse.ArgumentParser) -> None:
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


def _add_audit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    _add_out(parser)
    _add_consent(parser)
    parser.set_defaults(command=_audit, resumes=True)


def _add_other_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    validate = commands.add_parser("validate", help="check a recipe and all that it names; loads no model")
    _add_recipe(validate)
    validate.set_defaults(command=_validate, resumes=False)
    init = commands.add_parser("init", help="write a recipe, a constitution, prompts and data to edit")
    init.add_argument("folder", type=Path, metavar="FOLDER", help="a new or empty folder")
    init.set_defaults(command=_init, resumes=False)


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("serve", help="vLLM's server for a model of a recipe, on this machine only")
    parser.add_argument(
        "model", metavar="RECIPE|MODEL", help="a recipe, a model folder, an id on the Hub, or `embedded`"
    )
    parser.add_argument(
        "--role", choices=("assistant", "judge"), default="assistant", help="which of a recipe's models"
    )
    parser.add_argument("--port", type=int, default=8000, help="where it listens (default: 8000)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="write over a value of the recipe, or of the model, as in dtype=float32; may be repeated",
    )
    parser.set_defaults(command=_serve, resumes=False)


def _add_watching_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    status = commands.add_parser("status", help="how far a run is, what failed and why, what it spent")
    status.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    status.set_defaults(command=_status, resumes=False)
    _add_annotate(commands)
    _add_export(commands)
    estimate = commands.add_parser("estimate", help="calls, tokens, time and money of a run, from a sample")
    _add_recipe(estimate)
    _add_estimate_options(estimate)
    estimate.set_defaults(command=_estimate, resumes=True)


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    purpose = "a run's datasets and rewards for a trainer of another project, with launch scripts"
    parser = commands.add_parser("export", help=purpose, description=purpose.capitalize() + ".")
    parser.add_argument("project", choices=("openrlhf", "verl"), help="openrlhf (0.11) or verl (0.9)")
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    parser.set_defaults(command=_export, resumes=False)


def _add_annotate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("annotate", help="have people vote on a run's pairs, and read their votes")
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run with labelled pairs")
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--export", type=Path, metavar="FILE", help="write pairs to vote on: .jsonl, .csv, .json (Argilla)"
    )
    way.add_argument("--import", type=Path, dest="votes", metavar="FILE", help="read votes in any of these")
    parser.add_argument("--limit", type=int, metavar="N", help="export so many pairs, drawn at random")
    parser.set_defaults(command=_annotate, resumes=False)


def _add_estimate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sample", type=int, default=8, metavar="N", help="rows to ask about (default: 8)")
    for kind in ("prompt", "completion"):
        parser.add_argument(
            f"--price-{kind}",
            type=float,
            default=0.0,
            metavar="PRICE",
            help=f"what a million {kind} tokens cost",
        )


def _add_consent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="go on although the recipe or its files changed, and make again only what that touches",
    )


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="a recipe's YAML file, or its folder")
    _add_out(parser)


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: runs/<name>)")
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="write over a value of the recipe, as in training.sft.learning_rate=1e-4; may be repeated",
    )


def _add_constitution_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("constitution", help="show, check, test, compare and import constitutions")
    parser.set_defaults(resumes=False)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = verbs.add_parser("show", help="print a constitution, or the names of those that ship with Solon")
    show.add_argument("name", nargs="?", metavar="NAME|FILE")
    show.set_defaults(command=_show)
    check = verbs.add_parser("validate", help="check a constitution")
    check.add_argument("name", metavar="NAME|FILE")
    check.set_defaults(command=_check)
    _add_constitution_trial(verbs)
    _add_constitution_diff(verbs)
    imported = verbs.add_parser("import", help="read the JSON files published with the CAI paper into YAML")
    imported.add_argument("files", nargs="+", type=Path, metavar="FILE")
    imported.add_argument("--out", type=Path, metavar="FILE", help="where to write it (default: print it)")
    imported.add_argument("--name", default="imported", help="what to call the constitution")
    imported.add_argument("--force", action="store_true", help="write over an existing file")
    imported.set_defaults(command=_import)


def _add_constitution_trial(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    purpose = "put a constitution's own examples to a judge: which principles do what their author meant"
    trial = verbs.add_parser("test", help=purpose, description=purpose.capitalize() + ".")
    trial.add_argument("name", metavar="NAME|FILE")
    trial.add_argument(
        "--judge",
        required=True,
        metavar="RECIPE|MODEL",
        help="whose judge, asked as the recipe labels; or a model alone, as for `solon audit`",
    )
    trial.add_argument("--no-control", action="store_true", help="do not ask by no principle besides")
    trial.add_argument(
        "--min-share",
        type=float,
        metavar="SHARE",
        help="fail where fewer than this share of a principle's examples do as meant, as in 0.66",
    )
    trial.add_argument("--json", type=Path, metavar="FILE", help="write all of it there, too")
    trial.add_argument("--out", type=Path, metavar="DIR", help="the journal's folder (runs/<name>.test)")
    _add_settings(trial)
    trial.set_defaults(command=_try, resumes=True)


def _add_constitution_diff(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    purpose = "what differs between two constitutions, and what that would change in a run"
    diff = verbs.add_parser("diff", help=purpose, description=purpose.capitalize() + ".")
    diff.add_argument("before", metavar="A", help="the constitution as it was: a name or a file")
    diff.add_argument("after", metavar="B", help="the constitution as it is to be")
    diff.add_argument("--run", type=Path, metavar="RUN", help="a run's folder: what of it would flip")
    diff.add_argument("--count", action="store_true", help="count what is touched, and ask nothing")
    diff.add_argument("--json", type=Path, metavar="FILE", help="write all of it there, too")
    diff.set_defaults(command=_diff, resumes=True)


def _run(given: argparse.Namespace) -> int:
    from solon.recipe import load_recipe

    loaded = load_recipe(given.recipe, given.settings)
    stages = _stages(loaded, given)
    return _dry_run(loaded, stages, given) if given.dry_run else _go(loaded, stages, given)


def _dry_run(loaded: "LoadedRecipe", stages: "tuple[Stage, ...]", given: argparse.Namespace) -> int:
    from solon.run_folder import RunFolder, default_out

    out = given.out or default_out(loaded.recipe)
    _require_sound(loaded, out)
    from solon.dry_run import dry_run

    _hush_libraries(loaded)
    for text in dry_run(loaded, RunFolder(out), cast("tuple[MethodName, ...]", stages)):
        sys.stdout.write(text)
    return 0


def _evaluate(given: argparse.Namespace) -> int:
    """A recipe, or one run as it is, is evaluated as its last stage; anything else in a folder of its own."""
    from solon.checkpoints import is_run
    from solon.recipe import is_recipe, load_recipe
    from solon.run_folder import RunFolder, load_run_recipe

    paths = [Path(target).expanduser() for target in given.targets]
    held = [is_run(path) for path in paths]
    if len(paths) == 1 and not given.suite:
        if held[0] and given.out is None:
            given.out = paths[0]
            loaded = load_run_recipe(RunFolder(paths[0]), given.settings)
            return _go(loaded, ("evaluate",), given)
        if not held[0] and is_recipe(paths[0]):
            given.only, given.method = ("evaluate",), None
            loaded = load_recipe(paths[0], given.settings)
            return _go(loaded, _stages(loaded, given), given)
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
    question = _asked(targets[0].loaded, given)
    with stoppable(given.arguments) as stop:
        _hush_libraries(targets[0].loaded)
        evaluation.evaluate(targets, out, reporter(), stop=stop)
    return _gated(question, out)


def _asked(loaded: "LoadedRecipe", given: argparse.Namespace) -> "Asked":
    """What the evaluation has to show; only `evaluate` has options for it, the recipe may ask besides."""
    from solon.gate import asked

    return asked(loaded, getattr(given, "require", ()), getattr(given, "baseline", None))


def _gated(question: "Asked", out: Path) -> int:
    from solon.console import reporter
    from solon.gate import holds

    return 0 if not question or holds(question, out, reporter().say) else FAILED


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
    return _go(loaded, ("audit",), given)


def _go(loaded: "LoadedRecipe", stages: "tuple[Stage, ...]", given: argparse.Namespace) -> int:
    from solon.console import reporter
    from solon.run_folder import default_out, open_run_folder
    from solon.together import follow, meet, part, several, speaks

    out = given.out or default_out(loaded.recipe)
    if several():
        meet(loaded, stages, METHODS)
        if not speaks():
            follow(loaded, out)
            return 0
    _require_sound(loaded, out, accept_changes=given.accept_changes)
    question = _asked(loaded, given) if "evaluate" in stages else None
    from solon.interrupt import stoppable
    from solon.run import run

    with stoppable(given.arguments) as stop:
        folder = open_run_folder(out, loaded, accept_changes=given.accept_changes)
        _hush_libraries(loaded)
        run(loaded, folder, stages, reporter(), stop=stop)
    if several():
        part()
    return 0 if question is None else _gated(question, out)


def _status(given: argparse.Namespace) -> int:
    from solon.status import status

    sys.stdout.write(status(given.run))
    return 0


def _annotate(given: argparse.Namespace) -> int:
    from solon.annotate import export_pairs, import_votes, summary

    if given.limit is not None and (given.export is None or given.limit < 1):
        raise BadInputError(f"--limit {given.limit}: expected at least one pair, to --export")
    if given.export is not None:
        said = export_pairs(given.run, given.export, limit=given.limit)
    else:
        said = summary(given.run) if given.votes is None else import_votes(given.run, given.votes)
    sys.stdout.write(_visible(said))
    return 0


def _export(given: argparse.Namespace) -> int:
    from solon.export import export

    sys.stdout.write(export(given.project, given.run, given.out))
    return 0


def _serve(given: argparse.Namespace) -> int:
    from solon.serve import serve, served_model

    served = served_model(given.model, role=given.role, overrides=given.settings)
    serve(served, port=given.port, say=lambda text: print(text, flush=True))
    return 0


def _estimate(given: argparse.Namespace) -> int:
    from solon.console import reporter
    from solon.estimated import Prices
    from solon.recipe import load_recipe
    from solon.run_folder import default_out

    if given.sample < 1:
        raise BadInputError(f"--sample {given.sample}: expected at least one row")
    loaded = load_recipe(given.recipe, given.settings)
    out = given.out or default_out(loaded.recipe)
    # A run that the folder may hold is not touched: only what the recipe itself says is looked at.
    _require_sound(loaded, out, accept_changes=True)
    from solon.estimate import estimate
    from solon.interrupt import stoppable

    with stoppable(given.arguments) as stop:
        _hush_libraries(loaded)
        prices = Prices(given.price_prompt, given.price_completion)
        estimate(loaded, out, reporter(), sample=given.sample, prices=prices, stop=stop)
    return 0


def _stages(loaded: "LoadedRecipe", given: argparse.Namespace) -> tuple["Stage", ...]:
    """The recipe's stages, or those of them that the command is for."""
    from solon.recipe import SECTIONS

    wanted: Sequence[Stage] | None = given.only
    if given.method is not None:
        wanted = METHODS if given.method == ALL else (given.method,)
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


def _require_sound(loaded: "LoadedRecipe", out: Path, *, accept_changes: bool = False) -> None:
    from solon.validate import problems

    found = problems(loaded, out, accept_changes=accept_changes)
    if found:
        count = f"\n\n{len(found)} problems" if len(found) > 1 else ""
        raise BadInputError("\n\n".join(found) + count)


def _hush_libraries(loaded: "LoadedRecipe") -> None:
    """Their bars would run through ours; downloads from the Hub keep theirs on a terminal.

    Where every model is behind a server, nothing of them is needed, and a second of importing is saved.
    """
    if all(model.engine == "openai" for model in (loaded.assistant, loaded.judge)):
        return
    from transformers.utils import logging

    logging.disable_progress_bar()
    if sys.stderr.isatty():
        from huggingface_hub.utils import enable_progress_bars

        enable_progress_bars()


def _validate(given: argparse.Namespace) -> int:
    from solon.recipe import load_recipe
    from solon.run_folder import default_out

    loaded = load_recipe(given.recipe, given.settings)
    out = given.out or default_out(loaded.recipe)
    _require_sound(loaded, out)
    begun = "goes on in" if out.exists() else "goes to"
    sys.stdout.write(
        f"{given.recipe} is in order. Stages: {', '.join(loaded.recipe.stages)}. The run {begun} {out}.\n"
    )
    return 0


def _init(given: argparse.Namespace) -> int:
    from solon.init import write_starter

    written = write_starter(given.folder)
    names = "\n".join(f"  {path}" for path in written)
    here = shlex.quote(str(given.folder / "recipe.yaml"))
    sys.stdout.write(f"Wrote\n{names}\nRead {given.folder / 'README.md'}, then:\n  solon run {here}\n")
    return 0


def _show(given: argparse.Namespace) -> int:
    from constitution.describe import describe
    from constitution.load import load, shipped

    text = describe(load(given.name)) if given.name else "".join(f"{name}\n" for name in shipped())
    sys.stdout.write(text)
    return 0


def _check(given: argparse.Namespace) -> int:
    from constitution.load import check, load

    constitution = load(given.name)
    for remark in check(constitution):
        sys.stdout.write(f"note: {remark}\n")
    count = len(constitution.principles)
    sys.stdout.write(
        f"{given.name} is in order: {constitution.name}, version {constitution.version}, {count} principles\n"
    )
    return 0


def _try(given: argparse.Namespace) -> int:
    from constitution.load import load
    from solon.console import reporter
    from solon.constitution_trial import default_out, judge_of, show, try_constitution
    from solon.interrupt import stoppable

    _require_writable(given.json)
    if given.min_share is not None and not 0 <= given.min_share <= 1:
        raise BadInputError(f"--min-share {given.min_share}: expected a share from 0 to 1")
    constitution, loaded, told = load(given.name), judge_of(given.judge, given.settings), reporter()
    with stoppable(given.arguments) as stop:
        _hush_libraries(loaded)
        out = given.out or default_out(constitution)
        control = not given.no_control
        found = try_constitution(constitution, loaded, out, reporter=told, control=control, stop=stop)
    show(found, told)
    _write_json(given.json, found.as_json())
    below = found.below(given.min_share) if given.min_share is not None else []
    if below:
        told.say(f"below --min-share {given.min_share:g}: {', '.join(below)}")
    return FAILED if below else 0


def _diff(given: argparse.Namespace) -> int:
    from constitution.difference import describe_difference, difference
    from constitution.load import load

    _require_writable(given.json)
    if given.count and given.run is None:
        raise BadInputError("--count: counts what is touched in a run\n  next: --run RUN")
    found = difference(load(given.before), load(given.after))
    sys.stdout.write(_visible(describe_difference(found)))
    flips = {} if given.run is None else _flips(given, found.before, found.after)
    _write_json(given.json, found.as_json() | flips)
    return 0


def _flips(given: argparse.Namespace, before: "Constitution", after: "Constitution") -> dict[str, object]:
    """Ask about the run, print what would flip, and give it back as plain data."""
    from solon.console import reporter
    from solon.constitution_diff import compare_in_run, flips_in_run
    from solon.constitution_flips import describe_flips, flips_as_json
    from solon.interrupt import stoppable

    compared = compare_in_run(before, after, given.run)
    with stoppable(given.arguments) as stop:
        _hush_libraries(compared.loaded)
        found = flips_in_run(compared, reporter=reporter(), ask=not given.count, stop=stop)
    sys.stdout.write(_visible("\n" + describe_flips(compared, found)))
    return {"run": flips_as_json(compared, found)}


def _require_writable(file: Path | None) -> None:
    """Before anything is asked that could then not be kept."""
    if file is not None and not file.parent.is_dir():
        raise BadInputError(f"--json {file}: there is no folder {file.parent}")


def _write_json(file: Path | None, content: object) -> None:
    if file is not None:
        import json

        from pipeline.disk import write_whole

        write_whole(file, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _import(given: argparse.Namespace) -> int:
    from constitution.importer import read_published, to_yaml

    text = to_yaml(read_published(*given.files, name=given.name))
    if given.out is None:
        sys.stdout.write(text)
        return 0
    try:
        with given.out.open("w" if given.force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        _complain(f"{given.out}: is there already, and is left as it is\n  next: another --out, or --force")
        return BAD_INPUT
    sys.stdout.write(f"Wrote {given.out}\n")
    return 0
