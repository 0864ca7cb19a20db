"""Keys and values of the tokens that were read, as the attention of later ones needs them.

A `BlockLayer` holds whole rows while their answers grow. A `SharedLayer` holds each shared beginning of many
prompts once and hands every row of a forward the keys and values of the tokens before it.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, DynamicLayer

BLOCK = 64
"""Tokens by which the cache grows: one copy per block instead of one per token."""


class BlockLayer(DynamicLayer):
    """A cache layer in buffers with room to spare; `keys` and `values` are views of what is filled."""

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        super().lazy_initialization(key_states, value_states)
        self.key_buffer, self.value_buffer = (
            states.new_empty(*states.shape[:2], 0, states.shape[3]) for states in (key_states, value_states)
        )

    def begin(self, key_states: Tensor, value_states: Tensor, *, batch: int, length: int) -> None:
        """Room for `batch` rows of `length` tokens, made like the given states, zero until they are put."""
        super().lazy_initialization(key_states, value_states)
        capacity = (length // BLOCK + 1) * BLOCK
        self.key_buffer, self.value_buffer = (
            states.new_zeros(batch, states.shape[1], capacity, states.shape[3])
            for states in (key_states, value_states)
        )
        self._show(length)

    def put(self, rows: Tensor, key_states: Tensor, value_states: Tensor) -> None:
        """Fill the ends of some rows."""
        end = self.get_seq_length()
        self.key_buffer[rows, :, end - key_states.shape[-2] : end] = key_states
        self.value_buffer[rows, :, end - value_states.shape[-2] : end] = value_states

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if end > self.key_buffer.shape[-2]:
            self.key_buffer = _grown(self.key_buffer, filled=start, needed=end)
            self.value_buffer = _grown(self.value_buffer, filled=start, needed=end)
        self.key_buffer[:, :, start:end] = key_states
        self.value_buffer[:, :, start:end] = value_states
        return self._show(end)

    def batch_select_indices(self, indices: Tensor) -> None:
        length = self.get_seq_length()
        self.key_buffer, self.value_buffer = self.key_buffer[indices], self.value_buffer[indices]
        self._show(length)

    def _show(self, length: int) -> tuple[Tensor, Tensor]:
        keys, values = self.key_buffer[:, :, :length], self.value_buffer[:, :, :length]
        self.keys, self.values = keys, values
        return keys, values


def _grown(buffer: Tensor, *, filled: int, needed: int) -> Tensor:
    capacity = (needed // BLOCK + 1) * BLOCK
    grown = buffer.new_empty(*buffer.shape[:2], capacity, buffer.shape[3])
    grown[:, :, :filled] = buffer[:, :, :filled]
    return grown


def block_cache(model: PreTrainedModel) -> DynamicCache:
    """The model's own kind of cache, with its plain growing layers replaced by `BlockLayer`s."""
    cache = DynamicCache(config=model.config)
    cache.layers = [BlockLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def can_share(model: PreTrainedModel) -> bool:
    """Whether every layer attends to all tokens, so that what it keeps of a beginning serves any ending."""
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)


@dataclass(frozen=True, slots=True)
class Step:
    """What one forward of `SharedLayer`s takes and leaves; (rows, length) new tokens, padded on the left.

    `past`: places in the store of each row's tokens, (rows, whole length), where they are older; `own`:
    which of the new ones are no padding, (rows, length). `places`: where the own ones go in the store, in
    their order; `rows`: which rows of the `BlockLayer`s they end.
    """

    own: Tensor
    past: Tensor | None = None
    places: Tensor | None = None
    rows: Tensor | None = None


class SharedLayer(DynamicLayer):
    """Keys and values of shared beginnings, each once: a store of `size` tokens, read and filled by `step`s.

    Rows that end are put into the block layer `into`, `batch` rows of `length` tokens, if there is one.
    """

    def __init__(self, size: int, into: object, *, batch: int, length: int) -> None:
        super().__init__()
        self.size, self.batch, self.length = size, batch, length
        self.into = into if isinstance(into, BlockLayer) else None
        self.step = Step(torch.empty(0, 0))

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        super().lazy_initialization(key_states, value_states)
        self.key_store, self.value_store = (
            states.new_zeros(states.shape[1], self.size, states.shape[3])
            for states in (key_states, value_states)
        )
        if self.into is not None:
            self.into.begin(key_states, value_states, batch=self.batch, length=self.length)

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        step = self.step
        if step.places is not None:
            for store, states in ((self.key_store, key_states), (self.value_store, value_states)):
                store[:, step.places] = states.transpose(0, 1)[:, step.own]
        if step.past is not None:
            key_states = _after(self.key_store, key_states, step.past, own=step.own)
            value_states = _after(self.value_store, value_states, step.past, own=step.own)
        if self.into is not None and step.rows is not None:
            self.into.put(step.rows, key_states, value_states)
        return key_states, value_states

    def get_seq_length(self) -> int:
        step = self.step
        return 0 if step.past is None else step.past.shape[1] - step.own.shape[1]


def _after(store: Tensor, states: Tensor, past: Tensor, *, own: Tensor) -> Tensor:
    """The states of whole rows, (rows, heads, whole length, size): older tokens' out of the store."""
    whole = store[:, past].transpose(0, 1)
    new = whole[:, :, -own.shape[1] :]
    new.copy_(torch.where(own[:, None, :, None], states, new))
    return whole


class SharedCache(DynamicCache):
    """`SharedLayer`s for a store of `size` tokens; rows that end are put into the block layers of `into`."""

    def __init__(
        self, model: PreTrainedModel, *, size: int, into: DynamicCache | None, batch: int, length: int
    ) -> None:
        super().__init__(config=model.config)
        targets = into.layers if into is not None else [None] * len(self.layers)
        self.layers = [SharedLayer(size, target, batch=batch, length=length) for target in targets]

    def at(self, step: Step) -> "SharedCache":
        """Ready for this step."""
        for layer in self.layers:
            cast("SharedLayer", layer).step = step
        return self
