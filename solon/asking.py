"""How a command asks models: engines by role, one journal, one list of what is done.

In: the journal, progress and reporter of a run folder. Out: contexts with open engines, and finished folders
of records. The stages of a run and the evaluation of several runs ask through this.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from engine.settings import ModelSettings
from pipeline.context import Context
from pipeline.gate import Stop
from pipeline.journal import Journal
from pipeline.runner import HasId, Program
from solon.console import Reporter
from solon.engines import in_flight, open_roles
from solon.progress import Progress
from solon.work import SizedRows, Work, run_stage

Row = TypeVar("Row", bound=HasId)
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Asking:
    """What a folder's stages ask with."""

    journal: Journal
    progress: Progress
    reporter: Reporter
    stop: Stop

    @contextlib.asynccontextmanager
    async def engines(self, seed: int, **roles: ModelSettings) -> AsyncIterator[Context]:
        """Engines by role, and what their rows share; `seed` is what rows draw from."""
        bounds = {role: in_flight(settings) for role, settings in roles.items()}
        async with open_roles(roles, self.reporter.say) as engines:
            yield Context(engines, self.journal, seed, in_flight=bounds, stop=self.stop)

    async def rows(
        self,
        work: Work[Record],
        program: Program[Row, Record] | Program[Row, Sequence[Record]],
        rows: SizedRows[Row],
        context: Context,
    ) -> Path:
        """Run what is not done yet; gives the finished folder."""
        await run_stage(work, program, rows, context, progress=self.progress, reporter=self.reporter)
        return work.folder


def open_journal(path: Path, reporter: Reporter, *, also: Sequence[Path] = ()) -> Journal:
    """The journal at a path, and what the others hold to be found; says what was amiss with it."""
    journal = Journal(path, also=[other for other in also if other.is_file()])
    if journal.left_by is not None:
        reporter.say(f"journal: taken over from {journal.left_by}, which ended without closing it")
    if journal.cut_off:
        reporter.say(f"journal: a record cut short by a crash was taken off ({journal.cut_off} bytes)")
    return journal
