"""The `training` section of a recipe: how each stage trains. Names are those that TRL's users know."""

import math
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from constitution.document import Section
from training.reward_part import RUN, RewardPart

MethodName = Literal["sft", "reward", "dpo", "orpo", "kto", "rrhf", "ppo"]
"""The ways to train, in the order of a run; each has a section of its name in `TrainingSettings`."""

LossType = Literal[
    "sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard",
    "aot", "aot_unpaired", "apo_zero", "apo_down", "discopop",
]  # fmt: skip
Scheduler = Literal["linear", "cosine", "constant", "constant_with_warmup"]
Tracker = Literal["none", "tensorboard", "wandb", "mlflow", "trackio"]

WITHOUT_EFFECT = frozenset(
    {
        "logging_steps", "save_steps", "keep_checkpoints", "report_to", "push_to_hub", "hub_model_id",
        "max_kl",
        "max_length_growth",
    }
)  # fmt: skip
"""Settings of a trainer that say nothing about what is learned: a run may go on with other values."""


class TrainerSettings(Section):
    """What every stage has; the defaults suit LoRA on a small model."""

    learning_rate: float = Field(default=2e-4, gt=0, description="AdamW's step size after warm-up")
    epochs: float = Field(default=1, gt=0, description="passes over the data")
    batch_size: int = Field(default=4, ge=1, description="rows (DPO, ORPO: pairs) in one forward pass")
    gradient_accumulation_steps: int = Field(
        default=2, ge=1, description="forward passes in one optimizer step"
    )
    max_length: int = Field(
        default=1024, ge=2, description="tokens of prompt and response together; longer responses are cut"
    )
    max_completion_length: int | None = Field(
        default=None,
        ge=1,
        description="tokens of a response to learn from, from its start; null: all. Whether it declines is "
        "decided in its first words, so a small number teaches that cheaply",
    )
    use_peft: bool = Field(default=True, description="train a LoRA adapter; false: all weights")
    lora_r: int = Field(default=16, ge=1, description="rank of a new adapter; an existing one keeps its own")
    lora_alpha: int = Field(default=32, ge=1, description="scale of a new adapter is lora_alpha / lora_r")
    lora_dropout: float = Field(
        default=0.0, ge=0, lt=1, description="dropout before a new adapter (DPO trains without any)"
    )
    lora_target_modules: str | tuple[str, ...] = Field(
        default="all-linear",
        description="the layers that a new adapter changes: all-linear, a list of names such as q_proj, or a "
        "regular expression of whole names such as model.layers.7.self_attn.q_proj",
    )
    warmup_ratio: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="share of steps, rounded down, in which the rate rises to learning_rate",
    )
    lr_scheduler_type: Scheduler = Field(default="cosine", description="how the rate falls afterwards")
    weight_decay: float = Field(default=0.0, ge=0, description="AdamW's weight decay")
    max_grad_norm: float = Field(default=1.0, gt=0, description="longer gradients are scaled to this norm")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="to compute in; auto: bfloat16 where the hardware multiplies it fast"
    )
    gradient_checkpointing: bool = Field(
        default=False, description="recompute activations in the backward pass: less memory, more time"
    )
    logging_steps: int = Field(default=5, ge=1, description="steps between two entries of the log")
    save_steps: int | None = Field(
        default=None, ge=1, description="steps between two checkpoints to go on from; null: none"
    )
    keep_checkpoints: bool = Field(
        default=False, description="keep the weights of the checkpoints, for `solon evaluate` to measure"
    )
    report_to: Tracker = Field(default="none", description="an experiment tracker that is installed")
    push_to_hub: bool = Field(
        default=False, description="upload the finished folder, as a private repository"
    )
    hub_model_id: str | None = Field(default=None, description="owner/name on the Hub to upload to")

    @field_validator("lora_target_modules")
    @classmethod
    def _is_an_expression(cls, modules: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(modules, str):
            try:
                re.compile(modules)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
        return modules

    @model_validator(mode="after")
    def _hub_id_is_given(self) -> "TrainerSettings":
        if self.push_to_hub and not self.hub_model_id:
            raise ValueError("push_to_hub needs hub_model_id: owner/name")
        return self

    def optimizer_steps(self, rows: int) -> int:
        """Optimizer steps of the whole run over so many rows."""
        batches = math.ceil(rows / self.batch_size)
        return math.ceil(math.ceil(batches / self.gradient_accumulation_steps) * self.epochs)

    def decisive(self) -> dict[str, object]:
        """What decides the outcome, as JSON: paths stand for what is there."""
        return self.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))


class SFTSettings(TrainerSettings):
    """Supervised fine-tuning on responses; the loss is on the last assistant message alone."""

    epochs: float = Field(default=2, gt=0, description="passes over the data")
    group_by_length: bool = Field(
        default=False,
        description="batches of rows of about one length: less padding; not together with save_steps, since "
        "a resumed run would see another order",
    )

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


class PPOSettings(TrainerSettings):
    """Proximal policy optimisation (Schulman et al. 2017; Ziegler et al. 2019): max E[reward - beta KL].

    Nothing here shapes what is sampled but the temperature, which is the policy's: with `top_p`,
    `min_new_tokens` and their like, answers would be another distribution's than the one that is trained.
    """

    learning_rate: float = Field(default=2e-5, gt=0, description="AdamW's step size after warm-up")
    max_completion_length: int | None = Field(
        default=128, ge=1, description="new tokens of a sampled answer at the most"
    )
    temperature: float = Field(
        default=1.0, gt=0, description="of the policy that is sampled, trained and held to its reference"
    )
    reward_funcs: tuple[RewardPart, ...] = Field(
        default=(RewardPart(reward_model=RUN),), min_length=1, description="what is summed to the score"
    )
    missing_eos_penalty: float = Field(
        default=1.0, ge=0, description="taken from the score of an answer that the length limit ended"
    )
    helpful_share: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of helpful prompts among those to answer; the red-team prompts are all there",
    )
    generation_batch_size: int = Field(
        default=32,
        ge=2,
        description="answers that are sampled, then learned from: a multiple of batch_size x "
        "gradient_accumulation_steps",
    )
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
    max_kl: float | None = Field(
        default=50.0, gt=0, description="stop where answers are further from the reference, in nats an answer"
    )
    max_length_growth: float | None = Field(
        default=3.0, gt=1, description="stop where answers are so many times as long as at the start"
    )
    save_steps: int | None = Field(
        default=20,
        ge=1,
        description="steps between two checkpoints, rounded up to whole rollouts; null: none",
    )

    @model_validator(mode="after")
    def _rollouts_are_whole(self) -> "PPOSettings":
        step = self.batch_size * self.gradient_accumulation_steps
        if self.generation_batch_size % step:
            raise ValueError(
                f"generation_batch_size {self.generation_batch_size} is no multiple of batch_size x "
                f"gradient_accumulation_steps = {step}"
            )
        if self.max_completion_length is None or self.max_completion_length >= self.max_length:
            raise ValueError("max_completion_length must be a number below max_length: prompts need room")
        return self

    @model_validator(mode="after")
    def _parts_go_together(self) -> "PPOSettings":
        names = [part.name for part in self.reward_funcs]
        if len(set(names)) < len(names):
            raise ValueError(f"two parts of reward_funcs have one name: {', '.join(names)}")
        if self.critic == "reward" and not self.reward_models:
            raise ValueError("critic: reward needs a reward_model among reward_funcs")
        return self

    @property
    def reward_models(self) -> tuple[RewardPart, ...]:
        return tuple(part for part in self.reward_funcs if part.reward_model is not None)

    @property
    def uses_run(self) -> bool:
        """Whether the run's own reward model has a part in the score."""
        return any(part.reward_model == RUN for part in self.reward_funcs)

    @property
    def steps_per_rollout(self) -> int:
        """Optimizer steps between two rollouts."""
        step = self.batch_size * self.gradient_accumulation_steps
        return self.num_ppo_epochs * (self.generation_batch_size // step)

    def rollouts(self, rows: int) -> int:
        """Rollouts that are needed to answer so many prompts; the last one goes over the start again."""
        return math.ceil(rows * self.epochs / self.generation_batch_size)

    def optimizer_steps(self, rows: int) -> int:
        return self.rollouts(rows) * self.steps_per_rollout

    def decisive(self) -> dict[str, object]:
        contents = [part.content for part in self.reward_models]
        bare = self.model_copy(update={"reward_funcs": tuple(part.placeless for part in self.reward_funcs)})
        return {**super(PPOSettings, bare).decisive(), "reward_models": contents}

    def with_run(self, folder: Path) -> "PPOSettings":
        """The same, the run's own reward model spelled out."""
        parts = [
            part.model_copy(update={"reward_model": str(folder)}) if part.reward_model == RUN else part
            for part in self.reward_funcs
        ]
        return self.model_copy(update={"reward_funcs": tuple(parts)})


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
