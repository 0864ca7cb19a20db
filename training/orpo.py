"""Odds ratio preference optimisation (ORPO, Hong et al. 2024): preference pairs in, a policy out.

With P(y) = exp(log pi(y|x) / |y|), the geometric mean over tokens, and odds(y) = P / (1 - P), the loss of a
pair is

    -log P(chosen)  -  beta log sigmoid(log odds(chosen) - log odds(rejected))

(equations 6 and 7, whose lambda is beta here, as in TRL): no reference, since the first term holds the policy
to the chosen answers. That term is the likelihood of the answer alone, as in the paper; TRL's experiment
takes the prompt in.
"""

from functools import partial
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid
from transformers import Trainer
from trl.trainer.sft_config import SFTConfig

from training.data import read_preferences
from training.method import Method, Prepared
from training.pairs import tokenize_preferences
from training.seams_answers import Answers, AnswerTrainer, LabelledPairCollator, Loss
from training.settings import ORPOSettings

COLUMNS = ("prompt", "chosen", "rejected", "chosen_cut_off", "rejected_cut_off", "chosen_probability")


def orpo_loss(answers: Answers, settings: ORPOSettings) -> Loss:
    """The mean over the batch's pairs; its rows are the chosen answers and then the rejected ones."""
    chosen, rejected = (answers.logps / answers.tokens).chunk(2)
    ahead = log_odds(chosen) - log_odds(rejected)
    numbers = {
        "nll_loss": -chosen,
        "log_odds_ratio": ahead,
        "rewards/accuracies": (chosen > rejected).float(),
        "rewards/margins": settings.beta * (chosen - rejected),
    }
    return Loss((-chosen - settings.beta * logsigmoid(ahead)).mean(), numbers)


def log_odds(logp: Tensor) -> Tensor:
    """log(P / (1 - P)) of P = exp(logp); a P that rounds to 1 counts as the last number below it."""
    below = logp.float().clamp(max=-torch.finfo(torch.float32).eps)
    return below - torch.log(-torch.expm1(below))


def _trainer(prepared: Prepared[ORPOSettings]) -> Trainer:
    return AnswerTrainer(
        loss=partial(orpo_loss, settings=prepared.settings),
        columns=("prompt_ids", "chosen_ids", "rejected_ids", "target"),
        model=prepared.policy.model,
        args=SFTConfig(**prepared.arguments),
        data_collator=LabelledPairCollator(cast("int", prepared.tokenizer.pad_token_id)),
        train_dataset=prepared.tokens.dataset,
        processing_class=prepared.tokenizer,
        peft_config=prepared.policy.new_adapter,
    )


train_orpo = Method(
    "orpo", columns=COLUMNS, read=read_preferences, tokenize=tokenize_preferences, trainer=_trainer
)
