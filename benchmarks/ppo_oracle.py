"""Does PPO find the best policy where that is known exactly, and how soon?

    python benchmarks/ppo_oracle.py [--seeds 5] [--episodes 7680]

The task of `tests/oracle_task.py`: a tiny Llama over 65 words, 12 tokens, 1/12 for each of four target words,
beta 0.05, a uniform reference. The largest E[reward - beta KL] is a recursion, 0.13615; the start has 0.057.
J is the mean over the last 640 episodes. *To 90 %*: the episodes after which the mean of eight rollouts of 64
first is 90 % of the largest.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).parent.parent
ROLLOUT, LAST, WINDOW = 64, 640, 8
WORST, MEAN = 0.120, 0.132


@dataclass(frozen=True)
class Found:
    """One seed: where it ended, how soon it was nearly there (None: never), and what it cost."""

    objective: float
    reward: float
    kl: float
    episodes: int | None
    cpu: float


def measured(seed: int, episodes: int, folder: Path) -> Found:
    from oracle_task import best, learn, objective, save_model

    begun = time.process_time()
    told = learn(save_model(folder / "model"), folder / "out", episodes=episodes, seed=seed)
    last = told[-(LAST // ROLLOUT) :]
    return Found(
        fmean(map(objective, last)),
        fmean(entry["score"] for entry in last),
        fmean(entry["kl"] for entry in last),
        _soon([objective(entry) for entry in told], 0.9 * best()),
        time.process_time() - begun,
    )


def _soon(values: Sequence[float], wanted: float) -> int | None:
    """Episodes up to the end of the first window whose mean is as wanted."""
    for end in range(WINDOW, len(values) + 1):
        if fmean(values[end - WINDOW : end]) >= wanted:
            return end * ROLLOUT
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=7680)
    arguments = parser.parse_args()
    every: list[Found] = []
    print("| seed | J | reward | KL | episodes to 90 % | CPU seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            one = measured(seed, arguments.episodes, Path(folder))
        every.append(one)
        cells = (f"{one.objective:.4f}", f"{one.reward:.3f}", f"{one.kl:.2f}", one.episodes, f"{one.cpu:.0f}")
        print(f"| {seed} | {' | '.join(map(str, cells))} |", flush=True)
    worst, mean = min(one.objective for one in every), fmean(one.objective for one in every)
    print(f"bar: ppo-oracle-J {worst:.4f} >={WORST:.3f} {'ok' if worst >= WORST else 'short'}")
    print(f"bar: ppo-oracle-J-mean {mean:.4f} >={MEAN:.3f} {'ok' if mean >= MEAN else 'short'}")


if __name__ == "__main__":
    sys.path += [str(ROOT), str(ROOT / "tests")]
    main()
