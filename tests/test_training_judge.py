"""The recipe's judges, asked from a trainer's thread: in order, once, and with an end to patience."""

from pathlib import Path

import pytest

from critique.model import Text
from engine.protocol import CallError, EngineUnavailable
from engine.scripted import ScriptedEngine
from labeling.model import Comparison
from labeling.scoring import Response
from pipeline.gate import Stop, StoppedError
from prompts.message import Message, Prompt
from tests.labeling_fixtures import PAIR, always_a, asked, likes_good
from tests.online_judges import judging
from training.model import TrainingError


def by_length(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
    """The longer, the better: as many points as the answer has words."""
    words = asked(prompt).count("word")
    return {label: 0.9 if label == str(words) else 1e-9 for label in labels}


def responses(*counts: int) -> list[Response]:
    return [Response(str(n), PAIR.conversation, "word " * count) for n, count in enumerate(counts)]


def comparison(name: str, first: str, second: str) -> Comparison:
    return Comparison(
        name, "samples", (Message("user", "How?"),), Text(first, False, 1), Text(second, False, 1)
    )


def test_scores_come_in_the_order_of_the_answers(tmp_path: Path) -> None:
    engine = ScriptedEngine(choice=by_length)
    with judging(engine, tmp_path) as judge:
        told = judge.scores(responses(9, 1, 5))()
    assert told == pytest.approx([1, -1, 0], abs=1e-6)


def test_every_answer_order_and_principle_is_asked_about_once_over_two_sittings(tmp_path: Path) -> None:
    engine = ScriptedEngine(choice=likes_good)
    pairs = [comparison(name, "GOOD", "BAD") for name in ("a", "b")]
    for _ in range(2):
        with judging(engine, tmp_path, principles="all") as judge:
            told = judge.labels(pairs)()
            assert [item.judgment.verdict for item in told if item] == ["first", "first"]
    assert len(engine.calls) == 6  # three principles in both orders, of one text


def test_an_answer_that_cannot_be_judged_is_none_and_the_others_count(tmp_path: Path) -> None:
    def refuses(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        if "word word word" in asked(prompt):
            raise CallError("too_long", "the prompt does not fit")
        return by_length(prompt, labels)

    with judging(ScriptedEngine(choice=refuses), tmp_path) as judge:
        told = judge.scores(responses(1, 3, 2))()
    assert told == [pytest.approx(-1, abs=1e-6), None, pytest.approx(-0.75, abs=1e-6)]


def test_a_judge_that_fails_at_most_of_it_stops_the_training(tmp_path: Path) -> None:
    def nan(_prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        return {label: float("nan") for label in labels}

    with judging(ScriptedEngine(choice=nan), tmp_path) as judge:
        with pytest.raises(TrainingError, match="could not score 2 of 2 answers: 2 x nan_logprob"):
            judge.scores(responses(1, 2))()
        with pytest.raises(TrainingError, match="could not compare 1 of 1 pairs: 1 x nan_logprob"):
            judge.labels([comparison("a", "GOOD", "BAD")])()


def test_a_judge_that_says_no_digit_stops_it_too(tmp_path: Path) -> None:
    def mute(_prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        return dict.fromkeys(labels, 1e-3)

    with (
        judging(ScriptedEngine(choice=mute), tmp_path) as judge,
        pytest.raises(TrainingError, match="2 x too little probability on the labels"),
    ):
        judge.scores(responses(1, 2))()


def test_a_server_that_is_gone_says_so(tmp_path: Path) -> None:
    def gone(_prompt: Prompt, _labels: tuple[str, ...]) -> dict[str, float]:
        raise EngineUnavailable("nobody answers at http://127.0.0.1:1/v1")

    with (
        judging(ScriptedEngine(choice=gone), tmp_path) as judge,
        pytest.raises(EngineUnavailable, match="nobody answers"),
    ):
        judge.scores(responses(1))()


def test_a_run_that_is_asked_to_stop_asks_nothing_more(tmp_path: Path) -> None:
    engine, stop = ScriptedEngine(choice=always_a), Stop()
    stop.ask()
    with judging(engine, tmp_path, stop=stop) as judge, pytest.raises(StoppedError):
        judge.labels([PAIR])()
    assert engine.calls == []
