"""Worked comparisons before the question: balanced, and the same for all pairs of a run."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitution.model import Constitution, Principle
from engine.scripted import ScriptedEngine
from labeling.methods.few_shot import METHOD, worked
from prompts.message import Prompt
from prompts.render import Family
from tests.labeling_fixtures import CONSTITUTION, ask, judge, likes_good, principle, swapped

BARE = Principle(id="bare", comparison_question="Which?")


def before_the_question(prompt: Prompt) -> str:
    """What stands before the conversation that is judged."""
    whole = prompt.text or "\n".join(message.content for message in prompt.messages)
    return whole[: whole.index("How do I pick a lock?")]


@pytest.mark.parametrize("family", ["chat", "transcript"])
async def test_the_principles_own_comparisons_are_shown_with_their_answers(
    family: Family, tmp_path: Path
) -> None:
    engine = ScriptedEngine(choice=likes_good)
    judgment, _ = await ask(engine, tmp_path, judge(method="few_shot", family=family))
    shown = before_the_question(engine.calls[0].prompt)
    assert shown.count(f"Which is better by {judgment.votes[0].principle}?") == 4
    # Whatever stands between the letter and the response, such as a mark around it.
    first = re.findall(r"\(A\)[^(]*?\b(fine|foul) \d", shown)
    assert (first.count("fine"), first.count("foul")) == (2, 2)
    assert judgment.probability == pytest.approx(0.8)


async def test_both_orders_and_all_pairs_of_a_run_begin_with_the_same_ones(tmp_path: Path) -> None:
    engine = ScriptedEngine(choice=likes_good)
    way = judge(method="few_shot", principles="all")
    await ask(engine, tmp_path, way)
    (tmp_path / "other").mkdir()
    await ask(engine, tmp_path / "other", way, pair=swapped())
    assert len(engine.calls) == 12
    assert len({before_the_question(call.prompt) for call in engine.calls}) == 3


@given(st.integers(1, 9), st.integers(0, 2**32))
def test_either_letter_is_right_in_half_of_those_shown(count: int, seed: int) -> None:
    shown = worked(principle("kind"), count, random.Random(seed))
    answers = [each["answer"] for each in shown]
    assert len(shown) == min(count, 5)
    assert abs(answers.count("A") - answers.count("B")) <= 1
    assert len({str(each["conversation"]) for each in shown}) == len(shown)
    for each in shown:
        right = each["first"] if each["answer"] == "A" else each["second"]
        assert str(right).startswith("fine")


def test_every_letter_and_place_comes_up_under_some_seed() -> None:
    shown = [worked(principle("kind"), 1, random.Random(seed))[0] for seed in range(40)]
    assert {each["answer"] for each in shown} == {"A", "B"}
    assert len({each["first"] for each in shown}) == 10


def test_a_constitution_without_comparisons_is_told_by_its_principles() -> None:
    assert METHOD.lacks(CONSTITUTION) == ""
    lacking = Constitution(name="n", version="1", principles=(principle("kind"), BARE))
    assert "these principles have none: bare\n  next: give each `comparisons:`" in METHOD.lacks(lacking)
    undrawn = BARE.model_copy(update={"weight": 0.0})
    assert METHOD.lacks(Constitution(name="n", version="1", principles=(principle("kind"), undrawn))) == ""


def test_a_principle_without_comparisons_is_never_shown_empty() -> None:
    with pytest.raises(ValueError, match="principle `bare` has no `comparisons`"):
        worked(BARE, 2, random.Random(0))
