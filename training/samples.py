"""What the trained model says to a few given conversations: greedy, short, unselected.

In: the model in memory, right after training. Out: completions, and them as `samples.jsonl` and `samples.md`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
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
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "samples.jsonl").write_text(text, encoding="utf-8", errors="backslashreplace")
    shown = [_shown(number, sample) for number, sample in enumerate(samples, 1)]
    head = f"# Samples\n\nGreedy answers of at most {MAX_TOKENS} tokens, none left out.\n\n"
    (folder / "samples.md").write_text(head + "\n\n".join(shown) + "\n", encoding="utf-8")


def _shown(number: int, sample: Sample) -> str:
    said = [f"{message.role}:\n\n{fenced(message.content)}" for message in sample.prompt]
    cut = "" if sample.ended else " (cut off by length)"
    return "\n\n".join([f"## {number}", *said, f"**the model**{cut}:\n\n{fenced(sample.completion)}"])


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ids = configured if isinstance(configured, list) else [configured]
    return [i for i in [*ids, tokenizer.eos_token_id] if isinstance(i, int)]
