"""Does a model learn from verifiable rewards alone? Two-digit sums, the answer in a tag, the embedded model.

    python benchmarks/arithmetic.py [--seeds 3]      trains by recipes/arithmetic, measures before and after
    python benchmarks/arithmetic.py --write          writes the recipe's sums again, always the same

Accuracy is the share of held-out sums whose greedy answer the recipe's verifier accepts; none of them, in
either order, is among those that are learned from. The reward knows nothing but the sum and the tag.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.settings import ModelSettings
    from training.settings import GRPOSettings

ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "recipes" / "arithmetic"
LEARNED, HELD_OUT = RECIPE / "sums.jsonl", RECIPE / "sums_heldout.jsonl"
SHOWN, TRAIN, TEST = 4, 240, 120
GAIN = 0.15

Row = Mapping[str, object]


@dataclass(frozen=True)
class Told:
    """Shares of the held-out sums: right, and with a number in the tag."""

    right: float
    marked: float


def sums() -> Iterator[tuple[int, int]]:
    """Pairs of two-digit numbers, each sum's pair once in either order, drawn from seed 0."""
    draw, seen = random.Random(0), set[frozenset[int]]()
    while True:
        pair = (draw.randint(10, 99), draw.randint(10, 99))
        if frozenset(pair) not in seen:
            seen.add(frozenset(pair))
            yield pair


def rows(count: int, pairs: Iterator[tuple[int, int]], shown: Sequence[tuple[int, int]]) -> list[Row]:
    """Prompts that show worked sums as earlier turns, with the answer that a verifier reads."""
    before = [turn for a, b in shown for turn in (_asked(a, b), _said(a, b))]
    return [
        {"prompt": [*before, _asked(a, b)], "answer": a + b} for a, b in (next(pairs) for _ in range(count))
    ]


def write() -> None:
    """The recipe's two files: sums to learn from, and held-out ones."""
    pairs = sums()
    shown = [next(pairs) for _ in range(SHOWN)]
    for path, count in ((LEARNED, TRAIN), (HELD_OUT, TEST)):
        lines = (json.dumps(row, separators=(",", ":")) + "\n" for row in rows(count, pairs, shown))
        path.write_text("".join(lines), encoding="utf-8")


def _asked(a: int, b: int) -> Row:
    return {"role": "user", "content": f"What is {a} + {b}?"}


def _said(a: int, b: int) -> Row:
    return {"role": "assistant", "content": f"<answer>{a + b}</answer>"}


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def accuracy(model: "ModelSettings", settings: "GRPOSettings") -> Told:
    """Greedy answers to the held-out sums, by the recipe's own check of them."""
    from training.verifiers.attempt import Attempt
    from training.verifiers.place import answer_in
    from training.verifiers.registry import VERIFIERS

    held = read(HELD_OUT)
    check = next(part.verifier for part in settings.reward_funcs if part.verifier and part.verifier.reads)
    texts = answers(model, settings, [row["prompt"] for row in held])
    attempts = [Attempt(text, row["answer"]) for text, row in zip(texts, held, strict=True)]
    right = VERIFIERS[check.check](attempts, check)
    return Told(fmean(right), fmean(answer_in(text, "tag") is not None for text in texts))


def answers(model: "ModelSettings", settings: "GRPOSettings", prompts: Sequence[object]) -> list[str]:
    from engine import decode
    from engine.protocol import Sampling
    from engine.tokens import encode_prompt
    from prompts.message import Prompt, conversation
    from training.load import load_policy, load_tokenizer

    tokenizer, policy = load_tokenizer(model), load_policy(model, settings).model.eval()
    sampling = Sampling(max_tokens=settings.max_completion_length or 32, temperature=0)
    asked = [Prompt("", "", conversation(prompt)) for prompt in prompts]  # type: ignore[arg-type]
    told = [decode.Row(encode_prompt(tokenizer, prompt), sampling) for prompt in asked]
    for start in range(0, len(told), 30):
        decode.generate(policy, told[start : start + 30], end_ids=frozenset([tokenizer.eos_token_id]))  # type: ignore[list-item]
    return [str(tokenizer.decode(row.ids, skip_special_tokens=True)) for row in told]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.write:
        write()
        return
    from solon.recipe import load_recipe
    from training.grpo import train_grpo

    recipe = load_recipe(RECIPE)
    model, settings = recipe.assistant, recipe.recipe.training.grpo
    assert settings is not None
    before, gains = accuracy(model, settings), list[float]()
    print(f"before: {before.right:.1%} right, {before.marked:.1%} in the tag, of {TEST} held-out sums")
    for seed in range(arguments.seeds):
        begun = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "grpo"
            trained = train_grpo(
                read(LEARNED), model=model, settings=settings, out=out, seed=seed, card={}, samples=[]
            )
            seconds = time.process_time() - begun
            after = accuracy(model.model_copy(update={"adapter": trained.folder}), settings)
        gains.append(after.right - before.right)
        print(
            f"seed {seed}: {after.right:.1%} right, {after.marked:.1%} in the tag, "
            f"score {trained.metrics['score']:.2f}, KL {trained.metrics['kl']:.2f}, {seconds:.0f} CPU s",
            flush=True,
        )
    print(f"bar: rlvr-accuracy-gain {min(gains):.3f} >={GAIN} {'ok' if min(gains) >= GAIN else 'short'}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
