"""Every way to label against people's labels: how often it agrees, how consistent it is, what it costs.

    python benchmarks/judges.py DATA [--model embedded] [--budget 100] [--only WAY ...] [--reward ADAPTER]
                                [--panel ADAPTER ...] [--parts audits ways overhead] [--out runs/judges]

DATA is a folder with `hhh/`, `hh-rlhf/`, `llmbar/` and `xstest/` as they were published. `audits`: the
model is audited by the default way on each of them: all of HHH, LLMBar and XSTest's pairs, 500 of hh-rlhf.
`ways`: every way judges the same pairs, `--budget` of each source (`judges_ways.py`), a reward model too
where `--reward` names the adapter of one, and a panel of the model and those that `--panel` names adapters
of. `overhead`: the time of an audit of 500 pairs in both orders is held against that of the engine alone
for the same calls. What was answered is journalled in `--out`: an interrupted benchmark goes on, and
nothing is asked again. Prints tables, and a line each: `bar: WHAT VALUE TARGET ok|short`.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from judges_ways import WAYS, Measured, measured, table
from rich.console import Console
from rich.table import Table

from engine.open import open_engine
from labeling.audit.human.load import load_human
from labeling.audit.sampling import sample
from labeling.methods.ab import TEMPLATE
from labeling.methods.method import FIRST, SECOND
from prompts.message import Prompt
from solon.audit import audit_pairs, judge_recipe
from solon.console import PlainReporter
from solon.loaded_recipe import LoadedRecipe
from solon.run import run
from solon.run_folder import RunFolder, open_run_folder

SOURCES: Mapping[str, tuple[str, int | None]] = {
    "hhh": ("hhh/438HHHEvaluations.jsonl", None),
    "hh-rlhf": ("hh-rlhf/harmless-base-dev.jsonl.gz", 500),
    "llmbar": ("llmbar", None),
    "xstest": ("xstest/xstest_v2_completions_*.csv", None),
}
"""Where each source lies in DATA, and how many of its pairs the first audit takes."""

PARTS = ("audits", "ways", "overhead")
WIDTH = 190
OVERHEAD_PAIRS = 500
MOST_OVERHEAD = 1.15


@dataclass(frozen=True, slots=True)
class Found:
    """An audit's record."""

    content: Mapping[str, object]

    def figure(self, *path: str) -> Mapping[str, float]:
        value: object = self.content
        for name in path:
            value = value[name]  # type: ignore[index]
        return value  # type: ignore[return-value]


def main() -> None:
    arguments = _arguments()
    console = Console(width=WIDTH)
    sources = {name: _files(arguments.data, pattern) for name, (pattern, _) in SOURCES.items()}
    lines: list[str] = []
    if "audits" in arguments.parts:
        first = {
            name: audited(arguments, f"whole-{name}", paths, budget=SOURCES[name][1])
            for name, paths in sources.items()
        }
        console.print(_sources_table(first))
        lines.append(unfit_bar(first))
    if "ways" in arguments.parts:
        console.print(table(every_way(arguments, sources), width=WIDTH))
    if "overhead" in arguments.parts:
        lines.append(overhead_bar(overhead(arguments, sources["hh-rlhf"])))
    print("\n".join(lines))


def every_way(arguments: argparse.Namespace, sources: Mapping[str, Sequence[Path]]) -> list[Measured]:
    """Each way on the same pairs: `--budget` of each source, of every file and kind its share."""
    pairs = {
        name: sample(load_human(tuple(paths)).pairs, arguments.budget, seed=0)
        for name, paths in sources.items()
    }
    out = arguments.out / "ways"
    out.mkdir(parents=True, exist_ok=True)
    ways = arguments.only or list(WAYS)
    return asyncio.run(
        measured(arguments.model, pairs, ways, out=out, reward=arguments.reward, panel=arguments.panel)
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=list(WAYS), metavar="WAY")
    parser.add_argument("--reward", type=Path, metavar="ADAPTER", help="a reward model's folder")
    parser.add_argument("--panel", type=Path, nargs="+", default=[], metavar="ADAPTER", help="of its others")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--out", type=Path, default=Path("runs") / "judges")
    parser.add_argument("--repeats", type=int, default=3, help="of the last measurement")
    return parser.parse_args()


def _files(data: Path, pattern: str) -> list[Path]:
    found = sorted(data.glob(pattern))
    if not found:
        raise SystemExit(f"{data}: holds no {pattern}")
    return found


def audited(arguments: argparse.Namespace, name: str, labels: Sequence[Path], *, budget: int | None) -> Found:
    """An audit by the defaults, in a folder of its own."""
    loaded = recipe(arguments.model, labels, budget=budget)
    folder = open_run_folder(arguments.out / name, loaded)
    run(loaded, folder, ("audit",), PlainReporter())
    return Found(json.loads(folder.audit.read_text(encoding="utf-8")))


def recipe(
    model: str, labels: Sequence[Path], *, budget: int | None, overrides: Sequence[str] = ()
) -> LoadedRecipe:
    wanted = budget or len(load_human(tuple(labels)).pairs)
    return judge_recipe(model, labels=labels, budget=wanted, overrides=overrides)


def overhead(arguments: argparse.Namespace, labels: Sequence[Path]) -> list[float]:
    """Seconds of an audit over those of the engine alone for its calls, by turns, opening the model too."""
    loaded = recipe(arguments.model, labels, budget=OVERHEAD_PAIRS, overrides=("audit.probed=0",))
    ratios: list[float] = []
    for number in range(arguments.repeats):
        folder = RunFolder(arguments.out / f"overhead-{number}")
        if folder.path.exists():
            raise SystemExit(f"{folder.path}: is there from before; remove it to measure again")
        alone = asyncio.run(_engine_alone(loaded, folder))
        whole = _whole(loaded, folder.path)
        ratios.append(whole / alone)
        print(f"engine alone {alone:.1f} s, audit {whole:.1f} s, ratio {whole / alone:.3f}", flush=True)
    return ratios


async def _engine_alone(loaded: LoadedRecipe, folder: RunFolder) -> float:
    """Opening the model, and all calls at once."""
    prompts = _prompts(loaded, folder)
    began = time.monotonic()
    engine = await open_engine(loaded.judge)
    await asyncio.gather(*(engine.choose(prompt, (FIRST, SECOND)) for prompt in prompts))
    await engine.close()
    return time.monotonic() - began


def _prompts(loaded: LoadedRecipe, folder: RunFolder) -> list[Prompt]:
    """Both orders of every pair under one principle: as long as the audit's, whichever principle it draws."""
    principle = next(each for each in loaded.constitution.principles if each.can_compare)
    return [
        loaded.prompts.render(
            TEMPLATE, conversation=pair.conversation, first=first, second=second, principle=principle
        )
        for pair in audit_pairs(loaded, folder).pairs
        for first, second in ((pair.chosen, pair.rejected), (pair.rejected, pair.chosen))
    ]


def _whole(loaded: LoadedRecipe, out: Path) -> float:
    """The stage from reading the labels to the report on disk."""
    folder = open_run_folder(out, loaded)
    began = time.monotonic()
    run(loaded, folder, ("audit",), PlainReporter())
    return time.monotonic() - began


def unfit_bar(first: Mapping[str, Found]) -> str:
    """That a model at chance is called unfit on every source."""
    failed = sum(not found.figure("verdict")["passed"] for found in first.values())
    return f"bar: judge-unfit-sources {failed} =={len(first)} {'ok' if failed == len(first) else 'short'}"


def overhead_bar(ratios: Sequence[float]) -> str:
    """What an audit costs beside its calls."""
    ratio = statistics.median(ratios)
    verdict = "ok" if ratio <= MOST_OVERHEAD else "short"
    return f"bar: audit-of-engine-time {ratio:.3f} <={MOST_OVERHEAD} {verdict}"


def _sources_table(first: Mapping[str, Found]) -> Table:
    table = Table(
        "source",
        "pairs",
        "agrees",
        "kappa",
        "same in both orders",
        "longer",
        "shorter",
        "ECE, calibrated",
        "fit",
    )
    for name, found in first.items():
        agreement, position = found.figure("figures", "agreement"), found.figure("figures", "position")
        floors = {each["rule"]: each["accuracy"] for each in found.content["figures"]["floors"]}  # type: ignore[index]
        calibration = found.content["figures"]["calibration"]  # type: ignore[index]
        table.add_row(
            name,
            str(found.figure("figures")["pairs"]),
            _percent(agreement["accuracy"]),  # type: ignore[arg-type]
            f"{agreement['kappa']['value']:.2f}",  # type: ignore[index]
            _percent(position["consistency"]),  # type: ignore[arg-type]
            f"{100 * floors['longer']['value']:.1f}",
            f"{100 * floors['shorter']['value']:.1f}",
            f"{calibration['by_way'][calibration['best']]['ece']['value']:.3f}",
            "yes" if found.figure("verdict")["passed"] else "no",
        )
    return table


def _percent(share: Mapping[str, float]) -> str:
    return f"{100 * share['value']:.1f} ({100 * share['low']:.0f}-{100 * share['high']:.0f})"


if __name__ == "__main__":
    main()
