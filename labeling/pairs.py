"""The row program of the RLAIF stage: from a trajectory to judged pairs of responses.

`samples` pairs are two samples of the SL model, as in RL-CAI; `revision` pairs set the last revision against
the initial answer; `anchor` pairs set a helpful prompt's own answer against the SL model's, as self-play
fine-tuning does (Chen et al. 2024), since an SL model that learnt to decline declines too often. In the
last two the better response by construction comes first. Two responses that say the same make no pair.
"""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from critique.model import Kind, Text, Trajectory
from critique.revise import text
from labeling.judge import Judge
from labeling.model import Comparison, LabelingSettings, Labelled, Source
from pipeline.context import RowContext

POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trajectory as a row of this stage, with the answers that passed selection: the last revision of a
    red-team prompt, the first sample of a helpful one; None where they did not.
    """

    trajectory: Trajectory
    good: Text | None

    @property
    def id(self) -> str:
        return self.trajectory.request.id


def drawn(candidates: Sequence[Candidate], settings: LabelingSettings, *, seed: int) -> list[Candidate]:
    """The rows to make pairs of, in their order: those that can make one, at most `limit`, evenly by kind."""
    able = [row for row in candidates if _can_pair(row, settings.pairs)]
    if settings.limit is None or settings.limit >= len(able):
        return able
    shuffled = random.Random(seed).sample(able, len(able))
    kinds = {
        kind: [row for row in shuffled if row.trajectory.request.kind == kind] for kind in get_args(Kind)
    }
    turns = itertools.chain.from_iterable(itertools.zip_longest(*kinds.values()))
    chosen = {row.id for row in list(filter(None, turns))[: settings.limit]}
    return [row for row in able if row.id in chosen]


def _can_pair(row: Candidate, wanted: Sequence[Source]) -> bool:
    if row.trajectory.request.kind == "helpful":
        return "anchor" in wanted and row.good is not None
    return "samples" in wanted or ("revision" in wanted and row.good is not None)


@dataclass(frozen=True, slots=True)
class Labeler:
    """Makes a row's comparisons and has them judged; call it as a row program."""

    judge: Judge

    async def __call__(self, row: Candidate, context: RowContext) -> tuple[Labelled, ...]:
        labelled: list[Labelled] = []
        for comparison in await self._comparisons(row, context):
            if comparison.first.text.strip() != comparison.second.text.strip():
                judgment = await self.judge.judge(comparison, context)
                labelled.append(Labelled(comparison, judgment, tuple(context.keys)))
        return tuple(labelled)

    async def _comparisons(self, row: Candidate, context: RowContext) -> list[Comparison]:
        wanted = self.judge.settings.pairs
        made: list[Comparison] = []
        if row.trajectory.request.kind == "helpful":
            if "anchor" in wanted and row.good is not None:
                made.append(_comparison("anchor", row, row.good, await self._sample(row, context, 0)))
            return made
        if "samples" in wanted:
            first = await self._sample(row, context, 0)
            made.append(_comparison("samples", row, first, await self._sample(row, context, 1)))
        if "revision" in wanted and row.good is not None:
            made.append(_comparison("revision", row, row.good, row.trajectory.response))
        return made

    async def _sample(self, row: Candidate, context: RowContext, sample: int) -> Text:
        prompt = self.judge.prompts.render("respond", conversation=row.trajectory.request.conversation)
        sampling = self.judge.settings.sample.sampling()
        return text(await context.chat(POLICY, prompt, sampling, sample=sample))


def _comparison(source: Source, row: Candidate, first: Text, second: Text) -> Comparison:
    request = row.trajectory.request
    return Comparison(
        f"{request.id}/{source}", source, request.conversation, first, second, category=request.category
    )
