"""The other clients of `overhead.py`, each doing the same work in its own manner and its own environment.

A name comes in, the Python of its environment goes out: made with pip on first use, pinned, and kept. Each
asks the same three dependent questions a row; what writes logs or asks again is turned off where it can be.
Where the work has a folder, a client keeps there what it is told, by its own means, and goes on from it.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Work(Protocol):
    """What a client does: against which server, how many rows, how many calls at once, kept where."""

    @property
    def base_url(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def folder(self) -> str: ...


STEPS = 3
_WORDS = "Say in one sentence what a careful person would do next. "
_KEY = "none"


def question(row: int, last: str) -> str:
    return f"Row {row}. {_WORDS * 4}{last}"


async def openai_sdk(work: Work) -> None:
    """The SDK's asynchronous client as it comes, one task a row."""
    from openai import AsyncOpenAI  # pyright: ignore[reportMissingImports]

    gate = asyncio.Semaphore(work.in_flight)
    client = AsyncOpenAI(base_url=work.base_url, api_key=_KEY, max_retries=0)

    async def row(number: int) -> None:
        last = ""
        for _ in range(STEPS):
            async with gate:
                reply = await client.chat.completions.create(
                    model="stub",
                    messages=[{"role": "user", "content": question(number, last)}],
                    max_tokens=64,
                    temperature=0.0,
                )
            last = reply.choices[0].message.content or ""

    await asyncio.gather(*map(row, range(work.rows)))
    await client.close()


def distilabel(work: Work) -> None:
    """A pipeline of three text generation steps, batches as large as the number of calls in flight."""
    from distilabel.models import OpenAILLM  # pyright: ignore[reportMissingImports]
    from distilabel.pipeline import Pipeline  # pyright: ignore[reportMissingImports]
    from distilabel.steps import LoadDataFromDicts  # pyright: ignore[reportMissingImports]
    from distilabel.steps.tasks import TextGeneration  # pyright: ignore[reportMissingImports]

    rows = [{"instruction": question(number, ""), "number": number} for number in range(work.rows)]
    with Pipeline(name="overhead", cache_dir=work.folder or None) as pipeline:
        last = LoadDataFromDicts(data=rows, batch_size=work.in_flight)
        for number in range(STEPS):
            task = TextGeneration(
                name=f"step_{number}",
                llm=OpenAILLM(
                    model="stub",
                    base_url=work.base_url,
                    api_key=_KEY,  # pyright: ignore[reportArgumentType]
                    generation_kwargs={"max_new_tokens": 64, "temperature": 0.0},
                ),
                input_batch_size=work.in_flight,
                input_mappings={"instruction": "instruction" if number == 0 else f"answer_{number - 1}"},
                output_mappings={"generation": f"answer_{number}", "model_name": f"model_{number}"},
            )
            last.connect(task)
            last = task
    done = pipeline.run(use_cache=bool(work.folder))
    if len(done["default"]["train"]) != work.rows:
        raise RuntimeError("a row was lost")


def curator(work: Work) -> None:
    """Three stages, each over all rows, with the limits on requests and tokens out of the way."""
    os.environ |= {"OPENAI_API_KEY": _KEY, "CURATOR_DISABLE_RICH_DISPLAY": "1", "TELEMETRY_ENABLED": "false"}
    os.environ |= {"CURATOR_CACHE_DIR": work.folder or tempfile.mkdtemp(), "HF_HUB_OFFLINE": "1"}
    import litellm  # pyright: ignore[reportMissingImports]

    tokenizers = next(Path(str(litellm.__file__)).parent.rglob("tokenizers"))
    os.environ["TIKTOKEN_CACHE_DIR"] = str(tokenizers)
    from bespokelabs import curator as bespoke  # pyright: ignore[reportMissingImports]

    class Step(bespoke.LLM):
        return_completions_object = False

        def prompt(self, input):  # noqa: A002
            return question(input["number"], input["last"])

        def parse(self, input, response):  # noqa: A002
            return {"number": input["number"], "last": response}

    step = Step(
        model_name="stub",
        backend="openai",
        backend_params={
            "base_url": work.base_url,
            "max_requests_per_minute": 10_000_000,
            "max_tokens_per_minute": 10_000_000_000,
            "max_concurrent_requests": work.in_flight,
            "max_retries": 0,
        },
        generation_params={"max_tokens": 64, "temperature": 0.0},
    )
    rows = [{"number": number, "last": ""} for number in range(work.rows)]
    for _ in range(STEPS):
        done = step(rows)
        rows = list(getattr(done, "dataset", done))
    if len(rows) != work.rows:
        raise RuntimeError("a row was lost")


def inspect_ai(work: Work) -> None:
    """One sample a row, a solver that asks three times; the realtime log and the API log are off."""
    os.environ |= {"OPENAI_API_KEY": _KEY, "OPENAI_BASE_URL": work.base_url}
    from inspect_ai import Task, eval_set  # pyright: ignore[reportMissingImports]
    from inspect_ai.dataset import Sample  # pyright: ignore[reportMissingImports]
    from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model  # pyright: ignore[reportMissingImports]
    from inspect_ai.solver import solver  # pyright: ignore[reportMissingImports]

    @solver
    def ask():
        async def solve(state, generate):  # noqa: ARG001
            last = ""
            for _ in range(STEPS):
                words = question(int(state.sample_id), last)
                last = (await get_model().generate([ChatMessageUser(content=words)])).completion
            return state

        return solve

    samples = [Sample(id=number, input=question(number, "")) for number in range(work.rows)]
    config = GenerateConfig(max_tokens=64, temperature=0.0, max_connections=work.in_flight, max_retries=0)
    success, logs = eval_set(
        Task(dataset=samples, solver=ask(), config=config),
        model="openai/stub",
        model_args={"responses_api": False},
        max_samples=2 * work.in_flight,
        display="none",
        log_realtime=False,
        log_model_api=False,
        log_dir=work.folder or tempfile.mkdtemp(),
    )
    if not success:
        raise RuntimeError(f"inspect-ai ended with {logs[0].status}: {logs[0].error}")


@dataclass(frozen=True, slots=True)
class Rival:
    """How it is asked, what pip installs, and what is imported before the clock runs."""

    ask: Callable[[Work], Coroutine[object, object, None] | None]
    packages: tuple[str, ...]
    module: str


RIVALS = {
    "openai": Rival(openai_sdk, ("openai==3.54.0",), "openai"),
    "distilabel": Rival(distilabel, ("distilabel[openai]==1.5.3", "requests"), "distilabel.steps.tasks"),
    "curator": Rival(curator, ("bespokelabs-curator==0.1.31",), "litellm"),
    "inspect-ai": Rival(inspect_ai, ("inspect-ai==0.3.285", "openai==3.54.0"), "inspect_ai.model"),
}


def python_of(name: str, environments: Path) -> Path:
    """The Python that a client runs with; a rival's is set up on first use."""
    if name not in RIVALS:
        return Path(sys.executable)
    folder = environments / name
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.is_file():
        print(f"Setting up {folder} with {', '.join(RIVALS[name].packages)}", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *RIVALS[name].packages], check=True)
        ready.touch()
    return python
