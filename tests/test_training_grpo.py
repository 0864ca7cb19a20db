"""GRPO: groups of answers, what is logged, kept, stopped and refused, and verifiers as its reward."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from training_fixtures import ONLINE, cut_off_and_whole, log, sft_adapter, taught, tiny, tiny_model

from engine.settings import ModelSettings
from prompts.message import Conversation
from training.grpo import train_grpo
from training.model import Trained, TrainingError
from training.reward_functions import FUNCTIONS
from training.settings import GRPOSettings

__all__ = ["sft_adapter", "tiny_model"]

ROWS = [
    {"prompt": [{"role": "user", "content": text}], "answer": str(number), "id": f"row-{number}"}
    for number, text in enumerate(("Hi", "How are you?", "Who?", "Why is it late?"))
]
SETTINGS: dict[str, Any] = {
    **ONLINE, "batch_size": 2, "generation_batch_size": 8, "num_generations": 4, "num_iterations": 1,
    "reward_funcs": ({"function": "vowels"},), "epochs": 1, "missing_eos_penalty": 0,
}  # fmt: skip


def vowels(_prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
    return [sum(mark in "aeiou" for mark in text) / 8 + len(text) / 80 for text in completions]


FUNCTIONS["vowels"] = vowels


def train(
    model: ModelSettings, out: Path, *, progress: Any = None, rows: Any = ROWS, **changes: Any
) -> Trained:
    settings = GRPOSettings.model_validate(SETTINGS | changes)
    return taught(train_grpo, rows, model, settings, out, progress=progress)


def rollouts(folder: Path) -> list[dict[str, float]]:
    return [entry for entry in log(folder) if "score" in entry]


def test_each_prompt_is_answered_by_a_group_side_by_side(tiny_model: Path, tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def listens(prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
        asked.append([prompt[-1].content for prompt in prompts])
        return [float(len(text)) for text in completions]

    FUNCTIONS["listens"] = listens
    train(tiny(tiny_model), tmp_path / "out", reward_funcs=({"function": "listens"},), epochs=2)
    assert [len(rollout) for rollout in asked] == [8] * 4
    for rollout in asked:
        assert len(set(rollout[:4])) == len(set(rollout[4:])) == 1
    first, second = asked[0][::4] + asked[1][::4], asked[2][::4] + asked[3][::4]
    assert sorted(first) == sorted(second) == sorted(str(row["prompt"][0]["content"]) for row in ROWS)  # type: ignore[index]


def test_what_is_logged_tells_how_it_goes(tiny_model: Path, tmp_path: Path) -> None:
    trained = train(tiny(tiny_model), tmp_path / "out", epochs=2)
    told = rollouts(trained.folder)
    assert {
        "score", "score_sd", "score_p10", "score_p50", "score_p90", "score/vowels", "length", "eos_rate",
        "kl", "kl_k3", "groups_without_variance", "entropy", "clip_low", "clip_high", "update_kl",
        "learning_rate",
    } <= set(told[-1])  # fmt: skip
    assert told[0]["clip_low"] == told[0]["clip_high"] == 0
    assert told[0]["kl_k3"] == pytest.approx(0, abs=1e-5)
    assert told[-1]["kl_k3"] > 1e-4
    assert "group-relative policy optimisation" in (trained.folder / "README.md").read_text()


def test_the_first_loss_is_minus_the_mean_of_advantages_by_their_share(
    tiny_model: Path, tmp_path: Path
) -> None:
    """By `grpo` each answer counts once, and the advantages of whole groups sum to 0."""
    changes = {"batch_size": 8, "generation_batch_size": 8, "beta": 0, "loss_type": "grpo"}
    told = log(train(tiny(tiny_model), tmp_path / "out", **changes).folder)
    assert told[0]["loss"] == pytest.approx(0, abs=1e-5)
    assert told[0]["grad_norm"] > 1e-3


@pytest.mark.parametrize("loss_type", ["dapo", "grpo"])
def test_accumulated_batches_have_the_gradient_of_one(
    tiny_model: Path, tmp_path: Path, loss_type: str
) -> None:
    found = []
    for size, accumulated in ((8, 1), (2, 4)):
        changes = {"batch_size": size, "gradient_accumulation_steps": accumulated, "loss_type": loss_type}
        told = log(train(tiny(tiny_model), tmp_path / str(size), beta=0.1, **changes).folder)
        found.append([told[0]["grad_norm"], told[0]["loss"], told[-1]["grad_norm"]])
    assert found[0] == pytest.approx(found[1], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("use_peft", [True, False])
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(
    tiny_model: Path, tmp_path: Path, use_peft: bool
) -> None:
    changes = {"save_steps": 1, "use_peft": use_peft, "num_iterations": 2}
    changes |= {"batch_size": 4, "generation_batch_size": 4}

    def run(out: Path, progress: Any = None) -> Trained:
        return train(tiny(tiny_model), out, progress=progress, **changes)

    cut, whole = cut_off_and_whole(run, tmp_path)
    name = "adapter_model.safetensors" if use_peft else "model.safetensors"
    assert (cut.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_the_reference_is_the_policy_as_it_came_switched_off_or_a_copy(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    """A new adapter, SFT's adapter beside its frozen copy, and all weights beside a second model."""
    for name, adapter, use_peft in (
        ("new", None, True),
        ("sft", sft_adapter, True),
        ("all", sft_adapter, False),
    ):
        told = rollouts(train(tiny(tiny_model, adapter), tmp_path / name, use_peft=use_peft).folder)
        assert told[0]["kl_k3"] == pytest.approx(0, abs=1e-5), name
        assert told[-1]["kl_k3"] > 1e-5, name
    weights = load_file(tmp_path / "sft" / "adapter_model.safetensors")
    assert not [weight for weight in weights if "ref" in weight]


def test_a_policy_held_by_the_kl_stays_nearer(tiny_model: Path, tmp_path: Path) -> None:
    far = {}
    for beta in (0.0, 2.0):
        out = tmp_path / str(beta)
        far[beta] = rollouts(train(tiny(tiny_model), out, beta=beta, epochs=2).folder)[-1]["kl_k3"]
    assert far[2.0] < far[0.0]


def test_the_score_of_a_verifier_reads_the_rows_own_reference(tiny_model: Path, tmp_path: Path) -> None:
    """An answer of the tiny model is never marked, so exact gives 0, and a pattern that all texts have 1."""
    parts = (
        {"verifier": {"check": "number"}},
        {"verifier": {"check": "pattern", "reference": "^"}, "weight": 0.5},
        {"function": "vowels"},
    )
    [told, *_] = rollouts(train(tiny(tiny_model), tmp_path / "out", reward_funcs=parts).folder)
    assert (told["score/number"], told["score/pattern"]) == (0, 1)
    assert told["score"] == pytest.approx(0.5 + told["score/vowels"], abs=1e-6)


def test_another_reference_is_another_run_and_another_id_is_not(tiny_model: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"reward_funcs": ({"verifier": {"check": "number"}},), "save_steps": 1}

    def run(rows: Any, progress: Any = None) -> Trained:
        return train(tiny(tiny_model), tmp_path / "out", rows=rows, progress=progress, **changes)

    with pytest.raises(KeyboardInterrupt):
        run(ROWS, progress=interrupted)
    with pytest.raises(TrainingError, match="checkpoints of a run with other data"):
        run([{**row, "answer": "7"} for row in ROWS])
    assert run([{**row, "id": "other"} for row in ROWS]).rows == 4


def interrupted(told: Any) -> None:
    if told.step == 5:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": ROWS[0]["prompt"]}, "there is no column `answer`, which check: number reads"),
        ({"prompt": ROWS[0]["prompt"], "answer": "many"}, "does not hold one number"),
    ],
)
def test_a_row_that_cannot_be_verified_is_told_before_anything_is_loaded(
    tiny_model: Path, tmp_path: Path, row: dict[str, object], said: str
) -> None:
    changes = {"reward_funcs": ({"verifier": {"check": "number"}},)}
    with pytest.raises(TrainingError, match=said):
        train(tiny(tiny_model), tmp_path / "out", rows=[*ROWS, row], **changes)
    assert not (tmp_path / "out.partial").exists()


def test_a_row_that_a_verifier_does_not_apply_to_has_no_part_of_it(tiny_model: Path, tmp_path: Path) -> None:
    changes = {"reward_funcs": ({"verifier": {"check": "pattern", "column": "form"}}, {"function": "vowels"})}
    rows = [{**row, "form": "^" if number else None} for number, row in enumerate(ROWS)]
    told = rollouts(train(tiny(tiny_model), tmp_path / "out", rows=rows, **changes).folder)
    assert sum(entry["score/pattern"] for entry in told) / len(told) == 3 / 4


def test_answers_without_an_end_can_be_left_out(tiny_model: Path, tmp_path: Path) -> None:
    FUNCTIONS["by_place"] = lambda _prompts, texts: [float(place) for place in range(len(texts))]
    changes = {"max_completion_length": 1, "reward_funcs": ({"function": "by_place"},), "batch_size": 8}
    for left_out in (True, False):
        out = tmp_path / str(left_out)
        told = rollouts(train(tiny(tiny_model), out, mask_truncated_completions=left_out, **changes).folder)
        unended = [entry["grad_norm"] for entry in told if entry["eos_rate"] == 0]
        assert unended
        assert all((norm == 0) == left_out for norm in unended)


def test_a_reward_that_fails_leaves_the_checkpoint(tiny_model: Path, tmp_path: Path) -> None:
    asked = 0

    def breaks(_prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise RuntimeError("no answer")
        return [float(len(text)) for text in completions]

    FUNCTIONS["breaks"] = breaks
    with pytest.raises(TrainingError, match="the reward breaks failed: RuntimeError: no answer"):
        train(
            tiny(tiny_model), tmp_path / "out", reward_funcs=({"function": "breaks"},), save_steps=1, epochs=2
        )
    assert (tmp_path / "out.partial" / "checkpoints" / "checkpoint-8" / "grpo.json").is_file()


def test_it_stops_where_the_policy_runs_away(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"nats from the reference, and max_kl is 0\.2"):
        train(tiny(tiny_model), tmp_path / "out", max_kl=0.2, learning_rate=0.02, epochs=6, beta=0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"generation_batch_size": 12, "num_generations": 8}, "no multiple of num_generations 8"),
        ({"generation_batch_size": 9}, "no multiple of batch_size"),
        ({"num_generations": 1}, "greater than or equal to 2"),
        ({"top_p": 0.9}, "Extra inputs are not permitted"),
        ({"min_new_tokens": 4}, "Extra inputs are not permitted"),
        ({"reward_funcs": ({"verifier": {"check": "numbr"}},)}, "did you mean 'number'"),
        ({"reward_funcs": ({"verifier": {"check": "number"}, "function": "vowels"},)}, "give one of"),
    ],
)
def test_settings_that_cannot_be_trained_with_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        GRPOSettings.model_validate(SETTINGS | changes)


def test_a_policy_in_bfloat16_learns_too(tiny_model: Path, tmp_path: Path) -> None:
    trained = train(tiny(tiny_model), tmp_path / "out", dtype="bfloat16")
    assert torch.isfinite(load_file(trained.folder / "adapter_model.safetensors").popitem()[1]).all()
