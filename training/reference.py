"""What DPO and KTO hold the policy to: which model that is, and when it is asked.

In: a model and its settings. Out: the reference. A policy that is not trained yet is its own reference where
processes hold whole weights, and by ZeRO, which gathers them. FSDP divides them when training starts, and TRL
asks before that: the policy lies on no GPU then, and is zeros in all processes but the first.
"""

from dataclasses import dataclass

from transformers import PreTrainedModel

from engine.settings import ModelSettings
from training import processes
from training.load import load_reference
from training.settings import DPOSettings, KTOSettings


@dataclass(frozen=True, slots=True)
class Reference:
    """`model` is a second one, None where the policy itself is asked: `before_training`, or at every step."""

    model: PreTrainedModel | None
    before_training: bool


def reference_of(model: ModelSettings, settings: DPOSettings | KTOSettings) -> Reference:
    early, divides = settings.precompute_ref_log_probs, processes.divided_by_fsdp()
    if settings.use_peft:
        # The base with the adapter off, or the adapter's copy, is there at every step.
        return Reference(None, before_training=early and not divides)
    return Reference(load_reference(model, settings) if divides or not early else None, early)
