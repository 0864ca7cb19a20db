"""`solon constitution test`: a constitution's own examples put to a judge, and what it makes of them.

In: a constitution, and the judge of a recipe or a model by itself. Out: a table, and all of it as JSON.
Answers are kept in a journal of their own, so that a second time, or after one principle was edited, only
what is new is asked.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from constitution.model import Constitution
from engine.protocol import Engine
from labeling.audit.estimate import Estimate
from labeling.meaning import Meaning, leaning, meanings, moved, overall, plainly
from labeling.model import JUDGE
from labeling.trial import Kind, Trial, Tried, Trier, lacks, trials
from pipeline.context import Context, Tally
from pipeline.gate import Stop
from pipeline.journal import Journal
from pipeline.runner import Outcome, collect, run_rows
from prompts.render import PromptError
from solon.audit import judge_recipe
from solon.console import Reporter
from solon.engines import in_flight, open_roles
from solon.errors import BadInputError
from solon.loaded_recipe import LoadedRecipe
from solon.models import model_problems

ANSWERS = "answers.log"


@dataclass(frozen=True, slots=True)
class Findings:
    """What a judge makes of a constitution, and by which calls."""

    constitution: Constitution
    judge: str
    method: str
    meanings: tuple[Meaning, ...]
    failures: tuple[str, ...]
    tally: Tally

    def below(self, share: float) -> list[str]:
        """The principles with examples of which fewer than this share are decided as meant."""
        return [each.principle for each in self.meanings if each.share and each.share.value < share]

    def as_json(self) -> dict[str, object]:
        """Everything, for `--json`: each example with what the judge made of it."""
        return {
            "constitution": self.constitution.name,
            "version": self.constitution.version,
            "digest": self.constitution.digest,
            "judge": self.judge,
            "method": self.method,
            "calls": {"asked": self.tally.asked, "found": self.tally.found},
            "share": _as_json(overall(self.meanings)),
            "principles": [_principle(each) for each in self.meanings],
            "failed": list(self.failures),
        }


def judge_of(judge: str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """The recipe whose judge is asked, or one made of a model by itself, as for an audit."""
    return judge_recipe(judge, labels=(), budget=None, overrides=overrides)


def default_out(constitution: Constitution) -> Path:
    """`runs/<name>.test` in the working directory."""
    name = "".join(mark if mark.isalnum() or mark in "-_" else "-" for mark in constitution.name)
    return Path("runs") / f"{name}.test"


def require_testable(constitution: Constitution, loaded: LoadedRecipe) -> list[Trial]:
    """All trials of the constitution, once everything is known to be in order; no model is loaded.

    Raises:
        BadInputError: it has no examples, some cannot be asked in this way, or the judge cannot be used.
    """
    found = trials(constitution)
    if not found:
        raise BadInputError(
            f"constitution {constitution.name}: no principle has an example to test\n"
            "  next: give principles `comparisons:` (prompt, chosen, rejected), or `examples:` with `finds`"
        )
    untested = [
        f"what is tested is not shown: {told}" for each in found if (told := lacks(each, loaded.labeling))
    ]
    problems = list(dict.fromkeys(untested)) + judge_problems(loaded)
    if problems:
        raise BadInputError("\n\n".join(problems))
    return found


def judge_problems(loaded: LoadedRecipe) -> list[str]:
    """What is wrong with a recipe's judges and templates, before any is asked."""
    try:
        found = loaded.prompts.problems()
    except PromptError as error:
        found = [str(error)]
    for role, settings in {JUDGE: loaded.judge, **loaded.judges}.items():
        place = "models.judge" if role == JUDGE else f"models.panel.{role}"
        found += model_problems(settings, place)
        if settings.engine == "reward":
            found.append(
                f"{place}: a reward model reads no principle, so a constitution says nothing to it\n"
                "  next: name a judge that answers in words"
            )
    return found


def try_constitution(
    constitution: Constitution,
    loaded: LoadedRecipe,
    out: Path,
    *,
    reporter: Reporter,
    control: bool = True,
    stop: Stop | None = None,
) -> Findings:
    """Put the constitution's examples to the recipe's judge; raises as `solon.run.run` does."""
    found = require_testable(constitution, loaded)

    async def ask() -> Findings:
        roles = {JUDGE: loaded.judge, **loaded.judges}
        bounds = {role: in_flight(settings) for role, settings in roles.items()}
        async with open_roles(roles, reporter.say) as engines:
            context = Context(engines, journal, loaded.recipe.seed, in_flight=bounds, stop=stop or Stop())
            return await ask_trials(
                constitution, loaded, context, trials=found, reporter=reporter, control=control
            )

    with Journal(out / ANSWERS) as journal:
        return asyncio.run(ask())


async def ask_trials(
    constitution: Constitution,
    loaded: LoadedRecipe,
    context: Context,
    *,
    trials: Sequence[Trial],
    reporter: Reporter,
    control: bool,
) -> Findings:
    """The same, of engines that are open."""
    program = Trier(loaded.prompts, loaded.labeling, loaded.recipe.critique, control)
    with reporter.stage("test", total=len(trials)) as bar:
        outcomes = await collect(run_rows(program, trials, context, on_done=bar.advance))
    failed = [each for each in outcomes if each.record is None]
    records = [each.record for each in outcomes if each.record is not None]
    found = meanings(constitution, records, [_principle_of(each) for each in failed])
    return Findings(
        constitution,
        _named(context.engines),
        loaded.labeling.method,
        tuple(found),
        tuple(f"{_principle_of(each)}: {each.message}" for each in failed),
        context.tally,
    )


def show(found: Findings, reporter: Reporter) -> None:
    """The table, what it comes to, and how little it says."""
    from rich import box
    from rich.table import Column, Table

    widest = max(len(each.principle) for each in found.meanings)
    name = Column("principle", min_width=widest)
    table = Table(
        name, "comparisons", "critiques", "as meant", "plainly", "moved by", "it does", box=box.SIMPLE
    )
    for each in found.meanings:
        table.add_row(*_cells(each))
    reporter.table(table)
    for line in _summary(found):
        reporter.say(line)


def _cells(found: Meaning) -> tuple[str, ...]:
    moves, plain = found.moved, found.plain
    return (
        found.principle,
        _part(found, "comparison"),
        _part(found, "critique"),
        "–" if found.share is None else _percent(found.share),
        "–" if plain is None else f"{plain} of {len(found.of('comparison'))}",
        "–" if moves is None else f"{moves:+.2f}",
        f"{found.does}{f' ({found.failed} failed)' if found.failed else ''}",
    )


def _part(found: Meaning, kind: Kind) -> str:
    tried, opposite = len(found.of(kind)), found.count("opposite", kind)
    against = f", {opposite} against" if opposite else ""
    return f"{found.count('meant', kind)} of {tried}{against}" if tried else "–"


def _summary(found: Findings) -> list[str]:
    counts = {
        does: [each.principle for each in found.meanings if each.does == does]
        for does in ("as meant", "undecided", "the opposite", "no examples")
    }
    words = ", ".join(f"{len(names)} {does}" for does, names in counts.items() if names)
    share, tried = overall(found.meanings), [one for each in found.meanings for one in each.tried]
    lines = [f"{found.judge}, method {found.method}: of {len(found.meanings)} principles {words}"]
    if share is not None:
        leans = leaning(tried)
        lines += [
            f"decided as meant, both orders agreeing: {_percent(share)} of {share.n} examples",
            f"on the mean of both orders {leans.towards} lean that way and {leans.against} the other",
        ]
    lines += _control(tried)
    if counts["the opposite"]:
        lines.append(f"prefer the opposite: {', '.join(counts['the opposite'])}")
    lines += [f"failed: {told}" for told in found.failures[:5]]
    return [*lines, f"{found.tally.asked} calls asked, {found.tally.found} found in the journal"]


def _control(tried: Sequence[Tried]) -> list[str]:
    compared = [each for each in tried if each.control is not None]
    plain, moves = plainly(compared), moved(compared)
    if plain is None:
        return []
    ours = sum(each.opinion.decided == "meant" for each in compared)
    moving = "" if moves is None else f"; the principles move the probability of it by {moves:+.3f}"
    return [f"comparisons: {ours} of {len(compared)} by the principle, {plain} by no principle{moving}"]


def _percent(share: Estimate) -> str:
    return f"{100 * share.value:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"


def _principle(found: Meaning) -> dict[str, object]:
    return {
        "id": found.principle,
        "does": found.does,
        "share": _as_json(found.share),
        "failed": found.failed,
        "plain": found.plain,
        "moved": found.moved,
        "examples": [{k: v for k, v in asdict(each).items() if k != "principle"} for each in found.tried],
    }


def _as_json(share: Estimate | None) -> dict[str, object] | None:
    if share is None:
        return None
    return {"value": share.value, "low": share.low, "high": share.high, "n": share.n}


def _principle_of(failed: Outcome[Tried]) -> str:
    return failed.row_id.partition("/")[0]


def _named(engines: Mapping[str, Engine]) -> str:
    return ", ".join(dict.fromkeys(engine.fingerprint.model for engine in engines.values()))
