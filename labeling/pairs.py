"""The row program of the RLAIF stage: from a trajectory to judged pairs of responses.

`samples` pairs are two samples of the SL model, as in RL-CAI; `revision` pairs set the last revision against
the initial answer; `hard_negative` pairs set a helpful prompt's own answer against the revision of the
red-team prompt that it is most easily mistaken for, since a model that learnt to decline declines too often;
`contrast` pairs are samples that were asked to follow a principle and to go against it (RLCD, Yang et al.
2023). In the last three the better response by construction comes first. `best_of_n` compares all of n
samples with each other, in one group of pairs, which `labeling.ranking` ranks. Two responses that say the
same are recorded and not judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, combinations

from critique.model import Text
from critique.revise import text
from labeling.draw import Candidate
from labeling.judge import Judge
from labeling.model import Comparison, Labelled, Source
from pipeline.context import RowContext
from prompts.message import Prompt

POLICY = "policy"
PLAIN, FOLLOWING, AGAINST = "respond", "follow", "go_against"
"""The templates by which responses are sampled: as they come, and for a contrast."""


def templates(sources: Sequence[Source]) -> tuple[str, ...]:
    """The names of the templates that responses of these sources are asked by."""
    return (PLAIN, FOLLOWING, AGAINST) if "contrast" in sources else (PLAIN,)


@dataclass(frozen=True, slots=True)
class Labeler:
    """Makes a row's comparisons and has them judged; call it as a row program."""

    judge: Judge

    async def __call__(self, row: Candidate, context: RowContext) -> tuple[Labelled, ...]:
        made = await context.together([partial(self._labelled, source, row) for source in row.pairs])
        return tuple(chain.from_iterable(made))

    async def _labelled(self, source: Source, row: Candidate, context: RowContext) -> list[Labelled]:
        comparisons = await self._comparisons(source, row, context)
        sampled = tuple(context.keys)
        return await context.together([partial(self._judged, each, sampled) for each in comparisons])

    async def _judged(
        self, comparison: Comparison, sampled: tuple[str, ...], context: RowContext
    ) -> Labelled:
        judgment = await self.judge.judge(comparison, context)
        return Labelled(comparison, judgment, (*sampled, *context.keys))

    async def _comparisons(self, source: Source, row: Candidate, context: RowContext) -> list[Comparison]:
        if source == "best_of_n":
            samples = await self._samples(self.judge.settings.best_of_n.n, row, context)
            return _round_robin(samples, row)
        if source == "samples":
            return [_comparison(source, row, await self._samples(2, row, context))]
        if source == "contrast":
            return [await self._contrast(row, context)]
        return [constructed(source, row)]

    async def _samples(self, count: int, row: Candidate, context: RowContext) -> list[Text]:
        prompt = self._prompt(PLAIN, row)
        return await context.together([partial(self._sample, prompt, number) for number in range(count)])

    async def _contrast(self, row: Candidate, context: RowContext) -> Comparison:
        """One sample for and one against the principle that the comparison draws first."""
        principle = self.judge.first_principle(_name("contrast", row), context)
        prompts = [self._prompt(template, row, principle=principle) for template in (FOLLOWING, AGAINST)]
        samples = await context.together([partial(self._sample, prompt, 0) for prompt in prompts])
        return replace(_comparison("contrast", row, samples), shaped_by=principle.id)

    def _prompt(self, template: str, row: Candidate, **more: object) -> Prompt:
        conversation = row.trajectory.request.conversation
        return self.judge.prompts.render(template, conversation=conversation, **more)

    async def _sample(self, prompt: Prompt, sample: int, context: RowContext) -> Text:
        sampling = self.judge.settings.sample.sampling()
        return text(await context.chat(POLICY, prompt, sampling, sample=sample))


def _name(source: Source, row: Candidate) -> str:
    return f"{row.id}/{source}"


def _comparison(source: Source, row: Candidate, responses: Sequence[Text]) -> Comparison:
    first, second = responses
    request = row.trajectory.request
    return Comparison(
        _name(source, row), source, request.conversation, first, second, category=request.category
    )


def constructed(source: Source, row: Candidate) -> Comparison:
    """A pair of texts that are there already, the better one by construction first."""
    second = row.trajectory.response if source == "revision" else row.mistaken
    if row.good is None or second is None:
        raise ValueError(f"{row.id}: no pair of source {source} can be made of it; see `Drawn`")
    shaped_by = row.trajectory.rounds[-1].principle if source == "revision" else ""
    return replace(_comparison(source, row, (row.good, second)), shaped_by=shaped_by)


def _round_robin(samples: Sequence[Text], row: Candidate) -> list[Comparison]:
    """Each of the different samples against each; where all are equal, the one pair that says so."""
    first: dict[str, int] = {}
    for number, sample in enumerate(samples):
        first.setdefault(sample.text.strip(), number)
    pairs = list(combinations(first.values(), 2)) or [(0, 1)]
    group = _name("best_of_n", row)
    return [
        replace(
            _comparison("best_of_n", row, (samples[one], samples[other])),
            id=f"{group}/{one}-{other}",
            group=group,
        )
        for one, other in pairs
    ]
