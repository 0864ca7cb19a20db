"""A forward and a backward pass as training makes them, over tensors without data: what is alive at its peak.

In: a model's skeleton and the size of its largest batch. Out: bytes by what takes them. Layers, autocast,
recomputation and, on a CPU, TRL's log-probabilities are the real code: what it keeps, casts and copies is
counted, not guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from peft import PeftModel
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import PreTrainedModel
from trl.kernels import chunked_logprob
from trl.trainer import utils as trl_utils

from engine.reward_head import HEAD
from training.alive import Alive
from training.load import Precision
from training.shared_prompts import WORTH, can_fold
from training.skeleton import base_of

_TOLD = ("log_probs", "entropy", "mean_logits", "is_top1")
"""What TRL's trainers ask of a token's logits besides: DPO most."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The largest forward pass: `rows` texts of `tokens` each, `learned` of them in all; `sampled`: answers
    that are sampled at once.

    `groups` of texts, each in a row of `joined` tokens, if what they share is computed once; 0: none share.
    """

    rows: int
    tokens: int
    learned: int
    sampled: int = 0
    groups: int = 0
    joined: int = 0


def rehearsed(
    built: PreTrainedModel | PeftModel,
    batch: Batch,
    chosen: Precision,
    *,
    checkpointed: bool,
    accumulated: bool,
) -> Mapping[str, int]:
    """Bytes at the peak of a step, weights and optimizer left out; the skeleton is used up.

    `activations`: what the layers' forward pass made; `logits`: log-probabilities, forward and backward;
    `backward`: what is recomputed, and gradients of activations; `gradients`: those of weights.
    `accumulated`: gradients of another batch are there already.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        _lay_out(built, chosen.device, checkpointed=checkpointed)
        alive = Alive([*built.parameters(), *built.buffers()])
        trained = [weight for weight in built.parameters() if weight.requires_grad]
        for weight in trained:
            weight.register_post_accumulate_grad_hook(lambda done: alive.belongs(_grad(done), "gradients"))
        with alive:
            if accumulated:
                alive.stage = "gradients"
                for weight in trained:
                    weight.grad = torch.empty_like(weight)
            _pass(base_of(built), batch, chosen, alive)
    return alive.most


def _lay_out(built: PreTrainedModel | PeftModel, device: torch.device, *, checkpointed: bool) -> None:
    cast("torch.nn.Module", built).to_empty(device=device).train()
    base_of(built).tie_weights()
    if checkpointed:
        built.gradient_checkpointing_enable()
        if isinstance(built, PeftModel):
            # As TRL does: a checkpoint whose input has no gradient would learn nothing.
            built.enable_input_require_grads()


def _pass(base: PreTrainedModel, batch: Batch, chosen: Precision, alive: Alive) -> None:
    alive.stage = "activations"
    half = chosen.compute is not torch.float32
    with torch.autocast(chosen.device.type, dtype=chosen.compute, enabled=half):
        hidden = _hidden(base, batch, chosen.device)
        hidden.register_hook(lambda _: setattr(alive, "stage", "backward"))
        if hasattr(base, HEAD):
            loss = getattr(base, HEAD)(hidden).float().sum()
        else:
            alive.stage = "logits"
            loss = _log_probs(base, hidden, batch.learned).sum()
        # Nothing but the graph holds them, as where TRL's functions have returned.
        del hidden
    loss.backward()


def _hidden(base: PreTrainedModel, batch: Batch, device: torch.device) -> Tensor:
    """What the layers make of the batch, (rows, tokens, d): of all texts, or of groups that are joined."""
    layers = cast("Any", base.base_model)
    whole, joined = batch.rows * batch.tokens, batch.groups * batch.joined
    folded = 0 < joined <= WORTH * whole and can_fold(layers)
    rows, tokens = (batch.groups, batch.joined) if folded else (batch.rows, batch.tokens)
    ids = torch.zeros(rows, tokens, dtype=torch.long, device=device)
    # In a batch without a mask all texts have one length.
    mask = torch.ones(rows, 1, tokens, tokens, dtype=torch.bool, device=device)
    asked = {"attention_mask": mask} if folded or rows > 1 else {}
    hidden = layers(input_ids=ids, use_cache=False, **asked).last_hidden_state
    if not folded:
        return hidden
    places = torch.zeros(whole, dtype=torch.long, device=device)
    return hidden.flatten(0, 1).index_select(0, places).view(batch.rows, batch.tokens, -1)


def _log_probs(base: PreTrainedModel, hidden: Tensor, learned: int) -> Tensor:
    """Of the tokens that are learned from, as `trl.trainer.utils.add_fused_lm_head` asks for them."""
    places = torch.zeros(learned, dtype=torch.long, device=hidden.device)
    asked, head = hidden.flatten(0, 1)[places], cast("Any", base.get_output_embeddings())
    if hidden.device.type != "cpu":
        return cast("Tensor", InPlace.apply(asked, head.weight))
    options = (1.0, _words(), None, 1.0, _TOLD)
    function = chunked_logprob.ChunkedLogProbFunction
    return cast("Any", function.apply(asked, head.weight, head.bias, places, *options))[0]


def _words() -> int:
    """Words of the vocabulary in a tile of TRL's logits."""
    return trl_utils._CHUNKED_LOGPROB_CHUNK_SIZE  # pyright: ignore[reportPrivateUsage]


class InPlace(torch.autograd.Function):
    """What the same takes where Triton is, whose kernels turn a tile of logits into its gradient where it
    lies: the tile, and gradients in float32.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(hidden, weight)
        _tile(hidden)
        return hidden.new_empty(len(hidden), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        asked = zip(ctx.saved_tensors, ctx.needs_input_grad, strict=True)
        made = [torch.empty_like(each, dtype=torch.float32) if needs else None for each, needs in asked]
        _tile(ctx.saved_tensors[0])
        return tuple(
            None if grad is None else grad.to(each.dtype)
            for each, grad in zip(ctx.saved_tensors, made, strict=True)
        )


def _tile(hidden: Tensor) -> Tensor:
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    return hidden.new_empty(min(len(hidden), chunked_logprob.TOKEN_CHUNK_SIZE), _words(), dtype=dtype)


def _grad(weight: Tensor) -> Tensor:
    return cast("Tensor", weight.grad)
