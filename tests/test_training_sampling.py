"""vLLM is asked for by settings and refused, with the next step, where it cannot be had."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from engine.settings import ModelSettings
from training.model import TrainingError
from training.sampling import check_sampler, sampler_arguments
from training.settings import GRPOSettings

CPU = ModelSettings(model="embedded", device="cpu")


def test_without_vllm_nothing_is_asked_and_nothing_is_changed() -> None:
    check_sampler(GRPOSettings(), CPU)
    assert sampler_arguments(GRPOSettings()) == {}


def test_vllm_is_refused_where_there_is_no_package_or_no_gpu() -> None:
    said = (
        "is not installed\nrun: pip install"
        if find_spec("vllm") is None
        else "on a GPU, and this runs on cpu"
    )
    with pytest.raises(TrainingError, match=said):
        check_sampler(GRPOSettings(use_vllm=True), CPU)


def test_trls_configuration_takes_the_options(tmp_path: Path) -> None:
    """Names and values are held to the pinned version."""
    from training.seams_online import sampling_arguments

    settings = GRPOSettings(use_vllm=True, vllm_mode="server", vllm_server_base_url="http://host:1")
    made = sampling_arguments(
        {
            "output_dir": str(tmp_path),
            "use_cpu": not torch.cuda.is_available(),
            "bf16": False,
            **sampler_arguments(settings),
        },
        answers=8,
        passes=1,
        frozen_copy=False,
    )
    assert (made.use_vllm, made.vllm_mode, made.vllm_server_base_url) == (True, "server", "http://host:1")
    assert made.vllm_max_model_length == settings.max_length
    assert (made.top_p, made.top_k, made.min_p, made.repetition_penalty) == (1.0, 0, None, 1.0)
