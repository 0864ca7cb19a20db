"""The row program of the RLAIF stage: from a trajectory to judged pairs of responses.

`samples` pairs are two samples of the SL model, as in RL-CAI; `revision` pairs set the last revision against
the initial answer; `hard_negative` pairs set a helpful prompt's own answer against the revision of the
red-team prompt that it is most easily mistaken for, since a model that learnt to decline declines too often.
In the last two the better response by construction comes first. Two responses that say the same make no pair.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from critique.model import Kind, Text, Trajectory
from critique.relatedness import Relatedness
from critique.revise import text
from labeling.judge import Judge
from labeling.model import Comparison, LabelingSettings, Labelled, Source
from pipeline.context import RowContext, derived_seed

POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trajectory as a row of this stage, with the answers that passed selection: the last revision of a
    red-team prompt, the first sample of a helpful one; None where they did not.

    `mistaken` is what a helpful prompt must not be answered: another prompt's revision. `pairs` are those
    that the row makes: `drawn` fills in both.
    """

    trajectory: Trajectory
    good: Text | None
    mistaken: Text | None = None
    pairs: tuple[Source, ...] = ()

    @property
    def id(self) -> str:
        return self.trajectory.request.id


def drawn(candidates: Sequence[Candidate], settings: LabelingSettings, *, seed: int) -> list[Candidate]:
    """The rows that make pairs, in their order, each with the sources that it makes one of."""
    rows = _with_mistaken(candidates) if "hard_negative" in settings.pairs else candidates
    chosen = {
        source: _chosen([row.id for row in rows if _can_pair(row, source)], source, settings, seed=seed)
        for source in settings.pairs
    }
    made = [
        replace(row, pairs=tuple(source for source in chosen if row.id in chosen[source])) for row in rows
    ]
    return [row for row in made if row.pairs]


def _chosen(able: Sequence[str], source: Source, settings: LabelingSettings, *, seed: int) -> set[str]:
    """All that can make a pair of this source, or as many as its limit allows, drawn at random."""
    limit = settings.limits.get(source, len(able))
    return set(able if limit >= len(able) else random.Random(derived_seed(seed, source)).sample(able, limit))


def _can_pair(row: Candidate, source: Source) -> bool:
    if _kind(row) == "helpful":
        return source == "hard_negative" and row.good is not None and row.mistaken is not None
    return source == "samples" or (source == "revision" and row.good is not None)


def _with_mistaken(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Each helpful prompt with the revision of the red-team prompt that is most like it."""
    red_team = [row for row in candidates if _kind(row) == "red_team" and row.good is not None]
    if not red_team:
        return list(candidates)
    relatedness = Relatedness([_asked(row) for row in red_team])

    def mistaken(row: Candidate) -> Candidate:
        related = relatedness.to(_asked(row))
        return replace(row, mistaken=red_team[related.index(max(related))].good)

    return [mistaken(row) if _kind(row) == "helpful" else row for row in candidates]


def _kind(row: Candidate) -> Kind:
    return row.trajectory.request.kind


def _asked(row: Candidate) -> str:
    conversation = row.trajectory.request.conversation
    return " ".join(message.content for message in conversation if message.role == "user")


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
            raise ValueError(f"{row.id}: no pair of source {source} can be made of it; see `drawn`")
        return row.good, second

    async def _sample(self, row: Candidate, context: RowContext, sample: int) -> Text:
        prompt = self.judge.prompts.render("respond", conversation=row.trajectory.request.conversation)
        sampling = self.judge.settings.sample.sampling()
        return text(await context.chat(POLICY, prompt, sampling, sample=sample))
