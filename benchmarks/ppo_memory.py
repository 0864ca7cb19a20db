"""What PPO takes of memory when all of its models share one base, beside SFT on the same batch.

    python benchmarks/ppo_memory.py [--batch 8] [--prompt 64] [--answer 128]

The embedded model on the CPU, LoRA of rank 16 on all linear layers. SFT learns from a batch of answers of so
many tokens; PPO samples, scores and learns from as many answers of at most as many tokens, in one forward
pass each: policy, reference, critic and reward model are adapters over one base. Each runs in a process of
its own, two steps, and tells the most memory that it ever held (peak RSS).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST = 1.35
WORD = " water"
"""One token to the embedded model, so that texts have the length that is asked for."""
LORA = {"lora_r": 16, "logging_steps": 1, "gradient_accumulation_steps": 1}


def sft(batch: int, prompt: int, answer: int, folder: Path) -> dict[str, float]:
    from engine.settings import ModelSettings
    from training.settings import SFTSettings
    from training.sft import train_sft

    rows = [
        {"messages": [_said("user", prompt, number), _said("assistant", answer, number)]}
        for number in range(2 * batch)
    ]
    settings = SFTSettings.model_validate({**LORA, "batch_size": batch, "epochs": 1, "max_length": 1024})
    train_sft(rows, model=ModelSettings(), settings=settings, out=folder / "sft", seed=0, card={}, samples=[])
    return {"length": float(answer)}


def reward(folder: Path) -> dict[str, float]:
    """A reward model for PPO to share its base with; what it prefers is of no concern here."""
    from engine.settings import ModelSettings
    from training.reward import train_reward
    from training.settings import RewardModelSettings

    rows = [
        {
            "prompt": [_said("user", 8, n)],
            "chosen": [_said("assistant", 8, n)],
            "rejected": [_said("assistant", 4, n)],
        }
        for n in range(4)
    ]
    settings = RewardModelSettings.model_validate({**LORA, "held_out": 0, "epochs": 1, "labels": "hard"})
    train_reward(
        rows, model=ModelSettings(), settings=settings, out=folder / "reward", seed=0, card={}, samples=[]
    )
    return {}


def ppo(batch: int, prompt: int, answer: int, folder: Path, *, shared: bool) -> dict[str, float]:
    from engine.settings import ModelSettings
    from training.ppo import train_ppo
    from training.settings import PPOSettings

    rows = [{"prompt": [_said("user", prompt, number)]} for number in range(2 * batch)]
    settings = PPOSettings.model_validate(
        {
            **LORA, "batch_size": batch, "generation_batch_size": batch, "num_ppo_epochs": 1, "epochs": 1,
            "value_warmup": 0, "max_completion_length": answer, "max_length": 1024, "shared_base": shared,
            "reward_funcs": ({"reward_model": str(folder / "reward")},),
        }
    )  # fmt: skip
    trained = train_ppo(
        rows, model=ModelSettings(), settings=settings, out=folder / "ppo", seed=0, card={}, samples=[]
    )
    return {"length": trained.metrics["length"]}


def _said(role: str, tokens: int, number: int) -> dict[str, str]:
    return {"role": role, "content": f"Tell {number} of" + WORD * (tokens - 4)}


def measured(what: str, arguments: argparse.Namespace, folder: str) -> dict[str, float]:
    """One run in a process of its own: GiB at its peak, and the mean length of answers."""
    sizes = [str(getattr(arguments, name)) for name in ("batch", "prompt", "answer")]
    command = [sys.executable, __file__, "--one", what, folder, *sizes]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    return json.loads(told.splitlines()[-1])


def one(what: str, folder: Path, batch: int, prompt: int, answer: int) -> None:
    if what == "reward":
        told = reward(folder)
    elif what == "sft":
        told = sft(batch, prompt, answer, folder)
    else:
        told = ppo(batch, prompt, answer, folder, shared=what == "shared")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"peak": peak, **told}))


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], Path(sys.argv[3]), *map(int, sys.argv[4:]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--answer", type=int, default=128)
    arguments = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    print("| | peak, GiB | tokens an answer | of SFT |")
    print("| --- | --- | --- | --- |")
    for what in ("sft", "shared", "apart"):
        with tempfile.TemporaryDirectory() as folder:
            if what != "sft":
                measured("reward", arguments, folder)
            found[what] = measured(what, arguments, folder)
        share = found[what]["peak"] / found["sft"]["peak"]
        name = {"sft": "SFT", "shared": "PPO, one base", "apart": "PPO, weights apart"}[what]
        print(
            f"| {name} | {found[what]['peak']:.2f} | {found[what]['length']:.0f} | {share:.2f} |", flush=True
        )
    value = found["shared"]["peak"] / found["sft"]["peak"]
    print(f"bar: ppo-shared-base-memory-of-sft {value:.2f} <={MOST} {'ok' if value <= MOST else 'short'}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
