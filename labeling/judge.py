"""Judges a comparison: one drawn principle, both orders, normalised log-probabilities of the letters.

The label is the CAI paper's (Bai et al. 2022, section 4.1): the probabilities of (A) and (B), normalised,
one comparison question drawn per pair. Asking in both orders and averaging is RLAIF's (Lee et al. 2023).
"""

import math
from dataclasses import dataclass, replace

from constitution.model import Constitution, Principle
from engine.protocol import Choice
from labeling.model import Comparison, Judgment, LabelingSettings, Reading, Verdict
from pipeline.context import RowContext
from prompts.render import Prompts

JUDGE = "judge"
FIRST, SECOND = "A", "B"
TEMPLATES = {"ab": "compare", "reasoned": "compare_with_reasoning"}


@dataclass(frozen=True, slots=True)
class Judge:
    """One judge under one constitution; `judge` asks it about one comparison."""

    constitution: Constitution
    prompts: Prompts
    settings: LabelingSettings

    async def judge(self, comparison: Comparison, context: RowContext) -> Judgment:
        """Both orders under one principle, drawn by the row's own generator.

        Raises:
            CallError: the judge could not answer; the row has no judgment then.
        """
        principle = self.constitution.draw_comparison(context.rng("comparison", comparison.id))
        forward = await self._read(comparison, principle, context)
        backward = await self._read(comparison.swapped(), principle, context)
        probability = combined(forward, backward, self.settings)
        template = TEMPLATES[self.settings.method]
        return Judgment(
            principle=principle.id,
            forward=forward,
            backward=backward,
            probability=probability,
            verdict=verdict(probability, forward, backward, settings=self.settings),
            template=template,
            template_hash=self.prompts.hash(template),
        )

    async def _read(self, shown: Comparison, principle: Principle, context: RowContext) -> Reading:
        values = {
            "conversation": shown.conversation,
            "first": shown.first.text,
            "second": shown.second.text,
            "principle": principle,
        }
        if self.settings.method == "ab":
            choice = await context.choose(JUDGE, self.prompts.render("compare", **values), (FIRST, SECOND))
            return reading(choice)
        prompt = self.prompts.render("compare_with_reasoning", **values, rationale="")
        rationale = (await context.chat(JUDGE, prompt, self.settings.rationale.sampling())).text.strip()
        prompt = self.prompts.render("compare_with_reasoning", **values, rationale=rationale)
        return replace(reading(await context.choose(JUDGE, prompt, (FIRST, SECOND))), rationale=rationale)


def reading(choice: Choice) -> Reading:
    logit = choice.logprobs[FIRST] - choice.logprobs[SECOND]
    return Reading(logit, choice.mass, choice.argmax_is_label, choice.bounded, way=choice.way)


def combined(forward: Reading, backward: Reading, settings: LabelingSettings) -> float | None:
    """P(first is better) from both orders; None where either order holds too little label mass.

    A judge that was held to the labels has no known mass, and its answers count.
    """
    known = [each.mass for each in (forward, backward) if each.mass is not None]
    if known and min(known) < settings.min_label_mass:
        return None
    if settings.combine == "mean_probability":
        probability = (_sigmoid(forward.logit) + _sigmoid(-backward.logit)) / 2
    else:
        probability = _sigmoid((forward.logit - backward.logit) / 2)
    low, high = settings.clamp or (0.0, 1.0)
    return min(max(probability, low), high)


def verdict(
    probability: float | None, forward: Reading, backward: Reading, *, settings: LabelingSettings
) -> Verdict:
    """Who won. Ties and unparsed judgments never become labels."""
    if probability is None:
        return "unparsed"
    split = (forward.logit > 0) != (backward.logit < 0)
    if abs(probability - 0.5) <= settings.tie_margin or (settings.require_agreement and split):
        return "tie"
    return "first" if probability > 0.5 else "second"


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
