"""What a step of DPO costs beside plain TRL, by its parts.

    python benchmarks/training_steps.py [--pairs 16] [--turns 3] [--lora] [--dtype float32]

The embedded model on worked examples of the quickstart's constitution, revision before response, three
epochs, one thread. By turns, each in a process of its own:

plain        trl.DPOTrainer as it comes: it asks the reference at every step
precomputed  the same with precompute_ref_log_probs
attention    the same with `engine.attention` in the place of torch's own grouped attention besides
solon        `training.dpo` as it comes: besides, only tokens of answers are projected to the vocabulary, and
             the prompt of a pair's two answers is computed once

CPU seconds are the process's, from a loaded model to the end of training: rows into tokens, the cached
reference, every step. Losses are compared step by step.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parent.parent
KINDS = ("plain", "precomputed", "attention", "solon")
EPOCHS, BATCH, TARGET = 3, 2, 0.72
RATE = 1e-5


@dataclass(frozen=True)
class Asked:
    """What a child is to do."""

    kind: str
    pairs: int
    lora: bool
    dtype: str


@dataclass(frozen=True)
class Told:
    """What it came to: CPU seconds a step, caching included, and the loss of each step."""

    seconds: float
    losses: tuple[float, ...]


def rows(count: int) -> list[dict[str, object]]:
    """Pairs of the constitution's worked examples: the revision before the response."""
    from constitution.load import load

    examples = (
        example
        for principle in load(str(ROOT / "recipes/quickstart/constitution.yaml")).principles
        for example in principle.examples
        if example.revision
    )
    return [
        {
            "prompt": [{"role": "user", "content": example.prompt}],
            "chosen": [{"role": "assistant", "content": example.revision}],
            "rejected": [{"role": "assistant", "content": example.response}],
        }
        for example in islice(examples, count)
    ]


def child(asked: Asked) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = _solon(asked, Path(folder)) if asked.kind == "solon" else _trl(asked, Path(folder))
        trainer, begun = made()
        trainer.train()
        seconds = time.process_time() - begun
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    print(json.dumps({"seconds": seconds / trainer.state.global_step, "losses": losses}))


def _trl(asked: Asked, folder: Path) -> Callable[[], tuple[Any, float]]:
    """TRL's own trainer; nothing of `training` is imported, which would change what TRL computes."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    from engine import attention
    from engine.embedded import embedded_model

    where = str(embedded_model())
    own = {"attn_implementation": attention.register()} if asked.kind == "attention" else {}
    model = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, **own)
    tokenizer = AutoTokenizer.from_pretrained(where)
    arguments = DPOConfig(
        **common(folder, bf16=asked.dtype == "bfloat16"),
        gradient_checkpointing=False,
        precompute_ref_log_probs=asked.kind != "plain",
    )
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")

    def made() -> tuple[Any, float]:
        begun = time.process_time()
        return DPOTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_list(rows(asked.pairs)),
            processing_class=tokenizer,
            peft_config=lora if asked.lora else None,
        ), begun

    return made


def _solon(asked: Asked, folder: Path) -> Callable[[], tuple[Any, float]]:
    from engine.settings import ModelSettings
    from training.dpo import train_dpo
    from training.method import Prepared
    from training.settings import DPOSettings

    model = ModelSettings(device="cpu")
    settings = DPOSettings.model_validate({"use_peft": asked.lora, "dtype": asked.dtype, "batch_size": BATCH})
    tokenizer, policy = train_dpo.tokenizer(model), train_dpo.load(model, settings)
    arguments = common(folder, bf16=asked.dtype == "bfloat16") | {"max_length": None}

    def made() -> tuple[Any, float]:
        begun = time.process_time()
        tokens = train_dpo.tokens(rows(asked.pairs), tokenizer, model, settings, seed=0)
        prepared = Prepared(model, settings, policy, tokenizer, tokens, arguments, None)
        return train_dpo.trainer(prepared), begun

    return made


def common(folder: Path, *, bf16: bool) -> dict[str, Any]:
    """What both are told."""
    return {
        "output_dir": str(folder), "seed": 0, "learning_rate": RATE, "num_train_epochs": EPOCHS,
        "per_device_train_batch_size": BATCH, "gradient_accumulation_steps": 1, "bf16": bf16, "use_cpu": True,
        "lr_scheduler_type": "constant", "logging_steps": 1, "save_strategy": "no", "report_to": "none",
        "disable_tqdm": True, "dataloader_pin_memory": False,
    }  # fmt: skip


def in_a_process(*arguments: str) -> Any:
    """What a child of this script prints last, as JSON; it has one thread, so that none waits busily."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    environment |= {"TQDM_DISABLE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error"}
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def speed(pairs: int, turns: int, *, lora: bool, dtype: str) -> Mapping[str, list[Told]]:
    told: dict[str, list[Told]] = {kind: [] for kind in KINDS}
    for turn in range(turns):
        for kind in KINDS if turn % 2 == 0 else KINDS[::-1]:
            asked = Asked(kind, pairs, lora, dtype)
            found = in_a_process("--child", json.dumps(asked.__dict__))
            told[kind].append(Told(found["seconds"], tuple(found["losses"])))
    return told


def show_speed(told: Mapping[str, Sequence[Told]]) -> None:
    plain = told["plain"]
    print("| | CPU seconds a step | of plain TRL, turn by turn | largest difference of a step's loss |")
    print("| --- | --- | --- | --- |")
    for kind, turns in told.items():
        ratios = [mine.seconds / its.seconds for mine, its in zip(turns, plain, strict=True)]
        apart = max(abs(a - b) for a, b in zip(turns[0].losses, plain[0].losses, strict=True))
        seconds = median(each.seconds for each in turns)
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {kind} | {seconds:.2f} | {spread} | {apart:.1e} |")
    share = median(mine.seconds / its.seconds for mine, its in zip(told["solon"], plain, strict=True))
    print(f"bar: dpo-cpu-of-plain-trl {share:.2f} <={TARGET} {'ok' if share <= TARGET else 'short'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--lora", action="store_true", help="train a LoRA adapter, not all weights")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(Asked(**json.loads(given.child)))
    else:
        print(f"{given.pairs} pairs, {EPOCHS} epochs, batches of {BATCH}, {given.dtype}, {given.turns} turns")
        show_speed(speed(given.pairs, given.turns, lora=given.lora, dtype=given.dtype))


if __name__ == "__main__":
    main()
