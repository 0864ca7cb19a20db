"""`solon train METHOD RECIPE --dry-run`: what it prints, and that it leaves nothing behind."""

import json
from pathlib import Path

import pytest
from training_fixtures import (
    PREFERENCES,
    SFT_ROWS,
    dpo_settings,
    reward_settings,
    sft_settings,
    tiny,
    tiny_model,
)

from solon.cli import main
from solon.dry_run import described
from training.dry_run import look
from training.methods import METHODS
from training.model import TrainingError

__all__ = ["tiny_model"]

RECIPE = """\
name: looked-at
constitution: starter
data: {red_team: {path: red.jsonl}}
models: {assistant: {model: MODEL, device: cpu, dtype: float32}}
training:
  ppo:
    dtype: float32
    use_peft: false
    batch_size: 2
    gradient_accumulation_steps: 1
    generation_batch_size: 4
    num_ppo_epochs: 1
    max_length: 64
    max_completion_length: 6
    reward_funcs: [{function: brevity}]
"""


@pytest.fixture
def project(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("MODEL", str(tiny_model)))
    prompts = ["Is it late?", "Why?", "Where\x1b[2J is it, then?", "x" * 200]
    rows = [{"id": str(number), "prompt": prompt} for number, prompt in enumerate(prompts)]
    (tmp_path / "red.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_method_is_looked_at_and_nothing_is_written(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(project.rglob("*"))
    assert main(["train", "ppo", "recipe.yaml", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "--- row 0, prompt\n<|im_start|>user\nIs it late?<|im_end|>\n" in told
    assert "3 rows to learn from, 1 dropped (1 x the prompt has more than" in told
    assert "optimizer steps of 2 x 1 rows" in told
    assert "(100.0 %)" in told
    assert "activations" in told
    assert sorted(project.rglob("*")) == before


def test_of_several_processes_one_tells_how_many_steps_they_take_together(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", "ppo", "recipe.yaml", "--dry-run"]) == 0
    assert "1 optimizer steps of 2 x 1 x 2 processes rows" in capsys.readouterr().out
    monkeypatch.setenv("RANK", "1")
    assert main(["train", "ppo", "recipe.yaml", "--dry-run"]) == 0
    assert capsys.readouterr().out == ""


def test_a_dataset_that_is_not_there_yet_is_told_with_the_command_that_makes_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ["--set", "training.ppo=null", "--set", "training.sft={}"]
    assert main(["train", "sft", "recipe.yaml", "--dry-run", *changes]) == 1
    assert "run `solon critique` first" in capsys.readouterr().err
    assert not (project / "runs").exists()


def test_what_is_learned_stands_between_brackets_or_in_green(tiny_model: Path) -> None:
    model, settings = tiny(tiny_model), dpo_settings(batch_size=1)
    found = look(METHODS["dpo"], PREFERENCES, model=model, settings=settings, seed=0)
    plain = described(found, settings, colour=False)
    assert (
        "--- row 0, chosen (P(chosen) 0.80)\n<|im_start|>user\nHow do I pick a lock?<|im_end|>\n"
        "<|im_start|>assistant\n[[Call a locksmith.<|im_end|>\n]]"
    ) in plain
    assert "--- row 1" not in plain
    coloured = described(found, settings, colour=True)
    assert "\x1b[1;32mCall a locksmith.<|im_end|>" in coloured
    assert "[[" not in coloured


def test_of_a_reward_model_the_place_of_the_reward_is_shown(tiny_model: Path) -> None:
    settings = reward_settings(held_out=0.3, batch_size=1)
    found = look(METHODS["reward"], PREFERENCES, model=tiny(tiny_model), settings=settings, seed=0)
    told = described(found, settings, colour=False)
    assert "the reward is read at what is between [[ and ]]" in told
    assert "Call a locksmith.<|im_end|>[[\n]]" in told
    assert "held out" in told


def test_a_row_of_another_shape_stops_it_as_it_stops_training(tiny_model: Path) -> None:
    with pytest.raises(TrainingError, match="column `chosen` is missing"):
        look(
            METHODS["dpo"], [{"prompt": []}], model=tiny(tiny_model), settings=dpo_settings(), seed=0
        )  # fmt: skip


def test_packed_rows_are_counted_and_shown_one_conversation_after_the_other(tiny_model: Path) -> None:
    settings = sft_settings(packing=True, max_length=200, batch_size=1)
    found = look(METHODS["sft"], SFT_ROWS, model=tiny(tiny_model), settings=settings, seed=0)
    told = described(found, settings, colour=False)
    assert "4 rows to learn from, 2 packed rows" in told
    assert "1 texts of 200 tokens" in told
    assert told.count("--- row 0, answer") == len(found.batch) > 1
    assert "[[No.<|im_end|>\n]]" in told
