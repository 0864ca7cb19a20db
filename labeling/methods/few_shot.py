"""The letter at once, after worked comparisons: out of the principle's own, with their answers.

Few-shot labels as RLAIF has them (Lee et al. 2023). A judge that has seen "(A)" four times says it a fifth
time, so the better response is (A) in half of those that are shown. They are drawn, and laid out, once for
each principle of a run: all pairs begin alike, and an engine reads them once. Two calls for a vote.
"""

import random

from constitution.model import Constitution, Principle, WorkedComparison
from labeling.methods.method import FIRST, SECOND, Ballot, BothOrders, Method, in_both_orders, letter_reading
from labeling.model import Comparison, Reading
from pipeline.context import RowContext, derived_seed
from prompts.fence import fence

TEMPLATE = "compare_few_shot"

Shown = dict[str, object]
"""A worked comparison as the template shows it."""


async def read(ballot: Ballot, context: RowContext) -> BothOrders:
    principle = ballot.principle
    if principle is None:
        raise ValueError("`few_shot` shows a principle's comparisons: a ballot without one shows none")
    seed = derived_seed(context.shared.seed, "few_shot", principle.id)
    shots = worked(principle, ballot.settings.few_shot.shots, random.Random(seed))

    async def ask(shown: Comparison, context: RowContext) -> Reading:
        prompt = ballot.compare(TEMPLATE, shown, shots=shots)
        return letter_reading(await context.choose(ballot.judge, prompt, (FIRST, SECOND)))

    return await in_both_orders(ballot, context, ask)


def worked(principle: Principle, count: int, rng: random.Random) -> list[Shown]:
    """At most so many of the principle's comparisons, either letter right in half of them, or in one more.

    Raises:
        ValueError: the principle has none.
    """
    if not principle.comparisons:
        raise ValueError(f"principle `{principle.id}` has no `comparisons` to show")
    chosen = rng.sample(principle.comparisons, min(count, len(principle.comparisons)))
    letters = [FIRST, SECOND] * (len(chosen) // 2) + rng.sample((FIRST, SECOND), len(chosen) % 2)
    rng.shuffle(letters)
    return [_shown(each, letter) for each, letter in zip(chosen, letters, strict=True)]


def _shown(comparison: WorkedComparison, answer: str) -> Shown:
    better, worse = comparison.chosen, comparison.rejected
    first, second = (better, worse) if answer == FIRST else (worse, better)
    # A mark of its own: by the call's, which differs from pair to pair, no two pairs would begin alike.
    return {
        "mark": fence([better, worse, *(turn.content for turn in comparison.turns)]),
        "conversation": [turn.model_dump() for turn in comparison.turns],
        "first": first,
        "second": second,
        "answer": answer,
        "reason": comparison.reason,
    }


def _lacks(constitution: Constitution) -> str:
    """The principles that can be drawn and have nothing to show."""
    bare = [
        each.id
        for each in constitution.principles
        if each.can_compare and each.weight > 0 and not each.comparisons
    ]
    if not bare:
        return ""
    names = ", ".join(bare[:5]) + (f" and {len(bare) - 5} more" if len(bare) > 5 else "")
    return (
        f"`method: few_shot` shows worked comparisons, and these principles have none: {names}\n"
        "  next: give each `comparisons:` (prompt, chosen, rejected), or weight 0, or choose another method"
    )


METHOD = Method(read, lambda _settings: (TEMPLATE,), lacks=_lacks)
