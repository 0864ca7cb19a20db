"""What the trained model says to a few given conversations: greedy, short, unselected; or what it gives them.

In: the model in memory, right after training. Out: completions, or pairs with their rewards, as
`samples.jsonl` and `samples.md`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine import decode
from engine.protocol import Sampling
from engine.tokens import encode_prompt
from labeling.markdown import fenced
from prompts.message import Conversation, Prompt, as_dicts

MAX_TOKENS = 128
BATCH = 16


@dataclass(frozen=True, slots=True)
class Sample:
    """A conversation and the model's greedy answer; `ended` is false where it was cut at `MAX_TOKENS`."""

    prompt: Conversation
    completion: str
    ended: bool


@dataclass(frozen=True, slots=True)
class RatedSample:
    """Two whole conversations, as a reward model reads them, with what it gives them and the label."""

    chosen: str
    rejected: str
    chosen_reward: float
    rejected_reward: float
    chosen_probability: float


def answer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Conversation]
) -> list[Sample]:
    """The model's greedy answers; the model is left in evaluation mode."""
    model.eval()
    end_ids = frozenset(_end_ids(model, tokenizer))
    sampling = Sampling(max_tokens=MAX_TOKENS, temperature=0)
    samples: list[Sample] = []
    for start in range(0, len(prompts), BATCH):
        batch = prompts[start : start + BATCH]
        rows = [
            decode.Row(encode_prompt(tokenizer, Prompt("", "", messages)), sampling) for messages in batch
        ]
        decode.generate(model, rows, end_ids=end_ids)
        samples += [
            Sample(messages, cast("str", tokenizer.decode(row.ids, skip_special_tokens=True)), row.ended)
            for messages, row in zip(batch, rows, strict=True)
        ]
    return samples


def write_samples(folder: Path, samples: Sequence[Sample]) -> None:
    """`samples.jsonl` for programs and `samples.md` for people, where no text of a model is live Markdown."""
    lines = [
        {"prompt": as_dicts(sample.prompt), "completion": sample.completion, "ended": sample.ended}
        for sample in samples
    ]
    shown = [_shown(number, sample) for number, sample in enumerate(samples, 1)]
    head = f"# Samples\n\nGreedy answers of at most {MAX_TOKENS} tokens, none left out."
    _write(folder, lines, "\n\n".join([head, *shown]) + "\n")


def write_rated_samples(folder: Path, samples: Sequence[RatedSample], *, held_out: bool) -> None:
    """The same files, of pairs and their rewards; `held_out` says whether the model learned from them."""
    source = "held-out pairs" if held_out else "pairs that were learned from"
    shown = [_shown_rated(number, sample) for number, sample in enumerate(samples, 1)]
    head = f"# Samples\n\nRewards of {source}: the first of them, none left out."
    _write(folder, [asdict(sample) for sample in samples], "\n\n".join([head, *shown]) + "\n")


def _write(folder: Path, lines: Sequence[Mapping[str, object]], markdown: str) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "samples.jsonl").write_text(text, encoding="utf-8", errors="backslashreplace")
    (folder / "samples.md").write_text(markdown, encoding="utf-8")


def _shown_rated(number: int, sample: RatedSample) -> str:
    label = f"## {number}\n\nThe label: the first is better with probability {sample.chosen_probability:.2f}."
    first = f"**reward {sample.chosen_reward:.3f}**:\n\n{fenced(sample.chosen)}"
    second = f"**reward {sample.rejected_reward:.3f}**:\n\n{fenced(sample.rejected)}"
    return "\n\n".join([label, first, second])


def _shown(number: int, sample: Sample) -> str:
    said = [f"{message.role}:\n\n{fenced(message.content)}" for message in sample.prompt]
    cut = "" if sample.ended else " (cut off by length)"
    return "\n\n".join([f"## {number}", *said, f"**the model**{cut}:\n\n{fenced(sample.completion)}"])


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ids = configured if isinstance(configured, list) else [configured]
    return [i for i in [*ids, tokenizer.eos_token_id] if isinstance(i, int)]
