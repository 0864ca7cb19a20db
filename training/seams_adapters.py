"""The one place where training reaches into PEFT's layers: which adapter they use, and what one merged makes.

`PeftModel.set_adapter` and `disable_adapter` also freeze every adapter that is not in use, and autograd then
drops the gradients of a graph that was made before, without a word. `tests/test_training_seams_adapters.py`
holds this to the pinned version.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import cast

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor
from transformers import PreTrainedModel

POLICY = "default"
"""PEFT's name for the adapter that is trained as the policy."""

_BASE = ".base_layer."
"""What PEFT puts into the names of the weights of a layer that it has taken over."""


@contextlib.contextmanager
def wearing(model: torch.nn.Module, adapter: str | None) -> Iterator[None]:
    """In here the model's layers use the adapter of that name, or with None none at all.

    What is trained stays trained. Where activations are recomputed in the backward pass, that pass has to be
    in here too: under another adapter it would recompute another graph.
    """
    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    before = [(layer._active_adapter, layer._disable_adapters) for layer in layers]
    for layer in layers:
        layer._disable_adapters = adapter is None
        if adapter is not None:
            layer._active_adapter = [adapter]
    try:
        yield
    finally:
        for layer, (active, disabled) in zip(layers, before, strict=True):
            layer._active_adapter, layer._disable_adapters = active, disabled


def merged(model: PeftModel, adapter: str) -> Iterator[tuple[str, Tensor]]:
    """Each weight as it would be with the adapter merged, by its name in the bare model, one after the other.

    Weights are valid until the next is asked for, and afterwards as they were, bit for bit: in bfloat16 what
    is added and taken away again leaves another number.
    """
    base = cast("PreTrainedModel", model.get_base_model())
    layers = {name: module for name, module in base.named_modules() if isinstance(module, BaseTunerLayer)}
    for name, weight in base.named_parameters():
        place, taken_over, _ = name.partition(_BASE)
        if taken_over:
            with _merged(layers[place], adapter):
                yield name.replace(_BASE, "."), weight.data
        elif not _an_adapters(name, layers):
            yield name, weight.data


def _an_adapters(name: str, layers: Mapping[str, object]) -> bool:
    """Whether a weight lies in a layer that PEFT has taken over, and is none of what was there before."""
    parts = name.split(".")
    return any(".".join(parts[:end]) in layers for end in range(1, len(parts)))


@contextlib.contextmanager
def _merged(layer: BaseTunerLayer, adapter: str) -> Iterator[None]:
    weights = list(layer.get_base_layer().parameters())
    before = [weight.detach().clone() for weight in weights]
    layer.merge(adapter_names=[adapter])
    try:
        yield
    finally:
        layer.unmerge()
        with torch.no_grad():
            for weight, kept in zip(weights, before, strict=True):
                weight.copy_(kept)
