"""Runs a stage's rows into shards, under a progress bar, counted: what every stage that asks models shares.

In: a row program, its rows, and a context with the engines. Out: a finished folder of shards. Rows
that failed are kept beside them with their reasons.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast

from pipeline.context import Context, Tally
from pipeline.gate import StoppedError
from pipeline.runner import OPEN_ROWS, HasId, Program, run_rows
from pipeline.shards import Shards
from solon.console import Reporter
from solon.progress import Progress, StageProgress, State, cached_share

Row = TypeVar("Row", bound=HasId)
Record = TypeVar("Record")
AnyRow = TypeVar("AnyRow", covariant=True)


class SizedRows(Protocol[AnyRow]):
    """Rows whose number is known, and that can be gone through more than once."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[AnyRow]: ...


class RunError(Exception):
    """A stage cannot go on; the message says why and what to do next."""


@dataclass(frozen=True, slots=True)
class Work(Generic[Record]):
    """What a stage makes: records of a `kind` in a folder; `many` where a row gives several of them.

    `made_from` is the digest of its inputs, without the engines, which are known once they are open.
    `ends` says that nothing of the stage is left to do afterwards.
    """

    name: str
    made_from: str
    folder: Path
    kind: type[Record]
    many: bool = False
    ends: bool = False

    def records(self, given: object) -> Sequence[Record]:
        """A row's records, out of what its program gave; None where it failed."""
        if given is None:
            return ()
        return cast("Sequence[Record]", given if self.many else (given,))


async def run_stage(
    work: Work[Record],
    program: Program[Row, Record] | Program[Row, Sequence[Record]],
    rows: SizedRows[Row],
    context: Context,
    *,
    progress: Progress,
    reporter: Reporter,
) -> None:
    """Run the rows that are not in whole shards yet, and finish the folder.

    Raises:
        RunError: no row gave a record.
        StoppedError, EngineError, JournalError, StoreError: the work goes on from here another time.
    """
    engines = ",".join(f"{role}={engine.fingerprint.digest}" for role, engine in context.engines.items())
    with closing(Shards(work.folder, work.kind, made_by=f"{work.made_from} {engines}")) as shards:
        begun = progress.begin(work.name, work.made_from, total=len(rows), done=shards.rows, asks=True)
        begun.failed = dict(shards.manifest.failed)
        before, state = replace(begun.tally), cast("State", "failed")
        context = replace(context, tally=begun.tally)
        try:
            await _fill(
                shards, work, program, rows, context, begun=begun, progress=progress, reporter=reporter
            )
            _require_records(shards, work, len(rows))
            begun.failed = dict(shards.finish().failed)
            state = "done"
        except StoppedError:
            state = "stopped"
            raise
        finally:
            if work.ends or state != "done":
                progress.end(begun, state)
            _tell(work, begun, before, reporter)


async def _fill(
    shards: Shards[Record],
    work: Work[Record],
    program: Program[Row, Record] | Program[Row, Sequence[Record]],
    rows: SizedRows[Row],
    context: Context,
    *,
    begun: StageProgress,
    progress: Progress,
    reporter: Reporter,
) -> None:
    with reporter.stage(work.name, total=len(rows)) as bar:
        bar.advance(shards.rows)

        def done() -> None:
            begun.done += 1
            bar.advance()
            progress.tick(begun)

        open_rows = max(OPEN_ROWS, 2 * max(context.in_flight.values(), default=0))
        left = islice(rows, shards.rows, None)
        async for outcome in run_rows(program, left, context, open_rows=open_rows, on_done=done):
            if outcome.record is None:
                begun.failed[outcome.reason] = begun.failed.get(outcome.reason, 0) + 1
            shards.add(
                outcome.row_id, work.records(outcome.record), reason=outcome.reason, message=outcome.message
            )


def _require_records(shards: Shards[Record], work: Work[Record], count: int) -> None:
    """Shards without any record are not kept, so that the next run tries the rows again."""
    if shards.has_records:
        return
    first = shards.first_failure
    shards.restart()
    if first is None:
        raise RunError(f"{work.name}: {count} rows gave no record, and none of them failed")
    raise RunError(f"{work.name}: every row failed; the first reason: {first['message']}")


def _tell(work: Work[Record], begun: StageProgress, before: Tally, reporter: Reporter) -> None:
    """What this sitting asked; `before` is the tally that it began with."""
    spent = begun.tally.since(before)
    reporter.say(
        f"{work.name}: {spent.asked} calls asked, {spent.found} found in the journal, "
        f"{spent.prompt_tokens} prompt tokens{cached_share(spent)} and {spent.completion_tokens} new ones"
    )
    if begun.failed:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(begun.failed.items()))
        count = sum(begun.failed.values())
        reporter.say(f"{work.name}: {count} rows failed ({reasons}); see {work.folder}/failed-*.jsonl")
