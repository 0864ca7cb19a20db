"""The cosine of TF-IDF vectors over word stems, by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from critique.relatedness import Relatedness, words


def test_words_are_cut_so_that_the_forms_of_one_fall_together() -> None:
    assert words("Poisoning, poisoned; a DOG!") == ["poison", "poison", "dog"]


def test_the_cosine_weighs_a_word_by_how_few_texts_have_it() -> None:
    rare, common = math.log(3 / 2), math.log(3 / 3)
    assert common == 0
    # "dog" is in both texts and weighs nothing; "bone" and "leash" are in one each.
    one, other = Relatedness(["dog bone bone", "dog leash"]).to("a dog with a bone and a leash")
    length = math.hypot(rare, rare)
    assert one == pytest.approx(rare / length)
    assert other == pytest.approx(rare / length)


def test_a_text_that_shares_no_word_is_not_related() -> None:
    assert Relatedness(["lock pick", "bread"]).to("Quantum physics") == [0.0, 0.0]
    assert Relatedness([]).to("anything") == []


@given(st.lists(st.text("abc xyz", max_size=30), min_size=1, max_size=6))
def test_cosines_are_within_bounds_and_a_text_is_most_like_itself(texts: list[str]) -> None:
    relatedness = Relatedness(texts)
    for place, text in enumerate(texts):
        cosines = relatedness.to(text)
        assert all(0 <= cosine <= 1 + 1e-9 for cosine in cosines)
        assert cosines[place] == pytest.approx(max(cosines))
