"""Three seeds of SFT, DPO and PPO, and the full report on them in one command: how long does it take?

    python benchmarks/outcome.py [RECIPE] [--seeds 0 1 2] [--out runs/bench]

Trains what is not there yet (`runs/bench/<recipe>-<seed>`, gone on with if it was stopped), and a reward
model of one more seed that no policy meets, which shows where the one that they are trained on is overdone.
Then runs `solon evaluate RUN RUN RUN` over all of it and times that command alone. Prints the report's first
paragraph and the bars: `bar: WHAT VALUE TARGET ok|short`. An evaluation that was stopped is gone on with, and
its time added up; remove `<recipe>-report` and its `.seconds` for a new one.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.report.record import Recorded

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "recipes" / "embedded-outcome.yaml"
MINUTES = 60
UNMET = 1000
"""The seed of the reward model that no policy is trained on."""
METHODS = ("sft", "dpo", "ppo")
"""What the report has to compare."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe", nargs="?", type=Path, default=RECIPE)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "bench")
    arguments = parser.parse_args()
    name = arguments.recipe.stem
    runs = [
        train(arguments.recipe, arguments.out / f"{name}-{seed}", seed=seed, what="all")
        for seed in arguments.seeds
    ]
    apart = train(arguments.recipe, arguments.out / f"{name}-unmet", seed=UNMET, what="reward")
    report = arguments.out / f"{name}-report"
    minutes = evaluate(runs, report, unmet=apart / "models" / "reward")
    from evaluation.report.record import read_report

    print(json.loads((report / "report.json").read_text())["opening"])
    print(f"{report / 'report.html'}")
    for bar in bars(read_report(report / "report.json"), minutes, seeds=len(runs)):
        print(bar)
    return 0


def train(recipe: Path, out: Path, *, seed: int, what: str) -> Path:
    """Every stage but the evaluation; those that are done are skipped by the program itself."""
    for stage in (["critique"], ["train", "sft"], ["label"], ["train", what]):
        command = [*stage, str(recipe), "--out", str(out), "--set", f"seed={seed}"]
        subprocess.run([sys.executable, "-m", "solon", *command], check=True)
    return out


def evaluate(runs: Sequence[Path], report: Path, *, unmet: Path) -> float:
    """The one command that is timed, in minutes, with what it took before it was stopped."""
    clock = report.with_suffix(".seconds")
    before = float(clock.read_text()) if clock.exists() else 0.0
    if (report / "report.json").exists() and clock.exists():
        return before / 60
    started = time.monotonic()
    try:
        other = f"evaluation.rewards.never-met={{reward_model: '{unmet.resolve()}'}}"
        command = ["evaluate", *map(str, runs), "--out", str(report), "--set", other]
        subprocess.run([sys.executable, "-m", "solon", *command], check=True)
    finally:
        clock.write_text(str(before + time.monotonic() - started))
    return float(clock.read_text()) / 60


def bars(found: "Recorded", minutes: float, *, seeds: int) -> Iterator[str]:
    names = {model.name for model in found.models}
    compared = sum(method in names for method in METHODS)
    through = controls_that_pass(found)
    yield bar("outcome-report-minutes", f"{minutes:.1f}", f"<={MINUTES}", minutes <= MINUTES)
    yield bar("outcome-seeds", str(seeds), ">=3", seeds >= 3)
    yield bar("outcome-methods-compared", str(compared), f">={len(METHODS)}", compared >= len(METHODS))
    yield bar("outcome-controls-that-pass", str(len(through)), "<=0", not through)


def controls_that_pass(found: "Recorded") -> list[str]:
    """Controls that would pass in the last model's place, held against this very report."""
    from evaluation.gate import passing

    return passing(found, [], found)


def bar(what: str, value: str, target: str, holds: bool) -> str:
    return f"bar: {what} {value} {target} {'ok' if holds else 'short'}"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    raise SystemExit(main())
