"""The main job, stage by stage: audit, critique, SFT, labels, reward model, DPO, PPO, evaluation, report.

Each stage (`solon.stages`) reads what the one before it stored in the run folder and stores its own output
there. A run that was stopped goes on where it stood: finished stages are skipped, whole shards of an
unfinished one too, and answers behind them come from the journal. A finished stage is made again where what
it was made from changed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from pipeline.gate import Stop, StoppedError
from solon.asking import Asking, open_journal
from solon.audit import require_fit
from solon.console import Reporter
from solon.estimated import compared
from solon.loaded_recipe import LoadedRecipe
from solon.memory import give_back
from solon.progress import Progress, State
from solon.run_folder import RunFolder, diff_folder, estimate_folder
from solon.stage import Stage
from solon.stages.audit import audit
from solon.stages.critique import critique
from solon.stages.evaluate import evaluate
from solon.stages.label import label
from solon.stages.sitting import Sitting
from solon.stages.train import train
from training.settings import MethodName

_STAGES: Mapping[Stage, Callable[[Sitting], Awaitable[None]]] = {
    **{method: partial(train, method=method) for method in get_args(MethodName)},
    "audit": audit,
    "critique": critique,
    "label": label,
    "evaluate": evaluate,
}


def run(
    loaded: LoadedRecipe,
    folder: RunFolder,
    stages: Sequence[Stage] | None,
    reporter: Reporter,
    *,
    stop: Stop | None = None,
) -> None:
    """Run the stages (all that the recipe has, if None) in the folder, and go on with what is half done.

    Raises:
        RunError: a stage has nothing to go on with, or needs one that has not run.
        StoppedError: `stop` was asked; everything that had come is kept.
        EngineError, TrainingError, JournalError, StoreError: as the parts below say.
    """
    beside = (estimate_folder(folder.path), diff_folder(folder.path))
    also = [place / folder.answers.name for place in beside]
    with open_journal(folder.answers, reporter, also=also) as journal:
        progress = Progress(folder.progress)
        progress.go_on(journal)
        sitting = Sitting(loaded, folder, Asking(journal, progress, reporter, stop or Stop()))
        asyncio.run(_go(sitting, stages or loaded.recipe.stages))


async def _go(sitting: Sitting, stages: Sequence[Stage]) -> None:
    loop = asyncio.get_running_loop()
    # A signal's handler runs between two steps of the loop: this wakes it to take them.
    sitting.stop.then(lambda: loop.call_soon_threadsafe(lambda: None))
    for stage in stages:
        await _do(stage, sitting)
        if stage == "audit" and not set(stages).isdisjoint(sitting.loaded.recipe.learns_from_judge):
            require_fit(sitting.loaded, sitting.folder)
    comparison = compared(sitting.progress.stages, sitting.folder)
    if comparison:
        sitting.reporter.say(comparison)


async def _do(stage: Stage, sitting: Sitting) -> None:
    """Do the stage, unless it was done from the same inputs."""
    progress, output = sitting.progress, _output(stage, sitting.folder)
    if sitting.stop.asked:
        raise StoppedError(f"stopped before {stage}")
    inputs = sitting.outputs.made_from(stage)
    if output.exists() and progress.is_done(stage, inputs):
        sitting.reporter.say(f"{stage}: done before, in {output}")
        return
    begun = progress.begin(stage, inputs)
    state: State = "failed"
    try:
        await _STAGES[stage](sitting)
        state = "done"
    except (StoppedError, asyncio.CancelledError):
        state = "stopped"
        raise
    finally:
        progress.end(begun, state)
        give_back()
    sitting.seconds[stage] = begun.seconds
    sitting.reporter.say(f"{stage}: {begun.seconds:.0f} s in all")


def _output(stage: Stage, folder: RunFolder) -> Path:
    """What is there once the stage is done."""
    outputs: Mapping[Stage, Path] = {
        "audit": folder.audit,
        "critique": folder.trajectories,
        "label": folder.comparisons,
        "evaluate": folder.report,
    }
    return outputs.get(stage) or folder.model(stage)
