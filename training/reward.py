"""A reward model: `prompt`, `chosen`, `rejected` in, a model out that gives one number to a conversation.

The loss is Bradley and Terry's on each pair's own label (`training.bradley_terry`), with the squared sum of a
pair's rewards as a weak pull to zero. It learns from all prompts but a held-out share, on which its accuracy,
its calibration and the scale of its rewards are measured (`training.scale`). The reward is that of the last
token of a whole conversation, so a pair with an answer beyond `max_length` is left out, not cut.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer
from trl.trainer.reward_config import RewardConfig

from engine.reward_head import rewards
from labeling.audit.clustered import Numbers
from training.bradley_terry import source_weights
from training.comparisons import tokenize_comparisons
from training.data import Pair, Rows, read_preferences
from training.held_out import held_out
from training.load_reward import load_reward_policy, load_reward_tokenizer
from training.method import Method, Prepared
from training.samples import RatedSample, write_rated_samples
from training.scale import Rated, errors, errors_by_source, fitted, write_scale
from training.seams import ComparisonCollator, SoftRewardTrainer
from training.settings import RewardModelSettings
from training.stage import Outcome
from training.tokens import TokenizedRows

if TYPE_CHECKING:
    from datasets import Dataset

SCALED_ON = 512
"""Pairs that the scale is fitted on where none is held out."""

SHOWN = 8
"""Pairs that are shown with their rewards."""

READ = 1024
"""Rows that are read, and put in the order of their lengths, at a time."""


def _tokenize(
    pairs: Rows[Pair], tokenizer: PreTrainedTokenizerBase, settings: RewardModelSettings, seed: int
) -> TokenizedRows:
    sides = held_out((pair.prompt for _, pair in pairs.kept), settings.held_out, seed=seed)
    return tokenize_comparisons(pairs, tokenizer, settings, sides=sides)


def _trainer(prepared: Prepared[RewardModelSettings]) -> Trainer:
    tokenizer, dataset = prepared.tokenizer, prepared.tokens.dataset
    weights = source_weights(dataset["source"]) if prepared.settings.balance else {}
    return SoftRewardTrainer(
        model=prepared.policy.model,
        args=RewardConfig(
            **prepared.arguments,
            center_rewards_coefficient=prepared.settings.center_rewards_coefficient,
        ),
        data_collator=ComparisonCollator(cast("int", tokenizer.pad_token_id), weights),
        train_dataset=dataset,
        processing_class=tokenizer,
        peft_config=prepared.policy.new_adapter,
    )


def _show(outcome: Outcome) -> Mapping[str, float]:
    """Rates the held-out pairs: their errors, the scale, and some of them for people to read."""
    rows, is_held_out = outcome.rows.held_out, True
    if rows is None or not len(rows):
        rows, is_held_out = outcome.rows.dataset, False
        rows = rows.select(range(min(len(rows), SCALED_ON)))
    rated = _rated(outcome.model, rows, batch=2 * outcome.job.settings.batch_size)
    scale = fitted(rated, held_out=is_held_out)
    write_scale(outcome.folder, scale)
    write_rated_samples(outcome.folder, list(_samples(outcome.tokenizer, rows, rated)), held_out=is_held_out)
    numbers = {"reward_mean": scale.mean, "reward_sd": scale.sd}
    if scale.temperature is not None:
        numbers |= {"held_out_pairs": len(rated), **errors(rated), "temperature": scale.temperature}
        numbers |= errors_by_source(rated)
    return numbers


def _rated(model: PreTrainedModel, rows: "Dataset", *, batch: int) -> Rated:
    model.eval()
    chosen, rejected = (
        np.concatenate([_rewards(model, part, batch) for part in _parts(rows, column)])
        for column in ("chosen_ids", "rejected_ids")
    )
    return Rated(
        chosen,
        rejected,
        np.asarray(rows["target"], float),
        tuple(map(str, rows["prompt"])),
        tuple(rows["source"]),
    )


def _parts(rows: "Dataset", column: str) -> Iterator[Sequence[Sequence[int]]]:
    """The column, as much of it at a time as may lie in memory."""
    for start in range(0, len(rows), READ):
        yield rows[start : start + READ][column]


def _rewards(model: PreTrainedModel, ids: Sequence[Sequence[int]], batch: int) -> Numbers:
    """The rows' rewards, those of about one length asked together."""
    order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
    told = np.empty(len(ids))
    for start in range(0, len(ids), batch):
        places = order[start : start + batch]
        told[places] = rewards(model, [ids[place] for place in places])
    return told


def _samples(tokenizer: PreTrainedTokenizerBase, rows: "Dataset", rated: Rated) -> Iterator[RatedSample]:
    for number in range(min(SHOWN, len(rated))):
        texts = [
            cast("str", tokenizer.decode(rows[number][column])) for column in ("chosen_ids", "rejected_ids")
        ]
        yield RatedSample(
            *texts,
            chosen_reward=float(rated.chosen[number]),
            rejected_reward=float(rated.rejected[number]),
            chosen_probability=float(rated.target[number]),
        )


train_reward = Method(
    "reward",
    columns=(
        "prompt",
        "chosen",
        "rejected",
        "chosen_cut_off",
        "rejected_cut_off",
        "chosen_probability",
        "margin",
        "source",
    ),
    read=read_preferences,
    tokenize=_tokenize,
    trainer=_trainer,
    tokenizer=load_reward_tokenizer,
    load=load_reward_policy,
    show=_show,
)
