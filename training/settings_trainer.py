"""What every way to train has in common in a recipe. Names are those that TRL's users know."""

import math
import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from constitution.document import Section

MethodName = Literal["sft", "reward", "dpo", "orpo", "kto", "rrhf", "ppo", "grpo", "online_dpo"]
"""The ways to train, in the order of a run; each has a section of its name in `TrainingSettings`."""

Scheduler = Literal["linear", "cosine", "constant", "constant_with_warmup"]
Tracker = Literal["none", "tensorboard", "wandb", "mlflow", "trackio"]

WITHOUT_EFFECT = frozenset(
    {
        "logging_steps", "save_steps", "keep_checkpoints", "report_to", "push_to_hub", "hub_model_id",
        "max_kl", "max_length_growth",
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

    @property
    def reference_columns(self) -> tuple[str, ...]:
        """The columns of the rows that decide the outcome, beside those of the method itself."""
        return ()

    def optimizer_steps(self, rows: int, processes: int = 1) -> int:
        """Optimizer steps of the whole run over so many rows, of which each process has its share."""
        batches = math.ceil(math.ceil(rows / processes) / self.batch_size)
        return math.ceil(math.ceil(batches / self.gradient_accumulation_steps) * self.epochs)

    def decisive(self) -> dict[str, object]:
        """What decides the outcome, as JSON: paths stand for what is there."""
        return self.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
