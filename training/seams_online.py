"""The one place where online methods reach into TRL: its GRPO trainer, as far as it samples and steps.

TRL keeps generation (`transformers` or vLLM), chunked log-probabilities, the data's way, logs and
checkpoints. What is learned from the answers is a `Learner`'s, so that PPO and other online methods are each
a plain class. `tests/test_training_seams_online.py` holds every seam to the pinned version.

Several processes hold all weights each. A learner is given the whole rollout in all of them, and makes of it
the batches that are its process's; here answers are sampled by shares, gradients and losses summed.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, cast

import torch
from accelerate.utils import set_seed
from peft import PeftModel
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from transformers import GenerationConfig, PreTrainedModel, get_scheduler
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

from training import processes
from training.gradients import sum_gradients
from training.learner import Beside, Learner
from training.seams import REFERENCE_ADAPTER
from training.seams_adapters import POLICY, merged, wearing
from training.shared_prompts import prompts, shared_prompts


def sampling_arguments(
    common: Mapping[str, Any], *, answers: int, passes: int, frozen_copy: bool
) -> GRPOConfig:
    """TRL's configuration for rollouts of so many answers, one to a prompt, learned from so many times.

    `frozen_copy`: keep the adapter as it comes, as the reference. TRL asks for groups, so one answer to a
    prompt is set afterwards. Rows come in the order that they are to be answered in.
    """
    arguments = GRPOConfig(
        **common,
        generation_batch_size=answers,
        num_generations=answers,
        num_iterations=passes,
        beta=1.0 if frozen_copy else 0.0,
        disable_dropout=True,
        shuffle_dataset=False,
        log_completions=False,
        adam_epsilon=1e-5,
    )
    arguments.num_generations = 1
    return arguments


@dataclass(frozen=True, slots=True)
class Said:
    """Token ids of answers, and where another engine sampled them, its log-probabilities of them."""

    ids: list[list[int]]
    log_probs: list[list[float]] | None


class SamplingTrainer(GRPOTrainer):
    """Samples answers to rows of `prompt_ids`, `prompt` and `references`, and steps as its learner says.

    The reference is `reference` where one is given, else the adapter as it came, else the base alone.
    """

    def __init__(
        self,
        *,
        learner: Learner | None,
        beside: Beside | None,
        reference: PreTrainedModel | None,
        **options: Any,
    ) -> None:
        self._learner, self.beside = learner, beside
        self._rollout: Sequence[Any] = ()
        model = cast("PreTrainedModel", options["model"])
        # What is unset is taken from here, so that a model's own top_p or min_new_tokens would come in.
        self._own_generation = model.generation_config
        model.generation_config = _only_tokens(model.generation_config)
        super().__init__(reward_funcs=[_no_reward], **options)
        if self.use_vllm:
            # vLLM draws from this process's random state, which it has set to a number of its own.
            set_seed(self.args.seed, device_specific=True)
            cast("Any", self.vllm_generation)._iter_named_params = self._served
        self.reference = reference
        if reference is not None:
            add_fused_lm_head(reference, temperature=self.temperature)

    def teach(self, learner: Learner, *, beside: Beside | None = None) -> None:
        """Set who learns, where that needs the policy as it is trained: models beside it on its own base."""
        self._learner, self.beside = learner, beside
        if beside is not None:
            # What new weights draw is each process's own by now, as what it samples is.
            processes.alike(beside.trained)

    # What learners use.

    @property
    def learner(self) -> Learner:
        if self._learner is None:
            raise AssertionError("nobody learns yet: `teach` says who")
        return self._learner

    @property
    def end_ids(self) -> frozenset[int]:
        """The tokens that end an answer."""
        return frozenset(cast("list[int]", self.eos_token_ids))

    @property
    def pad_id(self) -> int:
        return cast("int", self._tokenizer.pad_token_id)

    @property
    def device(self) -> torch.device:
        return self.accelerator.device

    @property
    def rollout(self) -> int:
        """The number of the rollout that is learned from, counted from 0."""
        return self.state.global_step * self.args.gradient_accumulation_steps // self._batches

    def decoded(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The texts of answers, without special tokens."""
        return self._tokenizer.batch_decode([list(each) for each in ids], skip_special_tokens=True)

    def sample(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        """An answer to each prompt, by the policy itself, up to its end token or the length limit."""
        return self.sample_told(prompts).ids

    def sample_told(self, prompts: Sequence[Sequence[int]], *, to_each: int = 1) -> "Said":
        """As `sample`, with what the sampler says of its tokens; so many equal prompts are side by side.

        Of several processes each samples its share, from a random state of its own.
        """

        def said(asked: Sequence[Sequence[int]]) -> Said:
            return Said(*self._generate_single_turn([list(prompt) for prompt in asked], None, {}, to_each))

        return _one_after_the_other(processes.spread(prompts, said))

    def log_probs(self, ids: Tensor, mask: Tensor, *, keep: int) -> tuple[Tensor, Tensor]:
        """Of the last `keep` tokens: log-probabilities under the policy, and its entropies; (rows, keep)."""
        with shared_prompts(self.model, prompts(ids, keep)):
            told, entropies, _ = self._get_per_token_logps_and_entropies(
                self.model, ids, mask, keep, compute_entropy=True
            )
        return told.float(), cast("Tensor", entropies)

    def reference_log_probs(self, ids: Tensor, mask: Tensor, *, keep: int) -> Tensor:
        with self._reference() as model, shared_prompts(model, prompts(ids, keep)):
            return self._get_per_token_logps_and_entropies(model, ids, mask, keep)[0].float()

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """In here matrix products are of the settings' dtype, as the policy's are."""
        return self.accelerator.autocast()

    @property
    def rate_beside(self) -> float:
        """The learning rate of what is trained beside the policy: the optimizer's last group."""
        return 0.0 if self.lr_scheduler is None else float(self.lr_scheduler.get_last_lr()[-1])

    def backward(self, loss: Tensor) -> None:
        """The backward pass of a part of the loss, at once: what it held in memory is free for the next."""
        self.accelerator.backward(loss)

    def note(self, name: str, value: float) -> None:
        """A number for the log, which has the mean over all processes since the entry before."""
        self._metrics["train"][name].append(value)

    # TRL's own methods, each replaced for the reason it gives.

    def _send_telemetry(self) -> None:
        return

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["prompt_ids", "prompt", "references"]

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """The batch that the learner made for this step; a new rollout where the last one is used up."""
        place = self._step % self._batches
        if place == 0 or not self._rollout:
            rows = list(chain.from_iterable(processes.gathered(generation_batch)))
            self._rollout = self.learner.roll_out(self, rows)
        return self._rollout[place]

    @property
    def _batches(self) -> int:
        """Batches of this process between two rollouts."""
        return cast("int", cast("GRPOConfig", self.args).steps_per_generation) * self.num_iterations

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Gives the log the batch's part of the loss with those of the other processes."""
        return processes.summed(super().training_step(model, inputs, num_items_in_batch))

    def compute_loss(
        self,
        model: Any,  # noqa: ARG002
        inputs: Any,
        return_outputs: bool = False,  # noqa: ARG002
        num_items_in_batch: Any = None,  # noqa: ARG002
    ) -> Tensor:
        return self.learner.loss(self, inputs)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The policy's optimizer, and what is trained beside it as one more group."""
        trained = [] if self.beside is None else self.beside.trained
        # On a shared base it is a part of the model, which has a rate of its own.
        _set_trained(trained, to=False)
        optimizer = super().create_optimizer(model)
        _set_trained(trained, to=True)
        if self.beside is not None:
            group = {"params": trained, "lr": self.beside.learning_rate, "weight_decay": 0.0}
            optimizer.add_param_group(group)
            # The trainer forgets the gradients of its model only.
            optimizer.register_step_post_hook(lambda *_: _forget(trained))
        return optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> LRScheduler:
        """Every group by its own warm-up."""
        if self.beside is None or self.lr_scheduler is not None:
            return super().create_scheduler(num_training_steps, optimizer)
        stepped = cast("torch.optim.Optimizer", optimizer or self.optimizer)
        kind = self.args.lr_scheduler_type
        policy = _rise_and_fall(kind, int(self.args.get_warmup_steps(num_training_steps)), num_training_steps)
        rising = int(self.beside.warmup_ratio * num_training_steps)
        critic = _rise_and_fall(kind, rising, num_training_steps)
        groups = len(stepped.param_groups)
        self.lr_scheduler = LambdaLR(stepped, [policy] * (groups - 1) + [critic])
        return self.lr_scheduler

    def _clip_grad_norm(self, model: Any) -> Any:
        """What is trained beside the policy is cut by itself, wherever its weights lie."""
        trained = [] if self.beside is None else self.beside.trained
        # The last thing before gradients are used, and once a step.
        sum_gradients(chain(model.parameters(), trained))
        if trained:
            torch.nn.utils.clip_grad_norm_(trained, self.args.max_grad_norm)
        gradients = [weight.grad for weight in trained]
        _forget(trained)
        norm = super()._clip_grad_norm(model)
        for weight, gradient in zip(trained, gradients, strict=True):
            weight.grad = gradient
        return norm

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        # Before the trainer's state, whose file says that a checkpoint is whole.
        if processes.is_first():
            self.learner.save(Path(output_dir))
        super()._save_optimizer_and_scheduler(output_dir)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        # Each process writes its own, and all of them belong to a whole checkpoint.
        processes.wait()

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            self.learner.load(Path(checkpoint))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """What was noted in any process, each of which goes through batches of its own."""
        every = processes.gathered(dict(self._metrics["train"]))
        for name in dict.fromkeys(chain.from_iterable(every)):
            self._metrics["train"][name] = [value for noted in every for value in noted.get(name, ())]
        super().log(logs, start_time)

    def train(self, *arguments: Any, **options: Any) -> Any:
        """Trains, and gives the model its own generation settings back."""
        try:
            return super().train(*arguments, **options)
        finally:
            cast("PreTrainedModel", self.model).generation_config = self._own_generation

    def _served(self) -> Iterator[tuple[str, Tensor]]:
        """The policy's weights for vLLM. TRL merges the adapter and takes it out of the base again, which
        leaves the base, and with it reference, critic and rewards, a little different after each rollout.
        """
        model = self.accelerator.unwrap_model(self.model)
        if isinstance(model, PeftModel):
            yield from merged(model, POLICY)
        else:
            yield from ((name, weight.data) for name, weight in model.named_parameters())

    @contextlib.contextmanager
    def _reference(self) -> Iterator[Any]:
        if self.reference is not None:
            yield self.reference
            return
        model = self.accelerator.unwrap_model(self.model)
        copied = REFERENCE_ADAPTER if REFERENCE_ADAPTER in model.peft_config else None
        with wearing(model, copied):
            yield self.model


def _one_after_the_other(said: Sequence[Said]) -> Said:
    told = [each.log_probs for each in said if each.log_probs is not None]
    ids = list(chain.from_iterable(each.ids for each in said))
    return Said(ids, list(chain.from_iterable(told)) if told else None)


def _no_reward(**_: Any) -> list[float | None]:
    """TRL asks for a reward function; the learner's rewards are its own."""
    raise AssertionError("the learner scores answers")


def _only_tokens(config: GenerationConfig | None) -> GenerationConfig:
    """Which tokens begin, end and pad, and nothing that changes what is sampled."""
    if config is None:
        return GenerationConfig()
    return GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id
    )


def _forget(parameters: Sequence[torch.nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = None


def _set_trained(parameters: Sequence[torch.nn.Parameter], *, to: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(to)


def _rise_and_fall(kind: Any, rising: int, steps: int) -> Callable[[int], float]:
    """The share of the full rate at each step, as `transformers` has it."""
    unused = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(kind, optimizer=unused, num_warmup_steps=rising, num_training_steps=steps)
    return cast("LambdaLR", scheduler).lr_lambdas[0]
