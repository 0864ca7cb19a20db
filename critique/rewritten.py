"""Which critiques are written anew where one constitution takes another's place.

In: a run's trajectories. Out: for each that is touched, its first touched round: the same answer, criticised
under either constitution. Rounds behind that one start from another revision, so all of them are touched.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from constitution.model import Principle
from critique.model import Text, Trajectory
from critique.revise import Reviser
from pipeline.context import Context, RowContext, derived_seed


@dataclass(frozen=True, slots=True)
class Standing:
    """A trajectory as a row, and its first round, counted from 0, that the edit touches."""

    trajectory: Trajectory
    round: int

    @property
    def id(self) -> str:
        return self.trajectory.request.id

    @property
    def answer(self) -> Text:
        """The answer that the round starts from."""
        rounds = self.trajectory.rounds
        return rounds[self.round - 1].revision if self.round else self.trajectory.response


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The critiques of one answer under either constitution; the revisions, where none are written.

    `behind` counts the round's revision and all rounds after it, which are written anew too and are not
    asked for here.
    """

    id: str
    prompt: str
    answer: str
    round: int
    principles: tuple[str, str]
    texts: tuple[str, str]
    behind: int

    @property
    def redrawn(self) -> bool:
        return self.principles[0] != self.principles[1]

    @property
    def changed(self) -> bool:
        return self.texts[0] != self.texts[1]


@dataclass(frozen=True, slots=True)
class Rewriter:
    """Criticises an answer under both constitutions; call it as a row program.

    `asking` is a context like the row's own, with a tally of its own for what the second one costs.
    """

    before: Reviser
    after: Reviser
    asking: Context

    async def __call__(self, row: Standing, context: RowContext) -> Rewritten:
        conversation = row.trajectory.request.conversation
        again = self.asking.row(row.id, context.number)
        # One after the other, so that the second finds what the first was told.
        old = await self.before.begin(conversation, row.answer, context, number=row.round)
        new = await self.after.begin(conversation, row.answer, again, number=row.round)
        return Rewritten(
            row.id,
            conversation[-1].content,
            row.answer.text,
            row.round,
            (old.principle.id, new.principle.id),
            (old.text.text, new.text.text),
            behind=len(row.trajectory.rounds) - row.round,
        )


@dataclass(slots=True)
class Rounds:
    """How the rounds fare before anybody is asked: all of them, those touched, those that draw otherwise.

    A round behind a touched one is touched too; only rounds whose own principle differs are `redrawn`.
    """

    rounds: int = 0
    touched: int = 0
    redrawn: int = 0

    def rows(
        self, trajectories: Iterable[Trajectory], before: Reviser, after: Reviser, *, seed: int
    ) -> Iterator[Standing]:
        """The trajectories that are touched, counted on their way."""
        for trajectory in trajectories:
            first: int | None = None
            for number in range(len(trajectory.rounds)):
                drawn = derived_seed(seed, trajectory.request.id, "principle", number)
                old, new = (each.constitution.draw_revision(random.Random(drawn)) for each in (before, after))
                if first is None and _asks(old, before) != _asks(new, after):
                    first = number
                self.rounds += 1
                self.touched += first is not None
                self.redrawn += old.id != new.id
            if first is not None:
                yield Standing(trajectory, first)


def _asks(principle: Principle, reviser: Reviser) -> str:
    """What of it a round's prompts hold: in a user's own templates that may be all but the weight."""
    left_out = {"weight"}
    if not reviser.prompts.has_own:
        left_out |= {"comparison_question", "comparisons", "tags", "source"}
        left_out |= {"critique_request"} if reviser.settings.direct else set()
        left_out |= set() if reviser.settings.examples else {"examples"}
    return principle.model_dump_json(exclude=left_out)
