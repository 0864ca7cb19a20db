"""Answers that real vLLM samples, beside the policy that learns from them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sampled_by_vllm import SEED
from training_fixtures import history

from tests.vllm_engines import needs_vllm
from training.model import TrainingError
from training.sampling import check_server

pytestmark = needs_vllm

SCRIPT = Path(__file__).parent / "sampled_by_vllm.py"


def test_vllm_samples_from_the_policy_as_it_is_after_each_update(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)],
        # Compiling takes two thirds of the time, and changes nothing that is looked at here.
        env=os.environ | {"OMP_NUM_THREADS": "1", "TORCH_COMPILE_DISABLE": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    for method in ("ppo", "grpo"):
        rollouts = [entry for entry in history(tmp_path / method) if "sampler_trust" in entry]
        assert len(rollouts) == 2
        # Of answers that the reference had given, the estimate of the policy's KL would be below 0.
        assert rollouts[0]["kl"] == pytest.approx(0, abs=1e-3)
        assert rollouts[1]["kl"] > 0.05
        assert all(entry["sampler_trust"] == pytest.approx(1, abs=0.1) for entry in rollouts)
        assert (tmp_path / method / "seed").read_text() == str(SEED)


def test_a_server_that_takes_no_weights_is_refused_with_the_command_that_starts_one(
    vllm_server: tuple[str, object],
) -> None:
    url = vllm_server[0].removesuffix("/v1")
    with pytest.raises(TrainingError, match=r"takes no weights.*\n.*VLLM_SERVER_DEV_MODE=1 vllm serve MODEL"):
        check_server(url)
