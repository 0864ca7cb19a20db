"""Weights, gradients and optimizer divided over two processes by FSDP2 and ZeRO-3, against one with all.

The settings are those that ship for eight GPUs; `launched_divided.py` has them go by CPUs.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from launched_divided import AFTER_SFT, CASES, LEARNT, ONLINE, ROUGH, train
from launching import launch
from peft import PeftModel
from safetensors.torch import load_file
from training_fixtures import history, log, sft_adapter, tiny_model
from transformers import AutoModelForCausalLM

from training import processes

__all__ = ["sft_adapter", "tiny_model"]

WAYS = [
    "fsdp2",
    pytest.param("zero3", marks=pytest.mark.skipif(not find_spec("deepspeed"), reason="needs DeepSpeed")),
]
Alone = Callable[[str], Path]


@pytest.fixture(scope="module", params=WAYS)
def divided(
    request: pytest.FixtureRequest,
    tiny_model: Path,
    sft_adapter: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """What two processes left, launched once for all tests here."""
    out = tmp_path_factory.mktemp(request.param)
    shutil.copytree(tiny_model, out / "without-weights", ignore=shutil.ignore_patterns("*.safetensors"))
    launch("launched_divided.py", tiny_model, sft_adapter, out, timeout_s=500, config=request.param)
    return out


@pytest.fixture(scope="module")
def alone(tiny_model: Path, sft_adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """What one process leaves of a case, which it goes through once."""
    folder = tmp_path_factory.mktemp("alone")

    def one(name: str) -> Path:
        if not (folder / name).is_dir():
            train(name, tiny_model, sft_adapter, folder / name, together=1)
        return folder / name

    return one


def seen(folder: Path) -> Mapping[str, Any]:
    return json.loads((folder / "seen-0.json").read_text())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    [file] = folder.glob("*model.safetensors")
    return load_file(file)


@pytest.mark.parametrize("name", [*CASES, *AFTER_SFT])
def test_divided_weights_learn_what_whole_ones_learn(name: str, divided: Path, alone: Alone) -> None:
    two, one = log(divided / name), log(alone(name))
    assert len(two) == len(one)
    for mine, other in zip(two, one, strict=True):
        assert mine["loss"] == pytest.approx(other["loss"], rel=1e-5)
        assert mine["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-5)
    saved, expected = weights(divided / name), weights(alone(name))
    assert saved.keys() == expected.keys()
    for key, weight in expected.items():
        torch.testing.assert_close(saved[key], weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ROUGH)
def test_losses_in_bfloat16_are_not_rounded_to_it(name: str, divided: Path, alone: Alone) -> None:
    """A loss of 5.56 with 8 bits is off by 0.016 at most, and the log-probability of an answer by a half."""
    assert log(divided / name)[0]["loss"] == pytest.approx(log(alone(name))[0]["loss"], rel=2e-4)


def test_each_process_holds_a_half(divided: Path) -> None:
    parts = [json.loads((divided / f"seen-{rank}.json").read_text())["parts"] for rank in (0, 1)]
    assert len(parts[0]) == len(parts[1]) > len(CASES)
    assert all(part == pytest.approx(0.5, abs=0.01) for part in parts[0] + parts[1])


@pytest.mark.parametrize("name", LEARNT)
def test_a_saved_model_loads_and_answers_with_a_cache(name: str, divided: Path, alone: Alone) -> None:
    ids = torch.tensor([[5, 80, 91]])
    two, one = (
        AutoModelForCausalLM.from_pretrained(folder / name) for folder in (divided, alone(name).parent)
    )
    assert two.config.use_cache
    assert two.config.to_diff_dict() == one.config.to_diff_dict()
    torch.testing.assert_close(two(ids).logits, one(ids).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [f"{method}-lora" for method in LEARNT])
def test_a_saved_adapter_loads_over_its_base(
    name: str, divided: Path, alone: Alone, tiny_model: Path
) -> None:
    ids = torch.tensor([[5, 80, 91]])
    two, one = (
        PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), folder / name)(ids).logits
        for folder in (divided, alone(name).parent)
    )
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-4)


def test_the_folder_is_that_of_one_process_without_samples(divided: Path, alone: Alone) -> None:
    for name in ("sft", "dpo-lora", "dpo-further"):
        here, there = ({path.name for path in folder.iterdir()} for folder in (divided / name, alone(name)))
        assert there - here == {"samples.md", "samples.jsonl"}
        assert not here - there
        assert "samples" not in (divided / name / "README.md").read_text()
    assert not list(divided.glob("*.partial/result"))


@pytest.mark.parametrize("name", ["kto", "kto-lora"])
def test_ktos_balance_of_labels_is_told(name: str, divided: Path, alone: Alone) -> None:
    told, expected = (
        {
            key: entry[key]
            for entry in history(folder)
            for key in entry
            if "balance" in key or "desirable" in key
        }
        for folder in (divided / name, alone(name))
    )
    assert told == expected == {"desirable": 8, "undesirable": 8, "weighted_balance": 1}


@pytest.mark.parametrize(("cut", "whole"), [("cut", "sft"), ("cut-lora", "sft-lora")])
def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(cut: str, whole: str, divided: Path) -> None:
    assert seen(divided)[f"{cut}-kept"] == ["checkpoint-1"]
    went_on, expected = weights(divided / cut), weights(divided / whole)
    assert all(torch.equal(went_on[name], expected[name]) for name in expected)


def test_kept_checkpoints_hold_what_answering_needs_and_no_more(divided: Path) -> None:
    kept = {path.name for path in (divided / "cut" / "checkpoints" / "checkpoint-1").iterdir()}
    assert "model.safetensors" in kept
    assert kept < {path.name for path in (divided / "cut").iterdir()}


def test_every_process_returns_the_same(divided: Path) -> None:
    first, second = (json.loads((divided / f"seen-{rank}.json").read_text()) for rank in (0, 1))
    assert first == second


@pytest.mark.parametrize("method", ["reward", *ONLINE])
def test_what_needs_a_whole_model_is_refused_before_weights_load(method: str, divided: Path) -> None:
    told = seen(divided)["refused"][method]
    assert "holds a part\n" in told
    assert "launch it with recipes/accelerate/eight_gpus.yaml" in told


def test_weights_that_are_no_numbers_are_an_error_in_all_processes(divided: Path) -> None:
    assert "training diverged" in seen(divided)["diverged"]


def test_a_process_alone_holds_the_whole_of_a_weight_and_zeros_part_is_beside_it() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    assert processes.own_part(weight) is weight
    weight.ds_tensor = torch.zeros(2)  # type: ignore[attr-defined]
    assert processes.own_part(weight).shape == (2,)
