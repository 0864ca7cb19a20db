"""What a method of training is given by a run: rows, the model to go on from, settings.

In: a recipe and what its earlier stages made. Out: a `Training`, which trains in the process that writes
(`solon.stages.train`), in those beside it, or is only looked at (`solon.dry_run`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from engine.settings import ModelSettings
from pipeline.store import StoredRows
from prompts.message import Conversation
from solon.imitated import imitated
from solon.loaded_recipe import LoadedRecipe
from solon.programs import prompts_to_answer
from solon.progress import Progress
from solon.run_folder import RunFolder
from solon.stage import LEARN_FROM_LABELS, SECTIONS
from solon.stages.outputs import Outputs
from solon.work import RunError
from training.judge import OnlineJudge
from training.model import Trained, TrainingProgress
from training.settings import MethodName, OnlineSettings, TrainerSettings


@dataclass(frozen=True, slots=True)
class Training:
    """What a method is given: rows, the model to go on from, settings; `judged`: its judge has to be fit."""

    method: MethodName
    rows: Iterable[Mapping[str, object]]
    model: ModelSettings
    settings: TrainerSettings
    judged: bool
    out: Path
    seed: int

    def train(
        self,
        *,
        card: Mapping[str, str] | None = None,
        samples: Sequence[Conversation] = (),
        progress: Callable[[TrainingProgress], None] | None = None,
        judge: OnlineJudge | None = None,
    ) -> Trained:
        """Raises `TrainingError`, as `training.method` says."""
        from training.methods import METHODS

        return METHODS[self.method](
            self.rows,
            model=self.model,
            settings=self.settings,
            out=self.out,
            seed=self.seed,
            card=card or {},
            samples=samples,
            progress=progress,
            judge=judge,
        )


def training_of(method: MethodName, outputs: Outputs) -> Training:
    """What a method is to be given; `RunError` where that is not there."""
    loaded = outputs.loaded
    settings = loaded.recipe.section(method)
    if settings is None:
        raise RunError(f"the recipe has no `{SECTIONS[method]}` section; add one, or leave this stage out")
    online = loaded.online(method)
    if online is not None:
        settings = _rewarded(online, outputs)
    return Training(
        method,
        _learnt_from(method, outputs),
        loaded.assistant if method == "sft" else outputs.sl_model(),
        cast("TrainerSettings", settings),
        method in loaded.recipe.learns_from_judge,
        outputs.folder.model(method),
        loaded.recipe.seed,
    )


def trainings(loaded: LoadedRecipe, folder: RunFolder, methods: Sequence[MethodName]) -> Iterator[Training]:
    """What each method would be given, one after the other; nothing is written.

    Raises:
        RunError: what it learns from is not there.
    """
    outputs = Outputs(loaded, folder, Progress(folder.progress))
    yield from (training_of(method, outputs) for method in methods)


def follow(loaded: LoadedRecipe, folder: RunFolder) -> None:
    """Train beside the first process of several, by each method that it begins, and write nothing.

    Raises:
        TrainingError: as the first process does.
    """
    from training.processes import shared

    while (method := shared(_nothing)) is not None:
        training_of(method, Outputs(loaded, folder, Progress(folder.progress))).train()


def _nothing() -> MethodName | None:
    """What a process that only follows has to say of what is trained next."""
    return None


def _learnt_from(method: MethodName, outputs: Outputs) -> Iterable[Mapping[str, object]]:
    """The dataset that a method reads, if it is there, or the prompts that it answers."""
    folder, online = outputs.folder, outputs.loaded.online(method)
    if online is not None:
        return prompts_to_answer(outputs.loaded, online)
    if method == "sft":
        return imitated(outputs.loaded, _revised(outputs))
    return StoredRows(outputs.made("label", folder.dataset(LEARN_FROM_LABELS[method]), needs="label"))


def _revised(outputs: Outputs) -> Iterable[Mapping[str, object]]:
    """The SFT dataset; none where the recipe has no prompts that are critiqued."""
    if outputs.loaded.data.red_team is None:
        return ()
    return StoredRows(outputs.made("critique", outputs.folder.sft_dataset, needs="critique"))


def _rewarded(settings: OnlineSettings, outputs: Outputs) -> OnlineSettings:
    """The settings with the folders of all reward models; the run's own has to be there."""
    folder = outputs.folder.model("reward")
    if settings.uses_run:
        outputs.made("reward", folder, needs="train reward")
    return settings.with_run(folder.resolve())
