"""Several conversations of SFT in one row, none of which sees another: fewer rows, hardly any padding.

In: rows of token ids. Out: as few rows of at most so many tokens as best-fit-decreasing makes of them
(Ding et al. 2024), each with the lengths of what it holds (`seq_lengths`). Hidden states, loss and gradients
are those of each conversation by itself: positions begin anew with it, and attention ends where it begins.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import Module
from transformers import AutoModel, PreTrainedConfig
from trl.data_utils import pack_dataset

from training.model import TrainingError
from training.shared_prompts import backbone_of, can_fold
from training.tokens import TokenizedRows

if TYPE_CHECKING:
    from datasets import Dataset

LENGTHS = "seq_lengths"
"""TRL's name for the column of the lengths that a packed row is made of."""


def packed(rows: TokenizedRows, *, max_length: int) -> TokenizedRows:
    """The rows in rows of up to `max_length` tokens, which none of them is longer than."""
    together: Dataset = pack_dataset(rows.dataset, max_length, "bfd")
    return replace(rows, dataset=together, conversations=len(rows.dataset))


def check_packing(config: PreTrainedConfig, *, trust_remote_code: bool) -> None:
    """`TrainingError` where conversations in one row would change each other; no weights load."""
    with torch.device("meta"):
        layers = AutoModel.from_config(config, trust_remote_code=trust_remote_code)
    if not can_fold(layers):
        raise TrainingError(
            f"packing: {config.model_type} has windows, states, routers or positions by which conversations "
            "in one row would change each other\n"
            "set training.sft.packing: false (group_by_length saves padding, too)"
        )


@contextmanager
def parted(model: object) -> Iterator[None]:
    """Have forward passes of `model` inside keep the conversations of a row apart.

    `transformers` parts them where positions begin anew, and only where there is neither mask nor cache. The
    batch's mask, by which TRL counts tokens, says where padding is, which no token before it sees anyway.
    """

    def unmasked(_: Module, args: tuple[Any, ...], asked: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
        return args, {**asked, "attention_mask": None, "use_cache": False}

    hook = backbone_of(model).register_forward_pre_hook(unmasked, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()
