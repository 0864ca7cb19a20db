"""What packing of SFT saves: CPU seconds a token, beside rows as they come and rows by length.

    python benchmarks/packing.py [--rows 24] [--turns 3]

The embedded model, LoRA, two epochs over conversations of one to four of the quickstart's worked examples,
so that the longest are several times the shortest. By turns, each in a process of its own with one thread:

plain   batches of 4 rows, drawn at random
length  group_by_length: batches of 4 rows of about one length
packed  packing: batches of 2 rows of up to 512 tokens, which hold about as many conversations

CPU seconds are those of the trainer's steps. All learn the same tokens, each once.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import islice, product
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parent.parent
KINDS: Mapping[str, Mapping[str, object]] = {
    "plain": {"batch_size": 4},
    "length": {"batch_size": 4, "group_by_length": True},
    "packed": {"batch_size": 2, "packing": True},
}


def rows(count: int) -> list[dict[str, object]]:
    """Conversations of one to four turns."""
    from constitution.load import load

    examples = [
        ({"role": "user", "content": each.prompt}, {"role": "assistant", "content": each.revision})
        for principle in load(str(ROOT / "recipes/quickstart/constitution.yaml")).principles
        for each in principle.examples
        if each.revision
    ]
    drawn = random.Random(0)
    told = [list(islice(drawn.sample(examples, 4), drawn.randint(1, 4))) for _ in range(count)]
    return [{"messages": [message for turn in turns for message in turn]} for turns in told]


def child(kind: str, count: int) -> None:
    """Train, and print CPU seconds a token, padding left out, and the steps of an epoch."""
    from engine.settings import ModelSettings
    from training.settings import SFTSettings
    from training.sft import train_sft

    begun: list[float] = []

    def told(_: object) -> None:
        begun.append(time.process_time())

    settings = SFTSettings.model_validate(
        {"max_length": 512, "epochs": 2, "gradient_accumulation_steps": 1, "logging_steps": 1, **KINDS[kind]}
    )
    with tempfile.TemporaryDirectory() as folder:
        trained = train_sft(
            rows(count), model=ModelSettings(device="cpu"), settings=settings, out=Path(folder, "out"),
            seed=0, card={}, samples=[], progress=told,
        )  # fmt: skip
        log = json.loads((trained.folder / "trainer_state.json").read_text())["log_history"]
    # The first half warms up: kernels are chosen and memory is taken.
    half = len(begun) // 2
    tokens = log[-2]["num_tokens"] - log[half - 1]["num_tokens"]
    print(json.dumps({"seconds": (begun[-1] - begun[half - 1]) / tokens, "steps": half}))


def asked(kind: str, count: int) -> dict[str, Any]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, __file__, "--rows", str(count), "--child", kind]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.rows)
        return
    told: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for _, kind in product(range(given.turns), KINDS):
        told[kind].append(asked(kind, given.rows))
    print(f"{given.rows} conversations, {given.turns} turns")
    print(
        "| | steps an epoch | CPU milliseconds a token | of plain, turn by turn |\n| --- | --- | --- | --- |"
    )
    for kind, turns in told.items():
        ratios = [mine["seconds"] / its["seconds"] for mine, its in zip(turns, told["plain"], strict=True)]
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        milliseconds = 1000 * median(each["seconds"] for each in turns)
        print(f"| {kind} | {turns[0]['steps']} | {milliseconds:.2f} | {spread} |")


if __name__ == "__main__":
    main()
