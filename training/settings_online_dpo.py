"""The settings of online preference optimisation."""

from typing import Literal

from pydantic import Field, model_validator

from training.reward_part import RewardPart
from training.settings_online import OnlineSettings

PairLoss = Literal["sigmoid", "ipo"]


class OnlineDPOSettings(OnlineSettings):
    """Preference optimisation on the policy's own answers (OAIF, Guo et al. 2024), by DPO's or IPO's loss."""

    batch_size: int = Field(default=4, ge=1, description="pairs in one forward pass")
    reward_funcs: tuple[RewardPart, ...] = Field(
        default=(),
        description="what is summed to the score that tells the better answer; none: the judges of "
        "`labeling` compare the answers, in both orders",
    )
    num_generations: int = Field(
        default=2, ge=2, le=16, description="answers to a prompt; of more than 2 the best and the worst"
    )
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
    num_iterations: int = Field(default=1, ge=1, description="passes over the pairs before new answers")
    judge_ahead: bool = Field(
        default=False,
        description="sample the next answers before learning from these, so that a server judges them "
        "meanwhile; they are then those of the policy one rollout before",
    )

    @model_validator(mode="after")
    def _rollouts_are_whole(self) -> "OnlineDPOSettings":
        step = self.batch_size * self.gradient_accumulation_steps * self.num_generations
        if self.generation_batch_size % step:
            raise ValueError(
                f"generation_batch_size {self.generation_batch_size} is no multiple of batch_size x "
                f"gradient_accumulation_steps x num_generations = {step}"
            )
        if self.max_completion_length is None or self.max_completion_length >= self.max_length:
            raise ValueError("max_completion_length must be a number below max_length: prompts need room")
        return self

    @property
    def answers_a_prompt(self) -> int:
        return self.num_generations

    @property
    def answers_a_batch(self) -> int:
        """A batch of pairs is made of all answers to as many prompts."""
        return self.batch_size * self.num_generations

    @property
    def passes(self) -> int:
        return self.num_iterations

    @property
    def asks_judge(self) -> bool:
        return not self.reward_funcs or super().asks_judge

    @property
    def steps_a_pass(self) -> int:
        """Optimizer steps in one pass over a rollout's pairs."""
        pairs = self.generation_batch_size // self.num_generations
        return pairs // (self.batch_size * self.gradient_accumulation_steps)

    @property
    def steps_per_rollout(self) -> int:
        return self.num_iterations * self.steps_a_pass
