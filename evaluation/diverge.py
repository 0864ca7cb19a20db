"""The row program of the distance from the base: a prompt in, the log-ratio of a sample of the model out.

KL(model || base) is the mean over the model's own samples of log P(model) - log P(base) (Schulman 2020, k1:
unbiased, whatever the sign of one sample). So the model is sampled at temperature 1 and both score what it
said; its greedy answers would not do. What is scored is the text alone, not the end of the answer.
"""

from dataclasses import dataclass

from engine.protocol import CallError, Sampling
from evaluation.answer import MODEL, Question
from evaluation.model import Divergence
from pipeline.context import RowContext
from prompts.render import Prompts

REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Diverger:
    """Samples the role `model` and scores it under `reference` too; call it as a row program."""

    prompts: Prompts
    sampling: Sampling
    model: str
    against: str
    run: str = ""

    async def __call__(self, question: Question, context: RowContext) -> Divergence:
        prompt = self.prompts.render("respond", conversation=question.conversation)
        said = await context.chat(MODEL, prompt, self.sampling)
        if not said.text:
            raise CallError("empty", "the model's sample is empty, so there is nothing to score")
        own = await context.score(MODEL, prompt, said.text)
        other = await context.score(REFERENCE, prompt, said.text)
        return Divergence(
            id=question.id,
            suite=question.suite,
            kind=question.kind,
            model=self.model,
            against=self.against,
            log_ratio=own.logprob - other.logprob,
            tokens=own.tokens,
            run=self.run,
        )
