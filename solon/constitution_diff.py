"""`solon constitution diff --run`: what an edit of a constitution would change in a run, before it is made.

In: two constitutions and a run's folder. Out: the labels, pairs and critiques that flip, and what it cost to
know. The run's journal is read, not written and not locked, so that the run may be going on; new answers go
to a journal beside its folder, where the run finds them once it goes on with the edit.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from constitution.model import Constitution
from critique.model import Trajectory
from critique.revise import Reviser
from critique.rewritten import Rewriter, Rewritten, Rounds, Standing
from labeling.flips import Drawing, Relabeler, Relabelled, Touched
from labeling.judge import METHODS, Judge
from labeling.model import JUDGE
from labeling.trust import Trust
from pipeline.context import Context, Tally
from pipeline.gate import Stop
from pipeline.journal import Journal
from pipeline.runner import HasId, Program, run_rows
from pipeline.shards import read_manifest
from pipeline.store import iter_records
from solon.audit import trust
from solon.console import Reporter
from solon.constitution_pairs import edited_pairs
from solon.constitution_trial import ANSWERS, judge_problems
from solon.engines import in_flight, open_roles
from solon.errors import BadInputError
from solon.loaded_recipe import LoadedRecipe
from solon.run_folder import RunFolder, diff_folder, estimate_folder, load_run_recipe
from solon.status import StatusError

CRITIC = "critic"
"""The role of the model that writes critiques: the judge, or the assistant where the judge only rates."""

Row = TypeVar("Row", bound=HasId)
Record = TypeVar("Record")


@dataclass(slots=True)
class Flips:
    """What an edit changes in a run.

    `before` and `after` count the calls under either constitution; those of `before` were asked only where
    the run had not been made with it. `asked` is whether anything was asked at all.
    """

    asked: bool
    drawing: Drawing = field(default_factory=Drawing)
    rounds: Rounds = field(default_factory=Rounds)
    relabelled: list[Relabelled] = field(default_factory=list)
    rewritten: list[Rewritten] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    before: Tally = field(default_factory=Tally)
    after: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class Compared:
    """Two constitutions over what a run has made so far."""

    before: Constitution
    after: Constitution
    loaded: LoadedRecipe
    folder: RunFolder

    @property
    def made_with_before(self) -> bool:
        """Whether the run was made with the first of the two."""
        kept = json.loads(self.folder.inputs.read_text(encoding="utf-8"))
        return kept.get("constitution") == self.before.digest

    @property
    def judges(self) -> tuple[Judge, Judge]:
        prompts, settings = self.loaded.prompts, self.loaded.labeling
        return Judge(self.before, prompts, settings), Judge(self.after, prompts, settings)

    @property
    def revisers(self) -> tuple[Reviser, Reviser]:
        prompts, settings = self.loaded.prompts, self.loaded.recipe.critique
        return Reviser(self.before, prompts, settings), Reviser(self.after, prompts, settings)

    @property
    def trust(self) -> Trust | None:
        """What the run's audit makes of its judge's labels, where it has one."""
        return trust(self.loaded, self.folder) if self.folder.audit.is_file() else None

    def pairs(self, drawing: Drawing, rewritten: Sequence[Rewritten] = ()) -> Iterator[Touched]:
        """The rows whose labels are touched, counted on their way; `rewritten` is what pairs may be made of.

        The pairs of a run that was made with another constitution are taken as they are.
        """
        if not _is_whole(self.folder.comparisons):
            return iter(())
        pairs = edited_pairs(
            self.loaded,
            self.folder,
            constitutions=(self.before, self.after),
            rewritten={each.id: each for each in rewritten} if self.made_with_before else {},
        )
        return drawing.rows(pairs, *self.judges, seed=self.loaded.recipe.seed)

    def trajectories(self, rounds: Rounds) -> Iterator[Standing]:
        """The rows whose critiques are touched, counted on their way."""
        folder = self.folder.trajectories
        made = iter_records(folder, Trajectory) if _is_whole(folder) else ()
        return rounds.rows(made, *self.revisers, seed=self.loaded.recipe.seed)


def compare_in_run(before: Constitution, after: Constitution, run: Path) -> Compared:
    """What is to be compared, once it is known to be in order; no model is loaded.

    Raises:
        StatusError: there is no run in the folder.
        BadInputError: it has made nothing yet, or a constitution or the judge cannot serve it.
    """
    folder = RunFolder(run)
    if not folder.recipe.is_file():
        raise StatusError(f"{run}: holds no run\n  next: name a run's folder, such as runs/<name>")
    loaded = load_run_recipe(folder)
    labels, critiques = _is_whole(folder.comparisons), _is_whole(folder.trajectories)
    if not labels and not critiques:
        raise BadInputError(
            f"{run}: neither critiques nor labels are made yet, so an edit flips none\n"
            "  next: solon run, or leave out --run to see the difference alone"
        )
    problems = [told for each in (before, after) for told in _lacking(each, loaded, labels, critiques)]
    problems += judge_problems(loaded)
    if problems:
        raise BadInputError("\n\n".join(problems))
    return Compared(before, after, loaded, folder)


def flips_in_run(
    compared: Compared, *, reporter: Reporter, ask: bool = True, stop: Stop | None = None
) -> Flips:
    """Ask what the edit touches and say what it changes; without `ask` only what it touches is counted.

    Raises:
        EngineError, JournalError, StoppedError: as `solon.run.run` does.
    """
    found = Flips(ask)
    pairs = sum(1 for _ in compared.pairs(found.drawing))
    rows = sum(1 for _ in compared.trajectories(found.rounds))
    if ask and pairs + rows:
        with _journal(compared.folder) as journal:
            asyncio.run(_ask(compared, found, journal, reporter=reporter, stop=stop or Stop()))
    return found


async def ask_flips(compared: Compared, found: Flips, context: Context, *, reporter: Reporter) -> None:
    """Ask about all that is touched, of engines that are open, and add it to what was found."""
    asking = replace(context, tally=found.after)
    context = replace(context, tally=found.before)
    critic = {JUDGE: context.engines.get(CRITIC, context.engines[JUDGE])}
    rewrite = Rewriter(*compared.revisers, replace(asking, engines=critic))
    await _collect(
        "critiques", rewrite, lambda: compared.trajectories(Rounds()), replace(context, engines=critic),
        found=found, reporter=reporter, keep=found.rewritten.append,
    )  # fmt: skip
    found.drawing = Drawing()
    rows = sum(1 for _ in compared.pairs(found.drawing, found.rewritten))
    relabel = Relabeler(*compared.judges, asking)
    await _collect(
        "labels", relabel, lambda: compared.pairs(Drawing(), found.rewritten), context, found=found,
        reporter=reporter, keep=found.relabelled.extend, total=rows,
    )  # fmt: skip


async def _ask(compared: Compared, found: Flips, journal: Journal, *, reporter: Reporter, stop: Stop) -> None:
    async with _opened(compared.loaded, journal, reporter, stop) as context:
        await ask_flips(compared, found, context, reporter=reporter)


async def _collect(
    name: str,
    program: Program[Row, Record],
    rows: Callable[[], Iterator[Row]],
    context: Context,
    *,
    found: Flips,
    reporter: Reporter,
    keep: Callable[[Record], object],
    total: int | None = None,
) -> None:
    total = sum(1 for _ in rows()) if total is None else total
    if not total:
        return
    with reporter.stage(name, total=total) as bar:
        async for outcome in run_rows(program, rows(), context, on_done=bar.advance):
            if outcome.record is not None:
                keep(outcome.record)
            else:
                found.failed[outcome.reason] += 1


@asynccontextmanager
async def _opened(
    loaded: LoadedRecipe, journal: Journal, reporter: Reporter, stop: Stop
) -> AsyncIterator[Context]:
    """The run's judges, and the model that writes its critiques."""
    roles = {CRITIC: loaded.critic, JUDGE: loaded.judge, **loaded.judges}
    bounds = {role: in_flight(settings) for role, settings in roles.items()}
    async with open_roles(roles, reporter.say) as engines:
        yield Context(engines, journal, loaded.recipe.seed, in_flight=bounds, stop=stop)


def _journal(folder: RunFolder) -> Journal:
    """New answers beside the run; the run's own, and those of its estimate, are only read."""
    also = [folder.answers, estimate_folder(folder.path) / folder.answers.name]
    return Journal(diff_folder(folder.path) / ANSWERS, also=[path for path in also if path.is_file()])


def _is_whole(folder: Path) -> bool:
    manifest = read_manifest(folder)
    return manifest is not None and manifest.complete


def _lacking(
    constitution: Constitution, loaded: LoadedRecipe, labels: bool, critiques: bool
) -> Iterator[str]:
    drawn = [principle for principle in constitution.principles if principle.weight > 0]
    if critiques and not any(principle.can_revise for principle in drawn):
        yield f"constitution {constitution.name}: no principle with a weight above 0 can revise"
    if not labels:
        return
    if not any(principle.can_compare for principle in drawn):
        yield f"constitution {constitution.name}: no principle with a weight above 0 can compare"
    elif lacking := METHODS[loaded.labeling.method].lacks(constitution):
        yield f"constitution {constitution.name}: {lacking}"
