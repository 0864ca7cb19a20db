"""Changes on the same prompts, against numbers worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.figures.change import all_at_once, change, sign_flip

verdicts = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40)


def names(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def test_a_change_is_newcombes() -> None:
    # Both 2, only after 5, only before 1, neither 2: phi = (2*2 - 5*1) / 21 = -1/21. Wilson's intervals at
    # 9 independent answers with t(9) = 2.26216: 7/10 is 0.34223 to 0.91277, 3/10 is 0.08723 to 0.65777.
    # below: sqrt((2 + 2/21) * 0.35777^2) = 0.51786, above sqrt((2 + 2/21) * 0.21277^2) = 0.30798.
    before = [1.0] * 2 + [0.0] * 5 + [1.0] + [0.0] * 2
    after = [1.0] * 2 + [1.0] * 5 + [0.0] + [0.0] * 2
    found = change(before, after, names(10))
    assert found.value == pytest.approx(0.4)
    assert (found.low, found.high) == pytest.approx((-0.11786, 0.70798), abs=1e-4)
    assert found.includes_zero


def test_its_p_value_is_mcnemars_exact_one() -> None:
    # Six prompts changed, five of them one way: 2 * (1 + 6) / 64.
    before, after = [0.0] * 5 + [1.0] + [1.0] * 4, [1.0] * 5 + [0.0] + [1.0] * 4
    assert change(before, after, names(10)).p == pytest.approx(14 / 64)


def test_prompts_and_not_answers_are_flipped() -> None:
    # Sums of +-2 +-1 +-1: six of eight are as far from 0 as 2 - 1 + 1 is.
    assert sign_flip([2, -1, 1]) == pytest.approx(6 / 8)
    assert sign_flip([0.5, 0.5]) == pytest.approx(2 / 4)
    assert sign_flip([0, 0]) == 1


def test_many_prompts_agree_with_the_exact_test() -> None:
    # 2 * P(Binomial(600, 1/2) >= 330) = 0.01594 exactly.
    assert sign_flip([1] * 330 + [-1] * 270) == pytest.approx(0.0159, abs=1e-3)


def test_no_change_at_all_still_has_an_interval() -> None:
    for answers in ([0.0] * 40, [1.0] * 20 + [0.0] * 20):
        found = change(answers, answers, names(40))
        assert found.value == 0
        assert found.low < 0 < found.high
        assert not found.sure


def test_a_clear_change_is_sure() -> None:
    assert change([0.0] * 40, [1.0] * 30 + [0.0] * 10, names(40)).sure


def test_answers_of_three_runs_to_one_prompt_tell_less_than_three_prompts() -> None:
    before, after = [0.0] * 30, [1.0] * 15 + [0.0] * 15
    together = change(before, after, [str(number // 3) for number in range(30)])
    apart = change(before, after, names(30))
    assert together.value == apart.value
    assert together.high - together.low > apart.high - apart.low
    assert together.p > apart.p


def test_changes_that_are_looked_at_together_are_adjusted() -> None:
    sure = change([0.0] * 6, [1.0] * 6, names(6))
    assert sure.p == pytest.approx(2 / 64)
    assert [one.adjusted for one in all_at_once([sure, sure])] == pytest.approx([4 / 64, 4 / 64])
    assert not all_at_once([sure, sure])[0].sure


@given(verdicts)
def test_the_change_back_is_the_change_mirrored(pairs: list[tuple[bool, bool]]) -> None:
    before, after = [float(one) for one, _ in pairs], [float(two) for _, two in pairs]
    there, back = change(before, after, names(len(pairs))), change(after, before, names(len(pairs)))
    assert there.value == pytest.approx(-back.value)
    assert (there.low, there.high) == (pytest.approx(-back.high), pytest.approx(-back.low))
    assert there.p == pytest.approx(back.p)
    assert -1 <= there.low <= there.value + 1e-12
    assert there.value - 1e-12 <= there.high <= 1


def test_answers_to_different_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="2 answers before and 1 after to 1 prompts"):
        change([1, 0], [1], ["a"])
