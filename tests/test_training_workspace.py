from pathlib import Path

import pytest
from training_fixtures import SFT_ROWS, sft_settings, tiny, tiny_model

from training.model import TrainingError
from training.settings import SFTSettings
from training.workspace import inputs_digest, is_complete, open_workspace

__all__ = ["tiny_model"]

SETTINGS = sft_settings()


def write_checkpoint(partial: Path, step: int, *, whole: bool = True) -> Path:
    folder = partial / "checkpoints" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    if whole:
        (folder / "trainer_state.json").write_text("{}")
    return folder


def test_the_newest_whole_checkpoint_is_the_last(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "out", "a")
    write_checkpoint(workspace.partial, 9)
    expected = write_checkpoint(workspace.partial, 10)
    write_checkpoint(workspace.partial, 11, whole=False)
    assert open_workspace(tmp_path / "out", "a").last_checkpoint() == expected


def test_checkpoints_of_other_inputs_are_not_gone_on_from(tmp_path: Path) -> None:
    write_checkpoint(open_workspace(tmp_path / "out", "a").partial, 1)
    with pytest.raises(TrainingError, match=r"out\.partial holds checkpoints of a run with other data"):
        open_workspace(tmp_path / "out", "b")
    assert (tmp_path / "out.partial/checkpoints/checkpoint-1").is_dir()


def test_leftovers_without_a_checkpoint_are_begun_anew(tmp_path: Path) -> None:
    leftover = open_workspace(tmp_path / "out", "a").partial / "result"
    leftover.mkdir()
    open_workspace(tmp_path / "out", "b")
    assert not leftover.exists()


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(TrainingError, match="nothing is overwritten"):
        open_workspace(tmp_path / "out", "a")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_folder_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "out", "a")
    result = workspace.new_result()
    (result / "metrics.json").write_text("{}")
    (result / "recipe.yaml").write_text("")
    assert not is_complete(workspace.out)
    workspace.finish()
    assert is_complete(workspace.out)
    assert not workspace.partial.exists()


def test_what_decides_the_outcome_changes_the_digest(tiny_model: Path) -> None:
    def digest(rows: object = SFT_ROWS, settings: SFTSettings = SETTINGS, seed: int = 0) -> str:
        assert isinstance(rows, list)
        return inputs_digest(
            rows, columns=("messages",), model=tiny(tiny_model), settings=settings, seed=seed
        )

    same = [digest(), digest([{**row, "principle": "x"} for row in SFT_ROWS])]
    same += [digest(settings=sft_settings(save_steps=3)), digest(settings=sft_settings(logging_steps=7))]
    other = [digest(SFT_ROWS[:-1]), digest(seed=1), digest(settings=sft_settings(lora_r=8))]
    assert len(set(same)) == 1
    assert len({same[0], *other}) == 4


def test_kept_checkpoints_hold_what_answering_needs_and_no_more(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "out", "a")
    checkpoint = write_checkpoint(workspace.partial, 20)
    for name in ("adapter_config.json", "adapter_model.safetensors", "optimizer.pt", "rng_state.pth"):
        (checkpoint / name).write_text("{}")
    (checkpoint / "reference").mkdir()
    (workspace.new_result() / "metrics.json").write_text("{}")
    workspace.finish(keep_checkpoints=True)
    kept = tmp_path / "out" / "checkpoints" / "checkpoint-20"
    assert sorted(path.name for path in kept.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert not workspace.partial.exists()
