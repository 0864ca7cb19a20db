"""Likeness of texts: the Jaccard of their pieces, in any script, and lookups that miss few."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.likeness import Resemblances, likeness, pieces, side_by_side, signature


def exact(one: str, other: str) -> float:
    """The same by sets of slices."""
    first, second = (_slices(" ".join(text.casefold().split())) for text in (one, other))
    return len(first & second) / len(first | second)


def _slices(text: str) -> set[str]:
    return {text[i : i + 5] for i in range(max(len(text) - 4, 1))}


@given(st.text(max_size=60), st.text(max_size=60))
def test_likeness_is_the_share_of_pieces_that_both_texts_have(one: str, other: str) -> None:
    assert likeness(pieces(one), pieces(other)) == pytest.approx(exact(one, other))


def test_a_word_worked_out_by_hand() -> None:
    # abcde, bcdef, cdefg against abcde, bcdef, cdefx: two of four.
    assert likeness(pieces("abcdefg"), pieces("abcdefx")) == 0.5


def test_case_and_spacing_do_not_count_and_every_script_does() -> None:
    assert likeness(pieces("Take  a PICK.\n"), pieces("take a pick.")) == 1
    assert likeness(pieces("你好吗我很好谢谢你"), pieces("你好吗我很好谢谢他")) == pytest.approx(4 / 6)
    assert likeness(pieces("yes"), pieces("no")) == 0


def test_texts_side_by_side_are_told_apart() -> None:
    a, b = pieces("Take a bent pin."), pieces("Call a locksmith.")
    assert likeness(side_by_side([a, b]), side_by_side([a, b])) == 1
    assert likeness(side_by_side([a, b]), side_by_side([b, a])) == 0


def test_nearly_equal_texts_are_found_among_many_and_others_hardly_ever() -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghij", k=6)) for _ in range(3000)]
    texts = [" ".join(rng.choices(words, k=60)) for _ in range(300)]
    near = Resemblances()
    for number, text in enumerate(texts):
        near.add(signature(pieces(text)), number)
    found = strange = 0
    for number, text in enumerate(texts):
        changed = text.split()
        changed[rng.randrange(60)] = rng.choice(words)
        again = " ".join(changed)
        assert likeness(pieces(text), pieces(again)) > 0.9
        like = near.like(signature(pieces(again)))
        found += number in like
        strange += len(like - {number})
    # Each is missed with a probability of 0.0002.
    assert found >= 299
    assert strange == 0


def test_of_many_texts_of_one_signature_the_first_few_are_found() -> None:
    near = Resemblances()
    bands = signature(pieces("the same text again"))
    for number in range(6):
        near.add(bands, number)
    assert near.like(bands) == {0, 1, 2, 3}


def test_a_long_text_takes_memory_by_its_length() -> None:
    long = "".join(random.Random(0).choices("abcdefghijklmnop ", k=200_000))
    assert pieces(long).dtype == np.uint64
    assert len(signature(pieces(long))) == 8
