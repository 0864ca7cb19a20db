"""`solon constitution show | validate | test | diff | import`: constitutions without a run, or beside one."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from solon.commands.arguments import Commands, add_settings
from solon.errors import FAILED, BadInputError
from solon.terminal import hush_libraries, visible

if TYPE_CHECKING:
    from constitution.model import Constitution


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    parser = commands.add_parser("constitution", help="show, check, test, compare and import constitutions")
    parser.set_defaults(resumes=False)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = verbs.add_parser("show", help="print a constitution, or the names of those that ship with Solon")
    show.add_argument("name", nargs="?", metavar="NAME|FILE")
    show.set_defaults(command=_show)
    validate = verbs.add_parser("validate", help="check a constitution")
    validate.add_argument("name", metavar="NAME|FILE")
    validate.set_defaults(command=_validate)
    _add_test(verbs)
    _add_diff(verbs)
    _add_import(verbs)


def _add_test(verbs: Commands) -> None:
    purpose = "put a constitution's own examples to a judge: which principles do what their author meant"
    parser = verbs.add_parser("test", help=purpose, description=purpose.capitalize() + ".")
    parser.add_argument("name", metavar="NAME|FILE")
    parser.add_argument(
        "--judge",
        required=True,
        metavar="RECIPE|MODEL",
        help="whose judge, asked as the recipe labels; or a model alone, as for `solon audit`",
    )
    parser.add_argument("--no-control", action="store_true", help="do not ask by no principle besides")
    parser.add_argument(
        "--min-share",
        type=float,
        metavar="SHARE",
        help="fail where fewer than this share of a principle's examples do as meant, as in 0.66",
    )
    _add_json(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="the journal's folder (runs/<name>.test)")
    add_settings(parser)
    parser.set_defaults(command=_test, resumes=True)


def _add_diff(verbs: Commands) -> None:
    purpose = "what differs between two constitutions, and what that would change in a run"
    parser = verbs.add_parser("diff", help=purpose, description=purpose.capitalize() + ".")
    parser.add_argument("before", metavar="A", help="the constitution as it was: a name or a file")
    parser.add_argument("after", metavar="B", help="the constitution as it is to be")
    parser.add_argument("--run", type=Path, metavar="RUN", help="a run's folder: what of it would flip")
    parser.add_argument("--count", action="store_true", help="count what is touched, and ask nothing")
    _add_json(parser)
    parser.set_defaults(command=_diff, resumes=True)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it there, too")


def _add_import(verbs: Commands) -> None:
    parser = verbs.add_parser("import", help="read the JSON files published with the CAI paper into YAML")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it (default: print it)")
    parser.add_argument("--name", default="imported", help="what to call the constitution")
    parser.add_argument("--force", action="store_true", help="write over an existing file")
    parser.set_defaults(command=_import)


def _show(given: argparse.Namespace) -> int:
    from constitution.describe import describe
    from constitution.load import load, shipped

    text = describe(load(given.name)) if given.name else "".join(f"{name}\n" for name in shipped())
    sys.stdout.write(text)
    return 0


def _validate(given: argparse.Namespace) -> int:
    from constitution.load import check, load

    constitution = load(given.name)
    for remark in check(constitution):
        sys.stdout.write(f"note: {remark}\n")
    count = len(constitution.principles)
    sys.stdout.write(
        f"{given.name} is in order: {constitution.name}, version {constitution.version}, {count} principles\n"
    )
    return 0


def _test(given: argparse.Namespace) -> int:
    from constitution.load import load
    from solon.console import reporter
    from solon.constitution_trial import default_out, judge_of, show, try_constitution
    from solon.interrupt import stoppable

    _require_writable(given.json)
    if given.min_share is not None and not 0 <= given.min_share <= 1:
        raise BadInputError(f"--min-share {given.min_share}: expected a share from 0 to 1")
    constitution, loaded, told = load(given.name), judge_of(given.judge, given.settings), reporter()
    with stoppable(given.arguments) as stop:
        hush_libraries(loaded)
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
    sys.stdout.write(visible(describe_difference(found)))
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
        hush_libraries(compared.loaded)
        found = flips_in_run(compared, reporter=reporter(), ask=not given.count, stop=stop)
    sys.stdout.write(visible("\n" + describe_flips(compared, found)))
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
    except FileExistsError as error:
        raise BadInputError(
            f"{given.out}: is there already, and is left as it is\n  next: another --out, or --force"
        ) from error
    sys.stdout.write(f"Wrote {given.out}\n")
    return 0
