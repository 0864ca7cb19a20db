"""A reward model is trained: losses by hand, the head kept, padding without effect, the scale beside it."""

import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import PeftModel
from safetensors.torch import load_file
from training_fixtures import (
    PREFERENCES,
    SFT_ROWS,
    StopError,
    byte_tokenizer,
    cut_off_and_whole,
    log,
    preference_row,
    reward_settings,
    save_tiny_model,
    sft_settings,
    stop_at,
    tiny,
    tiny_model,
)
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from engine.reward import RewardEngine
from engine.reward_head import load_reward_model, rewards
from engine.settings import ModelSettings
from engine.tokens import encode_answered
from prompts.message import Message, Prompt
from training.data import Row
from training.load_reward import load_reward_tokenizer
from training.model import Trained, TrainingError
from training.reward import train_reward
from training.scale import read_scale
from training.sft import train_sft

__all__ = ["tiny_model"]

LN_2 = math.log(2)


def train(
    model: ModelSettings,
    out: Path,
    rows: Sequence[Row] = PREFERENCES,
    *,
    progress: Any = None,
    **changes: Any,
) -> Trained:
    return train_reward(
        rows,
        model=model,
        settings=reward_settings(**changes),
        out=out,
        seed=0,
        card={"constitution": "calm 1", "judge": "a judge", "datasets": "someone/pairs"},
        samples=[],
        progress=progress,
    )


def texts(row: Row) -> tuple[str, str, str]:
    """The prompt, chosen and rejected of a row of the fixtures."""
    return tuple(row[column][0]["content"] for column in ("prompt", "chosen", "rejected"))  # type: ignore[index,return-value]


def ids_of(question: str, answer: str) -> list[int]:
    text = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"
    return byte_tokenizer()(text, add_special_tokens=False).input_ids


def rated(model: torch.nn.Module, question: str, answer: str) -> float:
    """The reward by `transformers` alone: a batch of one, without padding."""
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids_of(question, answer)])).logits[0, 0].item()


def saved(base: Path, adapter: Path | None = None) -> torch.nn.Module:
    """What a user loads by the card."""
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    return PeftModel.from_pretrained(model, str(adapter)).eval() if adapter else model.eval()


def ahead(model: torch.nn.Module) -> list[float]:
    return [
        rated(model, question, chosen) - rated(model, question, rejected)
        for question, chosen, rejected in map(texts, PREFERENCES)
    ]


@pytest.mark.parametrize("use_peft", [True, False])
def test_the_first_loss_is_ln_2_whatever_the_labels(tiny_model: Path, tmp_path: Path, use_peft: bool) -> None:
    for labels in ("soft", "hard"):
        trained = train(tiny(tiny_model), tmp_path / labels, use_peft=use_peft, labels=labels)
        assert log(trained.folder)[0]["loss"] == pytest.approx(LN_2, abs=1e-6)


def test_the_loss_is_the_papers_formula_of_the_weights_before_the_step(
    tiny_model: Path, tmp_path: Path
) -> None:
    """One pair, one batch: the loss logged at step 2 is that of the weights saved after step 1."""
    changes: dict[str, Any] = {
        "epochs": 2, "batch_size": 1, "gradient_accumulation_steps": 1, "warmup_ratio": 0, "save_steps": 1,
        "lr_scheduler_type": "constant", "labels": "soft", "center_rewards_coefficient": 0.3,
    }  # fmt: skip

    with pytest.raises(StopError):
        train(tiny(tiny_model), tmp_path / "out", PREFERENCES[:1], progress=stop_at(2), **changes)
    model = saved(tiny_model, tmp_path / "out.partial" / "checkpoints" / "checkpoint-1")
    question, chosen, rejected = texts(PREFERENCES[0])
    better, worse = rated(model, question, chosen), rated(model, question, rejected)
    d = better - worse
    expected = 0.8 * math.log1p(math.exp(-d)) + 0.2 * math.log1p(math.exp(d)) + 0.3 * (better + worse) ** 2
    trained = train(tiny(tiny_model), tmp_path / "out", PREFERENCES[:1], **changes)
    assert abs(expected - LN_2) > 1e-3
    assert log(trained.folder)[1]["loss"] == pytest.approx(expected, abs=1e-5)


def test_the_head_is_saved_with_the_adapter_and_rates_as_it_did(tiny_model: Path, tmp_path: Path) -> None:
    trained = train(tiny(tiny_model), tmp_path / "out", epochs=20)
    weights = load_file(trained.folder / "adapter_model.safetensors")
    assert weights["base_model.model.score.weight"].abs().max() > 0
    loaded = saved(tiny_model, trained.folder)
    assert min(ahead(loaded)) > 0
    engine, _ = load_reward_model(
        ModelSettings(model=str(tiny_model), adapter=trained.folder, device="cpu", dtype="float32"),
        torch.device("cpu"),
    )
    question, chosen, _ = texts(PREFERENCES[0])
    assert rewards(engine, [ids_of(question, chosen)]) == pytest.approx(
        [rated(loaded, question, chosen)], abs=1e-4
    )


def test_all_weights_can_be_trained(tiny_model: Path, tmp_path: Path) -> None:
    trained = train(tiny(tiny_model), tmp_path / "out", epochs=20, use_peft=False, learning_rate=1e-3)
    assert json.loads((trained.folder / "config.json").read_text())["architectures"] == [
        "LlamaForSequenceClassification"
    ]
    assert min(ahead(saved(trained.folder))) > 0


def test_a_balanced_source_counts_as_though_it_had_as_many_pairs(tiny_model: Path, tmp_path: Path) -> None:
    """Two pairs of one source and one of another, balanced, are that pair twice."""
    many, few = [{**row, "source": "many"} for row in PREFERENCES[:2]], {**PREFERENCES[2], "source": "few"}
    runs = [
        train(
            tiny(tiny_model),
            tmp_path / f"{balance}",
            rows,
            balance=balance,
            batch_size=len(rows),
            gradient_accumulation_steps=1,
            epochs=4,
        )
        for balance, rows in ((True, [*many, few]), (False, [*many, few, few]))
    ]
    balanced, repeated = ([entry["loss"] for entry in log(run.folder)] for run in runs)
    assert balanced == pytest.approx(repeated, abs=1e-4)
    assert balanced[-1] < LN_2 - 0.05


def test_batches_of_other_lengths_change_nothing(tiny_model: Path, tmp_path: Path) -> None:
    """Four pairs of different lengths: one padded batch is four batches of one, in losses and in weights."""
    runs = [
        train(
            tiny(tiny_model),
            tmp_path / f"{batch}",
            batch_size=batch,
            gradient_accumulation_steps=4 // batch,
            epochs=3,
            labels="soft",
            center_rewards_coefficient=0.01,
        )
        for batch in (1, 4)
    ]
    ones, four = (load_file(run.folder / "adapter_model.safetensors") for run in runs)
    for name, weight in ones.items():
        torch.testing.assert_close(four[name], weight, rtol=1e-3, atol=1e-4)
    assert runs[0].metrics["train_loss"] == pytest.approx(runs[1].metrics["train_loss"], abs=1e-5)


def test_an_sft_adapter_is_trained_further_into_one_adapter_with_a_head(
    tiny_model: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"settings": sft_settings(), "seed": 0, "card": {}, "samples": []}
    sft = train_sft(SFT_ROWS, model=tiny(tiny_model), out=tmp_path / "sft", **options)
    trained = train(tiny(tiny_model, sft.folder), tmp_path / "reward", epochs=20)
    before, after = (load_file(f / "adapter_model.safetensors") for f in (sft.folder, trained.folder))
    assert after.keys() == before.keys() | {"base_model.model.score.weight"}
    assert log(trained.folder)[0]["loss"] == pytest.approx(LN_2, abs=1e-6)
    assert min(ahead(saved(tiny_model, trained.folder))) > 0
    merged = train(tiny(tiny_model, sft.folder), tmp_path / "merged", use_peft=False)
    assert (merged.folder / "model.safetensors").is_file()


def test_a_reward_model_is_trained_further_from_where_it_is(tiny_model: Path, tmp_path: Path) -> None:
    first = train(tiny(tiny_model), tmp_path / "first", epochs=20, use_peft=False, learning_rate=1e-3)
    second = train(tiny(first.folder), tmp_path / "second")
    assert log(second.folder)[0]["loss"] < LN_2 - 0.05
    adapter = train(tiny(tiny_model), tmp_path / "adapter", epochs=20)
    further = train(tiny(tiny_model, adapter.folder), tmp_path / "further")
    assert log(further.folder)[0]["loss"] < LN_2 - 0.05


@pytest.mark.parametrize("use_peft", [True, False])
def test_a_run_that_was_cut_off_ends_as_one_that_was_not(
    tiny_model: Path, tmp_path: Path, use_peft: bool
) -> None:
    options: dict[str, Any] = {
        "batch_size": 1, "gradient_accumulation_steps": 1, "save_steps": 2, "use_peft": use_peft,
        "held_out": 0.25, "labels": "soft",
    }  # fmt: skip

    cut, whole = cut_off_and_whole(partial(train, tiny(tiny_model), **options), tmp_path)
    name = "adapter_model.safetensors" if use_peft else "model.safetensors"
    assert (cut.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert (cut.folder / "reward.json").read_bytes() == (whole.folder / "reward.json").read_bytes()


def test_pairs_that_are_too_long_are_left_out_and_told(tiny_model: Path, tmp_path: Path) -> None:
    long = preference_row("Why?", "x" * 300, "y")
    trained = train(tiny(tiny_model), tmp_path / "out", [*PREFERENCES, long], max_length=200)
    assert (trained.rows, trained.truncated) == (4, 0)
    assert [(drop.row, drop.reason) for drop in trained.dropped] == [
        (4, "an answer ends beyond max_length 200")
    ]
    assert "1 x an answer ends beyond max_length 200" in (trained.folder / "README.md").read_text()


def test_what_is_held_out_is_measured_and_written_everywhere(tiny_model: Path, tmp_path: Path) -> None:
    rows = [preference_row(f"Question {i % 6}?", "Good." * (1 + i % 3), "Bad.") for i in range(12)]
    trained = train(tiny(tiny_model), tmp_path / "out", rows, held_out=0.34, labels="soft", epochs=10)
    assert (trained.rows, trained.metrics["rows_held_out"]) == (8, 4)
    assert trained.metrics["held_out_accuracy"] == 1.0
    assert trained.metrics["held_out_loss"] < LN_2
    state = json.loads((trained.folder / "trainer_state.json").read_text())
    assert state["log_history"][-1]["held_out_accuracy"] == 1.0
    card = (trained.folder / "README.md").read_text()
    assert "| held_out_accuracy | 1 |" in card
    assert "| judge | a judge |" in card
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["pipeline_tag"] == "text-classification"
    assert "reward-model" in metadata["tags"]
    scale = read_scale(trained.folder)
    assert scale.fitted_on == "both responses of held-out pairs"
    assert scale.responses == 8
    shown = [json.loads(line) for line in (trained.folder / "samples.jsonl").read_text().splitlines()]
    assert len(shown) == 4
    given = [shown[i][f"{side}_reward"] for i in range(4) for side in ("chosen", "rejected")]
    assert sum(given) / 8 == pytest.approx(scale.mean)


def test_the_labels_of_the_rows_decide_the_outcome_of_soft_training_alone(
    tiny_model: Path, tmp_path: Path
) -> None:
    surer = [{**row, "chosen_probability": 0.99} for row in PREFERENCES]
    weights = [
        load_file(
            train(tiny(tiny_model), tmp_path / f"{labels}{n}", rows, labels=labels).folder
            / "adapter_model.safetensors"
        )["base_model.model.score.weight"]
        for labels in ("soft", "hard")
        for n, rows in enumerate((PREFERENCES, surer))
    ]
    assert torch.equal(weights[2], weights[3])
    assert not torch.equal(weights[0], weights[1])


def test_margins_of_the_rows_go_before_that_of_the_settings(tiny_model: Path, tmp_path: Path) -> None:
    rows = [{**PREFERENCES[0], "margin": 3.0}]
    for margin, given in ((3.0, rows), (1.0, PREFERENCES[:1])):
        trained = train(tiny(tiny_model), tmp_path / f"{margin}", given, margin=1.0)
        assert log(trained.folder)[0]["loss"] == pytest.approx(math.log1p(math.exp(margin)), abs=1e-5)
    with pytest.raises(TrainingError, match="margin is a str, expected a number"):
        train(tiny(tiny_model), tmp_path / "no", [{**PREFERENCES[0], "margin": "much"}])


def ending_in_eos(folder: Path) -> Path:
    """A model whose template ends answers with the end token itself, which is also the padding token."""
    save_tiny_model(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = tokenizer.chat_template.replace("<|im_end|>\n", "<|im_end|>")
    tokenizer.save_pretrained(folder)
    return folder


async def test_where_padding_is_the_end_token_another_one_pads_and_the_end_counts(tmp_path: Path) -> None:
    folder = ending_in_eos(tmp_path / "model")
    tokenizer = load_reward_tokenizer(tiny(folder))
    ends = (Message("user", "x"), Message("assistant", "y"))
    assert encode_answered(tokenizer, ends, finished=True)[-1] == tokenizer.eos_token_id
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    trained = train(tiny(folder), tmp_path / "out", epochs=5)
    engine = RewardEngine(
        ModelSettings(engine="reward", model=str(folder), adapter=trained.folder, device="cpu")
    )
    asked = Prompt("", "", messages=ends[:1])
    whole, cut_off = [await engine.reward(asked, "y", finished=finished) for finished in (True, False)]
    assert whole.tokens == cut_off.tokens + 1
    assert whole.value != cut_off.value
    await engine.close()


def test_a_tokenizer_with_nothing_else_to_pad_with_is_refused(tmp_path: Path) -> None:
    folder = ending_in_eos(tmp_path / "model")
    content = json.loads((folder / "tokenizer.json").read_text())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] == "<|im_end|>"]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("bos_token")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(TrainingError, match="give the tokenizer a padding token of its own"):
        load_reward_tokenizer(tiny(folder))


def test_a_data_set_of_one_side_or_of_ties_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    ties = [{**row, "chosen_probability": 0.5} for row in PREFERENCES]
    with pytest.raises(TrainingError, match="4 x a tie"):
        train(tiny(tiny_model), tmp_path / "ties", ties)
    same = [preference_row("Why?", "So.", "So.")]
    with pytest.raises(TrainingError, match="chosen and rejected are the same"):
        train(tiny(tiny_model), tmp_path / "same", same)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.model
def test_the_embedded_model_learns_to_prefer_what_it_was_shown(embedded_model: Path, tmp_path: Path) -> None:
    kind, rude = "I am glad to help you with that.", "Go away, I will not waste my time on you."
    asked = ["How do I boil an egg?", "What is the time?", "Can you read this?", "Where is Rome?"]
    rows = [preference_row(question, kind, rude) for question in asked]
    out = tmp_path / "out"
    trained = train(
        ModelSettings(model=str(embedded_model), device="cpu"),
        out,
        rows,
        labels="soft",
        held_out=0.25,
        epochs=4,
        learning_rate=3e-4,
        gradient_accumulation_steps=1,
        lora_target_modules=("q_proj", "v_proj"),
        max_length=128,
        dtype="auto",
    )
    assert trained.metrics["held_out_accuracy"] == 1.0
    shown = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert all(each["chosen_reward"] > each["rejected_reward"] for each in shown)
    assert log(out)[-1]["loss"] < LN_2
