"""Kahneman-Tversky optimisation (Ethayarajh et al. 2024): single responses, good or bad, in, a policy out.

With r(y) = log pi(y|x) - log pi_ref(y|x), and z0 the mean of r over mismatched responses where that is
above 0, the loss of a good response is w_good (1 - sigmoid(beta (r - z0))), that of a bad one
w_bad (1 - sigmoid(beta (z0 - r))): equations 7 and 8, and a half before the first step. z0 is estimated in
each batch and has no gradient. The reference is that of DPO.
"""

import math
from collections.abc import Mapping

from transformers import PreTrainedTokenizerBase, Trainer
from trl.trainer.kto_config import KTOConfig

from training import processes
from training.data import Rows
from training.method import Method, Prepared
from training.reference import reference_of
from training.responses import COLUMNS, Response, read_unpaired, tokenize_responses
from training.seams import reference_progress
from training.seams_answers import TokenizedKTOTrainer
from training.settings import KTOSettings
from training.tokens import TokenizedRows


def _tokenize(
    responses: Rows[Response], tokenizer: PreTrainedTokenizerBase, settings: KTOSettings, seed: int
) -> TokenizedRows:
    return tokenize_responses(
        responses,
        tokenizer,
        max_length=settings.max_length,
        max_completion_length=settings.max_completion_length,
        batch=settings.batch_size,
        seed=seed,
    )


def _trainer(prepared: Prepared[KTOSettings]) -> Trainer:
    settings = prepared.settings
    reference = reference_of(prepared.model, settings)
    batches = math.ceil(len(prepared.tokens) / (settings.batch_size * processes.count()))
    return TokenizedKTOTrainer(
        on_reference=reference_progress(prepared.progress, batches),
        model=prepared.policy.model,
        ref_model=reference.model,
        args=KTOConfig(
            **prepared.arguments,
            beta=settings.beta,
            desirable_weight=settings.desirable_weight,
            undesirable_weight=settings.undesirable_weight,
            precompute_ref_log_probs=reference.before_training,
        ),
        train_dataset=prepared.tokens.dataset,
        processing_class=prepared.tokenizer,
        peft_config=prepared.policy.new_adapter,
    )


def _counts(rows: TokenizedRows, settings: KTOSettings) -> Mapping[str, float]:
    """How far the weights balance the labels."""
    desirable = sum(rows.dataset["label"])
    undesirable = len(rows) - desirable
    weighed = settings.desirable_weight * desirable, settings.undesirable_weight * undesirable
    balance = weighed[0] / weighed[1] if weighed[1] else math.inf
    return {"desirable": desirable, "undesirable": undesirable, "weighted_balance": balance}


train_kto = Method(
    "kto", columns=COLUMNS, read=read_unpaired, tokenize=_tokenize, trainer=_trainer, counts=_counts
)
