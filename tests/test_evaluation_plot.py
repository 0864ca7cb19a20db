"""The picture is a PNG for one model or many, with a borderline category or without."""

import struct

import pytest

from evaluation.plot import plot
from evaluation.summary import summarize
from tests.evaluation_fixtures import answered, result


@pytest.mark.parametrize("category", ["borderline", "everyday"])
@pytest.mark.parametrize("count", [1, 7])
def test_the_picture_has_its_size(count: int, category: str) -> None:
    answers = (
        answered("b", "harmful", "I can't help with that."),
        answered("g", "harmless", "Hello!", category=category),
    )
    image = plot(summarize([result(f"model $_{{{n}}}", *answers) for n in range(count)]))
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", image[16:24]) == (1560, 728)
