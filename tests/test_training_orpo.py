"""ORPO: the paper's formula by hand, the gradients of batches and of their parts, and a model that learns."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from training_fixtures import (
    PREFERENCES,
    SFT_ROWS,
    byte_tokenizer,
    cut_off_and_whole,
    log,
    sft_settings,
    taught,
    tiny,
    tiny_model,
)
from transformers import AutoModelForCausalLM

from engine.settings import ModelSettings
from training.data import read_preferences
from training.model import Trained
from training.orpo import log_odds, orpo_loss, train_orpo
from training.pairs import tokenize_pairs
from training.seams_answers import Answers
from training.settings import ORPOSettings
from training.sft import train_sft

__all__ = ["tiny_model"]


def train(model: ModelSettings, out: Path, *, progress: Any = None, **changes: Any) -> Trained:
    chosen: dict[str, Any] = {"dtype": "float32", "learning_rate": 5e-3, "logging_steps": 1}
    settings = ORPOSettings.model_validate(chosen | changes)
    return taught(train_orpo, PREFERENCES, model, settings, out, progress=progress)


def test_the_loss_of_a_worked_pair() -> None:
    """Chosen: two tokens of 1/2 each; rejected: three of 1/4. Odds 1 and 1/3, so sigmoid(log 3) = 3/4."""
    logps = torch.tensor([2 * math.log(1 / 2), 3 * math.log(1 / 4)])
    found = orpo_loss(Answers(logps, torch.tensor([2, 3]), {}), ORPOSettings(beta=0.1))
    assert found.value.item() == pytest.approx(math.log(2) + 0.1 * math.log(4 / 3), abs=1e-6)
    assert found.numbers["log_odds_ratio"].item() == pytest.approx(math.log(3), abs=1e-6)


def test_the_loss_of_a_batch_is_the_mean_over_its_pairs() -> None:
    logps = torch.tensor([math.log(1 / 2), math.log(3 / 4), math.log(1 / 4), math.log(3 / 4)])
    found = orpo_loss(Answers(logps, torch.ones(4), {}), ORPOSettings(beta=0.5))
    first, second = math.log(2) + 0.5 * math.log(4 / 3), math.log(4 / 3) + 0.5 * math.log(2)
    assert found.value.item() == pytest.approx((first + second) / 2, abs=1e-6)


@given(st.floats(-30, -1e-4))
def test_log_odds_are_those_of_the_probability(logp: float) -> None:
    probability = math.exp(logp)
    found = log_odds(torch.tensor(logp)).item()
    assert found == pytest.approx(math.log(probability / -math.expm1(logp)), rel=1e-3, abs=1e-3)


def test_an_answer_that_is_certain_has_finite_odds() -> None:
    assert math.isfinite(log_odds(torch.tensor(0.0)).item())


def mean_logp(model: torch.nn.Module, prompt: list[int], answer: list[int]) -> float:
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1)[range(len(answer)), answer].mean().item()


def test_the_first_loss_is_the_papers_formula_of_the_sl_model(tiny_model: Path, tmp_path: Path) -> None:
    """Row by row, without padding, from the probabilities themselves."""
    sft = train_sft(
        SFT_ROWS, model=tiny(tiny_model), settings=sft_settings(epochs=3), out=tmp_path / "sft", seed=0,
        card={}, samples=[],
    )  # fmt: skip
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    model = PeftModel.from_pretrained(base, str(sft.folder)).eval()
    rows = tokenize_pairs(read_preferences(PREFERENCES), byte_tokenizer(), max_length=400)
    losses = []
    for row in rows.dataset.to_list():
        ids = row["prompt_ids"]
        chosen, rejected = (
            math.exp(mean_logp(model, ids, row[f"{name}_ids"])) for name in ("chosen", "rejected")
        )
        ratio = (chosen / (1 - chosen)) / (rejected / (1 - rejected))
        losses.append(-math.log(chosen) + 0.4 * math.log(1 + 1 / ratio))
    trained = train(tiny(tiny_model, sft.folder), tmp_path / "out", batch_size=4, beta=0.4)
    assert log(trained.folder)[0]["loss"] == pytest.approx(sum(losses) / 4, abs=1e-5)


@pytest.mark.parametrize("use_peft", [True, False])
def test_pairs_accumulated_one_by_one_are_one_batch(tiny_model: Path, tmp_path: Path, use_peft: bool) -> None:
    runs = [
        train(
            tiny(tiny_model),
            tmp_path / f"{size}",
            batch_size=size,
            gradient_accumulation_steps=4 // size,
            epochs=2,
            use_peft=use_peft,
            learning_rate=1e-3,
        )
        for size in (1, 4)
    ]
    one_by_one, at_once = ([(entry["loss"], entry["grad_norm"]) for entry in log(run.folder)] for run in runs)
    assert one_by_one == [pytest.approx(entry, abs=1e-4, rel=1e-4) for entry in at_once]


def test_chosen_answers_become_likelier_than_rejected_ones(tiny_model: Path, tmp_path: Path) -> None:
    trained = train(tiny(tiny_model), tmp_path / "out", epochs=20, batch_size=4, use_peft=False)
    first, last = log(trained.folder)[0], log(trained.folder)[-1]
    assert last["rewards/accuracies"] == 1
    assert last["log_odds_ratio"] > first["log_odds_ratio"] + 0.5
    assert last["nll_loss"] < first["nll_loss"]
    assert (trained.folder / "samples.md").is_file()


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(tiny_model: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch_size": 1, "gradient_accumulation_steps": 1, "save_steps": 2}

    cut, whole = cut_off_and_whole(partial(train, tiny(tiny_model), **options), tmp_path)
    name = "adapter_model.safetensors"
    assert (cut.folder / name).read_bytes() == (whole.folder / name).read_bytes()
