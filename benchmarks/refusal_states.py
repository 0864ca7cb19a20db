"""Whether hidden states of the embedded model help the refusal grader on model families that it has not met.

    python benchmarks/refusal_states.py [DATA] [--states FILE.npy]

The model reads prompt and answer as a talk; the mean of a layer's states over the answer's tokens stands
beside the features of `evaluation.features`, and one linear model is fitted on both. As in refusal_grader.py
each of XSTest's families is held out. Layer and weight of the states are chosen without it: each remaining
family is graded by what was fitted on the other and on the project's own labels, and the setting of the least
mean log-loss is taken. What ships reads no states; this is the record of what they would bring. Reading them
takes minutes; `--states` keeps them for the next time.
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from refusal_agreement import Said, false_alarms, kappa, missed
from refusal_examples import EMBEDDED, OWN, Example, answers, own, xstest

from engine.embedded import embedded_model
from evaluation.linear import Case, Features, Linear, fit

LAYERS = (16, 20, 24)
PROMPT_TOKENS, ANSWER_TOKENS, BATCH = 40, 44, 32
FAR = 6.0
"""Standard deviations at which a state is cut off: some of this model's dimensions stray far."""
WORDS_SIZE, STATES_SIZES = math.sqrt(1 / 8), (math.sqrt(20), math.sqrt(10))
"""What features are multiplied by; the penalty is one for all, so that larger ones count more."""

PROJECT = (OWN, EMBEDDED)
"""The families of the project's own labels, which every grader learns from."""

States = NDArray[np.float32]
"""One row an example, then layers, then dimensions."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Which of `LAYERS`, and how large its states are beside the words."""

    layer: int
    size: float

    def __str__(self) -> str:
        return f"layer {LAYERS[self.layer]}, size {self.size:.1f}"


SETTINGS = tuple(Setting(layer, size) for layer, size in product(range(len(LAYERS)), STATES_SIZES))


@dataclass(frozen=True)
class Seen:
    """Examples of all families and of the project's own labels, row by row with their standardised states."""

    examples: Sequence[Example]
    states: States

    def features(self, row: int, setting: Setting) -> Features:
        words = {name: WORDS_SIZE * value for name, value in self.examples[row].features.items()}
        vector = self.states[row, setting.layer]
        scaled = vector * (setting.size / math.sqrt(len(vector)))
        return words | {f"state {number}": float(value) for number, value in enumerate(scaled)}

    def rows(self, *families: str) -> list[int]:
        return [row for row, each in enumerate(self.examples) if each.family in families]


def read_states(examples: Sequence[Example]) -> States:
    """The means of the layers' states over each answer's tokens, read in bfloat16, short talks first."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = embedded_model()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval().model
    model.layers = model.layers[: max(LAYERS) + 1]

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    def talk(each: Example) -> tuple[list[int], list[int]]:
        before = [*ids("<|im_start|>user\n"), *ids(each.prompt)[:PROMPT_TOKENS]]
        answer = ids(each.response)[:ANSWER_TOKENS] or ids(".")
        return [*before, *ids("<|im_end|>\n<|im_start|>assistant\n")], answer

    talks = [talk(each) for each in examples]
    order = sorted(range(len(talks)), key=lambda row: sum(map(len, talks[row])))
    found = np.zeros((len(talks), len(LAYERS), model.config.hidden_size), np.float32)
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        tokens = [torch.tensor([*talks[row][0], *talks[row][1]]) for row in rows]
        padded = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(each) for each in tokens], batch_first=True)
        with torch.inference_mode():
            hidden = model(input_ids=padded, attention_mask=mask, output_hidden_states=True).hidden_states
        for place, row in enumerate(rows):
            first, past = len(talks[row][0]), len(tokens[place])
            for number, layer in enumerate(LAYERS):
                found[row, number] = hidden[layer][place, first:past].float().mean(0).numpy()
    return found


def standardised(states: States, known: Sequence[int]) -> States:
    """In standard deviations from the mean of the known rows, cut off at `FAR`."""
    mean, deviation = states[known].mean(0), states[known].std(0) + 1e-3
    return np.clip((states - mean) / deviation, -FAR, FAR)


def fitted(seen: Seen, setting: Setting, *families: str) -> Linear:
    """A grader of these families and of the project's own labels."""
    rows = [row for row, each in enumerate(seen.examples) if each.family in {*families, *PROJECT}]
    return fit([Case(seen.features(row, setting), seen.examples[row].refused) for row in rows], penalty=1.0)


def log_loss(seen: Seen, setting: Setting, *, taught: str, tested: str) -> float:
    """Of one family, graded by what was fitted on another, in nats an answer."""
    model = fitted(seen, setting, taught)
    losses: list[float] = []
    for row in seen.rows(tested):
        towards = model.log_odds(seen.features(row, setting)) * (1 if seen.examples[row].refused else -1)
        losses.append(float(np.logaddexp(0.0, -towards)))
    return sum(losses) / len(losses)


def chosen(seen: Seen, others: Sequence[str]) -> Setting:
    """The setting under which the other families grade each other best."""
    losses: Mapping[Setting, float] = {
        setting: sum(log_loss(seen, setting, taught=a, tested=b) for a in others for b in others if a != b)
        for setting in SETTINGS
    }
    return min(losses, key=lambda setting: losses[setting])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", nargs="?", type=Path, default=Path("../shared/data"), metavar="DATA")
    parser.add_argument("--states", type=Path, metavar="FILE.npy", help="where states are kept")
    given = parser.parse_args()
    tested = xstest(given.path)
    examples = [*tested, *own(), *answers("train")]
    kept: Path | None = given.states
    states = np.load(kept) if kept and kept.is_file() else read_states(examples)
    if kept and not kept.is_file():
        np.save(kept, states)
    if len(states) != len(examples):
        sys.exit(f"{kept}: states of {len(states)} answers, and there are {len(examples)}; delete the file")
    known = [row for row, each in enumerate(examples) if each.family == OWN]
    seen = Seen(examples, standardised(states, known))
    families = list(dict.fromkeys(each.family for each in tested))
    said: list[Said] = []
    for family in families:
        others = [name for name in families if name != family]
        setting = chosen(seen, others)
        model = fitted(seen, setting, *others)
        of_family = [
            Said(examples[row], model.log_odds(seen.features(row, setting)) > 0) for row in seen.rows(family)
        ]
        sys.stdout.write(
            f"{family}: {setting}; missed {missed(of_family)}, wrongly {false_alarms(of_family)}, "
            f"kappa {kappa(of_family):.3f}\n"
        )
        said += of_family
    sys.stdout.write(f"all: missed {missed(said)}, wrongly {false_alarms(said)}, kappa {kappa(said):.3f}\n")


if __name__ == "__main__":
    main()
