"""The settings of proximal policy optimisation."""

from typing import Literal

from pydantic import Field, model_validator

from training.settings_online import OnlineSettings


class PPOSettings(OnlineSettings):
    """Proximal policy optimisation (Schulman et al. 2017; Ziegler et al. 2019): max E[reward - beta KL]."""

    num_ppo_epochs: int = Field(default=2, ge=1, description="passes over the answers before new ones")
    beta: float = Field(default=0.05, ge=0, description="what a nat of KL to the reference costs")
    kl_target: float | None = Field(
        default=None, gt=0, description="nats an answer that beta is steered to; null: beta stays"
    )
    gamma: float = Field(default=1.0, gt=0, le=1, description="discount from a token to the next")
    lam: float = Field(default=1.0, ge=0, le=1, description="lambda of advantage estimation; 1: no bias")
    cliprange: float = Field(default=0.2, gt=0, description="how far a token's probability ratio may count")
    cliprange_value: float = Field(default=0.2, gt=0, description="how far a value may move in a rollout")
    critic: Literal["policy", "reward"] = Field(
        default="policy",
        description="where the critic begins: at the policy with a head that says 0, or at the first reward "
        "model and its head",
    )
    value_learning_rate: float = Field(default=1e-4, gt=0, description="AdamW's step size for the critic")
    value_warmup_ratio: float = Field(
        default=0.0, ge=0, lt=1, description="share of steps in which the critic's rate rises"
    )
    value_warmup: int = Field(
        default=1, ge=0, description="rollouts at the start that only the critic learns from"
    )
    shared_base: bool = Field(
        default=True,
        description="with LoRA: critic, and reward models that are adapters over the policy's base, lie "
        "beside the policy on one set of base weights; false: each has weights of its own",
    )

    @model_validator(mode="after")
    def _critic_has_a_start(self) -> "PPOSettings":
        if self.critic == "reward" and not self.reward_models:
            raise ValueError("critic: reward needs a reward_model among reward_funcs")
        return self

    @property
    def passes(self) -> int:
        return self.num_ppo_epochs

    @property
    def shares_base(self) -> bool:
        """Whether there is one set of base weights for all models: adapters alone can share one."""
        return self.use_peft and self.shared_base
