"""The picture is a PNG for one model or many, with a borderline category or without."""

import struct

import pytest

from evaluation.model import Answer, ModelResult
from evaluation.plot import plot
from evaluation.summary import summarize
from prompts.message import Message


def result(name: str, *, category: str) -> ModelResult:
    prompt = (Message("user", "Hello."),)
    harmful = Answer("b", "harmful", "theft", prompt, "I can't help with that.", "stop", 9)
    return ModelResult(name, (harmful, Answer("g", "harmless", category, prompt, "Hello!", "stop", 9)))


@pytest.mark.parametrize("category", ["borderline", "everyday"])
@pytest.mark.parametrize("count", [1, 7])
def test_the_picture_has_its_size(count: int, category: str) -> None:
    image = plot(summarize([result(f"model $_{{{n}}}", category=category) for n in range(count)]))
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", image[16:24]) == (1560, 728)
