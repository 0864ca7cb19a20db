"""What `tests/test_training_online_processes.py` runs in two processes: the methods that sample answers.

    accelerate launch --config_file recipes/accelerate/two_cpus.yaml tests/launched_online.py FOLDER

FOLDER holds `tiny`, `repeats` and `rates`, the models. What each process saw goes into FOLDER/seen-RANK.json.
"""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import repeats  # noqa: E402, F401
import torch  # noqa: E402
from training_fixtures import ONLINE, StopError, stop_at, tiny  # noqa: E402

from engine.scripted import ScriptedEngine  # noqa: E402
from prompts.message import Conversation  # noqa: E402
from tests.online_judges import judging, prefers_large  # noqa: E402
from training import processes  # noqa: E402
from training.load import Policy, load_policy  # noqa: E402
from training.methods import METHODS  # noqa: E402
from training.model import Trained, TrainingError  # noqa: E402
from training.reward_functions import FUNCTIONS  # noqa: E402
from training.settings import (  # noqa: E402
    GRPOSettings,
    MethodName,
    OnlineDPOSettings,
    OnlineSettings,
    PPOSettings,
)

KINDS: Mapping[str, type[OnlineSettings]] = {
    "ppo": PPOSettings,
    "grpo": GRPOSettings,
    "online_dpo": OnlineDPOSettings,
}
PROMPTS = [{"prompt": [{"role": "user", "content": f"{number} and {number}?"}]} for number in range(8)]
SCORED = ({"function": "letters"}, {"reward_model": "rates", "normalize": False, "weight": 0.5})

CASES: Mapping[str, tuple[MethodName, Mapping[str, Any]]] = {
    "ppo-shared": ("ppo", {"reward_funcs": SCORED, "kl_target": 1.0, "gradient_checkpointing": True}),
    "ppo-apart": ("ppo", {"use_peft": False, "value_warmup": 1}),
    "grpo": ("grpo", {"num_generations": 4, "generation_batch_size": 16, "num_iterations": 2, "epochs": 1}),
    # Ties leave some steps with a pair for one process only, and some with none.
    "online_dpo-ties": ("online_dpo", {"batch_size": 1, "reward_funcs": ({"function": "coarse"},)}),
    "online_dpo-ahead": ("online_dpo", {"batch_size": 1, "reward_funcs": (), "judge_ahead": True}),
}
"""Given answers: two processes are held against one."""

SAMPLED: Mapping[str, tuple[MethodName, Mapping[str, Any]]] = {
    "ppo-cut": ("ppo", {"kl_target": 1.0, "reward_funcs": ({"function": "listens"},)}),
    "online_dpo-cut": (
        "online_dpo",
        {"generation_batch_size": 16, "batch_size": 2, "reward_funcs": (), "judge_ahead": True},
    ),
}
"""Sampled answers: a run that is cut off is held against one that is not."""

heard: list[list[str]] = []


def letters(_prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
    return [sum(mark.isalpha() for mark in text) / 8 for text in completions]


def coarse(prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
    return [float(score > 0.25) for score in letters(prompts, completions)]


def listens(prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
    heard.append(list(completions))
    return letters(prompts, completions)


def fails(_prompts: Sequence[Conversation], _completions: Sequence[str]) -> list[float]:
    raise RuntimeError("no scores today")


FUNCTIONS.update({"letters": letters, "coarse": coarse, "listens": listens, "fails": fails})


def train(
    name: MethodName,
    folder: Path,
    out: Path,
    *,
    together: int,
    model: str = "repeats",
    progress: Any = None,
    load: Callable[..., Policy] = load_policy,
    **changes: Any,
) -> Trained:
    """By a method; a step has the same batches, whatever the number of processes."""
    chosen: dict[str, Any] = {
        **ONLINE, "batch_size": 2, "gradient_accumulation_steps": 2 // together, "generation_batch_size": 8,
        "epochs": 2, "max_grad_norm": 1e9, "max_kl": None, "max_length_growth": None,
        "reward_funcs": ({"function": "letters"},),
    }  # fmt: skip
    if name == "ppo":
        chosen |= {"num_ppo_epochs": 2, "value_warmup": 0, "value_learning_rate": 5e-3}
    parts = [
        part | ({"reward_model": str(folder / "rates")} if "reward_model" in part else {})
        for part in (chosen | changes)["reward_funcs"]
    ]
    settings = KINDS[name].model_validate(chosen | changes | {"reward_funcs": tuple(parts)})
    engine = ScriptedEngine(choice=prefers_large)
    with contextlib.ExitStack() as stack:
        asks = settings.asks_judge and processes.is_first()
        journal = out.parent / f"{out.name}-run"
        return replace(METHODS[name], load=load)(
            PROMPTS,
            model=tiny(folder / model),
            settings=settings,
            out=out,
            seed=0,
            card={},
            samples=[],
            progress=progress,
            judge=stack.enter_context(judging(engine, journal)) if asks else None,
        )


class Kept:
    """Loads a policy and keeps it, to look at what this process has made of it."""

    def __init__(self) -> None:
        self.policy: Policy | None = None

    def __call__(self, *given: Any) -> Policy:
        self.policy = load_policy(*given)
        return self.policy

    @property
    def digest(self) -> str:
        assert self.policy is not None
        found = hashlib.sha256()
        for name, weight in sorted(self.policy.model.named_parameters()):
            found.update(name.encode() + weight.detach().float().numpy().tobytes())
        return found.hexdigest()


def told(trial: Callable[[], object]) -> str:
    try:
        trial()
    except TrainingError as error:
        return str(error)
    return "nothing"


def launched(folder: Path) -> dict[str, Any]:
    """All cases, runs that are cut off, and errors; in each of the processes."""
    seen: dict[str, Any] = {}
    for case, (name, changes) in CASES.items():
        kept = Kept()
        train(name, folder, folder / "two" / case, together=2, load=kept, **changes)
        seen[case] = kept.digest
    for case, (name, changes) in SAMPLED.items():
        options: dict[str, Any] = {"together": 2, "model": "tiny", "save_steps": 1, **changes}
        train(name, folder, folder / "whole" / case, **options)
        cut = folder / "went-on" / case
        with contextlib.suppress(StopError):
            train(name, folder, cut, progress=stop_at(3 if name == "online_dpo" else 6), **options)
        seen[f"{case}-kept"] = sorted(path.name for path in cut.parent.glob("*.partial/checkpoints/*"))
        train(name, folder, cut, **options)
    seen["heard"] = heard
    fault: dict[str, Any] = {"reward_funcs": ({"function": "fails"},)}
    seen["fails"] = told(lambda: train("grpo", folder, folder / "fails", together=2, **fault))
    away: dict[str, Any] = {"max_kl": 1e-9, "learning_rate": 0.05, "num_generations": 2}
    seen["away"] = told(lambda: train("grpo", folder, folder / "away", together=2, **away))
    odd: dict[str, Any] = {"generation_batch_size": 12, "num_generations": 6}
    seen["odd"] = told(lambda: train("grpo", folder, folder / "odd", together=2, batch_size=4, **odd))
    seen["share"] = told(lambda: processes.spread(range(4), _second_fails))
    seen["sum"] = _sum()
    return seen


def _second_fails(items: Sequence[int]) -> None:
    if 3 in items:
        raise TrainingError(f"no {list(items)}")


def _sum() -> list[list[float] | None]:
    """Gradients of which both processes, one and none have a part."""
    from training.gradients import sum_gradients

    rank = int(os.environ["RANK"])
    weights = [torch.nn.Parameter(torch.zeros(2)) for _ in range(3)]
    weights[0].grad = torch.tensor([1.0, 10.0]) * (rank + 1)
    if rank:
        weights[1].grad = torch.tensor([3.0, 4.0])
    sum_gradients(weights)
    return [None if weight.grad is None else weight.grad.tolist() for weight in weights]


if __name__ == "__main__":
    at = Path(sys.argv[1])
    found = launched(at)
    (at / f"seen-{os.environ['RANK']}.json").write_text(json.dumps(found))
    processes.leave()
