"""The seams of methods that learn from the log-probabilities of answers that are there already.

In: token ids, and a loss. Out: trainers whose loop, memory and checkpoints are TRL's, and whose rows and
losses are ours. `tests/test_training_seams.py` holds them to the pinned version.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate.utils import send_to_device
from datasets import Dataset
from torch import Tensor
from trl.trainer.dpo_trainer import DataCollatorForPreference, DPOTrainer
from trl.trainer.kto_trainer import KTOTrainer
from trl.trainer.sft_trainer import SFTTrainer

from training.bradley_terry import pair_losses
from training.seams import TargetCollator, note
from training.shared_prompts import pairs, shared_prompts
from training.tokens import IGNORED


@dataclass(frozen=True, slots=True)
class Answers:
    """A batch of answers as the policy sees them.

    `logps` is log pi(answer | prompt) in nats, `tokens` how many tokens that sums over, both of shape
    (rows,). `batch` is what the collator made.
    """

    logps: Tensor
    tokens: Tensor
    batch: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Loss:
    """A scalar to go down, and numbers for the log."""

    value: Tensor
    numbers: Mapping[str, Tensor] = field(default_factory=dict)


def answer_logps(model: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """The log-probability of each row's answer, in nats, shape (rows,): TRL's own way, no logits kept.

    `batch` is `input_ids`, `attention_mask` and `completion_mask`, each of shape (rows, tokens).
    """
    asked = {name: batch[name] for name in ("input_ids", "attention_mask")}
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, IGNORED)
    return model(**asked, labels=labels, fused_lm_head=True, use_cache=False).log_probs.sum(dim=1)


class ExactInputs:
    """Leaves a batch's numbers as they are.

    With ZeRO in bfloat16 `transformers` rounds all that are not whole, for models that take such. Here they
    are labels and the reference's log-probabilities, which a half more or less makes others.
    """

    args: Any

    def _prepare_input(self, data: Any) -> Any:
        return send_to_device(data, self.args.device)


class AnswerTrainer(ExactInputs, SFTTrainer):
    """TRL's trainer without a reference, with a loss over answers in the place of its own.

    `loss` is a mean over the batch's rows, so that accumulation changes nothing. `columns` are those that the
    collator reads.
    """

    loss_is_scaled_for_ga = False

    def __init__(self, *, loss: Callable[[Answers], Loss], columns: Sequence[str], **options: Any) -> None:
        self.answer_loss, self._columns = loss, list(columns)
        super().__init__(**options)

    def _send_telemetry(self) -> None:
        return

    def _prepare_dataset(self, dataset: Dataset, *_: object, **__: object) -> Dataset:  # type: ignore[override]
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = self._columns

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,  # noqa: ARG002
        num_items_in_batch: Any = None,  # noqa: ARG002
    ) -> Any:
        # The first token of a row is never predicted, and no answer begins there.
        tokens = inputs["completion_mask"].sum(dim=1)
        with shared_prompts(model, inputs["groups"] if "groups" in inputs else pairs(inputs)):
            logps = answer_logps(model, inputs)
        loss = self.answer_loss(Answers(logps, tokens, inputs))
        note(self, loss.numbers)
        return loss.value


def release_reference(trainer: "TokenizedDPOTrainer | TokenizedKTOTrainer") -> None:
    """Let go of a second model that has been asked everything: TRL keeps one that it was given."""
    if trainer.precompute_ref_logps:
        trainer.ref_model = None


class TokenizedDPOTrainer(ExactInputs, DPOTrainer):
    """TRL's trainer for pairs that are token ids already, telling how far the reference pass is."""

    def __init__(self, *, on_reference: Callable[[], None], **options: Any) -> None:
        self.on_reference = on_reference
        super().__init__(**options)
        release_reference(self)

    def _send_telemetry(self) -> None:
        return

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:  # type: ignore[override]
        return dataset

    def compute_ref_log_probs(self, model: Any, inputs: Any) -> tuple[Tensor, Tensor]:
        with shared_prompts(model, pairs(inputs)):
            answer = super().compute_ref_log_probs(model, {k: v for k, v in inputs.items() if k != "target"})
        self.on_reference()
        return answer

    def compute_loss(self, model: Any, inputs: dict[str, Any], *told: Any, **options: Any) -> Any:  # type: ignore[override]
        with shared_prompts(model, pairs(inputs)), self._reference_shared(inputs):
            return super().compute_loss(model, inputs, *told, **options)

    def _reference_shared(self, inputs: dict[str, Any]) -> contextlib.AbstractContextManager[None]:
        """The same for a reference with weights of its own."""
        return shared_prompts(self.ref_model, pairs(inputs)) if self.ref_model else contextlib.nullcontext()


class TokenizedKTOTrainer(ExactInputs, KTOTrainer):
    """TRL's trainer for responses that are token ids already, each with its mismatched response."""

    def __init__(self, *, on_reference: Callable[[], None], **options: Any) -> None:
        self.on_reference = on_reference
        super().__init__(**options)
        release_reference(self)

    def _send_telemetry(self) -> None:
        return

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:  # type: ignore[override]
        return dataset

    def compute_ref_log_probs(self, model: Any, inputs: Any) -> Any:
        answer = super().compute_ref_log_probs(model, inputs)
        self.on_reference()
        return answer


class LabelledPairCollator(TargetCollator):
    """Prompts with chosen and then rejected answers."""

    def __init__(self, pad_token_id: int) -> None:
        super().__init__(DataCollatorForPreference(pad_token_id=pad_token_id))


class SoftDPOTrainer(TokenizedDPOTrainer):
    """TRL's trainer, with the sigmoid loss on a soft label for each pair: rows have `target`, too.

    TRL's own loss has no such label: its `label_smoothing` is one for all pairs, and `sigmoid` ignores it.
    """

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        self._signature_columns = list(dict.fromkeys([*(self._signature_columns or []), "target"]))

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:  # noqa: ARG002
        logps = answer_logps(model, inputs)
        if self.precompute_ref_logps:
            reference = torch.cat([inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]])
        else:
            asked = {name: value for name, value in inputs.items() if name != "target"}
            reference = torch.cat(DPOTrainer.compute_ref_log_probs(self, self.ref_model or self.model, asked))
        chosen, rejected = (self.beta * (logps - reference)).chunk(2)
        target = inputs["target"]
        ahead = {"rewards/accuracies": (chosen > rejected).float(), "rewards/margins": chosen - rejected}
        note(self, {"rewards/chosen": chosen, "rewards/rejected": rejected, **ahead})
        note(self, dict(zip(("logps/chosen", "logps/rejected"), logps.chunk(2), strict=True)))
        return pair_losses(chosen, rejected, target=target, margin=torch.zeros_like(target)).mean()
