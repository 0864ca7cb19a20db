"""The row program of the RLAIF stage: from a trajectory to judged pairs of responses.

`samples` pairs are two samples of the SL model, as in RL-CAI; `revision` pairs set the last revision against
the initial answer; `hard_negative` pairs set a helpful prompt's own answer against the revision of the
red-team prompt that it is most easily mistaken for, since a model that learnt to decline declines too often.
In the last two the better response by construction comes first. Two responses that say the same make no pair.
"""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from critique.model import Kind, Text, Trajectory
from critique.relatedness import Relatedness
from critique.revise import text
from labeling.judge import Judge
from labeling.model import Comparison, LabelingSettings, Labelled, Source
from pipeline.context import RowContext

POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trajectory as a row of this stage, with the answers that passed selection: the last revision of a
    red-team prompt, the first sample of a helpful one; None where they did not.

    `mistaken` is what a helpful prompt must not be answered: another prompt's revision.
    """

    trajectory: Trajectory
    good: Text | None
    mistaken: Text | None = None

    @property
    def id(self) -> str:
        return self.trajectory.request.id


def drawn(candidates: Sequence[Candidate], settings: LabelingSettings, *, seed: int) -> list[Candidate]:
    """The rows to make pairs of, in their order: those that can make one, at most `limit`, evenly by kind."""
    rows = _with_mistaken(candidates) if "hard_negative" in settings.pairs else candidates
    able = [row for row in rows if _can_pair(row, settings.pairs)]
    if settings.limit is None or settings.limit >= len(able):
        return able
    shuffled = random.Random(seed).sample(able, len(able))
    kinds = {kind: [row for row in shuffled if _kind(row) == kind] for kind in get_args(Kind)}
    turns = itertools.chain.from_iterable(itertools.zip_longest(*kinds.values()))
    chosen = {row.id for row in list(filter(None, turns))[: settings.limit]}
    return [row for row in able if row.id in chosen]


def _can_pair(row: Candidate, wanted: Sequence[Source]) -> bool:
    if _kind(row) == "helpful":
        return "hard_negative" in wanted and row.good is not None and row.mistaken is not None
    return "samples" in wanted or ("revision" in wanted and row.good is not None)


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
        wanted = self.judge.settings.pairs
        made: list[Comparison] = []
        if _kind(row) == "helpful":
            if "hard_negative" in wanted and row.good is not None and row.mistaken is not None:
                made.append(_comparison("hard_negative", row, row.good, row.mistaken))
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
