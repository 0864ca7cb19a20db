"""How good the memory estimate of `solon train --dry-run` is: beside what training took.

    python benchmarks/training_memory.py [NAME ...]

The embedded model on the CPU, with one thread, two steps of each of the `SETTINGS`, each in a process of its
own, which looks at how much memory it holds (`Watch`). Linux with glibc. What else runs does not matter.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
MOST = 1.5

SETTINGS: Mapping[str, Mapping[str, object]] = {
    "sft, LoRA": {"stage": "sft"},
    "sft, LoRA, 128 tokens": {"stage": "sft", "max_length": 128},
    "sft, LoRA, float32, 1024 tokens": {"stage": "sft", "max_length": 1024, "dtype": "float32"},
    "sft, all weights": {"stage": "sft", "use_peft": False},
    "sft, all weights, float32, 128 tokens": {
        "stage": "sft", "use_peft": False, "max_length": 128, "dtype": "float32",
    },
    "dpo, LoRA": {"stage": "dpo"},
    "dpo, LoRA, checkpointed": {"stage": "dpo", "gradient_checkpointing": True},
    "kto, LoRA, 128 tokens": {"stage": "kto", "max_length": 128},
    "reward, LoRA": {"stage": "reward", "held_out": 0},
    "reward, LoRA, checkpointed": {"stage": "reward", "held_out": 0, "gradient_checkpointing": True},
    "ppo, LoRA, 256 tokens": {
        "stage": "ppo", "max_length": 256, "max_completion_length": 64, "generation_batch_size": 2,
        "reward_funcs": ({"function": "brevity"},),
    },
}  # fmt: skip
"""What the estimate is held against: two rows (DPO, reward: pairs), bfloat16 and 512 tokens if nothing else
is said. One row is a little shorter than the other, so that attention has a mask, as in nearly every batch.
"""

COMMON: Mapping[str, object] = {
    "batch_size": 2, "gradient_accumulation_steps": 1, "max_length": 512, "epochs": 2, "dtype": "bfloat16",
}  # fmt: skip


class Watch(threading.Thread):
    """The most memory from the end of the first step to that of the last one, beyond what was held before.

    `resident` is the kernel's peak. `used` is the most, looked at every few milliseconds, of what is resident
    less what glibc keeps free between blocks in use. Pages of files count where they are mapped, as weights
    of the file's own dtype are until they change. Loading and saving are left out: the pages of the
    checkpoint that loading touches are the system's to drop.
    """

    def __init__(self) -> None:
        from solon.memory import give_back

        super().__init__(daemon=True)
        give_back()
        self._resident, self._free = _status("VmRSS"), _free()
        self.resident = self.used = 0
        self.ended = False

    def __call__(self, progress: Any) -> None:
        """To be told of every step."""
        if progress.phase != "training":
            return
        if self.is_alive():
            self.resident = _status("VmHWM") - self._resident
            self.ended = progress.step == progress.total
        else:
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
            self.start()

    def run(self) -> None:
        while not self.ended:
            used = (_status("VmRSS") - self._resident) - (_free() - self._free)
            self.used = max(self.used, used)
            time.sleep(0.005)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


class _Heap(ctypes.Structure):
    """glibc's `struct mallinfo2`: ten numbers, of which the ninth are the bytes that hold nothing."""

    _fields_ = [(f"number_{number}", ctypes.c_size_t) for number in range(1, 11)]


def _free() -> int:
    """Bytes of glibc's heap that hold nothing."""
    told = ctypes.CDLL(None).mallinfo2
    told.restype = _Heap
    return told().number_9


def texts(stage: str, tokens: int) -> list[dict[str, object]]:
    """Two rows for a method, whose longest text has as many tokens as are allowed, or nearly so."""
    # A word is a token, and the template has some forty; a reward model's answers must not be cut.
    long = _said("assistant", "word " * (tokens - 42 * (stage == "reward")))
    short, other = (_said("assistant", f"{word} " * (tokens - 60)) for word in ("word", "other"))
    asked, again = _said("user", "Go on."), _said("user", "Go on, then.")
    if stage == "sft":
        return [{"messages": [*asked, *answer]} for answer in (long, short)]
    if stage == "kto":
        good, bad = ({"completion": long, "label": True}, {"completion": short, "label": False})
        return [{"prompt": asked, **good}, {"prompt": again, **bad}]
    if stage == "ppo":
        return [{"prompt": _said("user", "word " * (tokens // 2 + number))} for number in range(2)]
    return [
        {"prompt": prompt, "chosen": chosen, "rejected": other}
        for prompt, chosen in ((asked, long), (again, short))
    ]


def _said(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


def peak(name: str) -> None:
    """The bytes that training adds to a process that has everything imported, and the estimate of them."""
    from engine.settings import ModelSettings
    from training.dry_run import look
    from training.methods import METHODS
    from training.seams import quiet
    from training.settings import TrainingSettings

    asked = {**COMMON, **SETTINGS[name]}
    stage = str(asked.pop("stage"))
    settings = getattr(TrainingSettings.model_validate({stage: asked}), stage)
    method, model = METHODS[stage], ModelSettings(device="cpu")  # pyright: ignore[reportArgumentType]
    data = texts(stage, settings.max_length)
    need = look(method, data, model=model, settings=settings, seed=0).need
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder, quiet():
        out = Path(folder, "out")
        method(data, model=model, settings=settings, out=out, seed=0, card={}, samples=[], progress=watch)
    told = {"estimated": need.total, "used": watch.used, "resident": watch.resident}
    print(json.dumps({**told, "parts": dict(need.parts)}))


def in_a_process(name: str) -> dict[str, Any]:
    """What a child tells of one setting; it has one thread, whose buffers are the only ones."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, __file__, "--peak", name]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def show(names: Sequence[str]) -> None:
    print("| GB | estimated | used | resident | estimated / used | estimated / resident |")
    print("| --- | --- | --- | --- | --- | --- |")
    ratios: dict[str, list[float]] = {"used": [], "resident": []}
    for name in names:
        told = in_a_process(name)
        for of, each in ratios.items():
            each.append(told["estimated"] / told[of])
        sizes = " | ".join(f"{told[which] / 1e9:.2f}" for which in ("estimated", "used", "resident"))
        print(
            f"| {name} | {sizes} | {' | '.join(f'{each[-1]:.2f}' for each in ratios.values())} |", flush=True
        )
        print(name, {part: round(size / 1e9, 3) for part, size in told["parts"].items()}, file=sys.stderr)
    for of, each in ratios.items():
        worst = max(max(ratio, 1 / ratio) for ratio in each)
        print(f"bar: memory-estimate-off-{of}-by {worst:.2f} <={MOST} {'ok' if worst <= MOST else 'short'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="settings, all if none is named")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        peak(given.peak)
    else:
        show(given.names or list(SETTINGS))


if __name__ == "__main__":
    main()
