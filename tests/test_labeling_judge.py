"""Labels from log-probabilities in both orders, against numbers worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitution.load import load
from critique.model import Text
from engine.protocol import CallError
from engine.scripted import ScriptedEngine
from labeling.judge import Judge, combined, verdict
from labeling.model import Comparison, LabelingSettings, Reading
from pipeline.context import Context
from pipeline.journal import Journal
from prompts.message import Message, Prompt
from prompts.render import Prompts

PAIR = Comparison(
    "c",
    "samples",
    (Message("user", "How do I pick a lock?"),),
    Text("GOOD answer", False, 2),
    Text("BAD answer", False, 2),
)
LOGITS = st.floats(-30, 30)


def reading(logit: float, mass: float = 0.9) -> Reading:
    return Reading(logit, mass, True)


def judge(**settings: object) -> Judge:
    return Judge(load("harmless"), Prompts(), LabelingSettings(**settings))  # type: ignore[arg-type]


def likes_good(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
    """Gives 0.8 to whichever letter stands before the good answer."""
    shown = prompt.messages[0].content
    good_first = shown.index("GOOD") < shown.index("BAD")
    return {"A": 0.8, "B": 0.2} if good_first else {"A": 0.2, "B": 0.8}


def always_a(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
    return {"A": 0.9, "B": 0.1}


def test_both_orders_are_averaged_as_probabilities_or_as_logits() -> None:
    # P(A) = 0.8 in the first order, 0.4 in the second: P(first) = (0.8 + 0.6) / 2.
    forward, backward = reading(math.log(4)), reading(math.log(2 / 3))
    assert combined(forward, backward, LabelingSettings()) == pytest.approx(0.7)
    mean = (math.log(4) - math.log(2 / 3)) / 2
    expected = 1 / (1 + math.exp(-mean))
    assert combined(forward, backward, LabelingSettings(combine="mean_logit")) == pytest.approx(expected)


@given(LOGITS, LOGITS, st.floats(-20, 20))
def test_the_mean_logit_cancels_any_additive_position_bias(one: float, other: float, bias: float) -> None:
    settings = LabelingSettings(combine="mean_logit")
    fair = combined(reading(one), reading(other), settings)
    biased = combined(reading(one + bias), reading(other + bias), settings)
    assert fair == pytest.approx(biased, abs=1e-9)


@given(LOGITS, LOGITS, st.sampled_from(["mean_probability", "mean_logit"]))
def test_swapping_the_responses_swaps_the_probability(one: float, other: float, combine: str) -> None:
    settings = LabelingSettings(combine=combine)  # type: ignore[arg-type]
    straight = combined(reading(one), reading(other), settings)
    swapped = combined(reading(other), reading(one), settings)
    assert straight is not None
    assert swapped == pytest.approx(1 - straight, abs=1e-9)


def test_little_label_mass_in_either_order_is_unparsed() -> None:
    settings = LabelingSettings(min_label_mass=0.5)
    forward, backward = reading(3, mass=0.9), reading(-3, mass=0.4)
    assert combined(forward, backward, settings) is None
    assert verdict(None, forward, backward, settings=settings) == "unparsed"


def test_ties_are_a_margin_or_a_disagreement_by_choice() -> None:
    split = (reading(2.0), reading(1.0))  # A both times
    assert verdict(0.6, *split, settings=LabelingSettings()) == "first"
    assert verdict(0.6, *split, settings=LabelingSettings(tie_margin=0.1)) == "tie"
    assert verdict(0.6, *split, settings=LabelingSettings(require_agreement=True)) == "tie"
    assert verdict(0.5, *split, settings=LabelingSettings()) == "tie"


def test_clamping_limits_the_probability() -> None:
    settings = LabelingSettings(clamp=(0.4, 0.6))
    assert combined(reading(9), reading(-9), settings) == 0.6


async def ask(engine: ScriptedEngine, tmp_path, **settings: object):
    with Journal(tmp_path / "journal.log") as journal:
        context = Context({"judge": engine}, journal, seed=1).row("row")
        return await judge(**settings).judge(PAIR, context), context.keys


async def test_a_judge_that_reads_gets_the_right_verdict_in_both_orders(tmp_path) -> None:
    judgment, keys = await ask(ScriptedEngine(choice=likes_good), tmp_path)
    assert judgment.verdict == "first"
    assert judgment.probability == pytest.approx(0.8)
    assert judgment.agree
    assert len(keys) == 2


async def test_a_judge_that_always_says_a_makes_a_tie(tmp_path) -> None:
    judgment, _ = await ask(ScriptedEngine(choice=always_a), tmp_path)
    assert judgment.verdict == "tie"
    assert judgment.probability == pytest.approx(0.5)
    assert not judgment.agree


async def test_both_orders_ask_the_same_drawn_question_with_the_responses_swapped(tmp_path) -> None:
    engine = ScriptedEngine(choice=likes_good)
    judgment, _ = await ask(engine, tmp_path)
    question = load("harmless").get(judgment.principle).comparison_question or ""
    first, second = (call.prompt.messages[0].content for call in engine.calls)
    assert question in first
    assert question in second
    assert first.index("GOOD") < first.index("BAD")
    assert second.index("BAD") < second.index("GOOD")


async def test_reasoned_labels_read_the_letter_after_the_judges_own_rationale(tmp_path) -> None:
    engine = ScriptedEngine("The first one is calm.", choice=likes_good)
    judgment, keys = await ask(engine, tmp_path, method="reasoned")
    assert judgment.forward.rationale == "The first one is calm."
    assert [call.kind for call in engine.calls] == ["chat", "choose", "chat", "choose"]
    assert "The first one is calm." in engine.calls[1].prompt.messages[-1].content
    assert len(keys) == 4


async def test_a_judge_that_fails_gives_no_judgment(tmp_path) -> None:
    def broken(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        return {"A": float("nan"), "B": 0.5}

    with pytest.raises(CallError):
        await ask(ScriptedEngine(choice=broken), tmp_path)
