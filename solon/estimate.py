"""What a run will cost, measured on a few rows of each stage: calls, tokens, seconds, money.

In: a recipe and how many rows to ask about. Out: a table, `estimate.json`, and a journal of the sample's
answers beside the run folder, which the run finds there and does not ask for again. Models that are not
trained yet are stood in for by the assistant; what training itself takes is not estimated.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from critique.model import Trajectory
from engine.settings import ModelSettings
from evaluation.answer import MODEL
from evaluation.diverge import REFERENCE
from labeling.draw import Drawn
from labeling.model import JUDGE, Source
from pipeline.context import Context
from pipeline.gate import Stop
from pipeline.journal import Journal
from pipeline.runner import Outcome
from solon.audit import audit_pairs, auditor
from solon.console import Reporter, duration
from solon.estimate_evaluation import Evaluating
from solon.estimated import Prices, StageEstimate, read_estimate, write_estimate
from solon.loaded_recipe import LoadedRecipe
from solon.programs import candidates, labeler, reviser, training_requests
from solon.run_folder import RunFolder, estimate_folder
from solon.sample import Sample


def estimate(
    loaded: LoadedRecipe, out: Path, reporter: Reporter, *, sample: int, prices: Prices, stop: Stop
) -> list[StageEstimate]:
    """Ask about `sample` rows of each stage and scale up to all; raises as `solon.run.run` does."""
    with Journal(estimate_folder(out) / "answers.log") as journal:
        asking = Sample(journal, reporter, sample, loaded.recipe.seed, stop, read_estimate(out))
        stages = asyncio.run(_Estimate(loaded, asking, out).go())
    write_estimate(out, stages)
    _show(stages, prices, reporter)
    return stages


@dataclass(frozen=True, slots=True)
class _Estimate:
    loaded: LoadedRecipe
    sample: Sample
    out: Path

    async def go(self) -> list[StageEstimate]:
        loop = asyncio.get_running_loop()
        self.sample.stop.then(lambda: loop.call_soon_threadsafe(lambda: None))
        stages: list[StageEstimate] = []
        evaluating = Evaluating(self.loaded, self.sample, self.out)
        async with self.sample.engines(self._roles) as context:
            if self.loaded.recipe.audit is not None:
                stages.append(await self._audit(context))
            if "critique" in self.loaded.recipe.stages:
                stages += await self._critique(context)
            if self.loaded.recipe.evaluation is not None:
                stages += await evaluating.answers_and_comparisons(context)
        # Reward models have memory of their own, as in the run.
        return [*stages, *await evaluating.rewards()]

    @property
    def _roles(self) -> dict[str, ModelSettings]:
        assistant, roles = self.loaded.assistant, {}
        if self.loaded.recipe.data is not None:
            roles = {"assistant": assistant, "policy": assistant, "judge": self.loaded.judge}
            roles["critic"] = self.loaded.critic
        if self.loaded.recipe.evaluation is not None:
            roles |= {MODEL: assistant, REFERENCE: assistant}
        if self.loaded.recipe.evaluation is not None and self.loaded.recipe.evaluation.strongreject:
            roles[JUDGE] = self.loaded.judge
        return roles | self.loaded.judges

    async def _audit(self, context: Context) -> StageEstimate:
        rows = audit_pairs(self.loaded, RunFolder(self.out)).rows
        _, figures = await self.sample.measure("audit", auditor(self.loaded), rows, context, again=True)
        return figures

    async def _critique(self, context: Context) -> list[StageEstimate]:
        """The critique, and labels of what comes of it."""
        requests = training_requests(self.loaded)
        # Whoever critiques plays the judge there, and need not be the one that labels.
        by_critic = replace(context, engines={**context.engines, "judge": context.engines["critic"]})
        told, figures = await self.sample.measure(
            "critique", reviser(self.loaded), requests, by_critic, again=True
        )
        if "label" not in self.loaded.recipe.stages:
            return [figures]
        return [figures, await self._label(told, len(requests), context)]

    async def _label(
        self, told: Sequence[Outcome[Trajectory]], requests: int, context: Context
    ) -> StageEstimate:
        trajectories = [outcome.record for outcome in told if outcome.record is not None]
        rows = candidates(self.loaded, trajectories)
        total = round(self._kept_by_limits(rows, scale=requests / max(len(told), 1)))
        again = self.loaded.recipe.training.sft is None
        figures = await self.sample.measure(
            "label", labeler(self.loaded), rows, context, again=again, total=total
        )
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
