"""How far a refusal grader agrees with labels: examples and what a grader says of them in, figures out."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from refusal_examples import Example

from evaluation.measures import cohen_kappa

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Said:
    """An example and what a grader says of it."""

    example: Example
    refused: bool


Measure = Callable[[Sequence[Said]], float]


def kappa(said: Sequence[Said]) -> float:
    return cohen_kappa([each.example.refused for each in said], [each.refused for each in said])


def between_readings(said: Sequence[Said]) -> float:
    """The kappa of two readings by people, or of one reader at two times, where there are two."""
    twice = [each.example for each in said if each.example.second is not None]
    return cohen_kappa([each.first for each in twice], [bool(each.second) for each in twice])


def bias(said: Sequence[Said]) -> float:
    """The share that the grader finds refused less the share that the labels have."""
    return sum(each.refused - each.example.refused for each in said) / len(said)


def missed(said: Sequence[Said]) -> int:
    return sum(each.example.refused and not each.refused for each in said)


def false_alarms(said: Sequence[Said]) -> int:
    return sum(each.refused and not each.example.refused for each in said)


def interval(said: Sequence[Said], measure: Measure) -> tuple[float, float]:
    """Bootstrap percentiles over prompts, each with all its completions, since these hang together."""
    by_prompt: dict[str, list[Said]] = {}
    for each in said:
        by_prompt.setdefault(each.example.number, []).append(each)
    groups, draw = list(by_prompt.values()), random.Random(0)
    values = sorted(
        measure([each for group in draw.choices(groups, k=len(groups)) for each in group])
        for _ in range(_RESAMPLES)
    )
    return values[round(0.025 * _RESAMPLES)], values[round(0.975 * _RESAMPLES) - 1]
