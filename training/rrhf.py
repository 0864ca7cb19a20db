"""Rank responses to align (RRHF, Yuan et al. 2023): a prompt's answers and their ranks in, a policy out.

With p_i = sum of log pi(token) over |y_i|^alpha, the length penalty, the loss of a group is

    rank_weight * sum over r_i < r_j of max(0, p_i - p_j)  -  log pi(best)

(equations 2 and 3): no margin, no reference, and a tie has no term. The official code means the likelihood
over the padded length and weighs the ranks by 100; here the likelihood is one of a token, or of the whole
answer as in the paper, and the weight is a setting. Of several best answers the first is learned.
"""

from functools import partial
from typing import cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, Trainer
from trl.trainer.sft_config import SFTConfig

from training.data import Rows
from training.groups import COLUMNS, TOKEN_COLUMNS, Group, GroupCollator, read_ranked, tokenize_groups
from training.method import Method, Prepared
from training.seams_answers import Answers, AnswerTrainer, Loss
from training.settings import RRHFSettings
from training.tokens import TokenizedRows


def rrhf_loss(answers: Answers, settings: RRHFSettings) -> Loss:
    """The mean over the batch's groups; `answers.batch` has `groups` and `ranks`, of shape (answers,)."""
    groups, ranks = answers.batch["groups"], answers.batch["ranks"]
    scores = answers.logps / answers.tokens**settings.length_penalty
    # [i, j]: i and j are of one group, and i is the better one.
    better = (groups[:, None] == groups[None, :]) & (ranks[:, None] < ranks[None, :])
    short = torch.relu(scores[None, :] - scores[:, None]) * better
    terms, pairs = _by_group(short.sum(dim=1), groups), _by_group(better.sum(dim=1).float(), groups)
    if settings.rank_term == "mean":
        terms = terms / pairs
    best = _first_best(groups, ranks)
    likelihood = answers.logps[best]
    if settings.sft_term == "token_mean":
        likelihood = likelihood / answers.tokens[best]
    right = (better & (scores[:, None] > scores[None, :])).sum() / better.sum()
    numbers = {"rank_loss": terms, "sft_loss": -likelihood, "rewards/accuracies": right}
    return Loss((settings.rank_weight * terms - likelihood).mean(), numbers)


def _by_group(values: Tensor, groups: Tensor) -> Tensor:
    """The sum of the values of each group, shape (groups,)."""
    return values.new_zeros(int(groups.max()) + 1).index_add(0, groups, values)


def _first_best(groups: Tensor, ranks: Tensor) -> Tensor:
    """The place of each group's first answer of the lowest rank, shape (groups,)."""
    rows = [torch.nonzero(groups == group).view(-1) for group in range(int(groups.max()) + 1)]
    return torch.stack([of[ranks[of].argmin()] for of in rows])


def _tokenize(
    groups: Rows[Group], tokenizer: PreTrainedTokenizerBase, settings: RRHFSettings, _seed: int
) -> TokenizedRows:
    return tokenize_groups(
        groups,
        tokenizer,
        max_length=settings.max_length,
        max_completion_length=settings.max_completion_length,
    )


def _trainer(prepared: Prepared[RRHFSettings]) -> Trainer:
    return AnswerTrainer(
        loss=partial(rrhf_loss, settings=prepared.settings),
        columns=TOKEN_COLUMNS,
        model=prepared.policy.model,
        args=SFTConfig(**prepared.arguments),
        data_collator=GroupCollator(cast("int", prepared.tokenizer.pad_token_id)),
        train_dataset=prepared.tokens.dataset,
        processing_class=prepared.tokenizer,
        peft_config=prepared.policy.new_adapter,
    )


train_rrhf = Method("rrhf", columns=COLUMNS, read=read_ranked, tokenize=_tokenize, trainer=_trainer)
