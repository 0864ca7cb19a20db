"""Each response alone, by the expected value of a digit."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.protocol import Choice
from engine.scripted import ScriptedEngine
from labeling.methods.pointwise import DIGITS, expected
from prompts.message import Prompt
from prompts.render import Family
from tests.labeling_fixtures import ask, asked, judge


def choice(**probabilities: float) -> Choice:
    digits = {digit: probabilities.get(f"d{digit}", 0.0) for digit in DIGITS}
    logprobs = {digit: math.log(p) if p else -math.inf for digit, p in digits.items()}
    return Choice(logprobs, mass=sum(digits.values()), argmax_is_label=True)


def eight_or_three(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
    """8 for the good answer; 2 or 4, as likely, for the bad one; 0.2 for what is no digit."""
    given = {"8": 0.8} if "GOOD" in asked(prompt) else {"2": 0.4, "4": 0.4}
    return {label: given.get(label, 1e-12) for label in labels}


def test_the_expected_value_is_scaled_to_minus_one_to_one() -> None:
    assert expected(choice(d9=0.3)) == 1.0
    assert expected(choice(d1=0.9)) == -1.0
    assert expected(choice(d5=0.5)) == 0.0
    # (1 x 0.1 + 6 x 0.3) / 0.4 = 4.75
    assert expected(choice(d1=0.1, d6=0.3)) == pytest.approx(-0.0625)


@given(st.lists(st.floats(0.001, 1), min_size=9, max_size=9))
def test_a_scale_turned_round_turns_the_score_round(weights: list[float]) -> None:
    probabilities = {f"d{digit}": w / sum(weights) for digit, w in zip(DIGITS, weights, strict=True)}
    turned = dict(zip(probabilities, reversed(probabilities.values()), strict=True))
    assert expected(choice(**turned)) == pytest.approx(-expected(choice(**probabilities)), abs=1e-9)


@pytest.mark.parametrize("family", ["chat", "transcript"])
async def test_a_pairs_probability_is_a_logistic_of_the_difference_of_scores(
    family: Family, tmp_path: Path
) -> None:
    engine = ScriptedEngine(choice=eight_or_three)
    judgment, _ = await ask(engine, tmp_path, judge(method="pointwise", family=family))
    vote = judgment.votes[0]
    # (8 - 5) / 4 and (3 - 5) / 4: a difference of 1.25, over a temperature of 0.25.
    assert (vote.first_score, vote.second_score) == pytest.approx((0.75, -0.5))
    assert vote.forward.logit == pytest.approx(5)
    assert vote.backward.logit == pytest.approx(-5)
    assert judgment.probability == pytest.approx(1 / (1 + math.exp(-5)))
    assert vote.forward.mass == pytest.approx(0.8)
    assert [call.labels for call in engine.calls] == [DIGITS, DIGITS]
    assert not any("GOOD" in asked(call.prompt) and "BAD" in asked(call.prompt) for call in engine.calls)


async def test_the_temperature_is_the_recipes(tmp_path: Path) -> None:
    way = judge(method="pointwise", pointwise={"temperature": 1.25})
    judgment, _ = await ask(ScriptedEngine(choice=eight_or_three), tmp_path, way)
    assert judgment.probability == pytest.approx(1 / (1 + math.exp(-1)))


async def test_a_score_that_is_hardly_a_digit_does_not_count(tmp_path: Path) -> None:
    def shy(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        return {label: 0.1 if "GOOD" in asked(prompt) else 0.01 for label in labels}

    judgment, _ = await ask(ScriptedEngine(choice=shy), tmp_path, judge(method="pointwise"))
    assert judgment.verdict == "unparsed"
    assert judgment.votes[0].forward.mass == pytest.approx(0.09)
