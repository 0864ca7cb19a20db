"""The nouns of labeling: a comparison, a judgment, a preference pair, and the settings."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from constitution.document import Section
from critique.model import SamplingSettings, Text
from engine.protocol import LabelWay
from prompts.message import Conversation

Source = Literal["samples", "revision", "hard_negative"]
Verdict = Literal["first", "second", "tie", "unparsed"]


class LabelingSettings(Section):
    """The RLAIF stage: pairs of responses, judged by A/B log-probabilities in both orders."""

    pairs: tuple[Source, ...] = Field(
        default=("samples",),
        min_length=1,
        description="samples: two samples of the SL model; revision: a revision against the initial answer; "
        "hard_negative: a helpful prompt's own answer against the revision of the most related red-team "
        "prompt, which teaches what not to decline",
    )
    limits: dict[Source, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="at most so many pairs of a source, drawn at random; of the others all. Of revisions and "
        "hard negatives, the more there are of one, the more it moves the model: to decline, or not to",
    )
    method: Literal["ab", "reasoned"] = Field(
        default="ab", description="ab: the letter at once; reasoned: after a written rationale"
    )
    combine: Literal["mean_probability", "mean_logit"] = Field(
        default="mean_probability",
        description="mean_probability: RLAIF's average of both orders; mean_logit: cancels an additive bias",
    )
    decide: Literal["judge", "construction"] = Field(
        default="judge",
        description="who decides revision and hard_negative pairs: the judge, or how they were made (the "
        "revision, the helpful prompt's own answer); the judge's opinion is kept all the same",
    )
    min_label_mass: float = Field(
        default=0.2, ge=0, le=1, description="probability that both labels must hold together to count"
    )
    tie_margin: float = Field(
        default=0.0, ge=0, lt=0.5, description="a probability this close to 0.5, or closer, is a tie"
    )
    require_agreement: bool = Field(
        default=False, description="a pair whose two orders name different winners is a tie"
    )
    clamp: tuple[float, float] | None = Field(
        default=None, description="limits for the probability, such as [0.4, 0.6] for reasoned labels"
    )
    sample: SamplingSettings = Field(default_factory=SamplingSettings, description="the SL model's samples")
    rationale: SamplingSettings = Field(
        default_factory=SamplingSettings, description="the judge's reasoning, for `method: reasoned`"
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """A conversation and two responses to it."""

    id: str
    source: Source
    conversation: Conversation
    first: Text
    second: Text
    category: str = ""

    def swapped(self) -> "Comparison":
        return Comparison(
            self.id, self.source, self.conversation, self.second, self.first, category=self.category
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What the judge said of one order: A stands for the response that was shown first.

    `logit` is log P(A) - log P(B), in nats; `mass` the probability of A and B together, None where the judge
    was held to them; `way` how it was asked for them.
    """

    logit: float
    mass: float | None
    argmax_is_label: bool
    bounded: bool = False
    rationale: str | None = None
    way: LabelWay = "vocabulary"


@dataclass(frozen=True, slots=True)
class Judgment:
    """The judge's opinion of a comparison in both orders, and what follows from it.

    `probability` is that of the first response being better; None when a reading could not be used.
    """

    principle: str
    forward: Reading
    backward: Reading
    probability: float | None
    verdict: Verdict
    template: str
    template_hash: str

    @property
    def agree(self) -> bool:
        """Whether both orders name the same response."""
        return (self.forward.logit > 0) == (self.backward.logit < 0)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A comparison with its judgment and the journal keys of all calls that led to it."""

    comparison: Comparison
    judgment: Judgment
    keys: tuple[str, ...] = ()
