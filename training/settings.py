"""The `training` section of a recipe: how each stage trains. Names are those that TRL's users know.

Here are the methods that learn from data sets; what all share is in `settings_trainer`. What methods share
that learn from answers of their own is in `settings_online`, and each of them has a file of its own.
"""

from typing import Literal

from pydantic import Field, model_validator

from constitution.document import Section
from training.settings_grpo import GRPOSettings
from training.settings_online import OnlineSettings
from training.settings_online_dpo import OnlineDPOSettings
from training.settings_ppo import PPOSettings
from training.settings_trainer import MethodName, TrainerSettings

__all__ = [
    "DPOSettings",
    "GRPOSettings",
    "KTOSettings",
    "LossType",
    "MethodName",
    "ORPOSettings",
    "OnlineDPOSettings",
    "OnlineSettings",
    "PPOSettings",
    "RRHFSettings",
    "RewardModelSettings",
    "SFTSettings",
    "TrainerSettings",
    "TrainingSettings",
]

LossType = Literal[
    "sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard",
    "aot", "aot_unpaired", "apo_zero", "apo_down", "discopop",
]  # fmt: skip


class SFTSettings(TrainerSettings):
    """Supervised fine-tuning on responses; the loss is on the last assistant message alone."""

    epochs: float = Field(default=2, gt=0, description="passes over the data")
    group_by_length: bool = Field(
        default=False,
        description="batches of rows of about one length: less padding; not together with save_steps, since "
        "a resumed run would see another order",
    )

    helpful_share: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="share of helpful samples among the rows that critique made, drawn by the seed; null: "
        "all that there are",
    )
    packing: bool = Field(
        default=False,
        description="several rows in one of up to max_length tokens, each of which sees itself alone: no "
        "padding, and the same loss a token; batch_size then counts rows of max_length tokens",
    )

    @model_validator(mode="after")
    def _packed_rows_have_one_length(self) -> "SFTSettings":
        if self.packing and self.group_by_length:
            raise ValueError(
                "packing leaves no padding that group_by_length could save; leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _order_survives_a_resume(self) -> "SFTSettings":
        if self.group_by_length and self.save_steps:
            raise ValueError("group_by_length and save_steps exclude each other; leave one of them out")
        return self


class DPOSettings(TrainerSettings):
    """Direct preference optimisation (Rafailov et al. 2023) and its family."""

    learning_rate: float = Field(default=5e-5, gt=0, description="AdamW's step size after warm-up")
    beta: float = Field(default=0.1, gt=0, description="how closely the policy is held to the reference")
    loss_type: LossType | tuple[LossType, ...] = Field(
        default="sigmoid", description="TRL's name of the loss, or several that are summed"
    )
    labels: Literal["soft", "hard"] | None = Field(
        default=None,
        description="soft: each pair's own `chosen_probability` is to be met (conservative DPO); hard: "
        "chosen is to win; null: soft by the sigmoid loss, hard by any other",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=0.5,
        description="believed share of wrong labels, one for all pairs (robust, exo_pair, aot, aot_unpaired "
        "only)",
    )
    precompute_ref_log_probs: bool = Field(
        default=True,
        description="ask the reference once, before training, not at every step: it then takes no memory",
    )

    @model_validator(mode="after")
    def _smoothing_is_used(self) -> "DPOSettings":
        smoothed = {"robust", "exo_pair", "aot", "aot_unpaired"} & set(self.losses)
        if self.label_smoothing and not smoothed:
            raise ValueError(
                "label_smoothing changes only the losses robust, exo_pair, aot and aot_unpaired; set one of "
                "them, or 0 (`labels: soft` smooths the sigmoid loss, pair by pair)"
            )
        if "exo_pair" in self.losses and not self.label_smoothing:
            raise ValueError("loss_type exo_pair needs label_smoothing above 0; its paper takes 0.001")
        return self

    @model_validator(mode="after")
    def _soft_labels_have_their_loss(self) -> "DPOSettings":
        if self.labels == "soft" and self.losses != ("sigmoid",):
            raise ValueError(
                "soft labels are for the sigmoid loss: set `loss_type: sigmoid`, or `labels: hard`"
            )
        return self

    @property
    def losses(self) -> tuple[LossType, ...]:
        return (self.loss_type,) if isinstance(self.loss_type, str) else self.loss_type

    @property
    def soft(self) -> bool:
        """Whether each pair's own probability is learned, and not that chosen wins."""
        return self.losses == ("sigmoid",) and self.labels != "hard"


class RewardModelSettings(TrainerSettings):
    """A reward model, by comparisons (Bradley and Terry 1952; Ouyang et al. 2022, equation 1)."""

    labels: Literal["soft", "hard"] = Field(
        default="soft",
        description="soft: each pair's own `chosen_probability` is to be met, which CAI found much better; "
        "hard: chosen is to win",
    )
    margin: float = Field(
        default=0.0,
        ge=0,
        description="hard labels: how far chosen is to be ahead; a row's own `margin` goes before it",
    )
    center_rewards_coefficient: float = Field(
        default=0.01,
        ge=0,
        description="weight of the squared sum of a pair's rewards, which keeps their mean at 0",
    )
    held_out: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="share of the prompts that are not learned from: accuracy, calibration and the scale of "
        "rewards are measured on them",
    )
    balance: bool = Field(
        default=False,
        description="pairs of each source (revision, hard_negative, …) weigh the same together, however many "
        "there are of it: otherwise what most pairs have in common, such as that an answer is better than a "
        "refusal, is learned before what a prompt asks for",
    )

    @model_validator(mode="after")
    def _margins_are_for_hard_labels(self) -> "RewardModelSettings":
        if self.margin and self.labels == "soft":
            raise ValueError("a margin moves what soft labels aim at: set `labels: hard`, or margin 0")
        return self

    @model_validator(mode="after")
    def _answers_are_whole(self) -> "RewardModelSettings":
        if self.max_completion_length is not None:
            raise ValueError(
                "a reward is read at an answer's end, so none is cut: leave max_completion_length out"
            )
        return self


class ORPOSettings(TrainerSettings):
    """Pairs by their odds, with the likelihood of chosen and no reference (ORPO, Hong et al. 2024)."""

    learning_rate: float = Field(default=5e-5, gt=0, description="AdamW's step size after warm-up")
    beta: float = Field(
        default=0.1, gt=0, description="weight of the odds beside chosen's likelihood; the paper's lambda"
    )


class KTOSettings(TrainerSettings):
    """Single responses, good or bad, against a reference (KTO, Ethayarajh et al. 2024)."""

    learning_rate: float = Field(default=5e-5, gt=0, description="AdamW's step size after warm-up")
    batch_size: int = Field(
        default=8,
        ge=2,
        description="responses in one forward pass; the distance from the reference is estimated on them, so "
        "accumulation is no substitute",
    )
    gradient_accumulation_steps: int = Field(
        default=1, ge=1, description="forward passes in one optimizer step"
    )
    beta: float = Field(default=0.1, gt=0, description="how closely the policy is held to the reference")
    desirable_weight: float = Field(
        default=1.0,
        gt=0,
        description="weight of good responses; the paper has weight times number of the good at 1 to 4/3 "
        "times that of the bad",
    )
    undesirable_weight: float = Field(default=1.0, gt=0, description="weight of bad responses")
    precompute_ref_log_probs: bool = Field(
        default=True,
        description="ask the reference once, before training, not at every step: it then takes no memory",
    )


class RRHFSettings(TrainerSettings):
    """Ranking of all responses to a prompt at once, without a reference (RRHF, Yuan et al. 2023)."""

    learning_rate: float = Field(default=5e-5, gt=0, description="AdamW's step size after warm-up")
    batch_size: int = Field(
        default=1, ge=1, description="groups (a prompt with all of its responses) in one forward pass"
    )
    gradient_accumulation_steps: int = Field(
        default=8, ge=1, description="forward passes in one optimizer step"
    )
    length_penalty: float = Field(
        default=1.0,
        ge=0,
        description="a response's log-probability is divided by its tokens to this power before it is ranked",
    )
    rank_term: Literal["sum", "mean"] = Field(
        default="sum",
        description="over the pairs of a group in which one response is better; mean: groups of any size "
        "weigh the same",
    )
    rank_weight: float = Field(
        default=1.0, ge=0, description="weight of the rank term (the official code takes 100)"
    )
    sft_term: Literal["token_mean", "sum"] = Field(
        default="token_mean",
        description="the best response's log-likelihood, a token or in all; in all it outweighs the ranks",
    )


class TrainingSettings(Section):
    """The stages of one recipe, in order; a stage that is left out does not run."""

    sft: SFTSettings | None = Field(default=None, description="supervised fine-tuning on revisions")
    reward: RewardModelSettings | None = Field(default=None, description="a reward model on labelled pairs")
    dpo: DPOSettings | None = Field(default=None, description="preference optimisation on labelled pairs")
    orpo: ORPOSettings | None = Field(
        default=None, description="preference optimisation on labelled pairs, without a reference"
    )
    kto: KTOSettings | None = Field(
        default=None, description="good and bad responses, on the `unpaired` export"
    )
    rrhf: RRHFSettings | None = Field(
        default=None, description="ranking, on the `ranked` export of `best_of_n`"
    )
    ppo: PPOSettings | None = Field(default=None, description="reinforcement learning against a reward")
    grpo: GRPOSettings | None = Field(
        default=None, description="reinforcement learning by groups of answers to a prompt"
    )
    online_dpo: OnlineDPOSettings | None = Field(
        default=None, description="preference optimisation on the policy's own answers, judged as it learns"
    )
