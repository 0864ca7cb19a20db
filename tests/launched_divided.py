"""What `tests/test_training_divided.py` runs in two processes, each with a part of the weights.

    accelerate launch --config_file recipes/accelerate/fsdp2.yaml --num_processes 2 \
        tests/launched_divided.py MODEL ADAPTER OUT

A batch is half as large as in one process. What each process saw goes into OUT/seen-RANK.json.
"""

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import launched  # noqa: E402
import torch  # noqa: E402
from accelerate import DeepSpeedPlugin, PartialState  # noqa: E402
from accelerate.utils import DistributedType  # noqa: E402
from launched_online import train as train_online  # noqa: E402
from training_fixtures import StopError, stop_at  # noqa: E402
from transformers import Trainer  # noqa: E402

from training import processes, stage  # noqa: E402
from training.model import TrainingError  # noqa: E402
from training.settings import MethodName  # noqa: E402

LEARNT = ("sft", "dpo", "orpo", "kto", "rrhf")
CASES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{method: (method, {}) for method in LEARNT},
    **{f"{method}-lora": (method, {"use_peft": True}) for method in LEARNT},
    "dpo-at-every-step": ("dpo", {"precompute_ref_log_probs": False}),
    "dpo-clipped": ("dpo", {"max_grad_norm": 0.5, "gradient_checkpointing": True}),
    "sft-accumulated": ("sft", {"batch_size": 4, "gradient_accumulation_steps": 2}),
    "sft-packed": ("sft", {"batch_size": 2, "packing": True}),
}
"""Held against one process with twice the batch."""

AFTER_SFT: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "dpo-merged": ("dpo", {}),
    "dpo-further": ("dpo", {"use_peft": True}),
}
"""The same, begun at an adapter."""

ROUGH: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    f"{method}-bfloat16": (method, {"dtype": "bfloat16"}) for method in ("orpo", "dpo", "kto")
}
"""The same, computed in fewer digits."""

CUT: Mapping[str, Mapping[str, Any]] = {"cut": {"keep_checkpoints": True}, "cut-lora": {"use_peft": True}}
ONLINE: tuple[MethodName, ...] = ("ppo", "grpo", "online_dpo")


def train(name: str, model: Path, adapter: Path, out: Path, *, together: int) -> Any:
    """A case, by as many processes."""
    method, changes = {**CASES, **AFTER_SFT, **ROUGH}[name]
    batch = {"batch_size": changes["batch_size"] // together} if "batch_size" in changes else {}
    begun = adapter if name in AFTER_SFT else None
    return launched.train(
        method, str(model), out, processes=together, adapter=begun, **{**changes, **batch}
    )  # fmt: skip


def divide_on_cpus() -> None:
    """Have accelerate divide weights over processes on CPUs, as it does over GPUs; torch does it on either.

    It is told that the devices are GPUs, that they are called `cpu`, and speak over gloo. ZeRO-3 leaves small
    weights whole; here all are.
    """
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    PartialState._prepare_backend = lambda *_, **__: ("gloo", DistributedType.MULTI_GPU)  # type: ignore[method-assign]
    made = DeepSpeedPlugin.__post_init__

    def divide_small_ones(plugin: DeepSpeedPlugin) -> None:
        made(plugin)
        plugin.deepspeed_config["zero_optimization"]["stage3_param_persistence_threshold"] = 0

    DeepSpeedPlugin.__post_init__ = divide_small_ones  # type: ignore[method-assign]
    torch.distributed.init_process_group("gloo")


def watch(parts: list[float]) -> None:
    """Have every model that is saved tell which share of it this process holds."""
    save = stage.save_divided

    def saved(trainer: Trainer, *given: Any, **options: Any) -> None:
        assert trainer.model is not None
        weights = list(trainer.model.parameters())
        whole = sum(getattr(weight, "ds_numel", weight.numel()) for weight in weights)
        parts.append(sum(processes.own_part(weight).numel() for weight in weights) / whole)
        save(trainer, *given, **options)

    stage.save_divided = saved


def refused(model: Path, out: Path) -> dict[str, str]:
    """What methods say that need a whole model; this one has no weights to load."""
    told: dict[str, str] = {}
    for method in ("reward", *ONLINE):
        try:
            if method == "reward":
                launched.train(method, str(model), out / method, processes=2)
            else:
                train_online(method, model.parent, out / method, together=2, model=model.name)
        except TrainingError as error:
            told[method] = str(error)
    return told


def run(model: Path, adapter: Path, out: Path) -> dict[str, Any]:
    """Every case, runs that are cut off, and errors; in each of the processes."""
    parts: list[float] = []
    watch(parts)
    seen: dict[str, Any] = {}
    for name in (*CASES, *AFTER_SFT, *ROUGH):
        trained = train(name, model, adapter, out / name, together=2)
        seen[name] = [trained.rows, trained.metrics]
    for name, changes in CUT.items():
        options: dict[str, Any] = {"processes": 2, "save_steps": 1, **changes}
        # After the checkpoint of the first step, before that of the second.
        with contextlib.suppress(StopError):
            launched.train("sft", str(model), out / name, progress=stop_at(2), **options)
        seen[f"{name}-kept"] = sorted(
            path.name for path in out.glob(f"{name}.partial/checkpoints/checkpoint-*")
        )
        launched.train("sft", str(model), out / name, **options)
    try:
        launched.train("sft", str(model), out / "diverged", processes=2, learning_rate=1e38)
    except TrainingError as error:
        seen["diverged"] = str(error)
    return seen | {"parts": parts, "refused": refused(out / "without-weights", out)}


if __name__ == "__main__":
    divide_on_cpus()
    found = run(*map(Path, sys.argv[1:]))
    Path(sys.argv[3], f"seen-{os.environ['RANK']}.json").write_text(json.dumps(found))
    processes.leave()
