"""Every place where training reaches into TRL, PEFT or `transformers` beyond their documented interface.

Each seam is named here with its reason, and `tests/test_training_seams.py` holds it to the pinned versions.
"""

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import huggingface_hub.constants
import torch
import trl.trainer.utils as trl_utils
from datasets import Dataset
from torch import Tensor
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerState
from transformers.utils import logging as transformers_logging
from trl.trainer.dpo_trainer import DataCollatorForPreference as PairCollator
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import DataCollatorForPreference, RewardTrainer
from trl.trainer.sft_trainer import SFTTrainer

from training.bradley_terry import centring, pair_losses
from training.model import Progress, TrainingProgress
from training.tokens import IGNORED

REFERENCE_ADAPTER = "ref"
"""TRL's name for the frozen copy of an adapter that DPO trains further."""


def _score_only_labelled_tokens(_: torch.device) -> bool:
    return True


# TRL projects every position to the vocabulary where there is no Triton, prompts and padding too. The compact
# way that it takes on GPUs gives the same numbers in plain torch, for the completion's tokens only.
trl_utils._use_triton = _score_only_labelled_tokens  # pyright: ignore[reportPrivateImportUsage]

# `huggingface_hub` reads the variable once, when it is first imported, which is long before this line.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True


class QuietSFTTrainer(SFTTrainer):
    """TRL's trainer without its telemetry. It takes `input_ids` and `labels` as they are."""

    def _send_telemetry(self) -> None:
        return


class TokenizedDPOTrainer(DPOTrainer):
    """TRL's trainer for pairs that are token ids already, telling how far the reference pass is."""

    def __init__(self, *, on_reference: Callable[[], None], **options: Any) -> None:
        self.on_reference = on_reference
        super().__init__(**options)

    def _send_telemetry(self) -> None:
        return

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:  # type: ignore[override]
        return dataset

    def compute_ref_log_probs(self, model: Any, inputs: Any) -> tuple[Tensor, Tensor]:
        answer = super().compute_ref_log_probs(model, {k: v for k, v in inputs.items() if k != "target"})
        self.on_reference()
        return answer


def answer_logps(model: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """The log-probability of each row's answer, in nats, shape (rows,): TRL's own way, no logits kept.

    `batch` is `input_ids`, `attention_mask` and `completion_mask`, each of shape (rows, tokens).
    """
    asked = {name: batch[name] for name in ("input_ids", "attention_mask")}
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, IGNORED)
    return model(**asked, labels=labels, fused_lm_head=True, use_cache=False).log_probs.sum(dim=1)


def note(trainer: Any, told: Mapping[str, Tensor]) -> None:
    """Give numbers to what TRL's `log` averages between two entries, each the mean over all processes."""
    numbers = trainer._metrics["train" if trainer.model.training else "eval"]
    for name, value in told.items():
        every = cast("Tensor", trainer.accelerator.gather_for_metrics(value.detach().float().mean()))
        numbers[name].append(every.mean().item())


class LabelledPairCollator:
    """TRL's batch of prompts with chosen and then rejected answers, with what each pair aims at."""

    def __init__(self, pad_token_id: int) -> None:
        self._pad = PairCollator(pad_token_id=pad_token_id)

    def __call__(self, pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        targets = torch.tensor([pair["target"] for pair in pairs], dtype=torch.float32)
        return {**self._pad(list(pairs)), "target": targets}


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


class ComparisonCollator:
    """TRL's batch of chosen rows and then rejected ones, padded on the right, with what each pair aims at."""

    def __init__(self, pad_token_id: int) -> None:
        self._pad = DataCollatorForPreference(pad_token_id=pad_token_id)

    def __call__(self, pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        targets = torch.tensor([pair["target"] for pair in pairs], dtype=torch.float32)
        return {**self._pad(list(pairs)), "target": targets}


class SoftRewardTrainer(RewardTrainer):
    """TRL's trainer, with a soft label for each pair. Rows are `chosen_ids`, `rejected_ids`, `target`,
    `margin`.
    """

    def _send_telemetry(self) -> None:
        return

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["chosen_ids", "rejected_ids", "target", "margin"]

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ARG002
    ) -> Any:
        asked = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        outputs = model(**asked, use_cache=False)
        chosen, rejected = outputs.logits.squeeze(-1).float().chunk(2)
        losses = pair_losses(chosen, rejected, target=inputs["target"], margin=inputs["margin"])
        weight = cast("RewardConfig", self.args).center_rewards_coefficient or 0.0
        loss = (losses + weight * centring(chosen, rejected)).mean()
        ahead = {"accuracy": (chosen > rejected).float(), "margin": chosen - rejected}
        note(self, {**ahead, "mean_reward": (chosen + rejected) / 2})
        return (loss, outputs) if return_outputs else loss


class StepsToProgress(TrainerCallback):
    """Turns the trainer's steps and log entries into `TrainingProgress`."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.started = time.monotonic()
        self.logged: dict[str, float] = {}

    def on_log(self, *_: object, logs: dict[str, float] | None = None, **__: object) -> None:
        self.logged |= logs or {}

    def on_step_end(self, *where: object, **_: object) -> None:
        state = cast("TrainerState", where[1])
        self.progress(
            TrainingProgress(
                "training",
                state.global_step,
                state.max_steps,
                time.monotonic() - self.started,
                loss=self.logged.get("loss"),
                reward_accuracy=self.logged.get("rewards/accuracies", self.logged.get("accuracy")),
                score=self.logged.get("score"),
            )
        )


def silence(trainer: Trainer) -> None:
    """Take away the callback that prints every log entry; progress goes through `StepsToProgress`."""
    trainer.remove_callback(PrinterCallback)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No bars and no notices of the libraries on the terminal, restored afterwards."""
    import datasets

    bars = (transformers_logging.is_progress_bar_enabled(), datasets.are_progress_bars_disabled())
    verbosity, trl_level = transformers_logging.get_verbosity(), logging.getLogger("trl").level
    tqdm = os.environ.get("TQDM_DISABLE")
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    datasets.disable_progress_bars()
    logging.getLogger("trl").setLevel(logging.ERROR)
    os.environ["TQDM_DISABLE"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if bars[0]:
            transformers_logging.enable_progress_bar()
        if not bars[1]:
            datasets.enable_progress_bars()
        transformers_logging.set_verbosity(verbosity)
        logging.getLogger("trl").setLevel(trl_level)
        if tqdm is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = tqdm
