"""The transformers engine against plain `generate`: output tokens a second on the embedded model.

    python benchmarks/decoding.py            64 rows in a batch, three repeats
    python benchmarks/decoding.py --rows 8   a quick look

Even: one batch of prompts of 80 tokens with answers of 64. Ragged: three batches' worth of prompts of 20 to
900 tokens with answers of 8 to 128, in an order that a seed draws; the engine gets them all at once through
`chat`, `generate` gets batches in the order of arrival, each of which runs until its longest answer ends.
Both sample at temperature 1 in one dtype, left-padded, and no answer ends before its length; only the tokens
that were asked for count. The two take turns. Prints a table of medians with the range, and the bar:
`bar: WHAT VALUE TARGET ok|short`.
"""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from engine.embedded import embedded_model
from engine.hf import TransformersEngine
from engine.protocol import Sampling
from engine.settings import ModelSettings
from prompts.message import Prompt

WORDS = [
    "water",
    "house",
    "people",
    "world",
    "music",
    "night",
    "story",
    "river",
    "table",
    "green",
    "small",
    "light",
    "paper",
    "heart",
]
"""With a space before it each is one token, so that a prompt has as many tokens as words."""

TARGET = 2.0


@dataclass(frozen=True, slots=True)
class Work:
    """One request: a prompt as text, and how many tokens the answer has."""

    text: str
    answer: int


@dataclass(frozen=True, slots=True)
class Speeds:
    """Output tokens a second, one value per repeat."""

    engine: list[float]
    plain: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.engine) / statistics.median(self.plain)


@dataclass(frozen=True, slots=True)
class Plain:
    """`transformers` as its documentation uses it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    batch: int

    def __call__(self, works: Sequence[Work]) -> None:
        for start in range(0, len(works), self.batch):
            batch = works[start : start + self.batch]
            inputs = self.tokenizer(
                [work.text for work in batch], padding=True, padding_side="left", return_tensors="pt"
            ).to(self.model.device)
            longest = max(work.answer for work in batch)
            output = self.model.generate(  # type: ignore[operator]
                **inputs, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=longest
            )
            assert output.shape[1] == inputs["input_ids"].shape[1] + longest, "an answer ended early"


@dataclass(frozen=True, slots=True)
class Ours:
    """The engine through its public face."""

    engine: TransformersEngine

    def __call__(self, works: Sequence[Work]) -> None:
        asyncio.run(self._all(works))

    async def _all(self, works: Sequence[Work]) -> None:
        answers = await asyncio.gather(
            *(
                self.engine.chat(Prompt("", "", text=work.text), Sampling(max_tokens=work.answer, seed=i))
                for i, work in enumerate(works)
            )
        )
        asked = [work.answer for work in works]
        assert [answer.completion_tokens for answer in answers] == asked, "an answer ended early"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=64, help="rows in a batch")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(arguments.seed)
    ours, plain = load(arguments.rows)
    rng = random.Random(arguments.seed)
    even = [work(rng, prompt=80, answer=64) for _ in range(arguments.rows)]
    ragged = [
        work(rng, prompt=rng.randint(20, 900), answer=rng.randint(8, 128)) for _ in range(3 * arguments.rows)
    ]
    warm_up = [work(rng, prompt=20, answer=8) for _ in range(2)]
    compare(warm_up, ours, plain, repeats=1)
    speeds = {
        name: compare(works, ours, plain, repeats=arguments.repeats)
        for name, works in (("even", even), ("ragged", ragged))
    }
    Console().print(table(speeds, title=f"{arguments.rows} rows, {ours.engine.fingerprint.dtype}"))
    ratio = speeds["ragged"].ratio
    print(f"bar: ragged-times-arrival-order {ratio:.2f} >={TARGET:g} {'ok' if ratio >= TARGET else 'short'}")
    return 0


def load(rows: int) -> tuple[Ours, Plain]:
    """The engine, and the same weights in the same dtype as `transformers` loads them; nothing ends early."""
    folder = embedded_model()
    engine = TransformersEngine(ModelSettings(max_batch_size=rows, max_batch_tokens=rows * 1100))
    engine.end_ids = frozenset()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=engine.model.dtype)
    cast("torch.nn.Module", model).to(engine.device)
    model.generation_config.eos_token_id = None
    tokenizer = cast("PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(folder))
    return Ours(engine), Plain(model, tokenizer, rows)


def work(rng: random.Random, *, prompt: int, answer: int) -> Work:
    return Work("".join(f" {word}" for word in rng.choices(WORDS, k=prompt)), answer)


def compare(works: Sequence[Work], ours: Ours, plain: Plain, *, repeats: int) -> Speeds:
    speeds = Speeds([], [])
    for _ in range(repeats):
        speeds.engine.append(rate(ours, works))
        speeds.plain.append(rate(plain, works))
    return speeds


def rate(run: Callable[[Sequence[Work]], None], works: Sequence[Work]) -> float:
    started = time.perf_counter()
    run(works)
    return sum(work.answer for work in works) / (time.perf_counter() - started)


def table(speeds: dict[str, Speeds], *, title: str) -> Table:
    shown = Table("output tokens/s", "engine", "generate", "ratio", title=title)
    for name, speed in speeds.items():
        shown.add_row(name, told(speed.engine), told(speed.plain), f"{speed.ratio:.2f}")
    return shown


def told(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


if __name__ == "__main__":
    raise SystemExit(main())
