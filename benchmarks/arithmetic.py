"""Does a model learn from verifiable rewards alone? Two-digit sums, the answer in a tag, the embedded model.

    python benchmarks/arithmetic.py [--seeds 0 1 2] [--out runs/bench]
    python benchmarks/arithmetic.py --control 0      once more, right and wrong shuffled over the answers
    python benchmarks/arithmetic.py --write          writes the recipe's sums again, always the same

Runs `recipes/arithmetic` (in `runs/bench/arithmetic-<seed>`, gone on with if it was stopped): SFT on worked
sums, then GRPO, whose reward knows nothing but whether the number in the tag is right. Accuracy is the share
of held-out sums whose greedy answer the recipe's verifier accepts; none of them, in either order, is among
those that are learned from. What GRPO adds is a difference over the same sums, before and after.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.settings import ModelSettings
    from labeling.audit.estimate import Estimate
    from solon.loaded_recipe import LoadedRecipe
    from training.settings import GRPOSettings
    from training.verifiers.attempt import Attempt
    from training.verifiers.settings import VerifierSettings

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "recipes" / "arithmetic"
WORKED, LEARNED, HELD_OUT = (RECIPE / f"{name}.jsonl" for name in ("worked", "sums", "sums_heldout"))
SHOWN, TRAIN, TEST = 32, 160, 240
SYSTEM = "Answer in a tag."
RISE = 0.05
"""What the lower end of the interval of GRPO's rise, over all seeds, is held against."""
BATCH = 32
"""Answers that are sampled at once."""

Row = Mapping[str, object]


# The sums.


def sums() -> Iterator[tuple[int, int]]:
    """Pairs of two-digit numbers, each sum's pair once in either order, drawn from seed 0."""
    draw, seen = random.Random(0), set[frozenset[int]]()
    while True:
        pair = (draw.randint(10, 99), draw.randint(10, 99))
        if frozenset(pair) not in seen:
            seen.add(frozenset(pair))
            yield pair


def asked(a: int, b: int) -> list[Row]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"What is {a} + {b}?"}]


def worked(a: int, b: int) -> Row:
    """The ones, the tens, both together: the answer in its tag."""
    ones, tens = a % 10 + b % 10, a + b - a % 10 - b % 10
    steps = (
        f"{a % 10} + {b % 10} = {ones}",
        f"{a - a % 10} + {b - b % 10} = {tens}",
        f"{tens} + {ones} = <answer>{a + b}</answer>",
    )
    return {"messages": [*asked(a, b), {"role": "assistant", "content": ", ".join(steps)}]}


def write() -> None:
    """The recipe's three files: worked sums, sums to learn from, held-out ones."""
    pairs = sums()
    shown = [worked(*next(pairs)) for _ in range(SHOWN)]
    learned, held = (
        [{"prompt": asked(a, b), "answer": a + b} for a, b in (next(pairs) for _ in range(count))]
        for count in (TRAIN, TEST)
    )
    for path, rows in ((WORKED, shown), (LEARNED, learned), (HELD_OUT, held)):
        lines = (json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        path.write_text("".join(lines), encoding="utf-8")


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# What a model makes of them.


@dataclass(frozen=True)
class Told:
    """Of each held-out sum: 1 where its answer is right, and where it has a number in the tag at all."""

    right: tuple[float, ...]
    marked: tuple[float, ...]

    @cached_property
    def accuracy(self) -> "Estimate":
        return share(self.right)

    def __str__(self) -> str:
        return f"{percent(self.accuracy)} right, {fmean(self.marked):.0%} in the tag"


def tell(model: "ModelSettings", settings: "GRPOSettings", *, shown: int = 0) -> Told:
    """Greedy answers to the held-out sums, so many worked ones before each, by the recipe's own check."""
    from training.verifiers.attempt import Attempt
    from training.verifiers.place import answer_in
    from training.verifiers.registry import VERIFIERS

    before = [turn for row in read(WORKED)[:shown] for turn in _turns(row)[1:]]
    held = read(HELD_OUT)
    prompts = [[row["prompt"][0], *before, row["prompt"][1]] for row in held]  # type: ignore[index]
    check = next(part.verifier for part in settings.reward_funcs if part.verifier is not None)
    texts = answers(model, settings, prompts)
    attempts = [Attempt(text, row["answer"]) for text, row in zip(texts, held, strict=True)]
    marked = tuple(float(answer_in(text, "tag") is not None) for text in texts)
    return Told(tuple(VERIFIERS[check.check](attempts, check)), marked)


def _turns(row: Row) -> list[Row]:
    return row["messages"]  # type: ignore[return-value]


def answers(
    model: "ModelSettings", settings: "GRPOSettings", prompts: Sequence[Sequence[object]]
) -> list[str]:
    from engine import decode
    from engine.protocol import Sampling
    from engine.tokens import encode_prompt
    from prompts.message import Prompt, conversation
    from training.load import load_policy, load_tokenizer

    tokenizer, policy = load_tokenizer(model), load_policy(model, settings).model.eval()
    sampling = Sampling(max_tokens=settings.max_completion_length or BATCH, temperature=0)
    wanted = [Prompt("", "", conversation(prompt)) for prompt in prompts]  # type: ignore[arg-type]
    told = [decode.Row(encode_prompt(tokenizer, prompt), sampling) for prompt in wanted]
    ends = frozenset([tokenizer.eos_token_id])
    for start in range(0, len(told), BATCH):
        decode.generate(policy, told[start : start + BATCH], end_ids=ends)  # type: ignore[arg-type]
    return [str(tokenizer.decode(row.ids, skip_special_tokens=True)) for row in told]


# Figures: intervals are of sums, so that seeds that are asked the same one count as one.


def share(right: Sequence[float], names: Sequence[str] | None = None) -> "Estimate":
    from labeling.audit import clustered

    return clustered.share(right, clustered.Clusters.of(names or _names(len(right))))


def rise(before: Sequence[Told], after: Sequence[Told]) -> "Estimate":
    """By how much more is right after than before, over the same sums, all seeds together."""
    from labeling.audit import clustered

    names = [name for told in before for name in _names(len(told.right))]
    ahead = [
        late - early
        for one, other in zip(before, after, strict=True)
        for early, late in zip(one.right, other.right, strict=True)
    ]
    return clustered.mean(ahead, clustered.Clusters.of(names))


def _names(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def percent(found: "Estimate") -> str:
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"


# Training.


@dataclass(frozen=True)
class Seed:
    """One seed, before and after GRPO."""

    sft: Told
    grpo: Told


def train(recipe: "LoadedRecipe", out: Path, *, seed: int) -> Seed:
    """By one `solon run`; what is done is skipped by the program itself."""
    begun = time.monotonic()
    command = ["run", str(RECIPE), "--out", str(out), "--set", f"seed={seed}"]
    subprocess.run([sys.executable, "-m", "solon", *command], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - begun
    model, settings = recipe.assistant, grpo_settings(recipe)
    found = Seed(
        *(
            tell(model.model_copy(update={"adapter": out / "models" / name}), settings)
            for name in ("sft", "grpo")
        )
    )
    metrics = json.loads((out / "models" / "grpo" / "metrics.json").read_text())
    print(f"seed {seed}: after SFT {found.sft}; after GRPO {found.grpo}")
    print(
        f"        rise by GRPO {percent(rise([found.sft], [found.grpo]))}; KL {metrics['kl']:.2f} nats",
        end="",
    )
    print(f"; {seconds:.0f} s for SFT and GRPO, or for what was left of them", flush=True)
    return found


def control(recipe: "LoadedRecipe", out: Path, *, seed: int) -> None:
    """GRPO from the same SL model on verdicts that are shuffled over a rollout's answers."""
    from training.grpo import train_grpo
    from training.verifiers.registry import VERIFIERS

    check, draw = VERIFIERS["number"], random.Random(seed)

    def shuffled(attempts: "Sequence[Attempt]", settings: "VerifierSettings") -> list[float]:
        return draw.sample(verdicts := list(check(attempts, settings)), len(verdicts))

    settings = grpo_settings(recipe)
    model = recipe.assistant.model_copy(update={"adapter": out / "models" / "sft"})
    folder = out.with_name(f"{out.name}-shuffled")
    VERIFIERS["number"] = shuffled
    try:
        if not folder.exists():
            train_grpo(
                read(LEARNED), model=model, settings=settings, out=folder, seed=seed, card={}, samples=[]
            )
    finally:
        VERIFIERS["number"] = check
    before, after = (
        tell(model, settings),
        tell(model.model_copy(update={"adapter": folder}), settings),
    )
    print(f"control, seed {seed}, shuffled verdicts: after SFT {before}; after GRPO {after}")
    print(f"        rise by GRPO {percent(rise([before], [after]))}", flush=True)


def grpo_settings(recipe: "LoadedRecipe") -> "GRPOSettings":
    settings = recipe.recipe.training.grpo
    assert settings is not None
    return settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--control", type=int, metavar="SEED")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "bench")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.write:
        write()
        return
    from solon.loaded_recipe import load_recipe

    recipe = load_recipe(RECIPE)
    if arguments.control is not None:
        control(recipe, arguments.out / f"arithmetic-{arguments.control}", seed=arguments.control)
        return
    compare(recipe, arguments.out, arguments.seeds)


def compare(recipe: "LoadedRecipe", out: Path, seeds: Sequence[int]) -> None:
    settings = grpo_settings(recipe)
    print(f"{TEST} held-out sums, greedy answers, 95 % intervals over sums")
    print(f"before: {tell(recipe.assistant, settings)}")
    print(f"before, four worked sums shown first: {tell(recipe.assistant, settings, shown=4)}", flush=True)
    found = [train(recipe, out / f"arithmetic-{seed}", seed=seed) for seed in seeds]
    before, after = [each.sft for each in found], [each.grpo for each in found]
    names = [name for told in before for name in _names(len(told.right))]
    for place, told in (("SFT", before), ("GRPO", after)):
        pooled = share([right for each in told for right in each.right], names)
        print(f"{len(seeds)} seeds, after {place}: {percent(pooled)} right")
    whole, least = rise(before, after), min(rise([each.sft], [each.grpo]).low for each in found)
    print(f"{len(seeds)} seeds, rise by GRPO: {percent(whole)}")
    print(f"bar: rlvr-rise-low {whole.low:.3f} >={RISE} {'ok' if whole.low >= RISE else 'short'}")
    print(f"bar: rlvr-rise-low-of-least-seed {least:.3f} >0 {'ok' if least > 0 else 'short'}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
