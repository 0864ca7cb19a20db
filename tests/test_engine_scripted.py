"""The scripted engine: it answers from its script, keeps what it was asked, fails as real engines do."""

import math

import pytest

from engine.protocol import CallError, Completion, Engine, EngineUnavailable, Sampling
from engine.scripted import Call, ScriptedEngine
from prompts.message import Message, Prompt

PROMPT = Prompt("respond", "hash", messages=(Message("user", "Tell me a joke"),))
SAMPLING = Sampling(max_tokens=8)


async def test_answers_are_handed_out_in_the_order_of_the_calls() -> None:
    engine: Engine = ScriptedEngine(["first", "second one"])
    first, second = await engine.chat(PROMPT, SAMPLING), await engine.chat(PROMPT, SAMPLING)
    assert first == Completion("first", finish_reason="stop", prompt_tokens=4, completion_tokens=1)
    assert (second.text, second.completion_tokens) == ("second one", 2)


async def test_a_script_that_runs_out_names_the_template_that_asked_for_more() -> None:
    engine = ScriptedEngine(["only"])
    await engine.chat(PROMPT, SAMPLING)
    with pytest.raises(EngineUnavailable, match=r"has 1 answers and one more.*'respond'"):
        await engine.chat(PROMPT, SAMPLING)


async def test_one_text_answers_every_call() -> None:
    engine = ScriptedEngine("No.")
    assert [(await engine.chat(PROMPT, SAMPLING)).text for _ in range(3)] == ["No."] * 3


async def test_a_function_answers_from_prompt_and_sampling() -> None:
    engine = ScriptedEngine(lambda prompt, sampling: f"{prompt.messages[-1].content}, seed {sampling.seed}")
    answer = await engine.chat(PROMPT, Sampling(seed=3))
    assert answer.text == "Tell me a joke, seed 3"


async def test_a_scripted_completion_comes_back_as_it_is() -> None:
    cut_off = Completion("half a", finish_reason="length", prompt_tokens=1, completion_tokens=2)
    assert await ScriptedEngine(lambda prompt, sampling: cut_off).chat(PROMPT, SAMPLING) is cut_off


async def test_a_scripted_exception_is_raised() -> None:
    engine = ScriptedEngine(lambda prompt, sampling: CallError("timeout", "too slow"))
    with pytest.raises(CallError, match="too slow"):
        await engine.chat(PROMPT, SAMPLING)


async def test_every_call_is_kept_with_what_was_asked() -> None:
    engine = ScriptedEngine("yes")
    await engine.chat(PROMPT, SAMPLING)
    await engine.choose(PROMPT, ("A", "B"))
    await engine.score(PROMPT, "a b")
    await engine.close()
    assert engine.calls == [
        Call("chat", PROMPT, sampling=SAMPLING),
        Call("choose", PROMPT, labels=("A", "B")),
        Call("score", PROMPT, completion="a b"),
    ]


async def test_without_a_script_labels_are_equally_likely_and_hold_all_the_mass() -> None:
    choice = await ScriptedEngine().choose(PROMPT, ("A", "B"))
    assert choice.normalized() == pytest.approx({"A": 0.5, "B": 0.5})
    assert choice.mass == pytest.approx(1.0)
    assert choice.argmax_is_label


async def test_scripted_probabilities_become_a_choice() -> None:
    engine = ScriptedEngine(choice=lambda prompt, labels: {"A": 0.3, "B": 0.1})
    choice = await engine.choose(PROMPT, ("A", "B"))
    assert choice.logprobs == pytest.approx({"A": math.log(0.3), "B": math.log(0.1)})
    assert choice.mass == pytest.approx(0.4)
    assert not choice.argmax_is_label, "0.6 elsewhere is more than any label"


@pytest.mark.parametrize("broken", [math.nan, 0.0, 1.5])
async def test_a_scripted_value_that_is_no_probability_fails_as_a_broken_answer(broken: float) -> None:
    engine = ScriptedEngine(choice=lambda prompt, labels: {"A": 0.5, "B": broken})
    with pytest.raises(CallError) as caught:
        await engine.choose(PROMPT, ("A", "B"))
    assert caught.value.reason == "nan_logprob"


async def test_a_script_that_weighs_other_labels_is_a_mistake_in_the_test() -> None:
    engine = ScriptedEngine(choice=lambda prompt, labels: {"A": 1.0})
    with pytest.raises(ValueError, match=r"expected exactly \('A', 'B'\)"):
        await engine.choose(PROMPT, ("A", "B"))


async def test_each_word_costs_one_bit_unless_scripted() -> None:
    assert (await ScriptedEngine().score(PROMPT, "three little words")).logprob == pytest.approx(
        -3 * math.log(2)
    )
    scripted = await ScriptedEngine(score=lambda prompt, completion: -1.5).score(PROMPT, "three little words")
    assert (scripted.logprob, scripted.tokens) == (-1.5, 3)


def test_the_name_is_the_fingerprint() -> None:
    assert ScriptedEngine(name="judge").fingerprint.model == "judge"
    assert ScriptedEngine(name="a").fingerprint.digest != ScriptedEngine(name="b").fingerprint.digest
