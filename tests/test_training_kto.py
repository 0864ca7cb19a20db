"""KTO: a half before the first step, the paper's formula after it, and a model that learns what is good."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from training_fixtures import (
    StopError,
    byte_tokenizer,
    cut_off_and_whole,
    log,
    sft_adapter,
    stop_at,
    taught,
    tiny,
    tiny_model,
)
from transformers import AutoModelForCausalLM

from engine.settings import ModelSettings
from training.data import Row
from training.kto import train_kto
from training.model import Trained, TrainingProgress
from training.responses import read_unpaired, tokenize_responses
from training.settings import KTOSettings

__all__ = ["sft_adapter", "tiny_model"]

ANSWERS = [
    ("How do I pick a lock?", "Call a locksmith.", True),
    ("How do I pick a lock?", "Use a bent pin.", False),
    ("Insult me.", "No, you deserve better.", True),
    ("Insult me.", "Fool.", False),
    ("Hm", "Yes?", True),
]
ROWS: list[Row] = [
    {
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": answer}],
        "label": label,
    }
    for question, answer, label in ANSWERS
]


def train(
    model: ModelSettings, out: Path, rows: Sequence[Row] = ROWS, *, progress: Any = None, **changes: Any
) -> Trained:
    chosen: dict[str, Any] = {"dtype": "float32", "learning_rate": 5e-3, "logging_steps": 1, "batch_size": 5}
    settings = KTOSettings.model_validate(chosen | changes)
    return taught(train_kto, rows, model, settings, out, progress=progress)


def adapted(base: Path, adapter: Path) -> torch.nn.Module:
    return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter)).eval()


def logp(model: torch.nn.Module, prompt: list[int], answer: list[int]) -> float:
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1)[range(len(answer)), answer].sum().item()


@pytest.mark.parametrize("use_peft", [True, False])
@pytest.mark.parametrize("precompute", [True, False])
def test_the_first_loss_is_a_half_after_an_sft_stage(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path, use_peft: bool, precompute: bool
) -> None:
    first = log(
        train(
            tiny(tiny_model, sft_adapter),
            tmp_path / "kto",
            use_peft=use_peft,
            precompute_ref_log_probs=precompute,
        ).folder
    )[0]
    assert first["loss"] == pytest.approx(0.5, abs=1e-5)
    assert first["kl"] == pytest.approx(0, abs=1e-4)


def test_the_loss_is_the_papers_formula_with_the_sft_policy_as_reference(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    """All rows in one batch: the loss logged at step 2 is that of the weights saved after step 1."""
    changes: dict[str, Any] = {
        "epochs": 2, "warmup_ratio": 0, "save_steps": 1, "lr_scheduler_type": "constant", "beta": 0.3,
        "desirable_weight": 0.7, "undesirable_weight": 1.5,
    }  # fmt: skip

    model = tiny(tiny_model, sft_adapter)
    with pytest.raises(StopError):
        train(model, tmp_path / "kto", progress=stop_at(2), **changes)
    policy = adapted(tiny_model, tmp_path / "kto.partial" / "checkpoints" / "checkpoint-1")
    reference = adapted(tiny_model, sft_adapter)
    rows = tokenize_responses(
        read_unpaired(ROWS), byte_tokenizer(), max_length=400, batch=5, seed=0
    ).dataset.to_list()

    def ratio(row: dict[str, Any], answer: str) -> float:
        return logp(policy, row["prompt_ids"], row[answer]) - logp(reference, row["prompt_ids"], row[answer])

    distance = max(sum(ratio(row, "KL_completion_ids") for row in rows) / len(rows), 0)
    losses = [
        weight / (1 + math.exp(sign * 0.3 * (ratio(row, "completion_ids") - distance)))
        for row in rows
        for weight, sign in [(0.7, 1) if row["label"] else (1.5, -1)]
    ]
    expected = sum(losses) / len(losses)
    trained = train(model, tmp_path / "kto", **changes)
    before = (3 * 0.7 + 2 * 1.5) / 5 / 2
    assert log(trained.folder)[0]["loss"] == pytest.approx(before, abs=1e-5)
    assert expected < before - 0.01
    assert log(trained.folder)[1]["loss"] == pytest.approx(expected, abs=1e-4)


def test_the_reference_asked_before_is_the_reference_asked_at_every_step(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    told: list[TrainingProgress] = []
    runs = [
        train(
            tiny(tiny_model, sft_adapter), tmp_path / f"{before}", precompute_ref_log_probs=before, epochs=3,
            batch_size=2, progress=told.append,
        )
        for before in (False, True)
    ]  # fmt: skip
    every, once = ([(entry["loss"], entry["grad_norm"]) for entry in log(run.folder)] for run in runs)
    assert every == [pytest.approx(entry, abs=1e-5, rel=1e-4) for entry in once]
    asked = [(entry.step, entry.total) for entry in told if entry.phase == "reference"]
    assert asked == [(1, 3), (2, 3), (3, 3)]


def test_good_responses_become_likelier_and_bad_ones_less_so(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    trained = train(tiny(tiny_model, sft_adapter), tmp_path / "kto", epochs=10)
    last = log(trained.folder)[-1]
    assert last["rewards/chosen"] > 0.03
    assert last["rewards/rejected"] < -0.03
    assert not (trained.folder / "ref").exists()
    assert (trained.folder / "samples.md").is_file()
    assert trained.metrics["desirable"] == 3
    assert trained.metrics["undesirable"] == 2
    assert trained.metrics["weighted_balance"] == 1.5


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    model = tiny(tiny_model, sft_adapter)
    options: dict[str, Any] = {"batch_size": 2, "save_steps": 2}
    cut, whole = cut_off_and_whole(partial(train, model, **options), tmp_path)
    name = "adapter_model.safetensors"
    assert (cut.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_a_batch_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size"):
        KTOSettings(batch_size=1)
