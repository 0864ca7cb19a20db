"""The row program of the RLAIF stage: from a trajectory to judged pairs of responses.

`samples` pairs are two samples of the SL model, as in RL-CAI; `revision` pairs set the last revision against
the initial answer; `hard_negative` pairs set a helpful prompt's own answer against the revision of the
red-team prompt that it is most easily mistaken for, since a model that learnt to decline declines too often.
In the last two the better response by construction comes first. Two responses that say the same make no pair.
"""

from dataclasses import dataclass

from critique.model import Text
from critique.revise import text
from labeling.draw import Candidate
from labeling.judge import Judge
from labeling.model import Comparison, Labelled, Source
from pipeline.context import RowContext

POLICY = "policy"


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
        return [
            Comparison(
                f"{row.id}/{source}",
                source,
                row.trajectory.request.conversation,
                *await self._responses(source, row, context),
                category=row.trajectory.request.category,
            )
            for source in row.pairs
        ]

    async def _responses(self, source: Source, row: Candidate, context: RowContext) -> tuple[Text, Text]:
        """The two responses of a pair; where one of them is better by construction, it is the first."""
        if source == "samples":
            return await self._sample(row, context, 0), await self._sample(row, context, 1)
        second = row.trajectory.response if source == "revision" else row.mistaken
        if row.good is None or second is None:
            raise ValueError(f"{row.id}: no pair of source {source} can be made of it; see `Drawn`")
        return row.good, second

    async def _sample(self, row: Candidate, context: RowContext, sample: int) -> Text:
        prompt = self.judge.prompts.render("respond", conversation=row.trajectory.request.conversation)
        sampling = self.judge.settings.sample.sampling()
        return text(await context.chat(POLICY, prompt, sampling, sample=sample))
