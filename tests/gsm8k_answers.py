"""GSM8K's reference solutions as answers: in several right forms, and perturbed into wrong ones."""

import json
from collections.abc import Sequence
from pathlib import Path

from training.verifiers.attempt import Attempt
from training.verifiers.registry import VERIFIERS
from training.verifiers.settings import VerifierSettings


def read(file: Path) -> list[str]:
    """The reference solutions of a file."""
    return [json.loads(line)["answer"] for line in file.read_text(encoding="utf-8").splitlines()]


def right(solution: str) -> list[str]:
    """The solution itself, and its answer in other forms."""
    answer = answer_of(solution)
    grouped = f"{int(answer):,}" if answer.lstrip("-").isdigit() else answer
    return [
        solution,
        f"<answer>{answer}</answer>",
        f"So it is \\boxed{{{answer}}}.",
        f"<answer>${grouped}.00</answer>" if answer.lstrip("-").isdigit() else f"<answer> {answer} </answer>",
        f"First <answer>0.5</answer>, no: <answer>{grouped}</answer>",
    ]


def wrong(solution: str, other: str) -> list[str]:
    """The solution with another answer, in ways that a careless check would pass."""
    answer = answer_of(solution)
    value = int(answer)
    made = [value + 1, value - 1, -value or 1, value * 10 or 10, int(f"{answer}1"), value + 0.5]
    before = solution.rpartition("####")[0]
    texts = [f"{before}#### {number}" for number in made]
    texts += [f"<answer>{number}</answer>" for number in made]
    texts += [f"<answer>{value} or {value + 1}</answer>", f"The answer is {value}.", before, ""]
    return texts + ([other] if answer_of(other) != answer else [])


def answer_of(solution: str) -> str:
    return solution.rpartition("####")[2].strip().replace(",", "")


def accepted(check: str, texts: Sequence[Sequence[str]], solutions: Sequence[str]) -> tuple[int, int]:
    """How many of all texts are accepted against their own solution, and how many there are."""
    pairs = zip(texts, solutions, strict=True)
    attempts = [Attempt(text, solution) for many, solution in pairs for text in many]
    told = VERIFIERS[check](attempts, VerifierSettings(check=check))
    return int(sum(told)), len(told)
