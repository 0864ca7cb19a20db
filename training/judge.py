"""The recipe's judges as a trainer asks them: sampled answers go in, scores or labels come out.

The engines live in an event loop, the trainer works in a thread of its own. Asking gives back a function
at once, which waits for what was asked: the policy computes meanwhile. Every call goes through the context
and so through the run's journal, as labels do: a run that goes on after a kill finds what it had asked.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from labeling.judge import Judge
from labeling.methods.pointwise import TEMPLATE as ALONE
from labeling.model import Comparison, Labelled
from labeling.scoring import Response, Scorer
from labeling.settings import MAKING_PAIRS
from labeling.trust import Believing
from pipeline.context import Context, RowContext
from pipeline.runner import HasId, Outcome, Program, collect, run_rows
from training.model import TrainingError

LEAST = 0.5
"""The share of what is asked at once that has to be answered: below it the judge is broken, not a row."""

Row = TypeVar("Row", bound=HasId)
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class _Pair:
    """A comparison as a row; equal ones may be asked about at the same time."""

    id: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class OnlineJudge:
    """Judges with everything that asking them takes; `believed` is what an audit makes of a judgment.

    Its methods are called in any thread but the loop's.
    """

    judge: Judge
    context: Context
    loop: asyncio.AbstractEventLoop
    believed: Believing

    @property
    def digest(self) -> str:
        """SHA-256 over everything that its answers depend on: engines, constitution, templates, settings."""
        judge = self.judge
        settings = judge.settings.model_dump(mode="json", exclude=set(MAKING_PAIRS))
        trust = self.believed.trust.digest if self.believed.trust else ""
        parts: dict[str, object] = {
            "engines": {
                role: self.context.engines[role].fingerprint.digest for role in judge.settings.judges
            },
            "constitution": judge.constitution.digest,
            "templates": {name: judge.prompts.hash(name) for name in (*judge.templates, ALONE)},
            "settings": settings,
            "trust": trust,
            "seed": self.context.seed,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def scores(self, responses: Sequence[Response]) -> Callable[[], list[float | None]]:
        """Ask for a score of each response, -1 to 1; one that cannot be had is None.

        What is given back raises `TrainingError` where fewer than half can be had, `StoppedError` where the
        run was asked to stop, and `EngineUnavailable` where nobody answers.
        """
        wait = self._begin(Scorer(self.judge), responses)

        def told() -> list[float | None]:
            outcomes = wait()
            scores = [outcome.record for outcome in outcomes]
            _require(scores, outcomes, "score", "answers")
            return scores

        return told

    def labels(self, comparisons: Sequence[Comparison]) -> Callable[[], list[Labelled | None]]:
        """Ask which response of each comparison is better, as `scores` asks for scores."""
        pairs = [_Pair(str(number), comparison) for number, comparison in enumerate(comparisons)]
        wait = self._begin(self._labelled, pairs)

        def told() -> list[Labelled | None]:
            outcomes = wait()
            labelled = [outcome.record for outcome in outcomes]
            _require(labelled, outcomes, "compare", "pairs")
            return labelled

        return told

    async def _labelled(self, pair: _Pair, context: RowContext) -> Labelled:
        # Named by the comparison alone: an equal one is asked about in the same words, and found.
        row = context.shared.row(pair.comparison.id, context.number)
        judgment = await self.judge.judge(pair.comparison, row)
        return Labelled(pair.comparison, judgment, tuple(row.keys))

    def _begin(self, program: Program[Row, Told], rows: Sequence[Row]) -> Callable[[], list[Outcome[Told]]]:
        asking = collect(run_rows(program, rows, self.context))
        return asyncio.run_coroutine_threadsafe(asking, self.loop).result


def _require(told: Sequence[object], outcomes: Sequence[Outcome[Told]], verb: str, what: str) -> None:
    """`TrainingError` where the judge told too little to learn from."""
    missing = sum(each is None for each in told)
    if missing <= (1 - LEAST) * len(told):
        return
    reasons = Counter(
        outcome.reason or "too little probability on the labels"
        for outcome, each in zip(outcomes, told, strict=True)
        if each is None
    )
    said = next((outcome.message for outcome in outcomes if outcome.message), "")
    most = ", ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
    raise TrainingError(
        f"the judge could not {verb} {missing} of {len(told)} {what}: {most}"
        + (f" ({said})" if said else "")
        + "\nsee what it is asked by `solon constitution test`, or name another judge or way of asking; the "
        "last checkpoint is kept, and every answer so far"
    )
