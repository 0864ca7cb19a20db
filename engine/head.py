"""The vocabulary's logits in float32, whatever a model computes in: for answers read off two of them.

A bfloat16 logit near 20 is a multiple of an eighth, so the log-odds of two labels take few values, and pairs
come out as ties that the model does tell apart. The states that the logits are made of are exact enough: only
the last product has to be.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.functional import linear
from transformers import PreTrainedModel

ROWS = 16384
"""Of the vocabulary's weights so many are held in float32 at once: all of a large model's are gigabytes."""


@contextmanager
def float32_logits(model: PreTrainedModel) -> Iterator[None]:
    """Within, a model's logits are products in float32; heads that are no plain product stay as they are."""
    head = model.get_output_embeddings()
    if type(head) is not torch.nn.Linear or head.weight.dtype == torch.float32:
        yield
        return
    weight, bias = head.weight, head.bias

    def forward(input: Tensor) -> Tensor:  # noqa: A002
        states = input.float()
        parts = [linear(states, rows.float()) for rows in weight.split(ROWS)]
        logits = torch.cat(parts, dim=-1)
        return logits if bias is None else logits + bias.float()

    head.forward = forward
    try:
        yield
    finally:
        del head.forward
