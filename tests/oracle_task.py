"""A task whose best policy is known exactly: a tiny Llama over 65 words, rewarded for four of them.

Answers have at most 12 tokens, each of the four target words gives 1/12, and the reference is uniform over
the 65 words, of which one ends the answer: the output head is zero. The best value of E[reward - beta KL] is
a recursion over the tokens that are left.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from engine.settings import ModelSettings
from prompts.message import Conversation
from training.methods import METHODS
from training.reward_functions import FUNCTIONS
from training.reward_part import RewardPart
from training.seams import quiet
from training.settings import GRPOSettings, MethodName, OnlineDPOSettings, OnlineSettings, PPOSettings

WORDS, TARGETS, TOKENS, BETA = 65, 4, 12, 0.05
REWARD = "oracle_targets"


def best(beta: float = BETA) -> float:
    """The largest E[reward - beta KL]: a soft maximum over the next word, from the last token back."""
    value = 0.0
    for _ in range(TOKENS):
        gains = [(1, 0.0), (TARGETS, 1 / TOKENS + value), (WORDS - TARGETS - 1, value)]
        value = beta * math.log(sum(count * math.exp(gain / beta) for count, gain in gains) / WORDS)
    return value


def targets(_prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
    """1/12 for each target word."""
    wanted = {f"w{number}" for number in range(1, 1 + TARGETS)}
    return [sum(word in wanted for word in text.split()) / TOKENS for text in completions]


def save_model(folder: Path) -> Path:
    """64 dimensions, two layers, weights from seed 0; the word <end> ends an answer and pads."""
    words = {"<end>": 0, **{f"w{number}": number for number in range(1, WORDS)}}
    tokenizer = Tokenizer(models.WordLevel(vocab=words, unk_token="w64"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>")
    fast.chat_template = "{{ messages[0]['content'] }}"
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=WORDS, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=64,
            bos_token_id=None, eos_token_id=0, pad_token_id=0, tie_word_embeddings=False,
        )
    )  # fmt: skip
    torch.nn.init.zeros_(model.lm_head.weight)
    with quiet():
        model.save_pretrained(folder)
    return folder


FUNCTIONS[REWARD] = targets

_SHARED: dict[str, object] = {
    "use_peft": False, "dtype": "float32", "learning_rate": 5e-4, "batch_size": 16,
    "gradient_accumulation_steps": 1, "generation_batch_size": 64, "max_length": 32,
    "max_completion_length": TOKENS, "missing_eos_penalty": 0, "reward_funcs": (RewardPart(function=REWARD),),
    "lr_scheduler_type": "constant", "warmup_ratio": 0, "save_steps": None, "logging_steps": 8,
}  # fmt: skip
"""64 answers to a rollout, four steps."""

SETTINGS: Mapping[MethodName, OnlineSettings] = {
    "ppo": PPOSettings.model_validate(
        _SHARED | {"value_learning_rate": 5e-4, "num_ppo_epochs": 2, "beta": BETA}
    ),
    # Scores as they are and sums over tokens: any other scale would weigh reward and KL otherwise.
    "grpo": GRPOSettings.model_validate(
        _SHARED
        | {
            "num_generations": 64, "num_iterations": 2, "beta": BETA, "scale_rewards": "none",
            "loss_type": "dr_grpo",
        }
    ),
    # Labels by the difference of scores: the best policy by them is the best one by reward and KL.
    "online_dpo": OnlineDPOSettings.model_validate(
        _SHARED | {"batch_size": 8, "num_generations": 2, "num_iterations": 2, "beta": BETA}
    ),
}  # fmt: skip
"""How each online method learns the task, each going twice through a rollout."""


def learn(
    model: Path, out: Path, *, episodes: int, method: MethodName = "ppo", seed: int = 0, **changes: object
) -> list[dict[str, Any]]:
    """Train on one prompt, asked `episodes` times; what was logged of each rollout."""
    settings = SETTINGS[method]
    trained = METHODS[method](
        [{"prompt": [{"role": "user", "content": "w64"}]}],
        model=ModelSettings(model=str(model), device="cpu", dtype="float32"),
        settings=settings.model_copy(update={"epochs": episodes / settings.answers_a_prompt, **changes}),
        out=out,
        seed=seed,
        card={},
        samples=[],
    )
    log = json.loads((trained.folder / "trainer_state.json").read_text())["log_history"]
    return [entry for entry in log if "score" in entry]


def objective(entry: dict[str, Any]) -> float:
    """E[reward - beta KL] of a rollout."""
    return entry["score"] - BETA * entry["kl"]
