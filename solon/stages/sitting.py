"""One sitting of a run: what every stage works with, from the start of a command to its end."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from engine.settings import ModelSettings
from pipeline.context import Context
from pipeline.gate import Stop
from pipeline.runner import HasId, Program
from solon.asking import Asking
from solon.console import Reporter
from solon.loaded_recipe import LoadedRecipe
from solon.progress import Progress
from solon.run_folder import RunFolder
from solon.stage import Stage
from solon.stages.outputs import Outputs
from solon.work import SizedRows, Work

Row = TypeVar("Row", bound=HasId)
Record = TypeVar("Record")


@dataclass(frozen=True)
class Sitting:
    """A recipe, its run folder and what is asked with; `seconds` are those of the stages done so far."""

    loaded: LoadedRecipe
    folder: RunFolder
    asking: Asking
    seconds: dict[Stage, float] = field(default_factory=dict)

    @property
    def progress(self) -> Progress:
        return self.asking.progress

    @property
    def reporter(self) -> Reporter:
        return self.asking.reporter

    @property
    def stop(self) -> Stop:
        return self.asking.stop

    @cached_property
    def outputs(self) -> Outputs:
        """What the stages made."""
        return Outputs(self.loaded, self.folder, self.progress)

    def engines(self, **roles: ModelSettings) -> AbstractAsyncContextManager[Context]:
        """Engines by role, and what their rows share."""
        return self.asking.engines(self.loaded.recipe.seed, **roles)

    async def rows(
        self,
        stage: Stage,
        program: Program[Row, Record] | Program[Row, Sequence[Record]],
        rows: SizedRows[Row],
        context: Context,
        *,
        kind: type[Record],
        folder: Path,
        many: bool = False,
    ) -> None:
        """Run what is not done yet of a stage's rows; `many` where a row gives several records."""
        work = Work(stage, self.outputs.made_from(stage), folder, kind, many)
        await self.asking.rows(work, program, rows, context)
