"""A policy that ran away is stopped, and the last checkpoint that is of use is named."""

from pathlib import Path

import pytest

from training.model import TrainingError
from training.runaway import Watch


def test_within_bounds_nothing_is_said(tmp_path: Path) -> None:
    watch = Watch(10, 3, tmp_path)
    watch.look(0, kl=0, length=20)
    watch.look(4, kl=10, length=60)
    Watch(None, None, tmp_path).look(0, kl=1e9, length=1e9)


@pytest.mark.parametrize(
    ("kl", "length", "said"),
    [
        (10.1, 20, "10.1 nats from the reference, and max_kl is 10"),
        (0, 61, "3.0 times as long as at the start (61 tokens), and max_length_growth is 3"),
        (float("nan"), 20, "no finite numbers"),
    ],
)
def test_each_bound_stops(tmp_path: Path, kl: float, length: float, said: str) -> None:
    watch = Watch(10, 3, tmp_path)
    watch.look(0, kl=0, length=20)
    with pytest.raises(TrainingError) as told:
        watch.look(8, kl=kl, length=length)
    assert said in str(told.value)
    assert "stopped at step 8" in str(told.value)


def test_a_checkpoint_of_the_policy_that_ran_away_is_not_named(tmp_path: Path) -> None:
    for step in (4, 12, 8):
        (tmp_path / f"checkpoint-{step}").mkdir()
    watch = Watch(1, None, tmp_path)
    with pytest.raises(TrainingError, match=r"checkpoint-8$"):
        watch.look(12, kl=2, length=1)
    with pytest.raises(TrainingError, match="no checkpoint from before"):
        watch.look(4, kl=2, length=1)
