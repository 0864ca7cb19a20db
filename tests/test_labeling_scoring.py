"""A response alone, scored by all judges under all principles that are drawn."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.protocol import CallError
from engine.scripted import ScriptedEngine
from labeling.methods.pointwise import DIGITS
from labeling.scoring import Response, Scorer, name_of
from pipeline.context import Context
from pipeline.journal import Journal
from prompts.message import Message, Prompt
from tests.labeling_fixtures import PAIR, asked, judge

RESPONSE = Response("1", PAIR.conversation, "GOOD answer")


def digit(number: int, mass: float = 0.9) -> dict[str, float]:
    return {label: mass if label == str(number) else 1e-9 for label in DIGITS}


def by_words(prompt: Prompt, _labels: tuple[str, ...]) -> dict[str, float]:
    """9 by calm, 5 by kind, 1 by true."""
    words = asked(prompt)
    return digit(9 if "better by calm" in words else 5 if "better by kind" in words else 1)


async def scored(
    engine: ScriptedEngine, folder: Path, *responses: Response, **settings: Any
) -> list[float | None]:
    """By one journal; every role is the engine's."""
    way = judge(**settings)
    with Journal(folder / "journal.log") as journal:
        context = Context(dict.fromkeys(way.settings.judges, engine), journal, seed=1)
        return [await Scorer(way)(each, context.row(each.id)) for each in responses]


async def test_a_score_is_the_mean_over_principles_and_judges(tmp_path: Path) -> None:
    engine = ScriptedEngine(choice=by_words)
    [told] = await scored(engine, tmp_path, RESPONSE, principles="all", judges=("judge", "strict"))
    assert told == pytest.approx(0, abs=1e-6)  # (1 + 0 - 1) / 3
    # Both judges are one engine here, so that three calls serve six votes.
    assert len(engine.calls) == 3


async def test_all_responses_to_a_prompt_are_scored_by_the_same_principle(tmp_path: Path) -> None:
    engine = ScriptedEngine(choice=by_words)
    others = [replace(RESPONSE, id=str(number), text=f"answer {number}") for number in range(2, 9)]
    told = await scored(engine, tmp_path, RESPONSE, *others)
    assert len(set(told)) == 1
    elsewhere = [
        replace(RESPONSE, id=f"e{number}", conversation=(Message("user", f"{number}?"),))
        for number in range(12)
    ]
    assert len(set(await scored(engine, tmp_path, *elsewhere))) > 1


async def test_equal_responses_are_asked_about_once_and_found_after_a_kill(tmp_path: Path) -> None:
    engine = ScriptedEngine(choice=by_words)
    again = replace(RESPONSE, id="2")
    first = await scored(engine, tmp_path, RESPONSE, again)
    assert first == await scored(engine, tmp_path, replace(RESPONSE, id="after")) * 2
    assert len(engine.calls) == 1


async def test_votes_that_hold_hardly_a_digit_do_not_count(tmp_path: Path) -> None:
    def shy(prompt: Prompt, _labels: tuple[str, ...]) -> dict[str, float]:
        return digit(9, mass=0.1) if "better by calm" in asked(prompt) else digit(3)

    [told] = await scored(ScriptedEngine(choice=shy), tmp_path, RESPONSE, principles="all")
    assert told == pytest.approx(-0.5)
    [told] = await scored(
        ScriptedEngine(choice=shy), tmp_path, RESPONSE, principles="all", min_label_mass=0.95
    )
    assert told is None


async def test_a_broken_answer_is_the_rows_error_and_no_score(tmp_path: Path) -> None:
    def broken(_prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        return {label: float("nan") for label in labels}

    with pytest.raises(CallError):
        await scored(ScriptedEngine(choice=broken), tmp_path, RESPONSE)


def test_a_prompts_name_follows_from_what_was_said() -> None:
    assert name_of(PAIR.conversation) == name_of(tuple(PAIR.conversation))
    assert name_of(PAIR.conversation) != name_of((*PAIR.conversation, Message("assistant", "")))
