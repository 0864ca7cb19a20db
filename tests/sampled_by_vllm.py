"""PPO and GRPO whose answers vLLM samples in this process, by TRL's path: `python sampled_by_vllm.py OUT`.

Product code asks for a GPU. On a CPU vLLM packs its weights when it has loaded them and takes no others
afterwards, so here it is made to leave them as they are; everything else is what a GPU is asked to do.
"""

import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")

import torch  # noqa: E402
from torch.nn import Module  # noqa: E402
from torch.nn.functional import linear  # noqa: E402
from training_fixtures import ONLINE, PROMPTS  # noqa: E402

from engine.settings import ModelSettings  # noqa: E402
from training.methods import METHODS  # noqa: E402
from training.settings import GRPOSettings, MethodName, PPOSettings  # noqa: E402

SEED = 7
MODEL = ModelSettings(model="embedded", device="cpu", dtype="float32")
SETTINGS: dict[str, Any] = {
    **ONLINE, "use_vllm": True, "reward_funcs": ({"function": "brevity"},), "batch_size": 4,
    "generation_batch_size": 8, "max_length": 256,
}  # fmt: skip


def unpacked(layer: Module, remove_weight: bool) -> None:
    """In the place of vLLM's way to multiply on a CPU: the layer's own weight, whatever it holds by then."""
    layer.cpu_linear = linear  # type: ignore[assignment]


def train(method: MethodName, out: Path, **changes: Any) -> None:
    kind = {"ppo": PPOSettings, "grpo": GRPOSettings}[method]
    METHODS[method](
        PROMPTS,
        model=MODEL,
        settings=kind.model_validate(SETTINGS | changes),
        out=out,
        seed=SEED,
        card={},
        samples=[],
    )
    # Whose random state it is that vLLM drew from: it is given the number 0 when it starts.
    (out / "seed").write_text(str(torch.initial_seed()))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with (
        patch("vllm.model_executor.layers.utils.dispatch_cpu_unquantized_gemm", unpacked),
        patch("training.load.check_sampler"),
    ):
        # Two rollouts of each: the second one is sampled by what the first one taught.
        train("ppo", folder / "ppo", value_warmup=0, num_ppo_epochs=1, epochs=4)
        train("grpo", folder / "grpo", num_generations=2, epochs=2, use_peft=False, learning_rate=5e-5)
