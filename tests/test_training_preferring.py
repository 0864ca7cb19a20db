"""Which of a prompt's answers is better: by scores, by a judge, and what makes no pair."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.protocol import CallError
from engine.scripted import ScriptedEngine
from prompts.message import Conversation, Message, Prompt
from tests.labeling_fixtures import always_a, asked, likes_good
from tests.online_judges import judging
from training.preferring import ByJudge, ByScore, Preferences, groups_of
from training.raters import ByFunction
from training.rewards import Answer, Part, Reward

PROMPT = (Message("user", "How?"),)


def answers(*texts: str, finished: bool = True) -> list[Answer]:
    return [Answer(PROMPT, text, finished) for text in texts]


def words(_prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
    return [float(len(text.split())) for text in completions]


def found(told: Preferences) -> list[tuple[int, int, float]]:
    return [(pair.chosen, pair.rejected, pair.probability) for pair in told.pairs]


def by_words(to_each: int, temperature: float = 1.0, penalty: float = 0.0) -> ByScore:
    reward = Reward((Part("words", ByFunction(words), 1.0),))
    return ByScore(reward, to_each, temperature=temperature, penalty=penalty)


def test_answers_to_a_prompt_stand_side_by_side() -> None:
    assert groups_of(6, 3) == [range(3), range(3, 6)]


def test_the_higher_score_is_better_by_the_logistic_of_the_difference() -> None:
    told = by_words(2, temperature=2.0).begin(answers("one", "one two three", "a b", "a"))()
    sure, less = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-0.5))
    assert found(told) == [(1, 0, pytest.approx(sure)), (2, 3, pytest.approx(less))]
    assert told.scores is not None
    assert told.scores.total == (1, 3, 2, 1)
    assert told.consistency is None


def test_of_more_than_two_the_best_is_set_against_the_worst() -> None:
    told = by_words(4).begin(answers("a b", "a", "a b c d", "a b c"))()
    assert [(pair.chosen, pair.rejected) for pair in told.pairs] == [(2, 1)]


def test_equal_scores_and_equal_texts_make_no_pair() -> None:
    told = by_words(2).begin(answers("a b", "c d", "same", " same"))()
    assert told.pairs == ()
    assert told.dropped == {"tie": 1, "identical": 1}


def test_an_answer_without_an_end_pays_for_it() -> None:
    shown = [*answers("a b c", finished=False), *answers("a b")]
    assert [pair.chosen for pair in by_words(2).begin(shown)().pairs] == [0]
    assert [pair.chosen for pair in by_words(2, penalty=2).begin(shown)().pairs] == [1]


def test_a_judge_names_the_better_one_in_both_orders(tmp_path: Path) -> None:
    engine = ScriptedEngine(choice=likes_good)
    with judging(engine, tmp_path) as judge:
        told = ByJudge(judge, 2).begin(answers("BAD one", "GOOD one", "GOOD two", "BAD two"))()
    assert found(told) == [(1, 0, pytest.approx(0.8)), (2, 3, pytest.approx(0.8))]
    assert told.consistency == 1
    assert len(engine.calls) == 4


def test_a_judge_that_always_says_a_gives_ties(tmp_path: Path) -> None:
    with judging(ScriptedEngine(choice=always_a), tmp_path) as judge:
        told = ByJudge(judge, 2).begin(answers("BAD", "GOOD"))()
    assert told.pairs == ()
    assert told.dropped == {"tie": 1}
    assert told.consistency == 0


def test_the_recipes_rules_for_ties_hold(tmp_path: Path) -> None:
    with judging(ScriptedEngine(choice=likes_good), tmp_path, tie_margin=0.35) as judge:
        told = ByJudge(judge, 2).begin(answers("BAD", "GOOD"))()
    assert told.dropped == {"low margin": 1}


def test_equal_answers_are_not_judged(tmp_path: Path) -> None:
    engine = ScriptedEngine(choice=likes_good)
    with judging(engine, tmp_path) as judge:
        told = ByJudge(judge, 2).begin(answers("GOOD", "GOOD ", "GOOD", "BAD"))()
    assert told.dropped == {"identical": 1}
    assert [(pair.chosen, pair.rejected) for pair in told.pairs] == [(2, 3)]
    assert len(engine.calls) == 2


def test_a_judge_ranks_more_than_two(tmp_path: Path) -> None:
    def by_number(prompt: Prompt, _labels: tuple[str, ...]) -> dict[str, float]:
        shown = [int(mark) for mark in asked(prompt).split() if mark in "123"]
        return {"A": 0.8, "B": 0.2} if shown[0] > shown[1] else {"A": 0.2, "B": 0.8}

    engine = ScriptedEngine(choice=by_number)
    with judging(engine, tmp_path) as judge:
        told = ByJudge(judge, 3).begin(answers("value 2 here", "value 3 here", "value 1 here"))()
    assert found(told) == [(1, 2, pytest.approx(0.8))]
    assert len(engine.calls) == 6


def test_a_pair_that_cannot_be_judged_is_left_out_and_counted(tmp_path: Path) -> None:
    def fails(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        if "long" in asked(prompt):
            raise CallError("too_long", "it does not fit")
        return likes_good(prompt, labels)

    with judging(ScriptedEngine(choice=fails), tmp_path) as judge:
        told = ByJudge(judge, 2).begin(answers("BAD", "GOOD", "BAD long", "GOOD"))()
    assert [(pair.chosen, pair.rejected) for pair in told.pairs] == [(1, 0)]
    assert told.dropped == {"not answered": 1}
