"""What a run's stages made: each output, if it is there and made from what the recipe says now.

In: a loaded recipe, its run folder and the list of what is done. Out: paths and models of earlier stages, or
a `RunError` that names the command which makes what is missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from engine.settings import ModelSettings
from solon.checkpoints import reached
from solon.input_digests import input_digests
from solon.loaded_recipe import LoadedRecipe
from solon.progress import Progress
from solon.run_folder import RunFolder
from solon.stage import Stage
from solon.stage_inputs import made_from
from solon.work import RunError


@dataclass(frozen=True)
class Outputs:
    """The outputs of one run's stages."""

    loaded: LoadedRecipe
    folder: RunFolder
    progress: Progress

    def made_from(self, stage: Stage) -> str:
        """The digest of a stage's inputs as they are now."""
        return made_from(stage, self.loaded, self._files, folder=self.folder, progress=self.progress)

    def made(self, stage: Stage, output: Path, *, needs: str) -> Path:
        """The output of an earlier stage, if it is there and of this recipe; else which command makes it."""
        if not output.exists():
            raise RunError(f"{output}: not there yet; run `solon {needs}` first")
        if not self.progress.is_done(stage, self.made_from(stage)):
            raise RunError(
                f"{output}: unfinished, or made from other inputs; run `solon {needs}` first, or `solon run`"
            )
        return output

    def trained(self, method: Stage) -> ModelSettings:
        """The assistant as a method left it."""
        return reached(self.loaded, self.made(method, self.folder.model(method), needs=f"train {method}"))

    def sl_model(self) -> ModelSettings:
        """The assistant after SFT, or as it is where the recipe has no SFT stage."""
        return self.loaded.assistant if self.loaded.recipe.training.sft is None else self.trained("sft")

    def require_audit(self) -> None:
        """Where the recipe has an audit, it has to be there before labels are believed."""
        if self.loaded.recipe.audit is not None:
            self.made("audit", self.folder.audit, needs="audit")

    @cached_property
    def _files(self) -> Mapping[str, str]:
        return input_digests(self.loaded)
