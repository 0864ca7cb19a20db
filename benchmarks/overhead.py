"""What asking costs: Solon's way from row to answer, journal on, beside bare aiohttp and other clients.

    python benchmarks/overhead.py             Solon and bare aiohttp
    python benchmarks/overhead.py --rivals    and the openai SDK, distilabel, curator and inspect-ai

1,024 rows ask three questions each, every question holding the answer before it, of a stub server in a
process of its own that answers after 50 ms; in the heavy-tailed runs one question in ten takes a second. Each
client runs in a process of its own; each rival in an environment of its own under `runs/bench/overhead`, set
up once. A line gives requests a second, CPU milliseconds a call of the client and of what it starts, and its
peak memory. Then each client is killed halfway and started again on what it kept, by its own means: how many
calls that had been answered are asked again?
At the end come the bars: `bar: WHAT VALUE TARGET ok|short`. On a busy machine hold the ratios.
"""

import argparse
import asyncio
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from overhead_rivals import RIVALS, STEPS, python_of, question

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / "runs" / "bench" / "overhead"


@dataclass(frozen=True, slots=True)
class Work:
    """What one client does: against which server, how many rows, how many calls at once.

    A client that keeps what it is told does it in `folder`, or for the time of its run where there is none.
    """

    base_url: str
    rows: int
    in_flight: int
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds from the first question to the last answer, CPU seconds in them, and peak MiB."""

    wall_s: float
    cpu_s: float
    peak_mib: float

    def rate(self, work: Work) -> float:
        return work.rows * STEPS / self.wall_s

    def cpu_ms(self, work: Work) -> float:
        return 1000 * self.cpu_s / (work.rows * STEPS)


def measured(client: Callable[[Work], Coroutine[object, object, None] | None], work: Work) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    running = client(work)
    if running is not None:
        asyncio.run(running)
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    peak = max(own.ru_maxrss, started.ru_maxrss) / 1024
    return Cost(wall_s, cpu_s + started.ru_utime + started.ru_stime, peak)


# the clients


async def bare(work: Work) -> None:
    """The floor: one aiohttp session, a semaphore, and nothing kept."""
    import aiohttp

    gate = asyncio.Semaphore(work.in_flight)

    async def row(session: aiohttp.ClientSession, number: int) -> None:
        last = ""
        for _ in range(STEPS):
            messages = [{"role": "user", "content": question(number, last)}]
            body = {"model": "stub", "messages": messages, "max_tokens": 64, "temperature": 0.0}
            async with gate, session.post(f"{work.base_url}/chat/completions", json=body) as response:
                last = (await response.json())["choices"][0]["message"]["content"]

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(row(session, number) for number in range(work.rows)))


async def solon(work: Work) -> None:
    """A row program over the context, with the journal on, as every stage of a run is."""
    from engine.openai import OpenAIEngine
    from engine.protocol import Sampling
    from pipeline.context import Context, RowContext
    from pipeline.journal import Journal
    from pipeline.runner import run_rows
    from prompts.message import Message, Prompt

    @dataclass(frozen=True, slots=True)
    class Row:
        id: str
        number: int

    sampling = Sampling(max_tokens=64, temperature=0.0)

    async def program(row: Row, context: RowContext) -> str:
        last = ""
        for _ in range(STEPS):
            words = (Message("user", question(row.number, last)),)
            last = (await context.chat("judge", Prompt("step", "hash", messages=words), sampling)).text
        return last

    engine = OpenAIEngine(base_url=work.base_url, model="stub", max_in_flight=work.in_flight)
    with tempfile.TemporaryDirectory() as own, Journal(Path(work.folder or own, "journal")) as journal:
        rows = (Row(f"r{number}", number) for number in range(work.rows))
        outcomes = run_rows(program, rows, Context({"judge": engine}, journal, 0))
        kept = [outcome.record async for outcome in outcomes]
        await engine.close()
        if not all(kept) or len(journal) != work.rows * STEPS:
            raise RuntimeError("a row was lost")


CLIENTS = {"bare": bare, "solon": solon, **{name: rival.ask for name, rival in RIVALS.items()}}
MODULES = {
    "bare": ("aiohttp",),
    "solon": ("engine.openai", "pipeline.runner"),
    **{name: (rival.module,) for name, rival in RIVALS.items()},
}
"""Imported before the clock runs."""


# the runs


@dataclass(frozen=True, slots=True)
class Setting:
    """One latency of the server and one number of calls in flight."""

    name: str
    in_flight: int
    tail_share: float

    def __str__(self) -> str:
        return f"{self.name} latency, {self.in_flight} in flight"


SETTINGS = [
    Setting(name, in_flight, tail_share)
    for name, tail_share in (("constant", 0.0), ("heavy-tailed", 0.1))
    for in_flight in (16, 64, 256)
]
RIVALS_AT = Setting("constant", 64, 0.0)
KILLED_IN_FLIGHT = 64
PATIENCE_S = 120
"""How long a client that was started again may take; the whole work takes half a minute at most."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument(
        "--rounds", type=int, default=3, help="runs of Solon and bare, in turn; medians count"
    )
    parser.add_argument("--rivals", action="store_true", help="other clients too, each installed on its own")
    parser.add_argument(
        "--only", choices=sorted(RIVALS), nargs="+", default=list(RIVALS), help="these rivals"
    )
    parser.add_argument("--client", choices=sorted(CLIENTS), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        for module in MODULES[arguments.client]:
            importlib.import_module(module)
        print(json.dumps(asdict(measured(CLIENTS[arguments.client], Work(**arguments.work)))))
        return 0
    print("| server | client | requests/s | CPU ms a call | peak MiB |\n| --- | --- | --- | --- | --- |")
    rates: dict[tuple[Setting, str], Cost] = {}
    for setting in SETTINGS:
        names = arguments.only if arguments.rivals and setting == RIVALS_AT else []
        rates |= compared(setting, names, rows=arguments.rows, rounds=arguments.rounds)
    print()
    for line in bars(rates, arguments.rows):
        print(line)
    for name in ["solon", *(arguments.only if arguments.rivals else [])]:
        again, ended = wasted(name, arguments.rows, KILLED_IN_FLIGHT)
        how = "" if ended else f"; it had not ended after {PATIENCE_S} s"
        print(f"wasted after a kill by {name}: {again} of {arguments.rows * STEPS} calls{how}", flush=True)
        if name == "solon":
            holds = ended and again <= KILLED_IN_FLIGHT
            print(bar("overhead-calls-wasted-after-a-kill", again, f"<={KILLED_IN_FLIGHT}", holds))
    return 0


def compared(
    setting: Setting, rivals: list[str], *, rows: int, rounds: int
) -> dict[tuple[Setting, str], Cost]:
    """Every client against the same server, Solon and the floor in turn so that both see the same machine."""
    from fault_server import Script, fault_server

    costs: dict[str, list[Cost]] = {}
    script = Script(latency_s=0.05, tail_share=setting.tail_share, tail_s=1.0, ledger=False)
    with tempfile.TemporaryDirectory() as folder, fault_server(Path(folder), script) as server:
        work = Work(server.base_url, rows, setting.in_flight)
        for name in [*("bare", "solon") * rounds, *rivals]:
            costs.setdefault(name, []).append(run(name, work))
        medians = {name: middle(each) for name, each in costs.items()}
        for name, cost in medians.items():
            rate, cpu = cost.rate(work), cost.cpu_ms(work)
            print(f"| {setting} | {name} | {rate:.0f} | {cpu:.2f} | {cost.peak_mib:.0f} |", flush=True)
    return {(setting, name): cost for name, cost in medians.items()}


def wasted(name: str, rows: int, in_flight: int) -> tuple[int, bool]:
    """Calls that the server had answered and was asked again, since the client was killed halfway.

    And whether the client came to its end, when it was started again on what it had kept.
    """
    from fault_server import Script, fault_server

    with (
        tempfile.TemporaryDirectory() as folder,
        fault_server(Path(folder), Script(latency_s=0.05)) as server,
    ):
        kept = Path(folder, "kept")
        kept.mkdir()
        work = Work(server.base_url, rows, in_flight, str(kept))
        with started(name, work) as first:
            while len(server.entries()) < rows * STEPS // 2 and first.poll() is None:
                time.sleep(0.02)
        with started(name, work) as second, suppress(subprocess.TimeoutExpired):
            second.wait(PATIENCE_S)
        times = Counter(entry.hash for entry in server.entries() if entry.answered)
        return sum(count - 1 for count in times.values()), second.returncode == 0


@contextmanager
def started(name: str, work: Work) -> Iterator["subprocess.Popen[bytes]"]:
    """A client at work, killed at the end with all processes that it started."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command(name, work), stdout=quiet, stderr=quiet, cwd=work.folder, start_new_session=True
    ) as client:
        try:
            yield client
        finally:
            with suppress(ProcessLookupError):
                os.killpg(client.pid, signal.SIGKILL)


def middle(costs: list[Cost]) -> Cost:
    """The run with the median time."""
    return sorted(costs, key=lambda cost: cost.wall_s)[len(costs) // 2]


def command(name: str, work: Work) -> list[str]:
    python = str(python_of(name, ENVIRONMENTS))
    return [python, __file__, "--client", name, "--work", json.dumps(asdict(work))]


def run(name: str, work: Work) -> Cost:
    done = subprocess.run(command(name, work), capture_output=True, text=True, cwd=tempfile.gettempdir())
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def bars(costs: dict[tuple[Setting, str], Cost], rows: int) -> list[str]:
    def rate(setting: Setting, name: str) -> float:
        return costs[setting, name].rate(Work("", rows, setting.in_flight))

    lines = []
    for setting in SETTINGS:
        if setting.in_flight == 64:
            share = rate(setting, "solon") / rate(setting, "bare")
            lines.append(bar(f"overhead-{setting.name}-of-bare-aiohttp", share, ">=0.9", share >= 0.9))
    cpu = costs[RIVALS_AT, "solon"].cpu_ms(Work("", rows, 64))
    lines.append(bar("overhead-cpu-ms-a-call", cpu, "<=0.8", cpu <= 0.8))
    for name, times in (("distilabel", 8.0), ("curator", 4.0)):
        if (RIVALS_AT, name) in costs:
            faster = rate(RIVALS_AT, "solon") / rate(RIVALS_AT, name)
            lines.append(bar(f"overhead-times-{name}", faster, f">={times:g}", faster >= times))
    return lines


def bar(what: str, value: float, target: str, holds: bool) -> str:
    return f"bar: {what} {value:.2f} {target} {'ok' if holds else 'short'}"


if __name__ == "__main__":
    sys.path += [str(ROOT), str(ROOT / "tests")]
    raise SystemExit(main())
