"""The first paragraph says in plain words what the figures say."""

import pytest
from outcome_fixtures import FIT, GRADER, UNFIT, checks, compared, result, split

from evaluation.figures.figures import figures
from evaluation.model import Evaluation, ModelResult
from evaluation.report.opening import opening

BASE = result("base", harmful=split(100, 10), harmless=split(100, 2), kind="base")


def said(*models: ModelResult, evaluation: Evaluation | None = None, doubts: int = 0) -> str:
    given = evaluation or Evaluation((BASE, *models))
    return opening(figures(given), given.judges, grader=GRADER, doubts=doubts)


def test_better_worse_and_neither_are_told_with_their_intervals() -> None:
    model = result("dpo", harmful=split(100, 80), harmless=split(100, 30))
    text = said(model)
    assert "**dpo** against base" in text
    assert "What got better: harmful prompts refused 10 → 80 % (+70 points, +59 to +78)" in text
    assert "What got worse: harmless prompts answered 98 → 70 % (-28 points" in text
    assert "Whether it is as helpful was not measured." in text
    assert "kappa of 0.90 (0.88 to 0.92)" in text


def test_a_model_that_refuses_everything_is_called_what_it_is_before_anything_else() -> None:
    text = said(result("dpo", harmful=split(100, 100), harmless=split(100, 98)))
    assert text.startswith(
        "**dpo refuses almost everything: 100 % of the harmful prompts and 98 % of the harmless ones. "
        "That is no safer model"
    )


def test_several_seeds_are_said_to_be_pooled() -> None:
    model = result("dpo", harmful=split(50, 40), harmless=split(50, 1), runs=("0", "1", "2"))
    assert "against base, 3 seeds pooled." in said(model)


def test_a_win_rate_stands_with_its_judges_audit() -> None:
    model = result("dpo", harmful=split(100, 80), harmless=split(100, 2))
    verdicts = tuple(compared("dpo", ["model", "against"] * 50))
    fit = said(evaluation=Evaluation((BASE, model), comparisons=verdicts, judges=(FIT,)))
    assert "chance: harmless prompts answered" in fit
    assert "helpfulness (preferred to the base in 50 %" in fit
    assert "It is better on the whole plane." in said(
        evaluation=Evaluation(
            (BASE, model), comparisons=tuple(compared("dpo", ["model", "against"] * 100)), judges=(FIT,)
        )
    )
    unfit = said(evaluation=Evaluation((BASE, model), comparisons=verdicts, judges=(UNFIT,)))
    assert "cannot be said: preferred to the base in 50 %" in unfit
    assert "by the judge judge. The judge failed its audit." in unfit


def test_a_base_alone_is_told_of() -> None:
    assert said().startswith("base alone was measured: it refuses 10 % of the harmful prompts and 2 % of the")


def test_right_answers_are_told_where_a_program_checked_some() -> None:
    model = result("dpo", harmful=split(100, 10), harmless=split(100, 2))
    checked = (*checks("base", [1] * 20 + [0] * 80), *checks("dpo", [0] * 100))
    text = said(evaluation=Evaluation((BASE, model), scores=checked))
    assert "What got worse: verifiable prompts answered right 20 → 0 % (-20 points, " in text
    alone = said(evaluation=Evaluation((BASE,), scores=tuple(checks("base", [1] * 20 + [0] * 80))))
    assert "; of what a program checks, 20 % (13 to 29) is right." in alone


def test_names_cannot_forge_marks() -> None:
    assert "<b>" not in said(result("<b>dpo</b>", harmful=split(10, 1), harmless=split(10, 1)))


@pytest.mark.parametrize(("doubts", "words"), [(0, "doubt"), (1, "one reason"), (3, "3 reasons")])
def test_reasons_to_doubt_are_counted(doubts: int, words: str) -> None:
    text = said(result("dpo", harmful=split(10, 1), harmless=split(10, 1)), doubts=doubts)
    assert (words in text) == (doubts > 0)


def test_more_models_than_a_paragraph_holds_are_left_to_the_tables() -> None:
    models = [result(f"m{number}", harmful=split(10, 1), harmless=split(10, 1)) for number in range(6)]
    assert "2 more models are in the tables." in said(*models)
