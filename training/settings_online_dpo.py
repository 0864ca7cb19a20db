"""The settings of online preference optimisation."""

from typing import ClassVar, Literal

from pydantic import Field

from training.reward_part import RewardPart
from training.settings_online import GroupedSettings

PairLoss = Literal["sigmoid", "ipo"]


class OnlineDPOSettings(GroupedSettings):
    """Preference optimisation on the policy's own answers (OAIF, Guo et al. 2024), by DPO's or IPO's loss."""

    STEP: ClassVar[str] = f"{GroupedSettings.STEP} x num_generations"

    batch_size: int = Field(default=4, ge=1, description="pairs in one forward pass")
    reward_funcs: tuple[RewardPart, ...] = Field(
        default=(),
        description="what is summed to the score that tells the better answer; none: the judges of "
        "`labeling` compare the answers, in both orders",
    )
    num_generations: int = Field(
        default=2, ge=2, le=16, description="answers to a prompt; of more than 2 the best and the worst"
    )
    num_iterations: int = Field(default=1, ge=1, description="passes over the pairs before new answers")
    loss_type: PairLoss = Field(
        default="sigmoid",
        description="sigmoid: DPO's; ipo: a squared distance, which has an end (Azar et al.)",
    )
    beta: float = Field(default=0.1, gt=0, description="what a nat of KL to the reference costs")
    labels: Literal["soft", "hard"] = Field(
        default="soft",
        description="soft: the probability that chosen is better is to be met; hard: chosen is to win",
    )
    reward_temperature: float = Field(
        default=1.0,
        gt=0,
        description="P(chosen is better) = 1 / (1 + exp(-difference of scores / reward_temperature))",
    )
    judge_ahead: bool = Field(
        default=False,
        description="sample the next answers before learning from these, so that a server judges them "
        "meanwhile; they are then those of the policy one rollout before",
    )

    @property
    def answers_a_batch(self) -> int:
        """A batch of pairs is made of all answers to as many prompts."""
        return self.batch_size * self.num_generations

    @property
    def asks_judge(self) -> bool:
        return not self.reward_funcs or super().asks_judge
