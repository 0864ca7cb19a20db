"""Which critiques are written anew where one constitution takes another's place.

In: a run's trajectories. Out: each that is touched, from its first touched round on, under either
constitution: the same answer, criticised and revised. Rounds behind that one start from another revision, so
all of them are touched; where what is said comes out the same, their calls are found in the run's journal.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

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
    """A trajectory under either constitution; `round`, counted from 0, is the first that the edit touches."""

    before: Trajectory
    after: Trajectory
    round: int

    @property
    def id(self) -> str:
        return self.before.request.id

    @property
    def answer(self) -> Text:
        """The answer that both criticise, each in its own words."""
        return Standing(self.before, self.round).answer

    @property
    def texts(self) -> tuple[str, str]:
        """The critiques of that answer; its revisions, where no critique is written."""
        first = (each.rounds[self.round] for each in (self.before, self.after))
        old, new = ((each.critique or each.revision).text for each in first)
        return old, new

    @property
    def principles(self) -> tuple[str, str]:
        return self.before.rounds[self.round].principle, self.after.rounds[self.round].principle

    @property
    def changed(self) -> bool:
        """Whether that critique says something else."""
        return self.texts[0] != self.texts[1]

    @property
    def revised(self) -> bool:
        """Whether the row ends in another revision."""
        old, new = (each.rounds[-1].revision.text for each in (self.before, self.after))
        return old != new


@dataclass(frozen=True, slots=True)
class Rewriter:
    """Carries a trajectory on from its first touched round under both constitutions; a row program.

    `asking` is a context like the row's own, with a tally of its own for what the second one costs.
    """

    before: Reviser
    after: Reviser
    asking: Context

    async def __call__(self, row: Standing, context: RowContext) -> Rewritten:
        again = self.asking.row(row.id, context.number)
        # One after the other, so that the second finds what the first was told.
        return Rewritten(
            before=await _carried_on(row, self.before, context),
            after=await _carried_on(row, self.after, again),
            round=row.round,
        )


async def _carried_on(row: Standing, reviser: Reviser, context: RowContext) -> Trajectory:
    """The rounds before the touched one as they are, the others as the reviser has them."""
    given = row.trajectory
    rounds = await reviser.go_on(given.request.conversation, row.answer, context, first=row.round)
    return replace(given, rounds=(*given.rounds[: row.round], *rounds))


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
