"""The one place where training reaches into PEFT's layers: which adapter they use, and nothing besides.

`PeftModel.set_adapter` and `disable_adapter` also freeze every adapter that is not in use, and autograd then
drops the gradients of a graph that was made before, without a word. `tests/test_training_seams_adapters.py`
holds this to the pinned version.
"""

import contextlib
from collections.abc import Iterator

import torch
from peft.tuners.tuners_utils import BaseTunerLayer


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
