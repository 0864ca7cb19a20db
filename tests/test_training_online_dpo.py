"""Online preference optimisation: its first losses, who labels, what is kept, counted, stopped, refused."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import oracle_task
import pytest
from safetensors.torch import load_file
from training_fixtures import ONLINE, PROMPTS, StopError, history, stop_at, taught, tiny, tiny_model

from engine.scripted import ScriptedEngine
from engine.settings import ModelSettings
from prompts.message import Conversation, Prompt
from tests.labeling_fixtures import always_a, asked
from tests.online_judges import judging, prefers_large
from training.judge import OnlineJudge
from training.model import Trained, TrainingError
from training.online_dpo import train_online_dpo
from training.reward_functions import FUNCTIONS
from training.settings import OnlineDPOSettings

__all__ = ["tiny_model"]

SETTINGS: dict[str, Any] = {
    **ONLINE, "batch_size": 1, "generation_batch_size": 4, "epochs": 3,
    "reward_funcs": ({"function": "different_letters"},), "missing_eos_penalty": 0,
}  # fmt: skip
BY_JUDGE: dict[str, Any] = {"reward_funcs": ()}


def different_letters(_prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
    return [len(set(text)) / 8 for text in completions]


FUNCTIONS["different_letters"] = different_letters


def train(
    model: ModelSettings, out: Path, *, progress: Any = None, judge: OnlineJudge | None = None, **changes: Any
) -> Trained:
    settings = OnlineDPOSettings.model_validate(SETTINGS | changes)
    return taught(train_online_dpo, PROMPTS, model, settings, out, progress=progress, judge=judge)


def rollouts(folder: Path) -> list[dict[str, float]]:
    return [entry for entry in history(folder) if "pairs" in entry]


def test_the_first_loss_is_that_of_a_policy_which_has_not_moved(tiny_model: Path, tmp_path: Path) -> None:
    for name, use_peft in (("lora", True), ("all", False)):
        told = rollouts(train(tiny(tiny_model), tmp_path / name, use_peft=use_peft, epochs=1).folder)
        assert told[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
        assert told[0]["rewards/margins"] == pytest.approx(0, abs=1e-4)
        assert told[0]["kl_k3"] == pytest.approx(0, abs=1e-5)
        assert told[-1]["kl_k3"] > 1e-4
    told = rollouts(
        train(tiny(tiny_model), tmp_path / "ipo", loss_type="ipo", labels="hard", beta=0.5).folder
    )
    assert told[0]["loss"] == pytest.approx(1, abs=1e-3)


def test_the_policy_moves_to_what_scores_more(tmp_path: Path) -> None:
    model = oracle_task.save_model(tmp_path / "model")
    told = oracle_task.learn(model, tmp_path / "out", episodes=1280, method="online_dpo")
    assert oracle_task.objective(told[0]) < 0.08
    assert sum(map(oracle_task.objective, told[-4:])) / 4 > 0.09


def test_what_is_logged_tells_how_it_goes(tiny_model: Path, tmp_path: Path) -> None:
    with judging(ScriptedEngine(choice=prefers_large), tmp_path / "run") as judge:
        trained = train(tiny(tiny_model), tmp_path / "out", judge=judge, **BY_JUDGE)
    told = rollouts(trained.folder)
    assert {
        "pairs", "ties", "identical", "swap_consistency", "label_probability", "kl", "kl_k3", "length",
        "eos_rate", "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "entropy",
    } <= set().union(*told)  # fmt: skip
    assert all(entry["pairs"] + entry["ties"] + entry["identical"] == 2 for entry in told)
    assert "direct preference optimisation on its own answers" in (trained.folder / "README.md").read_text()


def test_the_judge_is_asked_once_of_each_answer_and_order_over_two_sittings(
    tiny_model: Path, tmp_path: Path
) -> None:
    engine = ScriptedEngine(choice=prefers_large)
    for name in ("first", "second"):
        with judging(engine, tmp_path / "run") as judge:
            train(tiny(tiny_model), tmp_path / name, judge=judge, **BY_JUDGE)
    shown = [asked(call.prompt) for call in engine.calls]
    assert len(shown) == len(set(shown)) <= 2 * 12  # both orders of twelve pairs


def test_a_batch_in_parts_has_the_gradient_of_the_whole(tiny_model: Path, tmp_path: Path) -> None:
    found = []
    for size, accumulated in ((4, 1), (1, 4)):
        out = tmp_path / str(size)
        changes: dict[str, Any] = {"batch_size": size, "gradient_accumulation_steps": accumulated}
        train(tiny(tiny_model), out, epochs=1, generation_batch_size=8, **changes)
        [told] = rollouts(out)
        found.append([told["grad_norm"], told["loss"]])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


@pytest.mark.parametrize("changes", [{}, {"judge_ahead": True}, {"use_peft": False}])
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(
    tiny_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    changes = changes | {"save_steps": 2, "epochs": 4} | BY_JUDGE

    engine = ScriptedEngine(choice=prefers_large)
    with judging(engine, tmp_path / "whole-run") as judge:
        whole = train(tiny(tiny_model), tmp_path / "whole", judge=judge, **changes)
    once = len(engine.calls)
    with judging(engine, tmp_path / "run") as judge:
        with pytest.raises(StopError):
            train(tiny(tiny_model), tmp_path / "out", progress=stop_at(5), judge=judge, **changes)
        went_on = train(tiny(tiny_model), tmp_path / "out", judge=judge, **changes)
    assert len(engine.calls) == 2 * once
    name = "model.safetensors" if changes.get("use_peft") is False else "adapter_model.safetensors"
    assert (went_on.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_answers_that_are_judged_ahead_are_those_of_the_policy_before(
    tiny_model: Path, tmp_path: Path
) -> None:
    """The second rollout's are sampled before the first one is learned from: it has the same answers as if
    nothing had been.
    """
    seen: dict[bool, list[list[str]]] = {True: [], False: []}
    for ahead in (True, False):

        def listens(
            _prompts: Sequence[Conversation], completions: Sequence[str], told: bool = ahead
        ) -> list[float]:
            seen[told].append(list(completions))
            return [len(set(text)) / 8 for text in completions]

        FUNCTIONS["listens"] = listens
        parts = ({"function": "listens"},)
        changes: dict[str, Any] = {"judge_ahead": ahead, "epochs": 2, "learning_rate": 0.05}
        train(tiny(tiny_model), tmp_path / str(ahead), reward_funcs=parts, **changes)
    assert len(seen[True]) == len(seen[False]) == 4
    assert seen[True][0] == seen[False][0]
    assert seen[True][1] != seen[False][1]


def test_a_step_without_a_pair_moves_nothing(tiny_model: Path, tmp_path: Path) -> None:
    """A judge that always says A names nobody; after the third such rollout there is nothing to wait for."""
    with (
        judging(ScriptedEngine(choice=always_a), tmp_path / "run") as judge,
        pytest.raises(TrainingError, match="3 rollouts in a row gave no pair to learn from") as told,
    ):
        train(tiny(tiny_model), tmp_path / "out", judge=judge, save_steps=1, **BY_JUDGE)
    assert "x tie" in str(told.value)
    saved = sorted((tmp_path / "out.partial" / "checkpoints").glob("checkpoint-*"))
    assert len(saved) == 2
    first, second = (load_file(folder / "adapter_model.safetensors") for folder in saved)
    assert all(weight.equal(second[name]) for name, weight in first.items())
    assert all(weight.eq(0).all() for name, weight in first.items() if "lora_B" in name)


def test_it_stops_where_the_policy_runs_away(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nats from the reference"):
        train(tiny(tiny_model), tmp_path / "out", max_kl=0.01, learning_rate=0.05, save_steps=1, epochs=6)


def test_nobody_to_label_is_told_before_anything_is_sampled(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nobody to say which answer is better"):
        train(tiny(tiny_model), tmp_path / "out", **BY_JUDGE)


def test_a_judge_that_fails_leaves_the_checkpoint(tiny_model: Path, tmp_path: Path) -> None:
    calls = 0

    def breaks(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        nonlocal calls
        calls += 1
        return prefers_large(prompt, labels) if calls <= 8 else dict.fromkeys(labels, float("nan"))

    with (
        judging(ScriptedEngine(choice=breaks), tmp_path / "run") as judge,
        pytest.raises(TrainingError, match="the judge could not compare"),
    ):
        train(tiny(tiny_model), tmp_path / "out", judge=judge, save_steps=1, **BY_JUDGE)
    assert list((tmp_path / "out.partial" / "checkpoints").glob("checkpoint-*/online_dpo.json"))


def test_best_and_worst_of_many_make_a_pair(tiny_model: Path, tmp_path: Path) -> None:
    told = rollouts(
        train(tiny(tiny_model), tmp_path / "out", num_generations=4, generation_batch_size=8).folder
    )
    assert all(entry["pairs"] <= 2 for entry in told)
    assert told[0]["score/chosen"] >= told[0]["score"]
