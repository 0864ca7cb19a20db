"""A run as its folder shows it, made by the real stages' programs and a scripted model."""

import json
from collections.abc import Sequence
from pathlib import Path

from constitution.model import Constitution, Principle
from critique.model import Request, Text, Trajectory
from critique.revise import Reviser
from engine.scripted import ScriptedEngine
from labeling.draw import Drawn
from labeling.judge import Judge
from labeling.model import Comparison, Labelled
from labeling.pairs import Labeler
from pipeline.context import Context
from pipeline.journal import Journal
from pipeline.runner import run_rows
from pipeline.store import write_records
from prompts.message import Message
from solon.programs import candidate
from solon.run_folder import RunFolder, load_run_recipe

SEED = 3
RECIPE = f"name: r\nseed: {SEED}\nconstitution: starter\ndata: {{red_team: {{path: red.jsonl}}}}\n"


def principles(*names: str, weight: float = 1.0) -> tuple[Principle, ...]:
    return tuple(
        Principle(
            id=name,
            critique_request=f"What of it is not {name}?",
            revision_request=f"Make it {name}.",
            comparison_question=f"Which is better by {name}?",
            weight=weight,
        )
        for name in names
    )


def constitution(*given: Principle) -> Constitution:
    return Constitution(name="test", version="1", principles=given)


def edited(given: Constitution, name: str, **changes: object) -> Constitution:
    """The constitution with another text, or weight, in one principle."""
    kept = (each.model_copy(update=changes) if each.id == name else each for each in given.principles)
    return constitution(*kept)


def comparisons(count: int) -> list[Comparison]:
    return [
        Comparison(
            f"row-{number}/revision",
            "revision",
            (Message("user", f"Question {number}?"),),
            Text(f"GOOD answer {number}", False, 3),
            Text(f"BAD answer {number}", False, 3),
        )
        for number in range(count)
    ]


def requests(count: int) -> list[Request]:
    return [
        Request(f"row-{number}", "red_team", (Message("user", f"Question {number}?"),))
        for number in range(count)
    ]


async def made(
    folder: Path,
    given: Constitution,
    engine: ScriptedEngine,
    *,
    pairs: int = 0,
    rows: int = 0,
    recipe: str = "labeling: {pairs: [revision]}\n",
) -> RunFolder:
    """A run's folder: its recipe, its journal, and as many labelled pairs and criticised rows."""
    run = _begun(folder, given, recipe)
    loaded = load_run_recipe(run)
    with Journal(run.answers) as journal:
        context = Context({"judge": engine, "assistant": engine}, journal, SEED)
        if pairs:
            judge = Judge(given, loaded.prompts, loaded.labeling)
            labelled = [
                Labelled(each, await judge.judge(each, context.row(each.row))) for each in comparisons(pairs)
            ]
            write_records(run.comparisons, labelled, Labelled)
        if rows:
            reviser = Reviser(given, loaded.prompts, loaded.recipe.critique)
            write_records(run.trajectories, await _trajectories(reviser, requests(rows), context), Trajectory)
    return run


async def carried_through(
    folder: Path, given: Constitution, engine: ScriptedEngine, requests: Sequence[Request], *, recipe: str
) -> RunFolder:
    """A run's folder with the pairs that its own trajectories make, judged: the whole chain."""
    run = _begun(folder, given, recipe)
    loaded = load_run_recipe(run)
    reviser = Reviser(given, loaded.prompts, loaded.recipe.critique)
    labeler = Labeler(Judge(given, loaded.prompts, loaded.labeling))
    with Journal(run.answers) as journal:
        context = Context({"judge": engine, "assistant": engine, "policy": engine}, journal, SEED)
        made = await _trajectories(reviser, requests, context)
        rows = Drawn([candidate(loaded, each, given) for each in made], loaded.labeling, seed=SEED)
        outcomes = [outcome async for outcome in run_rows(labeler, rows, context)]
    write_records(run.trajectories, made, Trajectory)
    labelled = [each for outcome in outcomes for each in outcome.record or ()]
    write_records(run.comparisons, labelled, Labelled)
    return run


def _begun(folder: Path, given: Constitution, recipe: str) -> RunFolder:
    run = RunFolder(folder)
    folder.mkdir()
    run.recipe.write_text(f"# All settings of the run, read from {folder}/r.yaml.\n{RECIPE}{recipe}")
    run.inputs.write_text(json.dumps({"constitution": given.digest}))
    return run


async def _trajectories(reviser: Reviser, rows: Sequence[Request], context: Context) -> list[Trajectory]:
    outcomes = [outcome async for outcome in run_rows(reviser, rows, context)]
    return [outcome.record for outcome in outcomes if outcome.record is not None]
