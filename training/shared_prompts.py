"""Answers to one prompt in one row: what is before they part is computed once and seen by all of them.

In: a batch of token ids whose rows share how they begin: a pair, a ranked group, what was sampled to one
prompt. Out: hidden states as if each row had been computed by itself. A folded row holds the common beginning
and then each answer's own tokens, which see the beginning and themselves, at the positions that they have in
their own row: rotary embeddings and causal attention ask for no more. With prompts of 70 tokens and answers
of 24, a pair has 118 tokens in the place of 188.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from accelerate.utils import extract_model_from_parallel
from peft import PeftModel
from torch import Tensor
from torch.nn import Module

from engine import attention

_MASKED = ("sdpa", attention.NAME)
"""Implementations of attention that take a mask of every query and key."""

WORTH = 0.95
"""The share of a batch's tokens above which it is left as it is."""


@dataclass(frozen=True, slots=True)
class Folded:
    """`ids` and `positions` of shape (groups, width); `mask` (groups, 1, queries, keys), true where a query
    sees a key; `places` of (rows, tokens): where each token is in the folded rows one after the other.

    The place of padding is 0: its hidden state is another token's.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    places: Tensor

    def unfolded(self, hidden: Tensor) -> Tensor:
        """Hidden states of (groups, width, d) as (rows, tokens, d)."""
        rows, tokens = self.places.shape
        return hidden.flatten(0, 1).index_select(0, self.places.view(-1)).view(rows, tokens, -1)


def pairs(batch: Mapping[str, Any]) -> Tensor:
    """The groups of a batch of chosen answers and then rejected ones, in the same order; shape (rows,)."""
    rows = len(batch["input_ids"])
    return torch.arange(rows // 2, device=batch["input_ids"].device).repeat(2)


def prompts(ids: Tensor, answer: int) -> Tensor:
    """The groups of rows whose last `answer` columns are answers: those with one prompt; shape (rows,)."""
    return torch.unique(ids[:, : ids.shape[1] - answer], dim=0, return_inverse=True)[1]


def fold(ids: Tensor, held: Tensor, groups: Tensor) -> Folded:
    """Rows of one group in one row.

    `ids` of (rows, tokens), padded on either side; `held` is true where a token is one; `groups` of (rows,),
    the number of each row's group, counted from 0.
    """
    if held[:, 0].all():
        return _fold(ids, held, groups)
    # Padded on the left: with every row moved to where it begins.
    along = held.cumsum(dim=1) - 1
    into, columns = along.where(held, ids.shape[1]), torch.arange(ids.shape[1], device=ids.device)
    moved = torch.zeros_like(ids[:, :1]).repeat(1, ids.shape[1] + 1).scatter_(1, into, ids)[:, :-1]
    folded = _fold(moved, columns < held.sum(dim=1)[:, None], groups)
    return replace(folded, places=folded.places.gather(1, along.clamp(min=0)).where(held, 0))


def _fold(ids: Tensor, held: Tensor, groups: Tensor) -> Folded:
    """`fold` of rows that begin in the first column."""
    rows, tokens = ids.shape
    count = int(groups.max()) + 1
    along, numbers = (torch.arange(size, device=ids.device) for size in (tokens, rows))
    same_group = groups[:, None] == groups[None, :]
    first = same_group.float().argmax(dim=1)
    apart = torch.zeros(count, tokens, dtype=torch.long, device=ids.device)
    apart.index_add_(0, groups, (~(held & (ids == ids[first]))).long())
    shared = (apart.cumsum(dim=1) == 0).sum(dim=1)[groups]

    # Each answer's own tokens come after those of the group's earlier answers.
    own = held.sum(dim=1) - shared
    earlier = same_group & (numbers[:, None] > numbers[None, :])
    begins = shared + (earlier * own[None, :]).sum(dim=1)
    places = torch.where(along < shared[:, None], along, begins[:, None] + along[None, :] - shared[:, None])
    width = int((begins + own).max())
    answer = torch.where(along < shared[:, None], 0, 1 + numbers[:, None])

    def gathered(values: Tensor, empty: int) -> Tensor:
        into = groups[:, None] * (width + 1) + places.where(held, width)
        room = torch.full((count * (width + 1),), empty, dtype=torch.long, device=ids.device)
        return room.scatter_(0, into.view(-1), values.reshape(-1)).view(count, -1)[:, :width]

    whose = gathered(answer, -1)
    seen = (whose[:, None, :] == 0) | (whose[:, None, :] == whose[:, :, None])
    return Folded(
        ids=gathered(ids, 0),
        positions=gathered(along.expand(rows, -1), 0),
        mask=(seen & torch.ones(width, width, dtype=torch.bool, device=ids.device).tril())[:, None],
        places=(groups[:, None] * width + places).where(held, 0),
    )


@contextmanager
def shared_prompts(model: object, groups: Tensor) -> Iterator[None]:
    """Have forward passes of `model` inside compute what rows of a group share once.

    Where the model can't be asked so, or hardly anything is shared, it is asked as ever.
    """
    backbone = backbone_of(model)
    if not can_fold(backbone):
        yield
        return
    pending: list[Folded] = []

    def before(_: Module, args: tuple[Any, ...], asked: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
        ids, held = args[0] if args else asked["input_ids"], asked["attention_mask"].bool()
        folded = fold(ids, held, groups)
        if folded.ids.numel() > WORTH * ids.numel():
            return args, asked
        pending.append(folded)
        told = {"input_ids": folded.ids, "attention_mask": folded.mask, "position_ids": folded.positions}
        return (), {**asked, **told}

    def after(_: Module, __: tuple[Any, ...], output: Any) -> Any:
        if pending:
            output.last_hidden_state = pending.pop().unfolded(output.last_hidden_state)
        return output

    hooks = (
        backbone.register_forward_pre_hook(before, with_kwargs=True),
        backbone.register_forward_hook(after),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def backbone_of(model: object) -> Any:
    """The layers below the head, which take token ids and give hidden states."""
    inner: Any = extract_model_from_parallel(cast("Module", model))
    return (inner.get_base_model() if isinstance(inner, PeftModel) else inner).base_model


def can_fold(backbone: Any) -> bool:
    """Whether only causal attention and rotary positions tell tokens apart.

    Windows and states go by where a token lies in its row, and a router's balance by how many tokens there
    are.
    """
    config = backbone.config.get_text_config()
    return (
        hasattr(backbone, "rotary_emb")
        and config._attn_implementation in _MASKED
        and set(getattr(config, "layer_types", None) or ()) <= {"full_attention"}
        and not getattr(config, "sliding_window", None)
        and not getattr(config, "output_router_logits", False)
        and not getattr(backbone, "_is_stateful", False)
    )
