"""Where training reaches into TRL, PEFT or `transformers` beyond their documented interface.

Each seam is named here with its reason, and `tests/test_training_seams.py` holds it to the pinned versions.
`seams_answers.py` has those of the methods that learn from the log-probabilities of given answers.
"""

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import huggingface_hub.constants
import torch
import trl.trainer.utils as trl_utils
from accelerate.utils import FullyShardedDataParallelPlugin
from torch import Tensor
from torch.distributed.fsdp import MixedPrecisionPolicy
from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainerCallback, TrainerState
from transformers.utils import logging as transformers_logging
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import DataCollatorForPreference, RewardTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from training.bradley_terry import centring, pair_losses
from training.model import Progress, TrainingProgress
from training.packing import parted
from training.shared_prompts import pairs, shared_prompts

REFERENCE_ADAPTER = "ref"
"""TRL's name for the frozen copy of an adapter that DPO trains further."""


def _score_only_labelled_tokens(_: torch.device) -> bool:
    return True


# TRL projects every position to the vocabulary where there is no Triton, prompts and padding too. The compact
# way that it takes on GPUs gives the same numbers in plain torch, for the completion's tokens only.
trl_utils._use_triton = _score_only_labelled_tokens  # pyright: ignore[reportPrivateImportUsage]

if not torch.accelerator.is_available():
    # In plain torch some eight copies of a tile of logits are alive at once. One of 32,768 words, TRL's, is a
    # gigabyte of fresh pages at 2,000 tokens; this one fits a cache, and takes half of the CPU time.
    trl_utils._CHUNKED_LOGPROB_CHUNK_SIZE = 2048  # pyright: ignore[reportPrivateUsage]

_set_mixed_precision = FullyShardedDataParallelPlugin.set_mixed_precision


def _compute_in(
    self: FullyShardedDataParallelPlugin,
    mixed_precision: Any,
    buffer_autocast: bool = False,
    override: bool = False,
) -> None:
    _set_mixed_precision(self, mixed_precision, buffer_autocast, override)
    if isinstance(self.mixed_precision_policy, MixedPrecisionPolicy):
        self.mixed_precision_policy = replace(
            self.mixed_precision_policy, reduce_dtype=torch.float32, output_dtype=None
        )


# accelerate has FSDP2 round what a model gives, losses and log-probabilities, to the 8 bits that bfloat16 has
# for a number, and add gradients up in it. One process does neither.
FullyShardedDataParallelPlugin.set_mixed_precision = _compute_in

# `huggingface_hub` reads the variable once, when it is first imported, which is long before this line.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True


class QuietSFTTrainer(SFTTrainer):
    """TRL's trainer without its telemetry. It takes `input_ids` and `labels` as they are."""

    def _send_telemetry(self) -> None:
        return


class PackedSFTTrainer(QuietSFTTrainer):
    """The same for rows of `input_ids`, `labels` and `seq_lengths`, the lengths of a row's conversations.

    TRL packs for FlashAttention alone, all rows of a batch in one; here they stay rows, for any attention.
    """

    def __init__(self, **options: Any) -> None:
        pad = cast("PreTrainedTokenizerBase", options["processing_class"]).pad_token_id
        collator = DataCollatorForLanguageModeling(cast("int", pad), return_position_ids=True)
        super().__init__(**options, data_collator=collator)

    def compute_loss(self, model: Any, *arguments: Any, **options: Any) -> Any:
        with parted(model):
            return super().compute_loss(model, *arguments, **options)


def note(trainer: Any, told: Mapping[str, Tensor]) -> None:
    """Give numbers to what TRL's `log` averages between two entries, each the mean over all processes."""
    numbers = trainer._metrics["train" if trainer.model.training else "eval"]
    for name, value in told.items():
        every = cast("Tensor", trainer.accelerator.gather_for_metrics(value.detach().float().mean()))
        numbers[name].append(every.mean().item())


class TargetCollator:
    """A batch as one of TRL's collators makes it, with what each pair aims at."""

    def __init__(self, pad: Callable[[list[Any]], dict[str, Any]]) -> None:
        self._pad = pad

    def __call__(self, pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        targets = torch.tensor([pair["target"] for pair in pairs], dtype=torch.float32)
        return {**self._pad(list(pairs)), "target": targets}


class ComparisonCollator(TargetCollator):
    """Chosen rows and then rejected ones, padded on the right; what a pair weighs, by its source."""

    def __init__(self, pad_token_id: int, weights: Mapping[str, float] | None = None) -> None:
        super().__init__(DataCollatorForPreference(pad_token_id=pad_token_id))
        self._weights = weights or {}

    def __call__(self, pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        weights = [self._weights.get(pair["source"], 1.0) for pair in pairs]
        return {**super().__call__(pairs), "weight": torch.tensor(weights, dtype=torch.float32)}


class SoftRewardTrainer(RewardTrainer):
    """TRL's trainer, with a soft label for each pair. Rows are `chosen_ids`, `rejected_ids`, `target`,
    `margin`, `source`.
    """

    def _send_telemetry(self) -> None:
        return

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["chosen_ids", "rejected_ids", "target", "margin", "source"]

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ARG002
    ) -> Any:
        asked = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        with shared_prompts(model, pairs(inputs)):
            outputs = model(**asked, use_cache=False)
        chosen, rejected = outputs.logits.squeeze(-1).float().chunk(2)
        losses = pair_losses(chosen, rejected, target=inputs["target"], margin=inputs["margin"])
        weight = cast("RewardConfig", self.args).center_rewards_coefficient or 0.0
        loss = ((losses + weight * centring(chosen, rejected)) * inputs["weight"]).mean()
        ahead = {"accuracy": (chosen > rejected).float(), "margin": chosen - rejected}
        note(self, {**ahead, "mean_reward": (chosen + rejected) / 2})
        return (loss, outputs) if return_outputs else loss


def reference_progress(progress: Progress | None, batches: int) -> Callable[[], None]:
    """To be called after each of so many batches that the reference is asked about; tells them on."""
    started, done = time.monotonic(), 0

    def count() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(TrainingProgress("reference", done, batches, time.monotonic() - started))

    return count


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


def without_number(trainer: Trainer) -> None:
    """Call a CPU among several processes `cpu`, as everywhere else.

    accelerate numbers it, `transformers` loads a checkpoint's optimizer onto what it is called, and torch
    knows no `cpu:0`.
    """
    if trainer.args.device.type == "cpu":
        trainer.args.__dict__["_setup_devices"] = torch.device("cpu")


class _AtTheEnd(TrainerCallback):
    """Measures when training has ended, and tells trackers."""

    def __init__(self, trainer: Trainer, measure: Callable[[], Mapping[str, float]]) -> None:
        self.trainer, self.measure = trainer, measure
        self.measured: dict[str, float] = {}

    def on_train_end(self, *where: Any, **_: object) -> None:
        arguments, state, control = where
        self.measured |= self.measure()
        if self.measured:
            told = {f"eval_{name}": value for name, value in self.measured.items()}
            self.trainer.callback_handler.on_log(arguments, state, control, told)


def measured_at_the_end(trainer: Trainer, measure: Callable[[], Mapping[str, float]]) -> Mapping[str, float]:
    """What `measure` will have given when training has ended, told to trackers as `eval_NAME` besides.

    They close one after the other, in the order of the trainer's callbacks: this one comes before them.
    """
    last = _AtTheEnd(trainer, measure)
    trainer.callback_handler.callbacks.insert(0, last)
    return last.measured


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
