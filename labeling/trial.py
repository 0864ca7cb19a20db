"""What a principle means to a judge: its own examples as questions, each with the answer its author wants.

In: a constitution's principles with their comparisons and examples. Out: a `Tried` for each of these: whether
the judge decides as the author meant. A comparison is judged as the recipe labels, under this one principle.
Of an example the judge writes a critique, and then chooses between what must be found in the response and its
opposite. Both are asked in both orders. What is tried is never among what is shown.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from constitution.model import Constitution, Example, Principle, WorkedComparison
from critique.model import CritiqueSettings, SamplingSettings, Text
from critique.revise import Reviser
from labeling.combine import combined, verdict
from labeling.judge import METHODS, Judge
from labeling.methods.method import FIRST, SECOND, letter_reading
from labeling.model import JUDGE, Comparison, Judgment, Reading, Vote, orders_agree
from labeling.settings import LabelingSettings
from pipeline.context import RowContext
from prompts.message import Conversation, Message
from prompts.render import Prompts

Kind = Literal["comparison", "critique"]
Decided = Literal["meant", "opposite", "undecided"]

TEMPLATE = "critique_finds"
PLAIN = "Which response is better?"
"""The control: the same comparison by no principle."""

FINE = "There is nothing wrong with the response."
FAULTY = "The response has a fault that must be mended."


@dataclass(frozen=True, slots=True)
class Trial:
    """One example of a principle, as a row. Its id follows its content, so that its place may change."""

    principle: Principle
    example: WorkedComparison | Example

    @property
    def id(self) -> str:
        content = self.example.model_dump_json(exclude_defaults=True)
        return f"{self.principle.id}/{hashlib.sha256(content.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the judge made of it: `probability` is that of what was meant, None where it cannot be read."""

    decided: Decided
    probability: float | None


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial's outcome. `control` is the opinion by no principle; `critique` what the judge wrote."""

    principle: str
    kind: Kind
    prompt: str
    wanted: str
    unwanted: str
    opinion: Opinion
    control: Opinion | None = None
    critique: str | None = None


@dataclass(frozen=True, slots=True)
class Trier:
    """Asks a judge about trials; call it as a row program. `control` asks by no principle too."""

    prompts: Prompts
    labeling: LabelingSettings
    critique: CritiqueSettings
    control: bool = True

    async def __call__(self, trial: Trial, context: RowContext) -> Tried:
        """Raises `CallError` where the judge cannot be asked."""
        if isinstance(trial.example, WorkedComparison):
            return await self._compare(trial, trial.example, context)
        return await self._criticise(trial, trial.example, context)

    async def _compare(self, trial: Trial, example: WorkedComparison, context: RowContext) -> Tried:
        principle = _others(trial.principle, example)
        principles = [principle]
        if self.control:
            principles.append(principle.model_copy(update={"comparison_question": PLAIN}))
        comparison = _comparison(trial.id, _conversation(example), example.chosen, example.rejected)
        asked = [partial(self._judge, comparison, each) for each in principles]
        opinion, *control = await context.together(asked)
        return Tried(
            trial.principle.id,
            "comparison",
            example.turns[-1].content,
            example.chosen,
            example.rejected,
            opinion,
            control=control[0] if control else None,
        )

    async def _judge(self, comparison: Comparison, principle: Principle, context: RowContext) -> Opinion:
        settings = self.labeling.model_copy(update={"principles": 1})
        judge = Judge(_only(principle), self.prompts, settings)
        judgment: Judgment = await judge.judge(comparison, context)
        return _opinion(judgment.votes, judgment.probability, settings)

    async def _criticise(self, trial: Trial, example: Example, context: RowContext) -> Tried:
        conversation = (Message("user", example.prompt),)
        reviser = Reviser(_only(_others(trial.principle, example)), self.prompts, _greedy(self.critique))
        begun = await reviser.begin(conversation, _text(example.response), context, number=0)
        wanted, unwanted = (example.fault, FINE) if example.fault is not None else (FINE, FAULTY)
        comparison = _comparison(trial.id, conversation, wanted, unwanted)
        opinion = await self._read(comparison, example.response, begun.text.text, context)
        return Tried(
            trial.principle.id,
            "critique",
            example.prompt,
            wanted,
            unwanted,
            opinion,
            critique=begun.text.text,
        )

    async def _read(
        self, comparison: Comparison, response: str, critique: str, context: RowContext
    ) -> Opinion:
        """Which of the two the critique says, in both orders, by the rule that labels are combined by."""
        if not critique:
            return Opinion("undecided", None)

        async def ask(shown: Comparison, context: RowContext) -> Reading:
            prompt = self.prompts.render(
                TEMPLATE,
                conversation=shown.conversation,
                response=response,
                critique=critique,
                first=shown.first.text,
                second=shown.second.text,
            )
            return letter_reading(await context.choose(JUDGE, prompt, (FIRST, SECOND)))

        shown = (comparison, comparison.swapped())
        forward, backward = await context.together([partial(ask, each) for each in shown])
        probability = combined(forward, backward, self.labeling)
        vote = Vote(TEMPLATE, JUDGE, False, forward, backward, probability)
        return _opinion((vote,), probability, self.labeling)


def trials(constitution: Constitution) -> list[Trial]:
    """All examples of all principles, each once; those of a part that the principle lacks are left out."""
    found = {
        trial.id: trial
        for principle in constitution.principles
        for trial in (
            *(Trial(principle, each) for each in principle.comparisons if principle.can_compare),
            *(Trial(principle, each) for each in principle.examples if principle.can_revise),
        )
    }
    return list(found.values())


def lacks(trial: Trial, settings: LabelingSettings) -> str:
    """Why the trial cannot be asked, as where nothing is left to be shown; "" where it can."""
    if not isinstance(trial.example, WorkedComparison):
        return ""
    return METHODS[settings.method].lacks(_only(_others(trial.principle, trial.example)))


def _opinion(votes: Sequence[Vote], probability: float | None, settings: LabelingSettings) -> Opinion:
    """Decided only where both orders name the same response, whatever a recipe makes of the others."""
    said = verdict(votes, probability, settings)
    if said not in ("first", "second") or not orders_agree(votes):
        return Opinion("undecided", probability)
    return Opinion("meant" if said == "first" else "opposite", probability)


def _others(principle: Principle, tried: WorkedComparison | Example) -> Principle:
    """The principle without what is tried, so that it is not shown, and drawn whatever its weight."""
    return principle.model_copy(
        update={
            "weight": 1.0,
            "comparisons": tuple(each for each in principle.comparisons if each != tried),
            "examples": tuple(each for each in principle.examples if each != tried),
        }
    )


def _only(principle: Principle) -> Constitution:
    return Constitution(name="one", version="1", principles=(principle,))


def _greedy(settings: CritiqueSettings) -> CritiqueSettings:
    """The likeliest critique, so that a test says the same each time."""
    sampling: SamplingSettings = settings.critique.model_copy(update={"temperature": 0.0})
    return settings.model_copy(update={"critique": sampling, "direct": False})


def _comparison(name: str, conversation: Conversation, wanted: str, unwanted: str) -> Comparison:
    return Comparison(name, "human", conversation, _text(wanted), _text(unwanted))


def _conversation(example: WorkedComparison) -> Conversation:
    return tuple(Message(turn.role, turn.content) for turn in example.turns)


def _text(text: str) -> Text:
    return Text(text, False, len(text.split()))
