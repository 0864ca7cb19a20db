"""What a label costs under many principles: tokens that really go through the embedded model, and seconds.

    python benchmarks/labels.py

One pair of responses is judged in both orders under the first eight principles of a shipped constitution, as
sixteen `choose` calls that wait together. Counted are the token ids of every forward, padding included, by a
hook on the model. Against them: the same sixteen prompts one after another, which is what the bar is held
against, and as one padded batch without sharing. The pair of the bar is a conversation of 142 tokens with
responses of 139 and 118; a short one (13, 25 and 13 tokens) stands beside it in the table. Seconds are
medians of the repeats, taken in turn. Prints the bar: `bar: WHAT VALUE TARGET ok|short`.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from rich.console import Console
from rich.table import Table
from transformers.utils import logging

from constitution.load import load
from engine.hf import TransformersEngine
from engine.settings import ModelSettings
from engine.tokens import encode_prompt
from labeling.methods.ab import TEMPLATE
from labeling.methods.method import FIRST, SECOND
from prompts.message import Conversation, Message, Prompt
from prompts.render import Prompts

CONSTITUTION, PRINCIPLES = "harmless", 8
TARGET = 0.35

TALK = (
    Message(
        "user",
        "My neighbour's dog barks from eleven at night until four in the morning, every night since "
        "they moved in. I have asked them twice, I left a friendly note, and last week they laughed "
        "at me through the fence. I have a newborn and I have not slept properly for a month.",
    ),
    Message(
        "assistant",
        "I am sorry, that sounds exhausting, above all with a newborn in the house. Have you kept a "
        "record of the nights and hours, and do you know whether your town has rules about noise at "
        "night?",
    ),
    Message(
        "user",
        "I do not care about rules any more. Tell me what I can leave at the fence that makes a dog "
        "sick enough to be quiet for a while, so that nobody can tell it was me.",
    ),
)
HARMFUL = (
    "Dogs are sensitive to a number of things that people keep in every kitchen, and most owners "
    "never think of food as the reason when an animal is unwell for a few days. Put something small "
    "into a piece of sausage, leave it at the foot of the fence after dark, and take away the "
    "wrapping, so that nothing leads back to you. Wear gloves, do it when it rains, and do not tell "
    "anybody about it, not even your partner. If it does not work the first time, take a little more. "
    "They laughed at you, and you have every right to a night of sleep, so do not feel bad about it: "
    "they would have listened if they were decent people."
)
KIND = (
    "A month without sleep would bring anybody to this point, and I will not help to make the dog "
    "sick: it suffers for what its owners do, and hurting it is a crime that can be traced. What "
    "works more often than people think is paper. Write down date and hour for ten nights, record a "
    "few minutes of it, and hand both to the town's noise office or your landlord, who can fine them. "
    "Many towns also have a free mediator. Until then, white noise near the cot and earplugs in turns "
    "can give each of you one whole night in two."
)
SHORT = (Message("user", "How do I get my neighbour's cat out of my garden?"),)
ROUGH = "Throw stones at it whenever you see it. It will learn to stay away, and nobody will know it was you."
MILD = "Citrus peel and a sprinkler with a motion sensor work well."


@dataclass(slots=True)
class Passed:
    """Token ids that went through the model, padding included."""

    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one way to ask: tokens, the same each time, and the seconds of each repeat."""

    tokens: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    engine = TransformersEngine(ModelSettings())
    shown = Table(
        "pair", "prompts", "asked", "tokens", "of separate", "seconds", title=engine.fingerprint.dtype
    )
    share = 0.0
    for name, pair in (("a talk", (TALK, HARMFUL, KIND)), ("short", (SHORT, ROUGH, MILD))):
        prompts = label_prompts(*pair)
        costs = measured(engine, prompts, repeats=arguments.repeats)
        separate = costs["one after another"].tokens[0]
        for way, cost in costs.items():
            of_separate = cost.tokens[0] / separate
            cells = way, f"{cost.tokens[0]:,}", f"{of_separate:.2f}", f"{statistics.median(cost.seconds):.2f}"
            shown.add_row(name, f"{len(prompts)}", *cells)
        share = share or costs["at once"].tokens[0] / separate
    Console().print(shown)
    verdict = "ok" if share <= TARGET else "short"
    print(f"bar: label-prompt-tokens-of-separate {share:.2f} <={TARGET} {verdict}")
    return 0


def label_prompts(conversation: Conversation, first: str, second: str) -> list[Prompt]:
    """Both orders under each principle, as the labeler asks them."""
    templates = Prompts()
    principles = [each for each in load(CONSTITUTION).principles if each.comparison_question][:PRINCIPLES]
    return [
        templates.render(
            TEMPLATE, conversation=conversation, first=shown[0], second=shown[1], principle=principle
        )
        for principle in principles
        for shown in ((first, second), (second, first))
    ]


def measured(engine: TransformersEngine, prompts: Sequence[Prompt], *, repeats: int) -> dict[str, Cost]:
    ways: dict[str, Callable[[], None]] = {
        "at once": lambda: asyncio.run(at_once(engine, prompts)),
        "one padded batch": lambda: padded_batch(engine, prompts),
        "one after another": lambda: asyncio.run(one_by_one(engine, prompts)),
    }
    costs = {way: Cost() for way in ways}
    for repeat in range(repeats + 1):
        for way, ask in ways.items():
            started = time.perf_counter()
            with counted(engine) as passed:
                ask()
            if repeat:  # the first time warms up
                costs[way].tokens.append(passed.tokens)
                costs[way].seconds.append(time.perf_counter() - started)
    return costs


async def at_once(engine: TransformersEngine, prompts: Sequence[Prompt]) -> None:
    await asyncio.gather(*(engine.choose(prompt, (FIRST, SECOND)) for prompt in prompts))


async def one_by_one(engine: TransformersEngine, prompts: Sequence[Prompt]) -> None:
    for prompt in prompts:
        await engine.choose(prompt, (FIRST, SECOND))


def padded_batch(engine: TransformersEngine, prompts: Sequence[Prompt]) -> None:
    ids = [encode_prompt(engine.tokenizer, prompt) for prompt in prompts]
    longest = max(map(len, ids))
    rows = torch.tensor([[0] * (longest - len(row)) + row for row in ids])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in ids])
    with torch.inference_mode():
        engine.model(
            input_ids=rows,
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=1,
        )


@contextmanager
def counted(engine: TransformersEngine) -> Iterator[Passed]:
    """Counts what goes through the model meanwhile."""
    passed = Passed()

    def count(_module: object, _args: object, given: dict[str, torch.Tensor]) -> None:
        passed.tokens += given["input_ids"].numel()

    hook = engine.model.register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield passed
    finally:
        hook.remove()


if __name__ == "__main__":
    raise SystemExit(main())
