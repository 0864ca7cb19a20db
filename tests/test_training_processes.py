"""Two processes, as `accelerate launch` starts them, against one with twice the batch."""

import json
from pathlib import Path

import pytest
import torch
from launched import KINDS, PACKED, STEPS, train
from launching import launch
from safetensors.torch import load_file
from training_fixtures import tiny_model

from training import processes
from training.model import TrainingError

__all__ = ["tiny_model"]


@pytest.fixture(scope="module")
def together(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left, launched once for all tests here."""
    out = tmp_path_factory.mktemp("together")
    launch("launched.py", tiny_model, out, timeout_s=280)
    return out


def logged(folder: Path, name: str = "loss") -> list[float]:
    entries = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return [entry[name] for entry in entries if name in entry]


@pytest.mark.parametrize("method", list(KINDS))
def test_two_processes_step_as_one_with_twice_the_batch(
    method: str, together: Path, tiny_model: Path, tmp_path: Path
) -> None:
    train(method, str(tiny_model), tmp_path / "one", processes=1)
    two, one = together / method, tmp_path / "one"
    assert len(logged(two)) == STEPS
    # The first loss and the length of the first gradient are of the same weights and the same rows.
    assert logged(two)[0] == pytest.approx(logged(one)[0], rel=1e-4)
    assert logged(two, "grad_norm")[0] == pytest.approx(logged(one, "grad_norm")[0], rel=1e-4)
    assert logged(two)[1] == pytest.approx(logged(one)[1], rel=1e-3)


def test_packed_rows_are_the_same_in_both(together: Path, tiny_model: Path, tmp_path: Path) -> None:
    train("sft", str(tiny_model), tmp_path / "one", processes=1, **PACKED)
    for name in ("loss", "grad_norm"):
        assert logged(together / "packed", name)[0] == pytest.approx(
            logged(tmp_path / "one", name)[0], rel=1e-4
        )


def test_gradients_are_equal_within_float_error(together: Path, tiny_model: Path, tmp_path: Path) -> None:
    """After AdamW, whose first step is the gradient's sign: weights apart by less than a hundredth."""
    train("sft", str(tiny_model), tmp_path / "one", processes=1)
    two, one, start = (
        load_file(folder / "model.safetensors") for folder in (together / "sft", tmp_path / "one", tiny_model)
    )
    moved = torch.cat([(one[name] - start[name]).flatten() for name in one])
    apart = torch.cat([(one[name] - two[name]).flatten() for name in one])
    assert apart.norm() < 0.01 * moved.norm()


def test_every_process_returns_the_same_and_one_writes(together: Path) -> None:
    first, second = (json.loads((together / f"seen-{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert all(first[method] == [16, STEPS] for method in KINDS)
    assert "holds a finished model" in first["taken"]
    assert not list(together.glob("*.partial"))


def test_an_adapter_is_trained_and_its_reference_asked_in_both(together: Path) -> None:
    assert (together / "lora" / "adapter_model.safetensors").is_file()
    assert logged(together / "lora")[0] == pytest.approx(0.6931, abs=1e-3)


def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(together: Path) -> None:
    cut, whole = (load_file(together / name / "model.safetensors") for name in ("cut", "sft"))
    assert all(torch.equal(cut[name], whole[name]) for name in whole)


def test_a_process_alone_shares_with_nobody() -> None:
    assert processes.shared(lambda: 3) == 3
    assert processes.spread([1, 2], lambda items: list(items)) == [[1, 2]]
    assert (processes.count(), processes.is_first(), processes.divided()) == (1, True, False)
    with pytest.raises(TrainingError, match="no"):
        processes.shared(_refuse)


@pytest.mark.parametrize("items", [range(8), range(7), range(2), range(0)])
def test_shares_are_everything_in_its_order_and_nearly_as_large(
    items: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    shares: list[range] = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        shares.append(processes.share(items))  # type: ignore[arg-type]
    assert [item for share in shares for item in share] == list(items)
    sizes = [len(share) for share in shares]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1


def _refuse() -> None:
    raise TrainingError("no")
