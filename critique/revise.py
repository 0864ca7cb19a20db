"""The row program of the SL stage: respond, then N rounds of critique and revision.

As in Bai et al. 2022 (section 3.1) a principle is drawn anew at each round, and each round starts from the
conversation and the last revision, never from the transcript of earlier rounds. Helpful prompts keep the
assistant's own samples. Every round is kept.
"""

from dataclasses import dataclass

from constitution.model import Constitution, Example, Principle
from critique.examples import related_examples
from critique.model import CritiqueSettings, Request, Round, SamplingSettings, Text, Trajectory
from engine.protocol import Completion
from pipeline.context import RowContext
from prompts.message import Conversation
from prompts.render import Prompts

ASSISTANT, JUDGE = "assistant", "judge"
FOUND, NOTHING = "A", "B"


@dataclass(frozen=True, slots=True)
class Reviser:
    """Critique and revision under one constitution; call it as a row program.

    The judge writes critiques and revisions, the assistant answers; they may be one model.
    """

    constitution: Constitution
    prompts: Prompts
    settings: CritiqueSettings

    async def __call__(self, request: Request, context: RowContext) -> Trajectory:
        if request.kind == "helpful":
            count = self.settings.helpful_samples
            samples = tuple([await self._respond(request, context, sample) for sample in range(count)])
            return Trajectory(request, samples[0], samples=samples, keys=tuple(context.keys))
        response = await self._respond(request, context, 0)
        rounds = await self.go_on(request.conversation, response, context)
        return Trajectory(request, response, rounds, keys=tuple(context.keys))

    async def go_on(
        self, conversation: Conversation, answer: Text, context: RowContext, *, first: int = 0
    ) -> tuple[Round, ...]:
        """The rounds from the `first` on, which starts from an answer, to the last."""
        rounds: list[Round] = []
        for number in range(first, self.settings.rounds):
            before = rounds[-1].revision if rounds else answer
            rounds.append(await self._round(conversation, before, context, number=number))
        return tuple(rounds)

    async def _respond(self, request: Request, context: RowContext, sample: int) -> Text:
        prompt = self.prompts.render("respond", conversation=request.conversation)
        helpful = self.settings.helpful if request.kind == "helpful" else None
        settings = helpful or self.settings.respond
        return text(await context.chat(ASSISTANT, prompt, settings.sampling(), sample=sample))

    async def _round(
        self, conversation: Conversation, before: Text, context: RowContext, *, number: int
    ) -> Round:
        begun = await self.begin(conversation, before, context, number=number)
        principle, shown = begun.principle, tuple(example.prompt for example in begun.examples)
        if self.settings.direct:
            return Round(principle.id, None, begun.text, examples=shown)
        ask = _Asker(self.prompts, context, number, conversation, before, principle)
        critique, found = begun.text, None
        if self.settings.revise_when == "found":
            found = await ask.found(critique.text)
            if found < 0.5:
                return Round(principle.id, critique, before, False, found, shown)
        revision = await ask.write(
            "revise", self.settings.revise, examples=begun.examples, critique=critique.text
        )
        return Round(principle.id, critique, revision, True, found, shown)

    async def begin(
        self, conversation: Conversation, before: Text, context: RowContext, *, number: int
    ) -> "Begun":
        """A round's first call: the critique of an answer, or its revision where none is written."""
        principle = self.constitution.draw_revision(context.rng("principle", number))
        examples = related_examples(principle, conversation, self.settings.examples)
        ask = _Asker(self.prompts, context, number, conversation, before, principle)
        template = "direct_revision" if self.settings.direct else "critique"
        settings = self.settings.revise if self.settings.direct else self.settings.critique
        return Begun(principle, examples, await ask.write(template, settings, examples=examples))


@dataclass(frozen=True, slots=True)
class Begun:
    """A round as far as its first call: the principle, the examples that were shown, what was written."""

    principle: Principle
    examples: tuple[Example, ...]
    text: Text


@dataclass(frozen=True, slots=True)
class _Asker:
    """The questions of one round, with what all of them say in common."""

    prompts: Prompts
    context: RowContext
    number: int
    conversation: Conversation
    before: Text
    principle: Principle

    async def write(self, template: str, settings: SamplingSettings, **more: object) -> Text:
        prompt = self.prompts.render(template, **self._common(), **more)
        return text(await self.context.chat(JUDGE, prompt, settings.sampling(), sample=self.number))

    async def found(self, critique: str) -> float:
        """The probability that the critique found something to change."""
        prompt = self.prompts.render("verdict", **self._common(), critique=critique)
        choice = await self.context.choose(JUDGE, prompt, (FOUND, NOTHING))
        return choice.normalized()[FOUND]

    def _common(self) -> dict[str, object]:
        return {
            "conversation": self.conversation,
            "response": self.before.text,
            "principle": self.principle,
        }


def text(completion: Completion) -> Text:
    return Text(completion.text.strip(), completion.finish_reason == "length", completion.completion_tokens)
