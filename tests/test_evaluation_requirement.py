"""Requirements are read from words."""

import pytest

from evaluation.requirement import Requirement, requirement


def test_a_requirement_is_read_with_its_model_and_limit() -> None:
    assert requirement("harmful_refused>=0.8") == Requirement("harmful_refused", None, ">=", 0.8)
    assert requirement("sft.kl <= 2") == Requirement("kl", "sft", "<=", 2.0)
    assert requirement("win_rate") == Requirement("win_rate")
    assert requirement("reward:helpful>=0").measure == "reward:helpful"
    assert str(requirement("sft.kl <= 2")) == "sft.kl<=2"


@pytest.mark.parametrize("text", ["", "harmful_refused>0.8", "harmful_refused>=much", "a b", ">=1"])
def test_what_is_no_requirement_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected: MEASURE"):
        requirement(text)
