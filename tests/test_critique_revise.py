"""The SL stage, through a scripted engine: what is asked in each round, and what is kept of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from constitution.model import Constitution, Example, Principle
from critique.model import CritiqueSettings, Request, SamplingSettings, Text, Trajectory
from critique.revise import Reviser
from engine.protocol import CallError, Completion, Sampling
from engine.scripted import ScriptedEngine
from pipeline.context import Context
from pipeline.journal import Journal
from pipeline.runner import collect, run_rows
from prompts.message import Message, Prompt
from prompts.render import Prompts

CONSTITUTION = Constitution(
    name="test",
    version="1",
    principles=tuple(
        Principle(
            id=name,
            critique_request=f"Is it {name}?",
            revision_request=f"Make it {name}.",
            examples=(
                Example(prompt="Poison?", response="Yes.", critique="Harm.", revision="I won't."),
                Example(prompt="Recipe for bread?", response="Flour.", critique="Fine."),
            ),
        )
        for name in ("kind", "true", "calm")
    ),
)
ASKED = (
    Message("system", "Be brief."),
    Message("user", "First question"),
    Message("assistant", "First answer"),
    Message("user", "How do I poison a dog?"),
)


@dataclass
class Author:
    """Answers each template with its name and how often it was asked: `critique 1`, `revise 2`."""

    counts: dict[str, int] = field(default_factory=dict)

    def __call__(self, prompt: Prompt, sampling: Sampling) -> str:
        self.counts[prompt.template] = self.counts.get(prompt.template, 0) + 1
        return f" {prompt.template} {self.counts[prompt.template]}\n"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal") as journal:
        yield journal


def red_team(name: str = "r1") -> Request:
    return Request(name, "red_team", ASKED)


async def trajectories(
    engine: ScriptedEngine,
    journal: Journal,
    requests: Sequence[Request],
    *,
    seed: int = 0,
    **settings: object,
) -> list[Trajectory]:
    reviser = Reviser(CONSTITUTION, Prompts("chat"), CritiqueSettings.model_validate(settings))
    context = Context({"assistant": engine, "judge": engine}, journal, seed)
    outcomes = await collect(run_rows(reviser, requests, context))
    return [outcome.record for outcome in outcomes if outcome.record is not None]


def last_words(prompt: Prompt) -> str:
    return prompt.messages[-1].content


async def test_every_round_is_kept_and_starts_from_the_conversation_and_the_last_revision(
    journal: Journal,
) -> None:
    engine = ScriptedEngine(Author())
    [told] = await trajectories(engine, journal, [red_team()], rounds=3)
    assert [call.prompt.template for call in engine.calls] == ["respond", *(["critique", "revise"] * 3)]
    assert told.response.text == "respond 1"
    assert [(r.critique.text, r.revision.text) for r in told.rounds if r.critique] == [
        (f"critique {number}", f"revise {number}") for number in (1, 2, 3)
    ]
    assert told.last.text == "revise 3"
    assert len(told.keys) == 7
    answers = ["respond 1", "revise 1", "revise 2"]
    for number, answer in enumerate(answers):
        critique, revise = (call.prompt for call in engine.calls[1 + 2 * number : 3 + 2 * number])
        conversation = "User: First question\nAssistant: First answer\nUser: How do I poison a dog?\n"
        assert last_words(critique).startswith(f"{conversation}Assistant: {answer}\n")
        assert last_words(revise).startswith(
            f"{conversation}Assistant: {answer}\n\nCritique: critique {number + 1}\n"
        )
        earlier = [text for text in answers if text != answer] + [
            f"critique {n}" for n in range(1, number + 1)
        ]
        assert not any(text in last_words(critique) for text in earlier), "no transcript of earlier rounds"


async def test_the_assistant_sees_the_whole_conversation_as_it_was_said(journal: Journal) -> None:
    engine = ScriptedEngine(Author())
    await trajectories(engine, journal, [red_team()])
    assert engine.calls[0].prompt.messages == ASKED


async def test_each_rounds_principle_asks_its_critique_and_its_revision(journal: Journal) -> None:
    engine = ScriptedEngine(Author())
    [told] = await trajectories(engine, journal, [red_team()], rounds=8)
    for number, kept in enumerate(told.rounds):
        critique, revise = (last_words(call.prompt) for call in engine.calls[1 + 2 * number : 3 + 2 * number])
        assert critique.endswith(f"Is it {kept.principle}?")
        assert revise.endswith(f"Make it {kept.principle}.")


async def drawn(journal: Journal, names: Sequence[str], seed: int) -> dict[str, list[str]]:
    engine = ScriptedEngine(lambda prompt, sampling: prompt.template)
    told = await trajectories(engine, journal, [red_team(name) for name in names], seed=seed, rounds=6)
    return {one.request.id: [kept.principle for kept in one.rounds] for one in told}


async def test_principles_are_drawn_anew_at_each_round_by_seed_and_row_whatever_the_order(
    journal: Journal,
) -> None:
    names = [f"r{number}" for number in range(20)]
    forwards = await drawn(journal, names, seed=1)
    assert await drawn(journal, names[::-1], seed=1) == forwards
    assert await drawn(journal, names[:1], seed=1) == {"r0": forwards["r0"]}
    assert await drawn(journal, names, seed=2) != forwards
    pairs = {(first, second) for row in forwards.values() for first, second in pairwise(row)}
    assert len(pairs) == 9, "any principle may follow any other, itself included"


async def test_direct_revision_writes_no_critique(journal: Journal) -> None:
    engine = ScriptedEngine(Author())
    [told] = await trajectories(engine, journal, [red_team()], rounds=2, direct=True)
    assert [call.prompt.template for call in engine.calls] == [
        "respond",
        "direct_revision",
        "direct_revision",
    ]
    assert [kept.critique for kept in told.rounds] == [None, None]
    assert "Assistant: direct_revision 1\n" in last_words(engine.calls[2].prompt)


async def test_where_the_critique_finds_nothing_the_answer_stays(journal: Journal) -> None:
    def found(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        second = "critique 2" in prompt.messages[0].content
        return {"A": 0.6, "B": 0.2} if second else {"A": 0.1, "B": 0.3}

    engine = ScriptedEngine(Author(), choice=found)
    [told] = await trajectories(engine, journal, [red_team()], rounds=2, revise_when="found")
    first, second = told.rounds
    assert (first.revised, first.revision) == (False, told.response)
    assert (second.revised, second.revision.text) == (True, "revise 1")
    assert (first.found_probability, second.found_probability) == (pytest.approx(0.25), pytest.approx(0.75))
    assert first.critique is not None
    verdicts = [call for call in engine.calls if call.kind == "choose"]
    assert [call.labels for call in verdicts] == [("A", "B")] * 2
    assert "Critique: critique 1\n" in verdicts[0].prompt.messages[0].content


async def test_helpful_requests_are_answered_and_left_alone(journal: Journal) -> None:
    engine = ScriptedEngine(Author())
    request = Request("h1", "helpful", ASKED)
    [told] = await trajectories(engine, journal, [request], rounds=3, helpful_samples=2)
    assert [call.prompt.template for call in engine.calls] == ["respond", "respond"]
    assert [sample.text for sample in told.samples] == ["respond 1", "respond 2"]
    assert (told.response, told.rounds, told.last) == (told.samples[0], (), told.samples[0])
    seeds = [call.sampling.seed for call in engine.calls if call.sampling]
    assert len(set(seeds)) == 2


async def test_each_kind_of_text_is_sampled_as_its_settings_say(journal: Journal) -> None:
    engine = ScriptedEngine(Author())
    wanted = {"respond": 11, "critique": 12, "revise": 13}
    respond, critique, revise = (SamplingSettings(max_tokens=tokens) for tokens in wanted.values())
    await trajectories(engine, journal, [red_team()], respond=respond, critique=critique, revise=revise)
    assert {
        call.prompt.template: call.sampling.max_tokens for call in engine.calls if call.sampling
    } == wanted


async def test_texts_that_the_length_limit_ended_are_flagged(journal: Journal) -> None:
    def answer(prompt: Prompt, sampling: Sampling) -> Completion:
        return Completion("text ", "length" if prompt.template == "revise" else "stop", 5, 9)

    [told] = await trajectories(ScriptedEngine(answer), journal, [red_team()])
    assert told.response == Text("text", cut_off=False, tokens=9)
    assert told.last == Text("text", cut_off=True, tokens=9)


async def test_worked_examples_are_shown_and_recorded_the_most_related_last(journal: Journal) -> None:
    engine = ScriptedEngine(Author())
    [told] = await trajectories(engine, journal, [red_team()], examples=2)
    critique, revise = (call.prompt.messages for call in engine.calls[1:3])
    assert [message.role for message in critique] == ["user", "assistant", "user", "assistant", "user"]
    assert [critique[i].content for i in (1, 3)] == ["Fine.", "Harm."]
    assert [revise[i].content for i in (1, 3)] == ["Flour.", "I won't."]
    assert told.rounds[0].examples == ("Recipe for bread?", "Poison?")
    assert re.match("User: First question", critique[-1].content)


async def test_a_request_whose_call_fails_is_no_trajectory_and_the_others_are(journal: Journal) -> None:
    def answer(prompt: Prompt, sampling: Sampling) -> str | Exception:
        bad = any("bad" in message.content for message in prompt.messages)
        return CallError("too_long", "it does not fit") if bad else "fine"

    bad = Request("bad", "red_team", (Message("user", "bad"),))
    told = await trajectories(ScriptedEngine(answer), journal, [red_team(), bad, red_team("r2")])
    assert [one.request.id for one in told] == ["r1", "r2"]


async def test_a_second_run_asks_nothing_and_tells_the_same(journal: Journal) -> None:
    first = await trajectories(ScriptedEngine(Author()), journal, [red_team()], rounds=2)
    silent = ScriptedEngine([])
    assert await trajectories(silent, journal, [red_team()], rounds=2) == first
    assert silent.calls == []
