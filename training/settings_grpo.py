"""The settings of group-relative policy optimisation."""

from typing import Literal

from pydantic import Field, model_validator

from training.settings_online import GroupedSettings


class GRPOSettings(GroupedSettings):
    """Group-relative policy optimisation (Shao et al. 2024): an answer counts by how far it is above others
    to the same prompt.
    """

    beta: float = Field(
        default=0.04, ge=0, description="weight of the KL to the reference in the loss, a token; 0: none"
    )
    scale_rewards: Literal["group", "batch", "none"] = Field(
        default="group",
        description="what an answer's lead over its group is divided by: the scores' standard deviation "
        "in the group, in the rollout, or nothing (Dr. GRPO)",
    )
    loss_type: Literal["dapo", "grpo", "dr_grpo"] = Field(
        default="dapo",
        description="what the loss is a mean of: dapo, the tokens of a step; grpo, answers, each the mean of "
        "its tokens, so that long ones count less a token; dr_grpo, as dapo, with `max_completion_length` "
        "for each answer's length",
    )
    epsilon: float = Field(default=0.2, gt=0, lt=1, description="how far a probability ratio may fall")
    epsilon_high: float | None = Field(
        default=None, gt=0, description="how far it may rise; null: `epsilon` (DAPO takes 0.28)"
    )
    importance_sampling_level: Literal["token", "sequence"] = Field(
        default="token",
        description="whose probability ratio is clipped: a token's, or an answer's, which is the mean of its "
        "tokens' (geometric; GSPO, with much smaller epsilons)",
    )
    mask_truncated_completions: bool = Field(
        default=False, description="learn nothing from answers that the length limit ended"
    )
    use_bias_correction_kl: bool = Field(
        default=True,
        description="weigh a token's KL by its probability ratio, so that its gradient is that of the KL; "
        "false: the paper's estimate, whose gradient is another one",
    )

    @model_validator(mode="after")
    def _groups_are_whole(self) -> "GRPOSettings":
        if self.generation_batch_size % self.num_generations:
            raise ValueError(
                f"generation_batch_size {self.generation_batch_size} is no multiple of num_generations "
                f"{self.num_generations}"
            )
        return self
