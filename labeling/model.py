"""The nouns of labeling: a comparison, the readings and votes of a judgment, and the settings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from constitution.document import Section
from constitution.model import Slug
from critique.model import SamplingSettings, Text
from engine.protocol import LabelWay
from labeling.pair_settings import BestOfNSettings, Export, FilterSettings, HelpfulnessSettings
from prompts.message import Conversation

Source = Literal["samples", "revision", "hard_negative", "contrast", "best_of_n"]
Origin = Literal[Source, "human"]
"""Where a comparison comes from: a source of the recipe's pairs, or a file of pairs that people labelled."""
CONSTRUCTED: frozenset[Source] = frozenset({"revision", "hard_negative", "contrast"})
"""Sources whose first response is better by how the pair was made."""
SAMPLED: frozenset[Source] = frozenset({"samples", "contrast", "best_of_n"})
"""Sources that ask the policy for responses."""
Verdict = Literal["first", "second", "tie", "unparsed", "refused", "identical"]
Combine = Literal["mean_probability", "mean_logit"]
MethodName = Literal["ab", "reasoned", "few_shot", "pointwise", "likelihood", "reward"]

MAKING_PAIRS = ("pairs", "limits", "best_of_n", "sample", "decide", "filter", "helpfulness", "exports")
"""Settings of the pairs alone: whatever they say, a judge says the same of a given pair."""

NO_PREFERENCE = 1e-6
"""A probability this close to 0.5, or log-odds this close to 0, name no response: rounding is no opinion.

Log-probabilities are float32 on their way, where neighbours are 6e-8 apart at 0.5 and 1e-6 at 10."""

JUDGE = "judge"
"""The role of the judge that votes where the recipe names no panel."""


class FewShotSettings(Section):
    """Comparisons with their answers that the judge is shown first, out of the principle's own."""

    shots: int = Field(
        default=4, ge=1, description="at most so many; the better response is (A) in half of them"
    )


class PointwiseSettings(Section):
    """How scores of single responses, 1 to 9 scaled to [-1, 1], make a probability."""

    temperature: float = Field(
        default=0.25, gt=0, description="P = 1 / (1 + exp(-difference / temperature)); 0.25 is one point of 9"
    )


class LikelihoodSettings(Section):
    """How much likelier each response becomes when the model is asked to follow the principle."""

    length_normalized: bool = Field(
        default=True, description="the mean over a response's tokens; false: the sum"
    )
    temperature: float = Field(
        default=0.1, gt=0, description="P = 1 / (1 + exp(-difference / temperature)); differences in nats"
    )


class RewardSettings(Section):
    """How the rewards of two responses make a probability."""

    temperature: float = Field(
        default=1.0,
        gt=0,
        description="P = 1 / (1 + exp(-difference / temperature)); 1 for a model that was trained on "
        "comparisons, or the temperature in the `reward.json` of one that Solon trained",
    )


class LabelingSettings(Section):
    """The RLAIF stage: pairs of responses, and the way in which they are judged (docs/labeling.md)."""

    pairs: tuple[Source, ...] = Field(
        default=("samples",),
        description="none (`[]`): nothing is labelled, and the section says how audits and online methods "
        "ask judges; samples: two samples of the SL model; revision: a revision against the initial answer; "
        "hard_negative: a helpful prompt's own answer against the revision of the most related red-team "
        "prompt, which teaches what not to decline; contrast: samples that were asked to follow a principle "
        "and to go against it (RLCD); best_of_n: the best against the worst of n samples",
    )
    best_of_n: BestOfNSettings = Field(
        default_factory=BestOfNSettings, description="how many samples `best_of_n` ranks"
    )
    limits: dict[Source, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="at most so many pairs of a source, drawn at random; of the others all. Of revisions and "
        "hard negatives, the more there are of one, the more it moves the model: to decline, or not to",
    )
    method: MethodName = Field(
        default="ab",
        description="ab: the letter at once; reasoned: after a written rationale; few_shot: after worked "
        "comparisons; pointwise: each response scored alone; likelihood: which response the principle makes "
        "likelier; reward: each response rated by a reward model",
    )
    principles: Annotated[int, Field(ge=1)] | Literal["all"] = Field(
        default=1, description="so many different principles vote on a pair, drawn by weight; or `all`"
    )
    negated: bool = Field(
        default=False, description="ab: each principle votes once more, asked for the worse response"
    )
    judges: tuple[Slug, ...] = Field(
        default=(JUDGE,),
        min_length=1,
        description="whose votes count: `judge`, names in `models.panel`; several are a panel",
    )
    combine: Combine = Field(
        default="mean_probability",
        description="mean_probability: RLAIF's average of both orders; mean_logit: cancels an additive bias",
    )
    combine_votes: Combine = Field(
        default="mean_probability",
        description="how the votes of several principles or judges make one probability, likewise "
        "(`mean_probability`, `mean_logit`)",
    )
    decide: Literal["judge", "construction"] = Field(
        default="judge",
        description="who decides revision, hard_negative and contrast pairs: the judge, or how they were "
        "made (the revision, the helpful prompt's own answer, the sample that was asked to follow the "
        "principle); the judge's opinion is kept all the same",
    )
    min_label_mass: float = Field(
        default=0.2, ge=0, le=1, description="probability that both labels must hold together to count"
    )
    tie_margin: float = Field(
        default=0.0,
        ge=0,
        lt=0.5,
        description="a probability this close to 0.5, or closer, is a tie, and left out as `low margin`",
    )
    require_agreement: bool = Field(
        default=False, description="a pair whose two orders name different winners is a tie"
    )
    clamp: tuple[float, float] | None = Field(
        default=None,
        description="limits for the probability; null: the method's own, which are [0.4, 0.6] for reasoned, "
        "as in the CAI paper, and none for the others; [0, 1]: none",
    )
    few_shot: FewShotSettings = Field(
        default_factory=FewShotSettings, description="what `method: few_shot` shows"
    )
    pointwise: PointwiseSettings = Field(
        default_factory=PointwiseSettings, description="how `method: pointwise` compares"
    )
    likelihood: LikelihoodSettings = Field(
        default_factory=LikelihoodSettings, description="how `method: likelihood` compares"
    )
    reward: RewardSettings = Field(
        default_factory=RewardSettings, description="how `method: reward` compares"
    )
    sample: SamplingSettings = Field(default_factory=SamplingSettings, description="the SL model's samples")
    rationale: SamplingSettings = Field(
        default_factory=SamplingSettings, description="the judge's reasoning, for `method: reasoned`"
    )
    filter: FilterSettings = Field(
        default_factory=FilterSettings, description="which pairs say too little, or say it again"
    )
    helpfulness: HelpfulnessSettings | None = Field(
        default=None, description="comparisons by people to mix in; null: none"
    )
    exports: tuple[Export, ...] = Field(
        default=("preferences",),
        min_length=1,
        description="the datasets to write. preferences: prompt, chosen, rejected; unpaired: the same "
        "responses one by one, with a label (KTO); ranked: all samples of `best_of_n` with scores and ranks "
        "(RRHF)",
    )

    @property
    def judge_decides(self) -> bool:
        """Whether any label is the judge's: how good it is matters then."""
        return self.decide == "judge" or not CONSTRUCTED.issuperset(self.pairs)

    @field_validator("judges")
    @classmethod
    def _each_once(cls, judges: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(judges)) < len(judges):
            raise ValueError("each judge votes once: a name stands here twice")
        return judges

    @field_validator("clamp")
    @classmethod
    def _around_a_half(cls, clamp: tuple[float, float] | None) -> tuple[float, float] | None:
        if clamp is not None and not 0 <= clamp[0] <= 0.5 <= clamp[1] <= 1:
            raise ValueError("expected two limits with 0.5 between them, such as [0.4, 0.6]")
        return clamp

    @model_validator(mode="after")
    def _negated_is_asked_by_ab(self) -> "LabelingSettings":
        if self.negated and self.method != "ab":
            raise ValueError("`negated` asks for the worse of two letters, which is for `method: ab` alone")
        return self

    @model_validator(mode="after")
    def _exports_have_their_source(self) -> "LabelingSettings":
        if "unpaired" in self.exports and "preferences" not in self.exports:
            raise ValueError("`unpaired` is made of the preference pairs: add `preferences` to `exports`")
        if self.helpfulness is not None and "preferences" not in self.exports:
            raise ValueError("`helpfulness` is mixed into the preferences: add `preferences` to `exports`")
        if "ranked" in self.exports and "best_of_n" not in self.pairs:
            raise ValueError("`ranked` is made of `best_of_n`, which `pairs` does not have: add it there")
        return self

    @model_validator(mode="after")
    def _samples_differ(self) -> "LabelingSettings":
        alike = [source for source in self.pairs if source in ("samples", "best_of_n")]
        if alike and self.sample.temperature == 0:
            raise ValueError(
                f"at `sample.temperature: 0` all samples are equal, and `{alike[0]}` compares several of "
                "them: set it above 0"
            )
        return self

    @model_validator(mode="after")
    def _principles_are_read(self) -> "LabelingSettings":
        if self.principles != 1 and self.method == "reward":
            raise ValueError("`method: reward` reads no principles: leave `principles` out")
        return self


@dataclass(frozen=True, slots=True)
class Comparison:
    """A conversation and two responses to it.

    `group` names what several comparisons belong to that are ranked together, and so judged under the same
    principles; "" where it stands alone. `shaped_by` is the principle by which a response was made: what a
    revision was asked for, what a contrast follows and goes against.
    """

    id: str
    source: Origin
    conversation: Conversation
    first: Text
    second: Text
    category: str = ""
    group: str = ""
    shaped_by: str = ""

    @property
    def identical(self) -> bool:
        """Whether both responses say the same."""
        return self.first.text.strip() == self.second.text.strip()

    @property
    def drawn_as(self) -> str:
        """What its principles are drawn by: the same ones vote on all comparisons of a group."""
        return self.group or self.id

    @property
    def row(self) -> str:
        """The row that the pair was made of: what stands in its id before the source."""
        return self.id.rpartition(f"/{self.source}")[0] or self.id

    def swapped(self) -> "Comparison":
        return replace(self, first=self.second, second=self.first)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the judge said of one order.

    `logit` is the log-odds, in nats, that the response shown first is the better one: log P(A) - log P(B),
    its sign turned where the worse one was asked for; None where there was nothing to read. `mass` is the
    probability that all labels hold together, None where the judge was held to them or none was asked for;
    `way` how it was asked for them. `refused` says that the judge declined to judge, in words.
    """

    logit: float | None
    mass: float | None
    argmax_is_label: bool
    bounded: bool = False
    rationale: str | None = None
    way: LabelWay = "vocabulary"
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Vote:
    """One judge's opinion under one principle, in both orders; ways without an order say the same twice.

    `principle` is "" where the way reads none, `judge` the judge's role. `probability` is that of the first
    response being better; None where a reading could not be used, and then the vote does not count. The
    scores are what each response got by itself: -1 to 1 by `pointwise`, nats by `likelihood`, its reward by
    `reward`, None where responses are only compared.
    """

    principle: str
    judge: str
    negated: bool
    forward: Reading
    backward: Reading
    probability: float | None
    first_score: float | None = None
    second_score: float | None = None


@dataclass(frozen=True, slots=True)
class Judgment:
    """The votes on a comparison, and what follows from them.

    `probability` is that of the first response being better; None where no vote counts. There is no vote
    where the responses are identical.
    """

    votes: tuple[Vote, ...]
    probability: float | None
    verdict: Verdict
    method: str
    template: str
    template_hash: str

    @property
    def forward_logit(self) -> float | None:
        """The mean of the votes that count, in nats."""
        return mean_logit(self.votes, "forward")

    @property
    def backward_logit(self) -> float | None:
        """As `forward_logit`, of the responses swapped."""
        return mean_logit(self.votes, "backward")

    @property
    def agree(self) -> bool:
        return orders_agree(self.votes)

    @property
    def unity(self) -> float | None:
        """The share of the counted votes for the response that most of them are for; None without a vote.

        A vote of exactly 0.5 is half a vote for either.
        """
        sides = [_side(vote.probability) for vote in self.votes if vote.probability is not None]
        return max(fmean(sides), 1 - fmean(sides)) if sides else None


def mean_logit(votes: Sequence[Vote], order: Literal["forward", "backward"]) -> float | None:
    """One order's log-odds, the mean of the votes that count; of all that can be read, where none counts."""
    counted = [vote for vote in votes if vote.probability is not None] or votes
    readings = [vote.forward if order == "forward" else vote.backward for vote in counted]
    known = [reading.logit for reading in readings if reading.logit is not None]
    return fmean(known) if known else None


def orders_agree(votes: Sequence[Vote]) -> bool:
    """Whether both orders, each averaged over the votes, name the same response."""
    forward, backward = mean_logit(votes, "forward"), mean_logit(votes, "backward")
    if forward is None or backward is None or min(abs(forward), abs(backward)) <= NO_PREFERENCE:
        return False
    return (forward > 0) == (backward < 0)


def _side(probability: float) -> float:
    return 0.5 if abs(probability - 0.5) <= NO_PREFERENCE else float(probability > 0.5)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A comparison with its judgment and the journal keys of all calls that led to it."""

    comparison: Comparison
    judgment: Judgment
    keys: tuple[str, ...] = ()
