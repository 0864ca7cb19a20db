"""What `tests/test_training_processes.py` runs in two processes: each method, and a run that is cut off.

    accelerate launch --config_file recipes/accelerate/two_cpus.yaml tests/launched.py MODEL OUT

A batch is half as large as in one process. What each process saw goes into OUT/seen-RANK.json.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from training_fixtures import StopError, stop_at  # noqa: E402

from training.methods import METHODS  # noqa: E402
from training.model import Trained, TrainingError, TrainingProgress  # noqa: E402
from training.processes import leave  # noqa: E402
from training.settings import (  # noqa: E402
    DPOSettings,
    KTOSettings,
    ORPOSettings,
    RewardModelSettings,
    RRHFSettings,
    SFTSettings,
    TrainerSettings,
)

KINDS: Mapping[str, type[TrainerSettings]] = {
    "sft": SFTSettings,
    "reward": RewardModelSettings,
    "dpo": DPOSettings,
    "orpo": ORPOSettings,
    "kto": KTOSettings,
    "rrhf": RRHFSettings,
}
STEPS = 2
"""Optimizer steps: two batches, each over all processes."""

PACKED: dict[str, Any] = {"packing": True, "max_length": 256}
"""Of SFT: several rows in one."""


def rows(method: str) -> list[dict[str, object]]:
    """Sixteen rows of about the lengths that people write."""
    made = []
    for number in range(16):
        prompt = [{"role": "user", "content": f"Is {number} more than {3 * number % 7}?"}]
        good, bad = (
            [{"role": "assistant", "content": text}] for text in (f"It is. {number}!" * 2, "Who cares." * 3)
        )
        made.append(
            {
                "sft": {"messages": [*prompt, *good]},
                "kto": {
                    "prompt": prompt,
                    "completion": good if number % 2 else bad,
                    "label": bool(number % 2),
                },
                "rrhf": {"prompt": prompt, "completions": [good, bad], "ranks": [1, 2]},
            }.get(method, {"prompt": prompt, "chosen": good, "rejected": bad, "chosen_probability": 0.9})
        )
    return made


def settings(method: str, *, processes: int, **changes: object) -> TrainerSettings:
    """Full fine-tuning in float32, the same rows a step whatever the number of processes."""
    chosen: dict[str, object] = {
        "dtype": "float32", "use_peft": False, "learning_rate": 1e-3, "logging_steps": 1, "epochs": 1,
        "batch_size": 8 // processes, "gradient_accumulation_steps": 1, "lr_scheduler_type": "constant",
        "warmup_ratio": 0, "max_grad_norm": 1e9,
    }  # fmt: skip
    if method == "reward":
        chosen |= {"held_out": 0}
    return KINDS[method].model_validate(chosen | changes)


def train(
    method: str,
    model: str,
    out: Path,
    *,
    processes: int,
    adapter: Path | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
    **changes: object,
) -> Trained:
    from engine.settings import ModelSettings

    return METHODS[method](  # pyright: ignore[reportArgumentType]
        rows(method),
        model=ModelSettings(model=model, adapter=adapter, device="cpu"),
        settings=settings(method, processes=processes, **changes),
        out=out,
        seed=0,
        card={},
        samples=[],
        progress=progress,
    )


def launched(model: str, out: Path) -> dict[str, Any]:
    """Every method, a run that goes on, and an error; in each of the processes."""
    seen: dict[str, Any] = {}
    for method in KINDS:
        trained = train(method, model, out / method, processes=2)
        seen[method] = [trained.rows, trained.metrics["steps"]]
    train("dpo", model, out / "lora", processes=2, use_peft=True)
    train("sft", model, out / "packed", processes=2, **PACKED)
    # After the checkpoint of the first step, before that of the second.
    try:
        train("sft", model, out / "cut", processes=2, save_steps=1, progress=stop_at(2))
    except StopError:
        train("sft", model, out / "cut", processes=2, save_steps=1)
    try:
        train("sft", model, out / "sft", processes=2)
    except TrainingError as error:
        seen["taken"] = str(error)
    return seen


if __name__ == "__main__":
    found = launched(sys.argv[1], Path(sys.argv[2]))
    Path(sys.argv[2], f"seen-{os.environ['RANK']}.json").write_text(json.dumps(found))
    leave()
