"""One pair, many votes: principles, negations and judges, all asked at once, and what follows from them."""

import asyncio
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from constitution.load import load
from engine.protocol import CallError, Choice, EngineUnavailable, Reward, Score
from engine.scripted import ScriptedEngine
from labeling.judge import METHODS
from labeling.model import JUDGE
from labeling.settings import LabelingSettings, MethodName
from pipeline.context import Context
from pipeline.journal import Journal
from prompts.message import Prompt
from prompts.render import VARIABLES
from tests.labeling_fixtures import CONSTITUTION, PAIR, always_a, ask, asked, judge, likes_good, swapped

every_method = pytest.mark.parametrize("method", get_args(MethodName))


def any_choice(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
    """Some probabilities that depend on all of the prompt, good for any labels."""
    weights = [
        1 + (len(asked(prompt)) * (i + 3) + asked(prompt).index("answer")) % 7 for i in range(len(labels))
    ]
    return {label: 0.9 * weight / sum(weights) for label, weight in zip(labels, weights, strict=True)}


def any_score(prompt: Prompt, completion: str) -> float:
    guided = prompt.template == "follow"
    return -(3.0 if "GOOD" in completion else 4.0) + (0.5 if guided and "GOOD" in completion else 0.0)


def any_reward(prompt: Prompt, completion: str) -> float:
    return 0.7 if "GOOD" in completion else -0.4


def engine() -> ScriptedEngine:
    return ScriptedEngine("Calm is better.", choice=any_choice, score=any_score, reward=any_reward)


def votes(method: str, principles: int | str) -> int | str:
    """So many principles, where a way reads any."""
    return 1 if method in ("reward", "relevance") else principles


def test_every_way_has_a_name_and_templates_that_exist() -> None:
    assert set(METHODS) == set(get_args(MethodName))
    for name, method in METHODS.items():
        assert set(method.templates(LabelingSettings(method=name))) <= set(VARIABLES)


@every_method
async def test_swapping_the_responses_turns_any_ways_probability_round(method: str, tmp_path: Path) -> None:
    odds = judge(
        method=method,
        principles=votes(method, "all"),
        combine="mean_logit",
        combine_votes="mean_logit",
        clamp=(0.0, 1.0),
    )
    for way in (judge(method=method, clamp=(0.0, 1.0)), odds):
        straight, _ = await ask(engine(), tmp_path, way)
        turned, _ = await ask(engine(), tmp_path, way, pair=swapped())
        assert straight.probability is not None
        assert turned.probability == pytest.approx(1 - straight.probability, abs=1e-12)


@every_method
async def test_any_way_says_by_which_principles_template_and_calls(method: str, tmp_path: Path) -> None:
    way = judge(method=method, principles=votes(method, 2))
    judgment, context = await ask(engine(), tmp_path, way)
    assert judgment.method == method
    if way.templates:
        assert judgment.template == way.templates[0]
        assert judgment.template_hash == way.prompts.hash(way.templates[0])
    assert len({vote.principle for vote in judgment.votes}) == votes(method, 2)
    assert {vote.judge for vote in judgment.votes} == {JUDGE}
    calls = {
        "ab": 4,
        "few_shot": 4,
        "pointwise": 4,
        "reasoned": 8,
        "likelihood": 8,
        "relevance": 4,
        "reward": 2,
    }
    assert len(context.keys) == calls[method]


@every_method
async def test_the_order_of_the_keys_is_not_the_order_of_the_answers(method: str, tmp_path: Path) -> None:
    class Shuffled(ScriptedEngine):
        """Answers in an order of its own, which is another one for each salt."""

        salt = 0

        async def _wait(self, prompt: Prompt) -> None:
            for _ in range((len(asked(prompt)) * 31 + len(self.calls) * 7) % (5 + self.salt)):
                await asyncio.sleep(0)

        async def choose(self, prompt: Prompt, labels: tuple[str, ...], *, priority: int = 0) -> Choice:
            await self._wait(prompt)
            return await super().choose(prompt, labels)

        async def score(self, prompt: Prompt, completion: str, *, priority: int = 0) -> Score:
            await self._wait(prompt)
            return await super().score(prompt, completion)

        async def reward(
            self, prompt: Prompt, completion: str, *, finished: bool = True, priority: int = 0
        ) -> Reward:
            await self._wait(prompt)
            return await super().reward(prompt, completion, finished=finished)

    told = []
    for salt in range(3):
        shuffled = Shuffled("Calm is better.", choice=any_choice, score=any_score, reward=any_reward)
        shuffled.salt = salt
        (tmp_path / str(salt)).mkdir()
        way = judge(method=method, principles=votes(method, "all"))
        judgment, context = await ask(shuffled, tmp_path / str(salt), way)
        told.append((judgment, context.keys))
    assert told[0] == told[1] == told[2]


async def test_a_judge_that_reads_gets_the_right_verdict_in_both_orders(tmp_path: Path) -> None:
    judgment, context = await ask(ScriptedEngine(choice=likes_good), tmp_path, judge())
    assert judgment.verdict == "first"
    assert judgment.probability == pytest.approx(0.8)
    assert judgment.agree
    assert len(context.keys) == 2


async def test_a_judge_that_always_says_a_makes_a_tie(tmp_path: Path) -> None:
    judgment, _ = await ask(ScriptedEngine(choice=always_a), tmp_path, judge(principles="all", negated=True))
    assert judgment.verdict == "tie"
    assert judgment.probability == pytest.approx(0.5)
    assert not judgment.agree


async def test_one_principle_is_drawn_as_it_was_before_there_were_ensembles(tmp_path: Path) -> None:
    harmless = load("harmless")
    judgment, context = await ask(ScriptedEngine(), tmp_path, judge(constitution=harmless))
    drawn = harmless.draw_comparison(context.rng("comparison", PAIR.id))
    assert [vote.principle for vote in judgment.votes] == [drawn.id]


async def test_an_ensemble_is_drawn_without_replacement_and_all_means_all(tmp_path: Path) -> None:
    two, _ = await ask(ScriptedEngine(), tmp_path, judge(principles=2))
    every, _ = await ask(ScriptedEngine(), tmp_path, judge(principles="all"))
    many, _ = await ask(ScriptedEngine(), tmp_path, judge(principles=99))
    assert len({vote.principle for vote in two.votes}) == 2
    assert [vote.principle for vote in every.votes] == [each.id for each in CONSTITUTION.principles]
    assert many.votes == every.votes


async def test_an_ensembles_votes_are_averaged_by_the_rule_for_votes(tmp_path: Path) -> None:
    def divided(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        return likes_good(prompt, labels) if "calm" in asked(prompt) else {"A": 0.5, "B": 0.5}

    mean, _ = await ask(ScriptedEngine(choice=divided), tmp_path, judge(principles="all"))
    assert mean.probability == pytest.approx((0.8 + 0.5 + 0.5) / 3)
    assert mean.unity == pytest.approx((1 + 0.5 + 0.5) / 3)
    way = judge(principles="all", combine_votes="mean_logit")
    odds, _ = await ask(ScriptedEngine(choice=divided), tmp_path, way)
    assert odds.probability == pytest.approx(4 ** (1 / 3) / (1 + 4 ** (1 / 3)))


async def test_a_vote_that_cannot_be_read_does_not_count_and_none_is_unparsed(tmp_path: Path) -> None:
    def mumbles(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        return likes_good(prompt, labels) if "calm" in asked(prompt) else {"A": 0.05, "B": 0.01}

    judgment, _ = await ask(ScriptedEngine(choice=mumbles), tmp_path, judge(principles="all"))
    assert judgment.probability == pytest.approx(0.8)
    assert [vote.probability is None for vote in judgment.votes] == [False, True, True]
    silent = ScriptedEngine(choice=lambda prompt, labels: {"A": 0.05, "B": 0.01})
    none, _ = await ask(silent, tmp_path / "..", judge(principles="all"))
    assert (none.probability, none.verdict, none.unity) == (None, "unparsed", None)


async def test_a_panel_votes_by_role_and_its_agreement_is_kept(tmp_path: Path) -> None:
    sound = ScriptedEngine(choice=likes_good, name="sound")
    lenient = ScriptedEngine(choice=likes_good, name="lenient")
    biased = ScriptedEngine(choice=lambda prompt, labels: {"A": 0.3, "B": 0.7}, name="biased")
    way = judge(judges=("judge", "lenient", "biased"))
    with Journal(tmp_path / "journal.log") as journal:
        engines = {"judge": sound, "lenient": lenient, "biased": biased}
        judgment = await way.judge(PAIR, Context(engines, journal, seed=1).row("row"))
    assert [vote.judge for vote in judgment.votes] == ["judge", "lenient", "biased"]
    assert len({vote.principle for vote in judgment.votes}) == 1
    assert judgment.probability == pytest.approx((0.8 + 0.8 + 0.5) / 3)
    assert judgment.unity == pytest.approx(2.5 / 3)


async def test_all_calls_of_a_comparison_are_on_their_way_at_once(tmp_path: Path) -> None:
    class Waiting(ScriptedEngine):
        """Answers nobody before it has been asked as often as it waits for."""

        def __init__(self, count: int) -> None:
            super().__init__(choice=likes_good)
            self.count, self.full = count, asyncio.Event()

        async def choose(self, prompt: Prompt, labels: tuple[str, ...], *, priority: int = 0) -> Choice:
            choice = await super().choose(prompt, labels)
            if len(self.calls) == self.count:
                self.full.set()
            await self.full.wait()
            return choice

    waiting = Waiting(12)
    way = judge(principles="all", negated=True)
    judgment, _ = await asyncio.wait_for(ask(waiting, tmp_path, way), timeout=20)
    assert len(judgment.votes) == 6


async def test_a_judge_that_fails_gives_no_judgment_and_loses_no_answer(tmp_path: Path) -> None:
    def broken(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        return {"A": float("nan"), "B": 0.5} if "calm" in asked(prompt) else {"A": 0.5, "B": 0.5}

    with Journal(tmp_path / "journal.log") as journal:
        context = Context({"judge": ScriptedEngine(choice=broken)}, journal, seed=1).row("row")
        with pytest.raises(CallError):
            await judge(principles="all").judge(PAIR, context)
        assert len(journal) == 4
        assert len(context.keys) == 6


async def test_an_engine_that_is_gone_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable):
        await ask(ScriptedEngine([]), tmp_path, judge(method="reasoned"))


async def test_reasoned_labels_are_clamped_unless_a_recipe_says_other_limits(tmp_path: Path) -> None:
    sure = ScriptedEngine("(A) is better.", choice=likes_good)
    assert (await ask(sure, tmp_path, judge(method="reasoned")))[0].probability == 0.6
    free, _ = await ask(sure, tmp_path, judge(method="reasoned", clamp=(0.0, 1.0)))
    assert free.probability == pytest.approx(0.8)
    assert (await ask(sure, tmp_path, judge(clamp=(0.3, 0.7))))[0].probability == 0.7


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="`negated` asks for the worse of two letters"):
        LabelingSettings(method="pointwise", negated=True)
    with pytest.raises(ValidationError, match="a name stands here twice"):
        LabelingSettings(judges=("judge", "judge"))
    with pytest.raises(ValidationError, match=r"two limits with 0\.5 between them"):
        LabelingSettings(clamp=(0.6, 0.4))
    with pytest.raises(ValidationError):
        LabelingSettings(principles=0)
