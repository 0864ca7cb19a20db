"""What a run will cost, measured on a few rows of each stage: calls, tokens, seconds, money.

In: a recipe and how many rows to ask about. Out: a table, `estimate.json`, and a journal of the sample's
answers beside the run folder, which the run finds there and does not ask for again. Models that are not
trained yet are stood in for by the assistant; what training itself takes is not estimated.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from critique.model import Trajectory
from engine.settings import ModelSettings
from labeling.draw import Drawn
from labeling.model import Source
from pipeline.context import Context, Tally
from pipeline.gate import Stop
from pipeline.journal import Journal
from pipeline.runner import HasId, Outcome, Program, collect, run_rows
from solon.audit import audit_pairs, auditor
from solon.console import Reporter, duration
from solon.engines import in_flight, open_roles
from solon.estimated import Prices, StageEstimate, read_estimate, write_estimate
from solon.programs import answerer, candidates, labeler, reviser, training_requests
from solon.recipe import POLICIES, LoadedRecipe
from solon.run_folder import RunFolder, estimate_folder
from solon.suites import questions
from solon.work import SizedRows

Row = TypeVar("Row", bound=HasId)
Record = TypeVar("Record")


def estimate(
    loaded: LoadedRecipe, out: Path, reporter: Reporter, *, sample: int, prices: Prices, stop: Stop
) -> list[StageEstimate]:
    """Ask about `sample` rows of each stage and scale up to all; raises as `solon.run.run` does."""
    with Journal(estimate_folder(out) / "answers.log") as journal:
        stages = asyncio.run(_Estimate(loaded, journal, reporter, sample, stop, out, read_estimate(out)).go())
    write_estimate(out, stages)
    _show(stages, prices, reporter)
    return stages


@dataclass(frozen=True, slots=True)
class _Estimate:
    loaded: LoadedRecipe
    journal: Journal
    reporter: Reporter
    sample: int
    stop: Stop
    out: Path
    before: Sequence[StageEstimate] = ()

    async def go(self) -> list[StageEstimate]:
        stages: list[StageEstimate] = []
        loop = asyncio.get_running_loop()
        self.stop.then(lambda: loop.call_soon_threadsafe(lambda: None))
        assistant = self.loaded.assistant
        roles = {"assistant": assistant, "policy": assistant, "judge": self.loaded.judge, "model": assistant}
        roles["critic"] = self.loaded.critic
        roles = self.loaded.judges if self.loaded.recipe.data is None else roles | self.loaded.judges
        async with self._engines(roles) as context:
            if self.loaded.recipe.audit is not None:
                stages.append(await self._audit(context))
            if self.loaded.recipe.data is None:
                return stages
            requests = training_requests(self.loaded)
            # Whoever critiques plays the judge there, and need not be the one that labels.
            by_critic = replace(context, engines={**context.engines, "judge": context.engines["critic"]})
            told, figures = await self._measure(
                "critique", reviser(self.loaded), requests, by_critic, again=True
            )
            stages.append(figures)
            if self.loaded.recipe.labeling is not None:
                stages.append(await self._label(told, len(requests), context))
            stages += await self._evaluate(context)
        return stages

    async def _audit(self, context: Context) -> StageEstimate:
        rows = audit_pairs(self.loaded, RunFolder(self.out)).rows
        _, figures = await self._measure("audit", auditor(self.loaded), rows, context, again=True)
        return figures

    async def _label(
        self, told: Sequence[Outcome[Trajectory]], requests: int, context: Context
    ) -> StageEstimate:
        trajectories = [outcome.record for outcome in told if outcome.record is not None]
        rows = candidates(self.loaded, trajectories)
        total = round(self._kept_by_limits(rows, scale=requests / max(len(told), 1)))
        again = self.loaded.recipe.training.sft is None
        figures = await self._measure("label", labeler(self.loaded), rows, context, again=again, total=total)
        return figures[1]

    def _kept_by_limits(self, rows: Drawn, *, scale: float) -> float:
        """The rows to label of all prompts, `scale` times as many as were sampled: limits count pairs."""
        settings = self.loaded.recipe.labeling
        if settings is None or not len(rows):
            return 0.0
        pairs: dict[Source, float] = {
            source: scale * sum(source in row.pairs for row in rows) for source in settings.pairs
        }
        kept = sum(min(n, settings.limits.get(source, n)) for source, n in pairs.items())
        return len(rows) * scale * kept / sum(pairs.values())

    async def _evaluate(self, context: Context) -> list[StageEstimate]:
        if self.loaded.recipe.evaluation is None:
            return []
        asked, program = questions(self.loaded), answerer(self.loaded)
        _, base = await self._measure("evaluate base", program, asked, context, again=True)
        trained = [stage for stage in POLICIES if self.loaded.recipe.section(stage) is not None]
        return [base, *(_like(base, f"evaluate {name}") for name in trained)]

    async def _measure(
        self,
        name: str,
        program: Program[Row, Record],
        rows: SizedRows[Row],
        context: Context,
        *,
        again: bool,
        total: int | None = None,
    ) -> tuple[list[Outcome[Record]], StageEstimate]:
        """Run evenly drawn rows; answers of an earlier sample count, and have no time of their own."""
        counted = replace(context, tally=Tally())
        drawn = _spread(rows, self.sample)
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

    @asynccontextmanager
    async def _engines(self, roles: dict[str, ModelSettings]) -> AsyncIterator[Context]:
        bounds = {role: in_flight(settings) for role, settings in roles.items()}
        async with open_roles(roles, self.reporter.say) as engines:
            seed = self.loaded.recipe.seed
            yield Context(engines, self.journal, seed, in_flight=bounds, stop=self.stop)


def _spread(rows: SizedRows[Row], count: int) -> list[Row]:
    """So many rows, evenly from first to last: kinds stand one behind the other."""
    count = min(count, len(rows))
    wanted = {number * len(rows) // count for number in range(count)}
    return [row for number, row in enumerate(rows) if number in wanted]


def _like(base: StageEstimate, name: str) -> StageEstimate:
    """Another model on the same prompts, whose answers are taken to be as long."""
    return replace(base, name=name, again=0)


def _show(stages: Sequence[StageEstimate], prices: Prices, reporter: Reporter) -> None:
    from rich.table import Table

    table = Table("stage", "rows", "calls", "prompt tokens", "completion tokens", "time", "money")
    for stage in stages:
        table.add_row(*_cells(stage, prices))
    table.add_row(
        "all",
        "",
        f"{sum(stage.calls for stage in stages):,.0f}",
        f"{sum(stage.prompt_tokens for stage in stages):,.0f}",
        f"{sum(stage.completion_tokens for stage in stages):,.0f}",
        duration(sum(stage.seconds for stage in stages)),
        f"{sum(map(prices.of, stages)):,.2f}",
    )
    reporter.table(table)
    reporter.say(
        "Scaled up from the sample, at its pace: more rows at once go faster on an engine that batches. "
        "Training is not in it, and its models are taken to answer as the assistant does."
    )


def _cells(stage: StageEstimate, prices: Prices) -> tuple[str, ...]:
    return (
        stage.name,
        f"{stage.rows:,} ({stage.sample} asked)",
        f"{stage.calls:,.0f}",
        f"{stage.prompt_tokens:,.0f}",
        f"{stage.completion_tokens:,.0f}",
        duration(stage.seconds),
        f"{prices.of(stage):,.2f}",
    )
