"""The `labeling` section of a recipe: which pairs are made, how they are judged, what is written."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from constitution.document import Section
from constitution.model import Slug
from critique.model import SamplingSettings
from labeling.model import CONSTRUCTED, JUDGE, Source
from labeling.pair_settings import BestOfNSettings, Export, FilterSettings, HelpfulnessSettings

Combine = Literal["mean_probability", "mean_logit"]
MethodName = Literal["ab", "reasoned", "few_shot", "pointwise", "likelihood", "relevance", "reward"]

MAKING_PAIRS = ("pairs", "limits", "best_of_n", "sample", "decide", "filter", "helpfulness", "exports")
"""Settings of the pairs alone: whatever they say, a judge says the same of a given pair."""


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

    against: Literal["plain", "opposite"] = Field(
        default="plain",
        description="what the response's likelihood is held against: that after the plain conversation, or "
        "where the model is asked to go against the principle",
    )
    length_normalized: bool = Field(
        default=True, description="the mean over a response's tokens; false: the sum"
    )
    temperature: float = Field(
        default=0.1, gt=0, description="P = 1 / (1 + exp(-difference / temperature)); differences in nats"
    )


class RelevanceSettings(Section):
    """How much likelier the conversation makes each response than it is by itself."""

    length_normalized: bool = Field(
        default=True, description="the mean over a response's tokens; false: the sum"
    )
    temperature: float = Field(
        default=0.5, gt=0, description="P = 1 / (1 + exp(-difference / temperature)); differences in nats"
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
        "likelier; relevance: which response the conversation makes likelier; reward: each response rated by "
        "a reward model",
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
    relevance: RelevanceSettings = Field(
        default_factory=RelevanceSettings, description="how `method: relevance` compares"
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
        if self.principles != 1 and self.method in ("reward", "relevance"):
            raise ValueError(f"`method: {self.method}` reads no principles: leave `principles` out")
        return self
