"""PPO: the exact best policy of a tiny task is approached, and what is kept, counted, stopped and refused."""

import gc
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import oracle_task
import pytest
import torch
from safetensors.torch import load_file
from training_fixtures import (
    ONLINE,
    PROMPTS,
    StopError,
    history,
    rating_adapter,
    sft_adapter,
    stop_at,
    taught,
    tiny,
    tiny_model,
)
from transformers import AutoModelForCausalLM, GenerationConfig

from engine.scripted import ScriptedEngine
from engine.settings import ModelSettings
from prompts.message import Conversation, Prompt
from tests.labeling_fixtures import asked
from tests.online_judges import judging
from training.judge import OnlineJudge
from training.model import Trained, TrainingError
from training.ppo import train_ppo
from training.reward_functions import FUNCTIONS
from training.settings import PPOSettings

__all__ = ["rating_adapter", "sft_adapter", "tiny_model"]

SETTINGS: dict[str, Any] = {
    **ONLINE, "value_learning_rate": 5e-3, "batch_size": 2, "generation_batch_size": 4, "num_ppo_epochs": 2,
    "reward_funcs": ({"function": "letters"},), "value_warmup": 0, "epochs": 3,
}  # fmt: skip


def letters(_prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
    return [sum(mark.isalpha() for mark in text) / 8 for text in completions]


FUNCTIONS["letters"] = letters


def train(
    model: ModelSettings, out: Path, *, progress: Any = None, judge: OnlineJudge | None = None, **changes: Any
) -> Trained:
    settings = PPOSettings.model_validate(SETTINGS | changes)
    return taught(train_ppo, PROMPTS, model, settings, out, progress=progress, judge=judge)


def rollouts(folder: Path) -> list[dict[str, float]]:
    return [entry for entry in history(folder) if "score" in entry]


def test_the_best_policy_of_the_tiny_task_is_approached(tmp_path: Path) -> None:
    assert oracle_task.best() == pytest.approx(0.13615, abs=5e-6)
    model = oracle_task.save_model(tmp_path / "model")
    told = oracle_task.learn(model, tmp_path / "out", episodes=640)
    assert oracle_task.objective(told[0]) < 0.08
    assert sum(map(oracle_task.objective, told[-4:])) / 4 > 0.1


def test_the_policy_begins_at_its_reference_and_leaves_it(tiny_model: Path, tmp_path: Path) -> None:
    for name, use_peft in (("lora", True), ("all", False)):
        told = rollouts(train(tiny(tiny_model), tmp_path / name, use_peft=use_peft).folder)
        assert told[0]["kl"] == pytest.approx(0, abs=1e-5)
        assert told[0]["kl_k3"] == pytest.approx(0, abs=1e-5)
        assert told[-1]["kl_k3"] > 1e-4


def test_the_reference_of_an_sft_adapter_is_that_adapter(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    for name, use_peft in (("lora", True), ("merged", False)):
        told = rollouts(
            train(tiny(tiny_model, sft_adapter), tmp_path / name, use_peft=use_peft, epochs=1).folder
        )
        assert told[0]["kl_k3"] == pytest.approx(0, abs=1e-5)
    weights = load_file(tmp_path / "lora" / "adapter_model.safetensors")
    assert not [name for name in weights if "ref" in name or "score" in name]
    assert set(weights) == set(load_file(sft_adapter / "adapter_model.safetensors"))


def test_what_is_logged_tells_how_it_goes(tiny_model: Path, tmp_path: Path) -> None:
    trained = train(tiny(tiny_model), tmp_path / "out", kl_target=1.0)
    told = rollouts(trained.folder)
    assert {
        "score", "score_sd", "score_p10", "score_p50", "score_p90", "score/letters", "length", "eos_rate",
        "kl", "kl_k3", "beta", "explained_variance", "entropy", "policy_clip", "value_clip", "policy_loss",
        "value_loss", "update_kl", "learning_rate", "value_learning_rate",
    } <= set(told[-1])  # fmt: skip
    assert told[0]["explained_variance"] == pytest.approx(0, abs=1e-6)  # the head says 0
    assert told[0]["policy_clip"] == 0
    assert told[-1]["beta"] < told[0]["beta"] == 0.05
    assert {"score", "kl", "eos_rate"} <= set(json.loads((trained.folder / "metrics.json").read_text()))
    assert "proximal policy optimisation" in (trained.folder / "README.md").read_text()


def test_an_answer_without_an_end_pays_for_it(tiny_model: Path, tmp_path: Path) -> None:
    """The score of the log is the reward's own; what the critic learns of has the penalty in it."""
    losses = {}
    for penalty in (0.0, 4.0):
        out = tmp_path / str(penalty)
        changes = {"missing_eos_penalty": penalty, "epochs": 1, "num_ppo_epochs": 1, "batch_size": 4}
        [told] = rollouts(train(tiny(tiny_model), out, **changes).folder)
        losses[penalty] = told
    assert losses[4.0]["score"] == losses[0.0]["score"]
    assert losses[4.0]["eos_rate"] < 1
    assert losses[4.0]["value_loss"] > losses[0.0]["value_loss"] + 1


def test_accumulated_batches_have_the_gradient_of_one(tiny_model: Path, tmp_path: Path) -> None:
    found = []
    for size, accumulated in ((4, 1), (1, 4)):
        out = tmp_path / str(size)
        changes: dict[str, Any] = {
            "batch_size": size,
            "gradient_accumulation_steps": accumulated,
            "num_ppo_epochs": 1,
        }
        train(tiny(tiny_model), out, epochs=1, **changes)
        [told] = rollouts(out)
        found.append([told["grad_norm"], told["loss"], told["value_loss"]])
    assert found[0][:2] == pytest.approx(found[1][:2], rel=1e-4)


@pytest.mark.parametrize("use_peft", [True, False])
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(
    tiny_model: Path, tmp_path: Path, use_peft: bool
) -> None:
    changes: dict[str, Any] = {"save_steps": 3, "use_peft": use_peft, "kl_target": 1.0}

    whole = train(tiny(tiny_model), tmp_path / "whole", **changes)
    with pytest.raises(StopError):
        train(tiny(tiny_model), tmp_path / "out", progress=stop_at(6), **changes)
    kept = [path.name for path in (tmp_path / "out.partial" / "checkpoints").glob("checkpoint-*")]
    assert kept == ["checkpoint-4"]  # between two rollouts, not at step 3
    went_on = train(tiny(tiny_model), tmp_path / "out", **changes)
    name = "adapter_model.safetensors" if use_peft else "model.safetensors"
    assert (went_on.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert rollouts(went_on.folder)[-1]["beta"] == rollouts(whole.folder)[-1]["beta"]


def test_the_score_is_the_reward_models_on_its_own_scale(
    tiny_model: Path, rating_adapter: Path, tmp_path: Path
) -> None:
    parts = ({"reward_model": str(rating_adapter)}, {"function": "letters", "weight": 0.5})
    for critic in ("policy", "reward"):
        out = tmp_path / critic
        told = rollouts(train(tiny(tiny_model), out, reward_funcs=parts, critic=critic, epochs=1).folder)
        assert told[0]["score"] == pytest.approx(
            told[0]["score/rates"] + 0.5 * told[0]["score/letters"], abs=1e-5
        )


def test_it_stops_where_the_policy_runs_away_and_names_the_checkpoint_from_before(
    tiny_model: Path, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"save_steps": 1, "learning_rate": 0.01, "epochs": 6}
    with pytest.raises(TrainingError, match=r"nats from the reference, and max_kl is 0\.5") as told:
        train(tiny(tiny_model), tmp_path / "out", max_kl=0.5, **changes)
    step = int(str(told.value).split("stopped at step ")[1].split(":")[0])
    assert step
    named = Path(str(told.value).rpartition(": ")[2])
    assert int(named.name.rpartition("-")[2]) < step
    assert (named / "adapter_model.safetensors").is_file()
    went_on = train(tiny(tiny_model), tmp_path / "out", max_kl=None, max_length_growth=None, **changes)
    assert went_on.metrics["steps"] == 24


def test_a_reward_that_fails_leaves_the_checkpoint(tiny_model: Path, tmp_path: Path) -> None:
    asked = 0

    def fails_later(_prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
        nonlocal asked
        asked += 1
        return [float("nan") if asked == 3 else 1.0 for _ in completions]

    FUNCTIONS["fails_later"] = fails_later
    with pytest.raises(TrainingError, match="the reward fails_later gave nan to the answer"):
        train(tiny(tiny_model), tmp_path / "out", reward_funcs=({"function": "fails_later"},), save_steps=1)
    assert (tmp_path / "out.partial" / "checkpoints" / "checkpoint-8" / "critic.safetensors").is_file()


def test_what_the_model_would_do_to_its_samples_is_left_out_and_given_back(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    """A model's own generation settings, filled in, would make the KL wrong: min_new_tokens most of all."""
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model.generation_config = GenerationConfig(
        eos_token_id=1, pad_token_id=1, bos_token_id=0, min_new_tokens=8, top_k=2, do_sample=True
    )
    folder = tmp_path / "model"
    model.save_pretrained(folder)
    for file in tiny_model.glob("*token*"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "chat_template.jinja").write_text((tiny_model / "chat_template.jinja").read_text())
    for name, adapter, use_peft in (("all", None, False), ("sft", sft_adapter, True)):
        scores = []
        for base in (tiny_model, folder):
            out = tmp_path / f"{name}-{base.name}{len(scores)}"
            told = rollouts(train(tiny(base, adapter), out, use_peft=use_peft, epochs=1).folder)
            scores.append((told[0]["score"], told[0]["length"]))
        assert scores[0] == scores[1]
        if name == "all":
            kept = json.loads((out / "generation_config.json").read_text())
            assert (kept["min_new_tokens"], kept["top_k"]) == (8, 2)


def test_critic_and_policy_rise_by_their_own_warm_up(tiny_model: Path, tmp_path: Path) -> None:
    """Twelve steps, of which the critic rises in six; its first rollouts are its alone."""
    changes: dict[str, Any] = {"lr_scheduler_type": "linear", "value_warmup_ratio": 0.5, "value_warmup": 2}
    told = history(train(tiny(tiny_model), tmp_path / "out", **changes).folder)
    rates = [entry["learning_rate"] for entry in told if "learning_rate" in entry]
    beside = [entry["value_learning_rate"] for entry in told if "value_learning_rate" in entry]
    assert rates[:3] == pytest.approx([5e-3, 5e-3 * 11 / 12, 5e-3 * 10 / 12])
    assert beside == pytest.approx([0, 5e-3 * 4 / 6, 5e-3 * 4 / 6])
    kl = [entry["kl_k3"] for entry in told if "kl_k3" in entry]
    assert kl[:2] == pytest.approx([0, 0], abs=1e-6)
    assert kl[2] == pytest.approx(0, abs=1e-6)
    assert [("policy_loss" in entry) for entry in told if "value_loss" in entry] == [False] * 8 + [True] * 4


def test_recomputed_activations_give_the_same_losses(
    tiny_model: Path, sft_adapter: Path, tmp_path: Path
) -> None:
    found = []
    for recompute in (False, True):
        out = tmp_path / str(recompute)
        told = history(train(tiny(tiny_model, sft_adapter), out, gradient_checkpointing=recompute).folder)
        found.append([(entry["loss"], entry["value_loss"]) for entry in told if "value_loss" in entry])
    torch.testing.assert_close(torch.tensor(found[0]), torch.tensor(found[1]), rtol=1e-3, atol=1e-5)


def test_prompts_without_room_for_an_answer_are_counted(tiny_model: Path, tmp_path: Path) -> None:
    trained = train(tiny(tiny_model), tmp_path / "out", max_length=44, epochs=1)
    assert 0 < len(trained.dropped) < len(PROMPTS)
    assert "max_length - max_completion_length = 36" in trained.dropped[0].reason


def test_prompts_are_gone_through_as_often_as_asked_and_rollouts_are_full(
    tiny_model: Path, tmp_path: Path
) -> None:
    asked: list[str] = []

    def listens(prompts: Sequence[Conversation], _completions: Sequence[str]) -> list[float]:
        asked.extend(prompt[-1].content for prompt in prompts)
        return [0.0] * len(prompts)

    FUNCTIONS["listens"] = listens
    changes = {"generation_batch_size": 6, "reward_funcs": ({"function": "listens"},), "epochs": 2}
    train(tiny(tiny_model), tmp_path / "out", **changes)
    assert len(asked) == 12
    assert len(set(asked[:4])) == len(set(asked[4:8])) == 4


def test_a_gpu_less_model_in_bfloat16_learns_too(tiny_model: Path, tmp_path: Path) -> None:
    trained = train(tiny(tiny_model), tmp_path / "out", dtype="bfloat16", epochs=1)
    assert torch.isfinite(load_file(trained.folder / "adapter_model.safetensors").popitem()[1]).all()


@pytest.mark.parametrize("critic", ["policy", "reward"])
@pytest.mark.parametrize("recompute", [False, True])
def test_a_shared_base_learns_what_weights_of_their_own_learn(
    tiny_model: Path, rating_adapter: Path, sft_adapter: Path, tmp_path: Path, critic: str, recompute: bool
) -> None:
    """Policy, reference, critic and reward model on one base; the critic copies the adapter it begins at."""
    found: list[list[tuple[float, ...]]] = []
    for shared in (False, True):
        out = tmp_path / str(shared)
        changes: dict[str, Any] = {
            "shared_base": shared,
            "critic": critic,
            "gradient_checkpointing": recompute,
        }
        parts = ({"reward_model": str(rating_adapter)}, {"function": "letters"})
        trained = train(tiny(tiny_model, sft_adapter), out, reward_funcs=parts, **changes)
        told = history(trained.folder)
        found.append(
            [(entry["loss"], entry["value_loss"], entry["score"]) for entry in told if "score" in entry]
        )
        weights = load_file(trained.folder / "adapter_model.safetensors")
        assert set(weights) == set(load_file(sft_adapter / "adapter_model.safetensors"))
    torch.testing.assert_close(torch.tensor(found[0]), torch.tensor(found[1]), rtol=2e-3, atol=1e-4)


def test_one_base_is_loaded_and_no_more(tiny_model: Path, rating_adapter: Path, tmp_path: Path) -> None:
    """The embeddings alone are 258 x 64 numbers: of one base there is one such tensor."""
    counted: dict[bool, int] = {}
    for shared in (True, False):

        def counts(
            _prompts: Sequence[Conversation], completions: Sequence[str], told: bool = shared
        ) -> list[float]:
            gc.collect()
            tensors = [each for each in gc.get_objects() if isinstance(each, torch.nn.Embedding)]
            counted[told] = len(tensors)
            return [0.0] * len(completions)

        FUNCTIONS["counts"] = counts
        parts = ({"reward_model": str(rating_adapter)}, {"function": "counts"})
        train(tiny(tiny_model), tmp_path / str(shared), reward_funcs=parts, shared_base=shared, epochs=1)
    assert counted[False] - counted[True] == 2


def test_the_judges_score_answers_by_the_journal(tiny_model: Path, tmp_path: Path) -> None:
    def by_letters(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        best = str(1 + sum(mark in "aeiou" for mark in asked(prompt)) % 9)
        return {label: 0.9 if label == best else 0.01 for label in labels}

    engine, told = ScriptedEngine(choice=by_letters), list[float]()
    parts = ({"judge": "pointwise"}, {"function": "letters", "weight": 0.5})
    for name in ("first", "second"):
        with judging(engine, tmp_path / "run") as judge:
            trained = train(tiny(tiny_model), tmp_path / name, reward_funcs=parts, judge=judge)
        first = rollouts(trained.folder)[0]
        assert first["score"] == pytest.approx(first["score/judge"] + 0.5 * first["score/letters"], abs=1e-5)
        assert first["unrated/judge"] == 0
        told.append(first["score"])
    assert told[0] == told[1]
    shown = [asked(call.prompt) for call in engine.calls]
    assert len(shown) == len(set(shown)) <= 12
