"""A few rows of a stage, asked for real, and what they took scaled up to all of them.

In: a stage's program and rows. Out: the sample's outcomes and a `StageEstimate`. Answers go to a journal of
the sample's own, where the run finds them.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from engine.settings import ModelSettings
from pipeline.context import Context, Tally
from pipeline.gate import Stop
from pipeline.journal import Journal
from pipeline.runner import HasId, Outcome, Program, collect, run_rows
from solon.console import Reporter
from solon.engines import in_flight, open_roles
from solon.estimated import StageEstimate
from solon.work import SizedRows

Row = TypeVar("Row", bound=HasId)
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Sample:
    """Asks about `size` rows of each stage; `before` is the estimate that was made before, for its pace."""

    journal: Journal
    reporter: Reporter
    size: int
    seed: int
    stop: Stop
    before: Sequence[StageEstimate] = ()

    @asynccontextmanager
    async def engines(self, roles: Mapping[str, ModelSettings]) -> AsyncIterator[Context]:
        """Engines by role, and what their rows share."""
        bounds = {role: in_flight(settings) for role, settings in roles.items()}
        async with open_roles(roles, self.reporter.say) as engines:
            yield Context(engines, self.journal, self.seed, in_flight=bounds, stop=self.stop)

    async def measure(
        self,
        name: str,
        program: Program[Row, Record],
        rows: SizedRows[Row],
        context: Context,
        *,
        again: bool,
        total: int | None = None,
    ) -> tuple[list[Outcome[Record]], StageEstimate]:
        """Run evenly drawn rows; answers of an earlier sample count, and have no time of their own.

        `total` is how many rows the stage has where they are not those that were given; `again` says that the
        run will need these very answers.
        """
        counted = replace(context, tally=Tally())
        drawn = spread(rows, self.size)
        started = time.monotonic()
        with self.reporter.stage(f"{name} (sample)", total=len(drawn)) as bar:
            outcomes = await collect(run_rows(program, drawn, counted, on_done=bar.advance))
        every, tally = len(rows) if total is None else total, counted.tally
        scale, calls = every / max(len(drawn), 1), tally.asked + tally.found
        prompt = tally.prompt_tokens + tally.found_prompt_tokens
        completion = tally.completion_tokens + tally.found_completion_tokens
        per_call = (time.monotonic() - started) / tally.asked if tally.asked else self._known_pace(name)
        return outcomes, StageEstimate(
            name,
            rows=every,
            sample=len(drawn),
            calls=scale * calls,
            prompt_tokens=scale * prompt,
            completion_tokens=scale * completion,
            seconds=scale * calls * per_call,
            again=prompt + completion if again else 0,
        )

    def _known_pace(self, name: str) -> float:
        """Seconds a call, from the estimate before; 0 where there is none."""
        known = {stage.name: stage for stage in self.before}
        return known[name].seconds / known[name].calls if name in known and known[name].calls else 0.0


def spread(rows: SizedRows[Row], count: int) -> list[Row]:
    """So many rows, evenly from first to last: kinds stand one behind the other."""
    count = min(count, len(rows))
    wanted = {number * len(rows) // count for number in range(count)}
    return [row for number, row in enumerate(rows) if number in wanted]
