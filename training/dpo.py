"""Direct preference optimisation: `prompt`, `chosen`, `rejected` in, a trained adapter or model out.

With r(y) = log pi(y|x) - log pi_ref(y|x) and z = beta (r(chosen) - r(rejected)), the loss is -log sigmoid(z)
(Rafailov et al. 2023, equation 7), and on soft labels -p log sigmoid(z) - (1 - p) log sigmoid(-z) with each
pair's own p (conservative DPO; Mitchell 2023). Other losses are TRL's.

The reference is the policy as this stage finds it: base and adapter of the SFT stage. A new adapter's
reference is the base with the adapter off, an existing one's a frozen copy of it, and full fine-tuning's a
second model, or none where the reference is asked before training.
"""

import math
from typing import cast

from transformers import Trainer
from trl.trainer.dpo_config import DPOConfig

from training import processes
from training.data import read_preferences
from training.method import Method, Prepared
from training.pairs import tokenize_preferences
from training.reference import reference_of
from training.seams import reference_progress
from training.seams_answers import LabelledPairCollator, SoftDPOTrainer, TokenizedDPOTrainer
from training.settings import DPOSettings


def _trainer(prepared: Prepared[DPOSettings]) -> Trainer:
    settings = prepared.settings
    reference = reference_of(prepared.model, settings)
    batches = math.ceil(len(prepared.tokens) / (settings.batch_size * processes.count()))
    collator = LabelledPairCollator(cast("int", prepared.tokenizer.pad_token_id))
    return (SoftDPOTrainer if settings.soft else TokenizedDPOTrainer)(
        on_reference=reference_progress(prepared.progress, batches),
        model=prepared.policy.model,
        ref_model=reference.model,
        args=DPOConfig(
            **prepared.arguments,
            beta=settings.beta,
            loss_type=list(settings.losses),
            label_smoothing=settings.label_smoothing,
            precompute_ref_log_probs=reference.before_training,
        ),
        data_collator=collator if settings.soft else None,
        train_dataset=prepared.tokens.dataset,
        processing_class=prepared.tokenizer,
        peft_config=prepared.policy.new_adapter,
    )


train_dpo = Method(
    "dpo",
    columns=("prompt", "chosen", "rejected", "chosen_cut_off", "rejected_cut_off", "chosen_probability"),
    read=read_preferences,
    tokenize=tokenize_preferences,
    trainer=_trainer,
)
