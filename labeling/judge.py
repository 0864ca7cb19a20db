"""Judges a comparison: the recipe's way of asking, its votes combined, and the verdict.

A comparison and a row's context come in, a `Judgment` goes out. Each way is a file of `labeling.methods` that
says how one judge is asked under one principle; what they share is here: which principles vote, which judges,
everything at the same time, and how the votes become one label.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from constitution.model import Constitution, Principle
from labeling.combine import clamped, combined, elected, verdict
from labeling.methods import ab, few_shot, likelihood, pointwise, reasoned, relevance, reward
from labeling.methods.method import Ballot, Method
from labeling.model import Comparison, Judgment, Vote
from labeling.settings import LabelingSettings, MethodName
from pipeline.context import RowContext
from prompts.render import Prompts

METHODS: Mapping[MethodName, Method] = {
    "ab": ab.METHOD,
    "reasoned": reasoned.METHOD,
    "few_shot": few_shot.METHOD,
    "pointwise": pointwise.METHOD,
    "likelihood": likelihood.METHOD,
    "relevance": relevance.METHOD,
    "reward": reward.METHOD,
}
"""Every way to label, by its name in a recipe."""


@dataclass(frozen=True, slots=True)
class Judge:
    """The judges of a recipe under its constitution; `judge` asks them about one comparison."""

    constitution: Constitution
    prompts: Prompts
    settings: LabelingSettings

    @property
    def method(self) -> Method:
        return METHODS[self.settings.method]

    @property
    def templates(self) -> tuple[str, ...]:
        """The names of the templates that it asks by; none where no words are asked."""
        return self.method.templates(self.settings)

    async def judge(self, comparison: Comparison, context: RowContext) -> Judgment:
        """Everybody's votes on a comparison, under principles that the row's own generator draws.

        Nobody is asked about two responses that say the same.

        Raises:
            CallError: a judge could not answer; the row has no judgment then.
        """
        ballots = () if comparison.identical else self._ballots(comparison, context)
        votes = await context.together([partial(self._vote, ballot) for ballot in ballots])
        probability = elected(votes, self.settings.combine_votes)
        probability = clamped(probability, self.settings.clamp or self.method.clamp)
        template = next(iter(self.templates), "")
        return Judgment(
            votes=tuple(votes),
            probability=probability,
            verdict="identical" if comparison.identical else verdict(votes, probability, self.settings),
            method=self.settings.method,
            template=template,
            template_hash=self.prompts.hash(template) if template else "",
        )

    def first_principle(self, name: str, context: RowContext) -> Principle:
        """The principle that a comparison or group of this name draws first: it votes, whoever else does."""
        return self.constitution.draw_comparison(_generator(name, context))

    def _ballots(self, comparison: Comparison, context: RowContext) -> list[Ballot]:
        """One for each vote: every judge under every drawn principle, then under its negation."""
        return [
            Ballot(comparison, principle, judge, self.prompts, self.settings, negated=negated)
            for judge in self.settings.judges
            for principle in self.drawn(_generator(comparison.drawn_as, context)) or (None,)
            for negated in ((False, True) if self.settings.negated else (False,))
        ]

    def drawn(self, rng: random.Random) -> tuple[Principle, ...]:
        """The principles that vote on a pair, by the generator of its row; none where the way reads none."""
        if not self.method.by_principle:
            return ()
        count = self.settings.principles
        return self.constitution.draw_comparisons(
            rng, len(self.constitution.principles) if count == "all" else count
        )

    async def _vote(self, ballot: Ballot, context: RowContext) -> Vote:
        read = await self.method.read(ballot, context)
        return Vote(
            principle=ballot.principle.id if ballot.principle else "",
            judge=ballot.judge,
            negated=ballot.negated,
            forward=read.forward,
            backward=read.backward,
            probability=combined(read.forward, read.backward, self.settings),
            first_score=read.first_score,
            second_score=read.second_score,
        )


def _generator(name: str, context: RowContext) -> random.Random:
    return context.rng("comparison", name)
