"""Do online methods find the best policy where that is known exactly, and how soon?

    python benchmarks/ppo_oracle.py [--methods ppo grpo] [--seeds 5] [--episodes 7680] [--plot FILE.svg]

The task of `tests/oracle_task.py`: a tiny Llama over 65 words, 12 tokens, 1/12 for each of four target words,
beta 0.05, a uniform reference. The largest E[reward - beta KL] is a recursion, 0.13615; the start has 0.057.
J is the mean over the last 640 episodes. *To 90 %*: the episodes after which the mean of eight rollouts of 64
first is 90 % of the largest. How each method learns is in `SETTINGS` there; another method is one more entry.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).parent.parent
ROLLOUT, LAST, WINDOW = 64, 640, 8
WORST = 0.120
MEAN: Mapping[str, float] = {"ppo": 0.132, "online_dpo": 0.132}


@dataclass(frozen=True)
class Found:
    """One seed: where it ended, how soon it was nearly there (None: never), what it cost, and its way."""

    objective: float
    reward: float
    kl: float
    episodes: int | None
    cpu: float
    way: tuple[float, ...]


def measured(method: Any, seed: int, episodes: int, folder: Path) -> Found:
    from oracle_task import best, learn, objective, save_model

    begun = time.process_time()
    told = learn(save_model(folder / "model"), folder / "out", episodes=episodes, method=method, seed=seed)
    last = told[-(LAST // ROLLOUT) :]
    way = tuple(map(objective, told))
    return Found(
        fmean(map(objective, last)),
        fmean(entry["score"] for entry in last),
        fmean(entry["kl"] for entry in last),
        _soon(way, 0.9 * best()),
        time.process_time() - begun,
        way,
    )


def _soon(values: Sequence[float], wanted: float) -> int | None:
    """Episodes up to the end of the first window whose mean is as wanted."""
    for end in range(WINDOW, len(values) + 1):
        if fmean(values[end - WINDOW : end]) >= wanted:
            return end * ROLLOUT
    return None


def plot(found: Mapping[str, Sequence[Found]], path: Path) -> None:
    """Each method's J over the episodes: the mean of its seeds and their range, eight rollouts at a time."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from oracle_task import best

    mpl.rcParams["svg.hashsalt"] = "solon"
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for method, seeds in found.items():
        ways = list(zip(*(_smooth(one.way) for one in seeds), strict=True))
        episodes = [(place + 1) * WINDOW * ROLLOUT for place in range(len(ways))]
        axes.plot(episodes, [fmean(values) for values in ways], label=method.upper().replace("_", " "))
        axes.fill_between(episodes, [min(v) for v in ways], [max(v) for v in ways], alpha=0.2)
    axes.axhline(best(), color="black", linewidth=0.8, linestyle="--", label="the best policy")
    axes.set(xlabel="episodes", ylabel="reward - 0.05 KL", ylim=(0.05, 0.14))
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def _smooth(way: Sequence[float]) -> list[float]:
    return [fmean(way[start : start + WINDOW]) for start in range(0, len(way) - WINDOW + 1, WINDOW)]


def main() -> None:
    from oracle_task import SETTINGS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=tuple(SETTINGS), default=tuple(SETTINGS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=7680)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    found: dict[str, list[Found]] = {method: [] for method in arguments.methods}
    print("| method | seed | J | reward | KL | episodes to 90 % | CPU seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for method, seeds in found.items():
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as folder:
                one = measured(method, seed, arguments.episodes, Path(folder))
            seeds.append(one)
            cells = (
                f"{one.objective:.4f}",
                f"{one.reward:.3f}",
                f"{one.kl:.2f}",
                one.episodes,
                f"{one.cpu:.0f}",
            )
            print(f"| {method} | {seed} | {' | '.join(map(str, cells))} |", flush=True)
    for method, seeds in found.items():
        worst, mean = min(one.objective for one in seeds), fmean(one.objective for one in seeds)
        print(f"bar: {method}-oracle-J {worst:.4f} >={WORST:.3f} {'ok' if worst >= WORST else 'short'}")
        least = MEAN.get(method, WORST)
        print(f"bar: {method}-oracle-J-mean {mean:.4f} >={least:.3f} {'ok' if mean >= least else 'short'}")
    if arguments.plot:
        plot(found, arguments.plot)


if __name__ == "__main__":
    sys.path += [str(ROOT), str(ROOT / "tests")]
    main()
