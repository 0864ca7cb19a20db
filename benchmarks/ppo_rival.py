"""PPO against the last TRL that had it, where the best is known: episodes and CPU seconds to 90 % of it.

    python benchmarks/ppo_rival.py [--seeds 3] [--episodes 7680]

TRL 1.12.0 (`trl.experimental.ppo`) runs in an environment of its own, .venv-trl-1.12, made with pip on first
use and pinned by constraints.txt. Both begin with the same weights and answer the same prompt with at most
12 tokens for the same reward (`tests/oracle_task.py`): 64 answers a rollout, mini-batches of 16, two passes,
learning rate 5e-4, beta 0.05, gamma 1, no warm-up of the critic, by turns, a process and one thread each. TRL
runs twice, with lambda 1 as Solon does and with its own 0.95; its critic begins at the policy with a zero
head, and answers are padded with a token that does not end them, since it takes no notice of an end that also
pads. The better one counts.

*To 90 %*: when the mean J = reward - beta KL of eight rollouts first is 90 % of the largest. CPU seconds are
the process's, from the loaded models on. Where TRL does not come there, its whole run counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

ROOT = Path(__file__).parent.parent
ENVIRONMENT, PACKAGE = ROOT / ".venv-trl-1.12", "trl==1.12.0"
ROLLOUT, WINDOW, LAST = 64, 8, 10
KINDS = ("solon", "trl lambda 1", "trl lambda 0.95")
WORDS, TARGETS, TOKENS, BETA, RATE = 65, 4, 12, 0.05, 5e-4


@dataclass(frozen=True)
class Rollout:
    """One rollout as it was logged: episodes and CPU seconds so far, and its J."""

    episodes: int
    cpu: float
    objective: float


@dataclass(frozen=True)
class Curve:
    """One run."""

    rollouts: tuple[Rollout, ...]

    @property
    def end(self) -> float:
        """J over the last 640 episodes."""
        return fmean(each.objective for each in self.rollouts[-LAST:])

    def reaching(self, wanted: float) -> Rollout | None:
        """The last rollout of the first window whose mean is as wanted."""
        for end in range(WINDOW, len(self.rollouts) + 1):
            if fmean(each.objective for each in self.rollouts[end - WINDOW : end]) >= wanted:
                return self.rollouts[end - 1]
        return None


def solon(model: Path, out: Path, seed: int, episodes: int) -> list[Rollout]:
    from oracle_task import SETTINGS, objective

    from engine.settings import ModelSettings
    from training.methods import METHODS
    from training.model import TrainingProgress

    seconds: dict[int, float] = {}
    begun = time.process_time()

    def note(told: TrainingProgress) -> None:
        seconds[told.step] = time.process_time() - begun

    trained = METHODS["ppo"](
        [{"prompt": [{"role": "user", "content": "w64"}]}],
        model=ModelSettings(model=str(model), device="cpu", dtype="float32"),
        # The other one's policy learns from the first rollout on, and so does this one's here.
        settings=SETTINGS["ppo"].model_copy(update={"epochs": episodes, "value_warmup": 0}),
        out=out,
        seed=seed,
        card={},
        samples=[],
        progress=note,
    )
    log = json.loads((trained.folder / "trainer_state.json").read_text())["log_history"]
    told = [entry for entry in log if "score" in entry]
    each = episodes // len(told)
    return [
        Rollout(each * number, seconds[entry["step"]], objective(entry))
        for number, entry in enumerate(told, 1)
    ]


def trl(model: Path, out: Path, seed: int, episodes: int, *, lam: float) -> list[Rollout]:
    """Nothing of Solon is imported here: this runs in the environment of the other TRL."""
    import torch
    from datasets import Dataset
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        TrainerCallback,
    )
    from trl.experimental.ppo import PPOConfig, PPOTrainer  # pyright: ignore[reportMissingImports]

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    policy, reference = (AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32) for _ in range(2))
    critic = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1, dtype=torch.float32)
    torch.nn.init.zeros_(critic.score.weight)
    rollouts: list[Rollout] = []

    class Note(TrainerCallback):
        def on_log(self, *_: object, logs: dict[str, float] | None = None, **__: object) -> None:
            if logs and "objective/rlhf_reward" in logs:
                told = (int(logs["episode"]), time.process_time() - begun, logs["objective/rlhf_reward"])
                rollouts.append(Rollout(*told))

    arguments = PPOConfig(
        output_dir=str(out), seed=seed, learning_rate=RATE, lr_scheduler_type="constant", adam_epsilon=1e-5,
        per_device_train_batch_size=ROLLOUT, gradient_accumulation_steps=1, num_mini_batches=ROLLOUT // 16,
        num_ppo_epochs=2, total_episodes=episodes, response_length=TOKENS, temperature=1.0, stop_token="eos",
        missing_eos_penalty=None, kl_coef=BETA, gamma=1.0, lam=lam, num_sample_generations=0,
        local_rollout_forward_batch_size=ROLLOUT, logging_steps=1, save_strategy="no", report_to="none",
        use_cpu=True, bf16=False, disable_tqdm=True,
    )  # fmt: skip
    ids = tokenizer("w64")["input_ids"]
    trainer = PPOTrainer(
        args=arguments,
        processing_class=tokenizer,
        model=policy,
        ref_model=reference,
        reward_model=_counting(torch),
        value_model=critic,
        train_dataset=Dataset.from_dict({"input_ids": [ids] * ROLLOUT}),
        callbacks=[Note()],
    )
    begun = time.process_time()
    trainer.train()
    return rollouts


def _counting(torch: Any) -> Any:
    """The reward in the shape that TRL asks for it: a backbone whose last state counts targets so far."""

    class Count(torch.nn.Module):
        def forward(self, input_ids: Any, attention_mask: Any, **_: object) -> Any:
            from types import SimpleNamespace

            wanted = (input_ids >= 1) & (input_ids <= TARGETS) & attention_mask
            return SimpleNamespace(hidden_states=[(wanted.cumsum(1) / TOKENS).unsqueeze(-1)])

    class Reward(torch.nn.Module):
        base_model_prefix = "count"

        def __init__(self) -> None:
            super().__init__()
            self.count, self.score = Count(), torch.nn.Identity()

    return Reward()


def python() -> Path:
    """The Python of the other TRL's environment, which is set up on first use."""
    found, ready = ENVIRONMENT / "bin" / "python", ENVIRONMENT / ".ready"
    if not ready.is_file():
        print(f"Setting up {ENVIRONMENT} with {PACKAGE}", file=sys.stderr, flush=True)
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        pinned = (ROOT / "constraints.txt").read_text().splitlines()
        constraints = ENVIRONMENT / "constraints.txt"
        constraints.write_text("\n".join(line for line in pinned if not line.startswith("trl==")) + "\n")
        pip = [str(found), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        wanted = ["torch", PACKAGE, "transformers", "accelerate", "datasets", "pandas", "rich"]
        subprocess.run([*pip, "--constraint", str(constraints), *wanted], check=True)
        ready.touch()
    return found


def run(kind: str, model: Path, seed: int, episodes: int) -> Curve:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "TRL_EXPERIMENTAL_SILENCE": "1", "PYTHONPATH": ""}
    interpreter = sys.executable if kind == "solon" else str(python())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "told.json")
        asked = json.dumps([kind, str(model), str(Path(folder, "out")), seed, episodes, str(out)])
        done = subprocess.run(
            [interpreter, __file__, "--child", asked], env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{kind} failed:\n{done.stderr[-3000:]}")
        return Curve(tuple(Rollout(*each) for each in json.loads(out.read_text())))


def child(asked: Sequence[Any]) -> None:
    kind, model, out, seed, episodes, told = asked
    if kind == "solon":
        sys.path += [str(ROOT), str(ROOT / "tests")]
        rollouts = solon(Path(model), Path(out), seed, episodes)
    else:
        lam = float(kind.rpartition(" ")[2])
        rollouts = trl(Path(model), Path(out), seed, episodes, lam=lam)
    Path(told).write_text(json.dumps([[each.episodes, each.cpu, each.objective] for each in rollouts]))


def show(curves: Mapping[str, Sequence[Curve]], wanted: float) -> None:
    print("| | J at the end | episodes to 90 % | CPU seconds to 90 % | CPU seconds in all |")
    print("| --- | --- | --- | --- | --- |")
    for kind, runs in curves.items():
        ends = " ".join(f"{each.end:.4f}" for each in runs)
        found = [each.reaching(wanted) for each in runs]
        episodes = " ".join("never" if one is None else str(one.episodes) for one in found)
        seconds = " ".join("never" if one is None else f"{one.cpu:.1f}" for one in found)
        whole = " ".join(f"{each.rollouts[-1].cpu:.1f}" for each in runs)
        print(f"| {kind} | {ends} | {episodes} | {seconds} | {whole} |")
    for name, value in (("episodes", lambda one: one.episodes), ("cpu", lambda one: one.cpu)):
        spent = {
            kind: median(value(each.reaching(wanted) or each.rollouts[-1]) for each in runs)
            for kind, runs in curves.items()
        }
        share = spent["solon"] / min(spent[kind] for kind in KINDS[1:])
        print(f"bar: ppo-{name}-to-90-percent-of-trl {share:.2f} <1 {'ok' if share < 1 else 'short'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=7680)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(json.loads(given.child))
        return
    sys.path += [str(ROOT), str(ROOT / "tests")]
    from oracle_task import best, save_model

    curves: dict[str, list[Curve]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        model = save_model(Path(folder, "model"))
        for seed in range(given.seeds):
            for kind in KINDS:
                curves[kind].append(run(kind, model, seed, given.episodes))
    print(f"{given.seeds} seeds, {given.episodes} episodes each; the largest J is {best():.4f}")
    show(curves, 0.9 * best())


if __name__ == "__main__":
    main()
