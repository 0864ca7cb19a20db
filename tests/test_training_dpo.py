import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from training_fixtures import (
    PREFERENCES,
    StopError,
    byte_tokenizer,
    cut_off_and_whole,
    dpo_settings,
    log,
    sft_adapter,
    stop_at,
    taught,
    tiny,
    tiny_model,
)
from transformers import AutoModelForCausalLM, PreTrainedModel

from engine.settings import ModelSettings
from training.dpo import train_dpo
from training.load import load_policy
from training.model import Trained, TrainingProgress
from training.save import save_weights

__all__ = ["sft_adapter", "tiny_model"]

LN_2 = math.log(2)


def train(model: ModelSettings, out: Path, *, progress: Any = None, **changes: Any) -> Trained:
    return taught(train_dpo, PREFERENCES, model, dpo_settings(**changes), out, progress=progress)


def adapted(base: Path, adapter: Path | None) -> torch.nn.Module:
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(base)
    return PeftModel.from_pretrained(model, str(adapter)).eval() if adapter else model.eval()


def answer_logprob(model: torch.nn.Module, question: str, answer: str) -> float:
    tokenizer = byte_tokenizer()
    prompt = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    prompt_ids, ids = (
        tokenizer(text, add_special_tokens=False).input_ids for text in (prompt, f"{answer}<|im_end|>\n")
    )
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt_ids, *ids]])).logits[0, len(prompt_ids) - 1 : -1]
    return logits.log_softmax(-1)[range(len(ids)), ids].sum().item()


def margin(model: torch.nn.Module) -> float:
    """Mean over the pairs of log pi(chosen) - log pi(rejected)."""
    total = 0.0
    for row in PREFERENCES:
        texts: list[str] = [row[column][0]["content"] for column in ("prompt", "chosen", "rejected")]  # type: ignore[index]
        total += answer_logprob(model, texts[0], texts[1]) - answer_logprob(model, texts[0], texts[2])
    return total / len(PREFERENCES)


@pytest.mark.parametrize("use_peft", [True, False])
@pytest.mark.parametrize("precompute", [True, False])
def test_the_first_loss_is_ln_2_after_an_sft_stage(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path, use_peft: bool, precompute: bool
) -> None:
    before, after = (
        answer_logprob(adapted(tiny_model, adapter), "Insult me.", "Fool.") for adapter in (None, sft_adapter)
    )
    assert abs(after - before) > 1
    trained = train(
        tiny(tiny_model, sft_adapter),
        tmp_path / "dpo",
        use_peft=use_peft,
        precompute_ref_log_probs=precompute,
    )
    first = log(trained.folder)[0]
    assert first["loss"] == pytest.approx(LN_2, abs=1e-4)
    assert first["rewards/margins"] == pytest.approx(0, abs=1e-4)


def test_a_new_adapter_is_held_to_the_base(tiny_model: Path, tmp_path: Path) -> None:
    trained = train(tiny(tiny_model), tmp_path / "dpo", precompute_ref_log_probs=False)
    assert log(trained.folder)[0]["loss"] == pytest.approx(LN_2, abs=1e-4)


@pytest.mark.parametrize("labels", ["hard", "soft"])
def test_the_loss_is_the_papers_formula_with_the_sft_policy_as_reference(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path, labels: str
) -> None:
    """One pair, one batch: the loss logged at step 2 is that of the weights saved after step 1."""
    pair = PREFERENCES[0]
    question, chosen, rejected = "How do I pick a lock?", "Call a locksmith.", "Use a bent pin."
    model = tiny(tiny_model, sft_adapter)
    settings = dpo_settings(
        epochs=2, batch_size=1, gradient_accumulation_steps=1, warmup_ratio=0, save_steps=1, beta=0.3,
        lr_scheduler_type="constant", labels=labels,
    )  # fmt: skip

    options: dict[str, Any] = {
        "model": model, "settings": settings, "out": tmp_path / "dpo", "seed": 0, "card": {}, "samples": [],
    }  # fmt: skip
    with pytest.raises(StopError):
        train_dpo([pair], **options, progress=stop_at(2))
    policy = adapted(tiny_model, tmp_path / "dpo.partial" / "checkpoints" / "checkpoint-1")
    reference = adapted(tiny_model, sft_adapter)
    ratios = [
        answer_logprob(policy, question, answer) - answer_logprob(reference, question, answer)
        for answer in (chosen, rejected)
    ]
    ahead, p = 0.3 * (ratios[0] - ratios[1]), 0.8 if labels == "soft" else 1.0
    expected = p * math.log1p(math.exp(-ahead)) + (1 - p) * math.log1p(math.exp(ahead))
    trained = train_dpo([pair], **options)
    assert expected < LN_2 - 0.01
    assert log(trained.folder)[1]["loss"] == pytest.approx(expected, abs=1e-4)


def logged(*names: str, runs: list[Trained]) -> list[list[list[float]]]:
    return [[[entry[name] for name in names] for entry in log(run.folder)] for run in runs]


def test_soft_labels_that_are_all_equal_are_trls_smoothing_by_one_less_them(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    """At one pair a batch TRL's aot is the sigmoid loss with its smoothing: what it sorts is one number."""
    model, one = tiny(tiny_model, sft_adapter), {"batch_size": 1, "gradient_accumulation_steps": 1}
    smoothed = {"loss_type": "aot", "label_smoothing": 0.2}
    runs = [
        train(model, tmp_path / name, logging_steps=1, epochs=2, **one, **changes)
        for name, changes in (("ours", {"labels": "soft"}), ("trl", smoothed))
    ]
    ours, trls = logged("loss", "grad_norm", "rewards/margins", runs=runs)
    assert ours == [pytest.approx(entry, abs=1e-6, rel=1e-5) for entry in trls]
    assert abs(ours[-1][0] - LN_2) > 1e-3


def test_certain_soft_labels_are_trls_sigmoid_loss(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    names = ("loss", "grad_norm", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "logps/chosen")
    certain = [{**row, "chosen_probability": 1.0} for row in PREFERENCES]
    model = tiny(tiny_model, sft_adapter)
    runs = [
        train_dpo(certain, model=model, settings=dpo_settings(labels=labels, epochs=3), out=tmp_path / labels,
                  seed=0, card={}, samples=[])
        for labels in ("soft", "hard")
    ]  # fmt: skip
    soft, hard = logged(*names, runs=runs)
    assert soft == [pytest.approx(entry, abs=1e-6, rel=1e-5) for entry in hard]


def test_the_result_is_one_adapter_over_the_original_base(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    trained = train(tiny(tiny_model, sft_adapter), tmp_path / "dpo", epochs=3)
    assert not (trained.folder / "ref").exists()
    before, after = (
        load_file(folder / "adapter_model.safetensors") for folder in (sft_adapter, trained.folder)
    )
    assert before.keys() == after.keys()
    assert margin(adapted(tiny_model, trained.folder)) > margin(adapted(tiny_model, sft_adapter)) + 0.5


def test_the_saved_adapter_gives_the_logits_of_the_policy(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    policy = load_policy(tiny(tiny_model, sft_adapter), dpo_settings()).model
    assert isinstance(policy, PeftModel)
    policy.add_adapter("ref", policy.peft_config["default"])
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if ".default." in name:
                parameter.add_(0.01)
    ids = torch.arange(20).unsqueeze(0)
    with torch.no_grad():
        expected = policy.eval()(input_ids=ids).logits
    save_weights(policy, byte_tokenizer(), tmp_path / "saved", base=str(tiny_model))
    with torch.no_grad():
        found = adapted(tiny_model, tmp_path / "saved")(input_ids=ids).logits
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("precompute", [True, False])
def test_a_run_that_was_cut_off_ends_as_one_that_was_not(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path, precompute: bool
) -> None:
    options: dict[str, Any] = {"batch_size": 1, "gradient_accumulation_steps": 1, "save_steps": 2}
    options["precompute_ref_log_probs"] = precompute

    model = tiny(tiny_model, sft_adapter)
    cut, whole = cut_off_and_whole(partial(train, model, **options), tmp_path)
    name = "adapter_model.safetensors"
    assert (cut.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_progress_tells_both_passes(tiny_model: Path, tmp_path: Path) -> None:
    told: list[TrainingProgress] = []
    train(
        tiny(tiny_model), tmp_path / "dpo", progress=told.append, batch_size=2, gradient_accumulation_steps=1
    )
    assert [(entry.phase, entry.step, entry.total) for entry in told] == [
        ("reference", 1, 2), ("reference", 2, 2), ("training", 1, 2), ("training", 2, 2),
    ]  # fmt: skip
    assert told[-1].loss == pytest.approx(LN_2, abs=1e-4)


def test_recomputed_activations_give_the_same_losses(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    """The recomputation runs while the trained adapter is active, not the reference's."""
    runs = [
        train(
            tiny(tiny_model, sft_adapter),
            tmp_path / f"{recompute}",
            gradient_checkpointing=recompute,
            precompute_ref_log_probs=False,
            epochs=3,
        )
        for recompute in (False, True)
    ]
    losses = [[entry["loss"] for entry in log(run.folder)] for run in runs]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert losses[0][-1] < LN_2 - 0.02


@pytest.mark.parametrize("labels", ["soft", "hard"])
@pytest.mark.parametrize("use_peft", [True, False])
def test_the_reference_asked_before_is_the_reference_asked_at_every_step(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path, labels: str, use_peft: bool
) -> None:
    changes: dict[str, Any] = {"labels": labels, "use_peft": use_peft, "epochs": 3, "learning_rate": 1e-3}
    runs = [
        train(
            tiny(tiny_model, sft_adapter), tmp_path / f"{before}", precompute_ref_log_probs=before, **changes
        )
        for before in (False, True)
    ]
    every, once = logged("loss", "grad_norm", runs=runs)
    assert every == [pytest.approx(entry, abs=1e-5, rel=1e-4) for entry in once]
