import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import PeftModel
from safetensors.torch import load_file
from training_fixtures import (
    SFT_ROWS,
    StopError,
    byte_tokenizer,
    save_tiny_model,
    sft_row,
    sft_settings,
    stop_at,
    tiny,
    tiny_model,
)
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.settings import ModelSettings
from prompts.message import Message
from training.data import Row
from training.model import Trained, TrainingError
from training.settings import SFTSettings
from training.sft import train_sft
from training.workspace import is_complete

__all__ = ["tiny_model"]

SAMPLES = [(Message("user", "Say ``` or <b>"),)]


def train(model: ModelSettings, out: Path, rows: list[Row] | None = None, **options: Any) -> Trained:
    seed, settings = options.pop("seed", 0), options.pop("settings", sft_settings())
    return train_sft(
        SFT_ROWS if rows is None else rows,
        model=model,
        settings=settings,
        out=out,
        seed=seed,
        card={"constitution digest": "c0ffee", "judge": "a | b", "datasets": "someone/revisions"},
        samples=options.pop("samples", []),
        **options,
    )


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out = tmp_path_factory.mktemp("sft") / "adapter"
    return train(tiny(tiny_model), out, samples=SAMPLES, settings=sft_settings(epochs=2))


def log(folder: Path) -> list[dict[str, float]]:
    return json.loads((folder / "trainer_state.json").read_text())["log_history"]


def test_everything_lies_side_by_side(trained: Trained) -> None:
    assert is_complete(trained.folder)
    assert [path.name for path in trained.folder.parent.iterdir()] == ["adapter"]
    assert {path.name for path in trained.folder.iterdir()} == {
        "README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja",
        "metrics.json", "recipe.yaml", "samples.jsonl", "samples.md", "tokenizer.json",
        "tokenizer_config.json", "trainer_state.json",
    }  # fmt: skip


def test_the_card_has_the_hubs_metadata_and_what_was_told(trained: Trained) -> None:
    _, metadata, text = (trained.folder / "README.md").read_text().split("---\n", 2)
    found = yaml.safe_load(metadata)
    assert found["library_name"] == "peft"
    assert found["datasets"] == ["someone/revisions"]
    assert "sft" in found["tags"]
    assert "| constitution digest | c0ffee |" in text
    assert "| judge | a &#124; b |" in text
    assert "| rows | 4 |" in text


def test_the_recipe_holds_every_setting_and_the_versions(trained: Trained) -> None:
    recipe = yaml.safe_load((trained.folder / "recipe.yaml").read_text())
    settings = recipe["settings"]
    assert SFTSettings.model_validate(settings) == sft_settings(epochs=2)
    assert recipe["versions"]["trl"].startswith("1.16")


def test_samples_are_fenced(trained: Trained) -> None:
    assert "````text\nSay ``` or <b>\n````" in (trained.folder / "samples.md").read_text()
    (line,) = (trained.folder / "samples.jsonl").read_text().splitlines()
    assert json.loads(line)["prompt"] == [{"role": "user", "content": "Say ``` or <b>"}]


def test_the_saved_adapter_on_the_base_says_what_the_trained_model_said(
    trained: Trained, tiny_model: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trained.folder)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), str(trained.folder))
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Say ``` or <b>"}], add_generation_prompt=True, return_tensors="pt"
    )["input_ids"]
    answer = model.generate(input_ids=ids, max_new_tokens=128, do_sample=False)[0, ids.shape[1] :]
    said = json.loads((trained.folder / "samples.jsonl").read_text())["completion"]
    assert tokenizer.decode(answer, skip_special_tokens=True) == said


def test_the_first_loss_is_the_completions_mean_negative_log_likelihood(
    tiny_model: Path, tmp_path: Path
) -> None:
    row = sft_row("Are you well?", "Yes.")
    trained = train(tiny(tiny_model), tmp_path / "out", [row])
    tokenizer = byte_tokenizer()
    prompt = "<|im_start|>user\nAre you well?<|im_end|>\n<|im_start|>assistant\n"
    prompt_ids, completion_ids = (
        tokenizer(text, add_special_tokens=False).input_ids for text in (prompt, "Yes.<|im_end|>\n")
    )
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(tiny_model)(
            torch.tensor([[*prompt_ids, *completion_ids]])
        ).logits[0]
    expected = 0.0
    for i, token in enumerate(completion_ids):
        scores = logits[len(prompt_ids) + i - 1].tolist()
        expected -= scores[token] - math.log(sum(math.exp(score) for score in scores))
    assert log(trained.folder)[0]["loss"] == pytest.approx(expected / len(completion_ids), abs=1e-5)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    tiny_model: Path, tmp_path: Path, trained: Trained
) -> None:
    again = train(tiny(tiny_model), tmp_path / "again", settings=sft_settings(epochs=2))
    other = train(tiny(tiny_model), tmp_path / "other", settings=sft_settings(epochs=2), seed=1)
    weights = [(run.folder / "adapter_model.safetensors").read_bytes() for run in (trained, again, other)]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]
    assert again.metrics["train_loss"] == trained.metrics["train_loss"]


def test_two_batches_of_one_are_one_batch_of_two(tiny_model: Path, tmp_path: Path) -> None:
    runs = [
        train(
            tiny(tiny_model),
            tmp_path / f"{batch}",
            settings=sft_settings(batch_size=batch, gradient_accumulation_steps=2 // batch, epochs=2),
        )
        for batch in (1, 2)
    ]
    losses = [[entry["loss"] for entry in log(run.folder) if "loss" in entry] for run in runs]
    assert len(losses[0]) == 4
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_only_the_adapter_is_trained(tiny_model: Path, trained: Trained, tmp_path: Path) -> None:
    untouched = save_tiny_model(tmp_path / "untouched")
    weights = load_file(trained.folder / "adapter_model.safetensors")
    bases = [(folder / "model.safetensors").read_bytes() for folder in (tiny_model, untouched)]
    assert bases[0] == bases[1]
    assert all(".lora_A." in name or ".lora_B." in name for name in weights)
    assert any(weight.abs().max() > 0 for name, weight in weights.items() if ".lora_B." in name)


def test_full_fine_tuning_leaves_a_model_that_loads_anywhere(tiny_model: Path, tmp_path: Path) -> None:
    settings = sft_settings(use_peft=False, warmup_ratio=0)
    trained = train(tiny(tiny_model), tmp_path / "full", settings=settings)
    assert trained.kind == "model"
    saved = json.loads((trained.folder / "config.json").read_text())
    assert saved["use_cache"] is True
    assert "solon" not in json.dumps(saved)
    before = load_file(tiny_model / "model.safetensors")
    after = load_file(trained.folder / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(not torch.equal(before[name], after[name]) for name in before if "proj" in name)


@pytest.mark.parametrize("use_peft", [True, False])
def test_a_run_that_was_cut_off_ends_as_one_that_was_not(
    tiny_model: Path, tmp_path: Path, use_peft: bool
) -> None:
    settings = sft_settings(batch_size=1, gradient_accumulation_steps=1, save_steps=2, use_peft=use_peft)

    with pytest.raises(StopError):
        train(tiny(tiny_model), tmp_path / "cut", settings=settings, progress=stop_at(3))
    assert not (tmp_path / "cut").exists()
    steps: list[int] = []
    cut = train(
        tiny(tiny_model), tmp_path / "cut", settings=settings, progress=lambda told: steps.append(told.step)
    )
    whole = train(tiny(tiny_model), tmp_path / "whole", settings=settings)
    name = "adapter_model.safetensors" if use_peft else "model.safetensors"
    assert steps == [3, 4]
    assert (cut.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_a_finished_folder_is_not_trained_again(tiny_model: Path, trained: Trained) -> None:
    with pytest.raises(TrainingError, match="holds a finished model"):
        train(tiny(tiny_model), trained.folder)


def test_dropped_and_cut_rows_are_listed(tiny_model: Path, tmp_path: Path) -> None:
    rows = [sft_row("Hi", "Hello!"), sft_row("Hi" * 30, "No"), sft_row("Hi", "o" * 40), sft_row("Hi", "")]
    trained = train(tiny(tiny_model), tmp_path / "out", rows, settings=sft_settings(max_length=50))
    metrics = json.loads((trained.folder / "metrics.json").read_text())
    assert [drop["row"] for drop in metrics["dropped"]] == [1, 3]
    assert metrics["truncated"] == [2]
    assert (trained.rows, trained.truncated) == (2, 1)
    assert "1 x the prompt alone fills" in (trained.folder / "README.md").read_text().replace("&#95;", "_")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "/nowhere/at/all"}, "cannot be loaded for training"),
        ({"adapter": Path("/nowhere/at/all")}, "cannot be loaded for training"),
        ({"device": "cuda:1"}, "CUDA_VISIBLE_DEVICES=1"),
    ],
)
def test_a_model_that_cannot_be_trained_is_a_clear_error(
    tiny_model: Path, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(TrainingError, match=says):
        train(tiny(tiny_model).model_copy(update=change), tmp_path / "out")


def test_a_limit_beyond_the_model_is_a_clear_error(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="max_length 2000 is beyond the model's 1024 tokens"):
        train(tiny(tiny_model), tmp_path / "out", settings=sft_settings(max_length=2000))
    assert not (tmp_path / "out.partial").exists()


def test_layers_that_the_model_lacks_are_a_clear_error(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="c_attn"):
        train(tiny(tiny_model), tmp_path / "out", settings=sft_settings(lora_target_modules=("c_attn",)))


def test_an_expression_names_the_layers_of_an_adapter(tiny_model: Path, tmp_path: Path) -> None:
    settings = sft_settings(lora_target_modules=r"model\.layers\.1\.self_attn\.[qv]_proj")
    adapter = load_file(
        train(tiny(tiny_model), tmp_path / "out", settings=settings).folder / "adapter_model.safetensors"
    )
    changed = {name.split("base_model.model.model.")[1].split(".lora_")[0] for name in adapter}
    assert changed == {"layers.1.self_attn.q_proj", "layers.1.self_attn.v_proj"}


def test_bfloat16_trains_close_to_float32(tiny_model: Path, tmp_path: Path, trained: Trained) -> None:
    half = train(tiny(tiny_model), tmp_path / "out", settings=sft_settings(epochs=2, dtype="bfloat16"))
    assert half.metrics["train_loss"] == pytest.approx(trained.metrics["train_loss"], rel=0.01)
    weights = load_file(half.folder / "adapter_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


def test_a_run_too_short_for_a_warm_up_learns_from_its_first_step(trained: Trained) -> None:
    rates = [entry["learning_rate"] for entry in log(trained.folder) if "loss" in entry]
    assert rates[0] == pytest.approx(5e-3)
