"""Two processes that sample, score and learn together, against one that does all of it alone."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from launched_online import CASES, SAMPLED, train
from launching import launch
from repeats import save_repeats
from safetensors.torch import load_file
from training_fixtures import history, reward_model, tiny_model

__all__ = ["reward_model", "tiny_model"]

WEIGHTS = {True: "adapter_model.safetensors", False: "model.safetensors"}


@pytest.fixture(scope="module")
def together(tiny_model: Path, reward_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left, launched once for all tests here."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "tiny").symlink_to(tiny_model)
    (folder / "rates").symlink_to(reward_model)
    save_repeats(tiny_model, folder / "repeats")
    launch("launched_online.py", folder, timeout_s=600)
    return folder


@pytest.fixture(scope="module")
def seen(together: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What each process saw."""
    first, second = (json.loads((together / f"seen-{rank}.json").read_text()) for rank in (0, 1))
    return first, second


def logged(folder: Path) -> list[dict[str, float]]:
    """All numbers of the log but those of the clock."""
    clock = ("step_time", "train_runtime", "train_samples_per_second", "train_steps_per_second")
    return [{name: value for name, value in entry.items() if name not in clock} for entry in history(folder)]


@pytest.mark.parametrize("case", list(CASES))
def test_two_processes_learn_from_given_answers_what_one_learns(
    case: str, together: Path, tmp_path: Path
) -> None:
    """Every number of the log, and the weights in the end, over two rollouts: on one thread, bit for bit."""
    name, changes = CASES[case]
    train(name, together, tmp_path / case, together=1, **changes)
    one, two = logged(tmp_path / case), logged(together / "two" / case)
    assert len(one) == len(two)
    for alone, shared in zip(one, two, strict=True):
        assert shared == pytest.approx(alone, rel=1e-4, abs=1e-6)
    file = WEIGHTS[changes.get("use_peft", True)]
    learned, weights = load_file(tmp_path / case / file), load_file(together / "two" / case / file)
    for key, weight in learned.items():
        torch.testing.assert_close(weights[key], weight, rtol=1e-4, atol=1e-6)


def test_every_process_ends_with_the_same_weights(seen: tuple[dict[str, Any], dict[str, Any]]) -> None:
    first, second = seen
    assert [first[case] for case in CASES] == [second[case] for case in CASES]


@pytest.mark.parametrize("case", list(SAMPLED))
def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(
    case: str, together: Path, seen: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    assert seen[0][f"{case}-kept"]
    whole, went_on = (together / name / case / WEIGHTS[True] for name in ("whole", "went-on"))
    assert whole.read_bytes() == went_on.read_bytes()


def test_the_first_process_scores_what_both_have_sampled(
    seen: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    first, second = (each["heard"] for each in seen)
    assert second == []
    assert all(len(answers) == 8 for answers in first)
    # From one random state a policy that knows nothing would say the same to all prompts.
    shares = zip(first[0][:4], first[0][4:], strict=True)
    assert all(one != other for one, other in shares)


def test_an_error_ends_all_processes_with_the_same_words(
    seen: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    for found in seen:
        assert found["fails"] == "the reward fails failed: RuntimeError: no scores today"
        assert found["share"] == "no [2, 3]"
        assert "nats from the reference, and max_kl is 1e-09" in found["away"]
        assert "no multiple of batch_size x gradient_accumulation_steps x 2 processes = 8" in found["odd"]
        assert "set generation_batch_size: 24" in found["odd"]


def test_gradients_are_summed_and_nobodys_stays_none(seen: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert seen[0]["sum"] == seen[1]["sum"] == [[3.0, 30.0], [3.0, 4.0], None]
