"""What online methods take from TRL's GRPO trainer, held to the pinned version."""

import inspect
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from training_fixtures import byte_tokenizer, tiny_model
from transformers import AutoModelForCausalLM, Trainer
from trl.trainer.grpo_trainer import GRPOTrainer

from training.group_relative import Level, Mean, kl_losses, shares, surrogate
from training.rollout import padded
from training.seams import quiet
from training.seams_online import SamplingTrainer, sampling_arguments

__all__ = ["tiny_model"]


class Listener:
    """A learner that learns nothing and keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[list[list[int]]] = []
        self.rollouts: list[int] = []

    def roll_out(self, trainer: SamplingTrainer, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        self.asked.append([row["prompt_ids"] for row in rows])
        self.rollouts.append(trainer.rollout)
        return [f"{len(self.asked)}.{place}" for place in range(4)]

    def loss(self, trainer: SamplingTrainer, batch: Any) -> Tensor:
        self.asked.append(batch)
        return 0 * sum(p.sum() for p in trainer.model.parameters() if p.requires_grad)  # type: ignore[union-attr,return-value]

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...


def trainer(
    model: Any, out: Path, *, learner: Any = None, prompts: int = 4, **options: Any
) -> SamplingTrainer:
    common = {
        "output_dir": str(out), "per_device_train_batch_size": 2, "gradient_accumulation_steps": 1,
        "bf16": False, "use_cpu": True, "report_to": "none", "max_completion_length": 6,
        "save_strategy": "no", "num_train_epochs": 1, "disable_tqdm": True,
        "temperature": options.pop("temperature", 1.0),
    }  # fmt: skip
    rows = [
        {"prompt_ids": [9, 8, 7][: 1 + number % 3], "prompt": "[]", "references": "{}"}
        for number in range(prompts)
    ]
    with quiet():
        return SamplingTrainer(
            learner=learner or Listener(),
            beside=None,
            reference=options.pop("reference", None),
            model=model,
            args=sampling_arguments(common, answers=4, passes=2, frozen_copy=isinstance(model, PeftModel)),
            train_dataset=Dataset.from_list(rows),
            processing_class=byte_tokenizer(),
            **options,
        )


def loaded(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder)


def test_every_method_that_is_replaced_is_one_of_theirs() -> None:
    for name in (
        "_send_telemetry", "_set_signature_columns_if_needed", "_prepare_inputs", "compute_loss",
        "create_optimizer", "create_scheduler", "_clip_grad_norm", "_save_optimizer_and_scheduler",
        "_load_optimizer_and_scheduler", "train", "training_step", "log", "_save_rng_state",
    ):  # fmt: skip
        ours, theirs = getattr(SamplingTrainer, name), getattr(GRPOTrainer, name)
        assert len(inspect.signature(ours).parameters) <= len(inspect.signature(theirs).parameters), name
    assert list(inspect.signature(GRPOTrainer._generate_single_turn).parameters)[1:5] == [
        "prompt_ids", "images", "multimodal_fields", "num_generations",
    ]  # fmt: skip
    save = inspect.getsource(Trainer._save_checkpoint)
    assert save.index("_save_optimizer_and_scheduler") < save.index("TRAINER_STATE_NAME")
    assert save.index("_save_rng_state") < save.index("TRAINER_STATE_NAME")


def test_a_rollout_is_asked_for_when_the_last_one_is_used_up(tiny_model: Path, tmp_path: Path) -> None:
    learner = Listener()
    trainer(loaded(tiny_model), tmp_path, learner=learner, prompts=8).train()
    first, second = learner.asked[0], learner.asked[5]
    assert first == [[9], [9, 8], [9, 8, 7], [9]]
    assert second == [[9, 8], [9, 8, 7], [9], [9, 8]]
    assert learner.asked[1:5] == ["1.0", "1.1", "1.2", "1.3"]
    assert learner.asked[6:] == ["6.0", "6.1", "6.2", "6.3"]
    assert learner.rollouts == [0, 1]


def test_answers_end_at_the_first_end_token_or_the_limit(tiny_model: Path, tmp_path: Path) -> None:
    at_work = trainer(loaded(tiny_model), tmp_path)
    torch.manual_seed(0)
    answers = at_work.sample([[5]] * 300)
    assert all(1 <= len(answer) <= 6 for answer in answers)
    for answer in answers:
        ends = [place for place, token in enumerate(answer) if token in at_work.end_ids]
        assert ends == [len(answer) - 1] or (not ends and len(answer) == 6)
    assert any(len(answer) < 6 for answer in answers)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_log_probabilities_are_those_of_the_model_at_the_temperature(
    tiny_model: Path, tmp_path: Path, temperature: float
) -> None:
    model = loaded(tiny_model)
    at_work = trainer(model, tmp_path, temperature=temperature)
    sampled = padded([[5, 6], [7]], [[8, 9, 1], [2]], pad=1, device=torch.device("cpu"))
    told, entropy = at_work.log_probs(sampled.ids, sampled.mask, keep=3)
    logits = model(torch.tensor([[7, 2]])).logits[0, 0] / temperature
    alone = logits.log_softmax(-1)
    assert told[1].tolist() == pytest.approx([alone[2].item(), 0, 0], abs=1e-5)
    assert entropy[1, 0].item() == pytest.approx(-(alone.exp() * alone).sum().item(), abs=1e-4)


def test_the_reference_is_the_base_or_the_adapter_as_it_came(tiny_model: Path, tmp_path: Path) -> None:
    config = LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", init_lora_weights=False)
    sampled = padded([[5, 6]], [[8, 9, 1]], pad=1, device=torch.device("cpu"))
    told = {}
    for name in ("new", "existing"):
        torch.manual_seed(0)
        model = loaded(tiny_model)
        existing = get_peft_model(model, config) if name == "existing" else model
        options: dict[str, Any] = {} if name == "existing" else {"peft_config": config}
        at_work = trainer(existing, tmp_path / name, **options)
        with torch.no_grad():
            for weight_name, weight in at_work.model.named_parameters():  # type: ignore[union-attr]
                if weight.requires_grad and ".default." in weight_name:
                    weight.mul_(0.5)
            before = at_work.log_probs(sampled.ids, sampled.mask, keep=3)[0].sum().item()
            told[name] = at_work.reference_log_probs(sampled.ids, sampled.mask, keep=3)
            assert at_work.log_probs(sampled.ids, sampled.mask, keep=3)[0].sum().item() == before
        trained = [n for n, w in at_work.model.named_parameters() if w.requires_grad]  # type: ignore[union-attr]
        assert trained
        assert not [n for n in trained if ".ref." in n]
    base = loaded(tiny_model)(sampled.ids).logits[0].log_softmax(-1)
    plain = [base[1, 8].item(), base[2, 9].item(), base[3, 1].item()]
    assert told["new"][0].tolist() == pytest.approx(plain, abs=1e-5)
    assert not math.isclose(told["existing"].sum().item(), sum(plain), abs_tol=1e-2)


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize(("mean", "theirs"), [("grpo", "grpo"), ("dr_grpo", "dr_grpo"), ("dapo", "bnpo")])
def test_grpos_loss_is_that_of_trl_where_both_mean_the_same(
    tiny_model: Path, tmp_path: Path, mean: Mean, theirs: str, level: Level
) -> None:
    """One forward pass a step, in which TRL's mean over a batch's tokens is one over the step's."""
    at_work = trainer(loaded(tiny_model), tmp_path)
    sampled = padded([[5, 6], [7]], [[8, 9, 1], [2]], pad=1, device=torch.device("cpu"))
    mask = sampled.answered.float()
    log_probs, _ = at_work.log_probs(sampled.ids, sampled.mask, keep=3)
    generator = torch.Generator().manual_seed(0)
    old = (log_probs + 0.4 * torch.randn(2, 3, generator=generator)).detach()
    reference = (log_probs + 0.4 * torch.randn(2, 3, generator=generator)).detach()
    advantages = torch.tensor([0.7, -1.2]).unsqueeze(1)
    for bias_corrected in (True, False):
        found = surrogate(log_probs, old, advantages, mask, low=0.2, high=0.3, level=level)
        ratio = found.ratio if bias_corrected else None
        losses = found.losses + 0.1 * kl_losses(log_probs, reference, ratio)
        ours = (losses * shares(mask, mask, mean=mean, longest=6)).sum()
        for name, value in {
            "loss_type": theirs, "importance_sampling_level": level, "epsilon_low": 0.2, "epsilon_high": 0.3,
            "beta": 0.1, "current_gradient_accumulation_steps": 1,
        }.items():  # fmt: skip
            setattr(at_work, name, value)
        setattr(at_work.args, "use_bias_correction_kl", bias_corrected)  # noqa: B010
        told = GRPOTrainer._compute_loss(
            at_work,
            at_work.model,
            {
                "prompt_ids": sampled.ids[:, :-3], "prompt_mask": sampled.mask[:, :-3],
                "completion_ids": sampled.ids[:, -3:], "completion_mask": sampled.answered,
                "advantages": advantages.squeeze(1), "old_per_token_logps": old,
                "ref_per_token_logps": reference,
            },
        )  # fmt: skip
        assert ours.item() == pytest.approx(told.item(), abs=1e-6)


def test_options_of_vllm_reach_trls_generation() -> None:
    """What a sampler is made with, and what comes back of a turn: answers and their log-probabilities."""
    source = inspect.getsource(GRPOTrainer.__init__)
    for name in ("vllm_mode", "vllm_server_base_url", "vllm_gpu_memory_utilization", "vllm_max_model_length"):
        assert f"args.{name}" in source
    turn = inspect.getsource(GRPOTrainer._generate_single_turn)
    assert "self.vllm_generation.sync_weights()" in turn
    assert "return completion_ids, logprobs" in turn
