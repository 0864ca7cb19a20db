"""One rollout of an online method, before anything is learned from it: prompts in, scored answers out.

Answers are sampled, policy and reference tell their log-probabilities, the watch looks whether the policy ran
away, the reward scores. What this comes to is logged here, so that all online methods log the same. Several
processes share the work and all have the whole rollout: from here on each computes what one alone would.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prompts.message import conversation
from training.advantages import masked_mean
from training.kl import k1, k3
from training.rewards import Answer, Reward, Scores
from training.rollout import Sampled, padded, told_of
from training.runaway import Watch
from training.seams_online import SamplingTrainer
from training.settings import OnlineSettings


@dataclass(frozen=True, slots=True)
class Answered:
    """`finished` has an end token. `taken` (answers,) are scores less the penalty of those without.

    Tensors of tokens are (answers, answer): `log_probs` and `reference` of policy and reference, `far` and
    `quiet` the estimates k1 and k3 of the KL, 0 on padding. `trust` is what a token counts where the
    sampler's probabilities are not quite the policy's, 1 where they are.
    """

    sampled: Sampled
    finished: tuple[bool, ...]
    log_probs: Tensor
    reference: Tensor
    trust: Tensor
    scores: Scores
    taken: Tensor

    @property
    def far(self) -> Tensor:
        return k1(self.log_probs, self.reference) * self.sampled.answered

    @property
    def quiet(self) -> Tensor:
        return k3(self.log_probs, self.reference) * self.sampled.answered

    @property
    def kl(self) -> float:
        """Nats an answer, by k1."""
        return self.far.sum(1).mean().item()


def answered(
    trainer: SamplingTrainer,
    rows: Sequence[Mapping[str, Any]],
    *,
    settings: OnlineSettings,
    reward: Reward,
    watch: Watch,
) -> Answered:
    """Answer the rows' prompts and score the answers.

    Raises:
        TrainingError: a reward failed, or the policy ran away.
    """
    prompts = [row["prompt_ids"] for row in rows]
    said = trainer.sample_told(prompts, to_each=settings.answers_a_prompt)
    sampled = padded(prompts, said.ids, pad=trainer.pad_id, device=trainer.device)
    finished = tuple(answer[-1] in trainer.end_ids for answer in said.ids)
    # Whoever is asked elsewhere answers while the models here compute.
    wait = reward.begin(answers_of(rows, trainer.decoded(said.ids), finished))
    log_probs, reference = log_probs_of(trainer, sampled, settings.batch_size)
    length = sampled.lengths.float().mean().item()
    kl = (k1(log_probs, reference) * sampled.answered).sum(1).mean().item()
    watch.look(trainer.state.global_step, kl=kl, length=length)
    scores = wait()
    told = Answered(
        sampled,
        finished,
        log_probs,
        reference,
        _trust(said.log_probs, log_probs, settings.vllm_importance_sampling_clip_max),
        scores,
        _taken(scores, finished, settings.missing_eos_penalty, like=log_probs),
    )
    _note(trainer, told)
    return told


def log_probs_of(trainer: SamplingTrainer, sampled: Sampled, size: int) -> tuple[Tensor, Tensor]:
    """What policy and reference say of each token, so many rows at a time; both (answers, answer)."""
    keep = sampled.keep
    return (
        told_of(sampled, size, lambda ids, mask: trainer.log_probs(ids, mask, keep=keep)[0]),
        told_of(sampled, size, lambda ids, mask: trainer.reference_log_probs(ids, mask, keep=keep)),
    )


def _trust(sampler: Sequence[Sequence[float]] | None, log_probs: Tensor, most: float) -> Tensor:
    """min(pi / pi_sampler, most) of each token, 1 where the sampler does not say (truncated importance
    sampling, Yao et al. 2025).
    """
    if sampler is None:
        return torch.ones_like(log_probs)
    told = torch.full_like(log_probs, float("nan"))
    for number, row in enumerate(sampler):
        told[number, : len(row)] = torch.tensor(row, dtype=told.dtype, device=told.device)
    return torch.exp(log_probs - told).nan_to_num(nan=1.0).clamp(max=most)


def _taken(scores: Scores, finished: Sequence[bool], penalty: float, *, like: Tensor) -> Tensor:
    taken = [total - penalty * (not ended) for total, ended in zip(scores.total, finished, strict=True)]
    return torch.tensor(taken, dtype=like.dtype, device=like.device)


def answers_of(
    rows: Sequence[Mapping[str, Any]], texts: Sequence[str], finished: Sequence[bool]
) -> list[Answer]:
    """The texts with the prompts that they answer, for whoever scores or compares them."""
    return [
        Answer(conversation(json.loads(row["prompt"])), text, ended, json.loads(row["references"]))
        for row, text, ended in zip(rows, texts, finished, strict=True)
    ]


def _note(trainer: SamplingTrainer, told: Answered) -> None:
    total = torch.tensor(told.scores.total)
    trainer.note("score", total.mean().item())
    trainer.note("score_sd", total.std().item())
    for share in (0.1, 0.5, 0.9):
        trainer.note(f"score_p{100 * share:.0f}", total.quantile(share).item())
    note_parts(trainer, told.scores)
    trainer.note("kl", told.kl)
    trainer.note("kl_k3", told.quiet.sum(1).mean().item())
    trainer.note("length", told.sampled.lengths.float().mean().item())
    if trainer.use_vllm:
        trainer.note("sampler_trust", masked_mean(told.trust, told.sampled.answered).item())
    trainer.note("eos_rate", sum(told.finished) / len(told.finished))


def note_parts(trainer: SamplingTrainer, scores: Scores) -> None:
    """The mean of each part of the scores, and how many answers it could not rate."""
    for name, given in scores.parts.items():
        trainer.note(f"score/{name}", sum(given) / len(given))
    for name, count in scores.unrated.items():
        trainer.note(f"unrated/{name}", count)
