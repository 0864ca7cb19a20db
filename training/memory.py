"""What a method will need of memory, found out without loading a weight.

In: a model's configuration, a method's settings, the size of its largest batch. Out: parameters, and bytes by
what takes them, at the moment that takes most. A step is rehearsed over tensors without data
(`training.rehearsal`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from peft import PeftModel
from transformers import PreTrainedModel

from engine.settings import ModelSettings
from training.load import Precision, precision
from training.rehearsal import Batch, rehearsed
from training.settings import DPOSettings, KTOSettings, OnlineSettings, PPOSettings, TrainerSettings
from training.skeleton import skeleton

_FLOAT32 = 4


@dataclass(frozen=True, slots=True)
class Need:
    """Parameters, all and trained, and bytes on the device by what takes them."""

    parameters: int
    trained: int
    parts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.parts.values())


def needed(model: ModelSettings, settings: TrainerSettings, batch: Batch, *, rates: bool = False) -> Need:
    """An estimate for one process that holds all weights; `rates`: the model gets a head with one output.

    Optimizer states are AdamW's, two float32 numbers a trained parameter. Buffers of the libraries and the
    allocator's gaps are not in it.
    """
    chosen = precision(model, settings)
    built = skeleton(model, settings, rates=rates)
    weights = list(built.parameters())
    parameters = sum(weight.numel() for weight in weights)
    trained = sum(weight.numel() for weight in weights if weight.requires_grad)
    held = sum(weight.numel() * weight.element_size() for weight in weights)
    # PPO's critic learns beside the policy.
    learners = 2 if isinstance(settings, PPOSettings) else 1
    parts = {
        "weights": held,
        "other models": _beside(model, settings, held=held, trained=trained),
        "optimizer": learners * 2 * _FLOAT32 * trained,
        **_busiest(built, batch, chosen, settings=settings, beside=(learners - 1) * _FLOAT32 * trained),
    }
    return Need(parameters, trained, {name: size for name, size in parts.items() if size})


def _busiest(
    built: PreTrainedModel | PeftModel,
    batch: Batch,
    chosen: Precision,
    *,
    settings: TrainerSettings,
    beside: int,
) -> Mapping[str, int]:
    """What comes and goes, at its most: in a step, or while answers are sampled before it.

    `beside` are gradients of what has gone through its own forward and backward pass before.
    """
    sampling = {"sampling": _cache(built, batch, chosen)}
    step = rehearsed(
        built,
        batch,
        chosen,
        checkpointed=settings.gradient_checkpointing,
        accumulated=settings.gradient_accumulation_steps > 1,
    )
    step = {**step, "gradients": step.get("gradients", 0) + beside}
    return max(step, sampling, key=lambda taken: sum(taken.values()))


def _beside(model: ModelSettings, settings: TrainerSettings, *, held: int, trained: int) -> int:
    """Models that are held beside the trained one: a reference, what scores, and PPO's critic.

    A reward model that is an adapter over the policy's base is counted whole where it does not lie beside it.
    """
    kept = isinstance(settings, DPOSettings | KTOSettings) and not settings.precompute_ref_log_probs
    adapter = _FLOAT32 * trained
    # A new adapter's reference is the base with the adapter off.
    reference = (adapter if model.adapter else 0) if settings.use_peft else held
    if not isinstance(settings, OnlineSettings):
        return reference if kept else 0
    critics = 1 if isinstance(settings, PPOSettings) else 0
    shared = isinstance(settings, PPOSettings) and settings.shares_base
    return reference + (critics + len(settings.reward_models)) * (adapter if shared else held)


def _cache(built: PreTrainedModel | PeftModel, batch: Batch, chosen: Precision) -> int:
    """Keys and values of all answers that are sampled at once."""
    text = built.config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    cell = 2 * text.num_hidden_layers * heads * width * chosen.compute.itemsize
    return batch.sampled * batch.tokens * cell
