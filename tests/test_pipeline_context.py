"""The context: a call is asked once over all runs, under a key that holds what its answer depends on."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.protocol import CallError, Choice, Completion, Sampling, Score
from engine.scripted import ScriptedEngine
from pipeline.context import Context, RowContext, Tally, derived_seed
from pipeline.journal import Journal
from prompts.message import Message, Prompt

PROMPT = Prompt("respond", "hash", messages=(Message("user", "Tell me a joke"),))
GREEDY = Sampling(max_tokens=8, temperature=0.0)
WARM = Sampling(max_tokens=8, temperature=1.0)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal") as journal:
        yield journal


def row(engine: ScriptedEngine, journal: Journal, *, seed: int = 0, row_id: str = "r1") -> RowContext:
    return Context({"judge": engine, "assistant": engine}, journal, seed).row(row_id)


async def test_a_call_is_asked_once_over_two_runs(tmp_path: Path) -> None:
    told, calls = [], []
    tally = Tally()
    for _ in range(2):
        engine = ScriptedEngine("Knock knock", choice=lambda prompt, labels: {"A": 0.7, "B": 0.2})
        with Journal(tmp_path / "journal") as journal:
            ask = row(engine, journal)
            told.append(
                (
                    await ask.chat("judge", PROMPT, WARM),
                    await ask.choose("judge", PROMPT, ("A", "B")),
                    ask.keys,
                )
            )
            calls.append(len(engine.calls))
            tally = ask.shared.tally
    assert calls == [2, 0]
    assert told[0] == told[1]
    assert isinstance(told[1][0], Completion)
    assert isinstance(told[1][1], Choice)
    assert (tally.asked, tally.found, tally.prompt_tokens, tally.completion_tokens) == (0, 2, 0, 0)


async def test_the_tally_counts_what_was_asked_and_what_was_found(journal: Journal) -> None:
    ask = row(ScriptedEngine("Knock knock"), journal)
    await ask.chat("judge", PROMPT, GREEDY)
    await ask.chat("judge", PROMPT, GREEDY)
    await ask.choose("judge", PROMPT, ("A", "B"))
    tally = ask.shared.tally
    assert (tally.asked, tally.found, tally.prompt_tokens, tally.completion_tokens) == (2, 1, 8, 2)
    assert len(ask.keys) == 3
    assert len(set(ask.keys)) == 2


async def key_of(
    journal: Journal,
    prompt: Prompt = PROMPT,
    sampling: Sampling = WARM,
    *,
    engine: str = "m",
    seed: int = 0,
    row_id: str = "r1",
    sample: int = 0,
) -> str:
    ask = row(ScriptedEngine("ok", name=engine), journal, seed=seed, row_id=row_id)
    await ask.chat("judge", prompt, sampling, sample=sample)
    return ask.keys[0]


async def test_the_key_changes_with_all_that_the_answer_depends_on(journal: Journal) -> None:
    other_words = replace(PROMPT, messages=(Message("user", "Tell me two jokes"),))
    as_system = replace(PROMPT, messages=(Message("system", "Tell me a joke"),))
    prefilled = replace(PROMPT, messages=(*PROMPT.messages, Message("assistant", "So")))
    keys = [
        await key_of(journal),
        await key_of(journal, engine="another model"),
        await key_of(journal, seed=1),
        await key_of(journal, row_id="r2"),
        await key_of(journal, sample=1),
        await key_of(journal, other_words),
        await key_of(journal, as_system),
        await key_of(journal, prefilled),
        await key_of(journal, replace(PROMPT, stop=("\n",))),
        await key_of(journal, Prompt("respond", "hash", text="Human: Tell me a joke")),
        await key_of(journal, sampling=replace(WARM, max_tokens=9)),
        await key_of(journal, sampling=replace(WARM, temperature=0.5)),
        await key_of(journal, sampling=replace(WARM, top_p=0.9)),
        await key_of(journal, sampling=replace(WARM, seed=5)),
        await key_of(journal, sampling=GREEDY),
    ]
    assert len(set(keys)) == len(keys)


async def test_the_key_of_a_choice_changes_with_its_labels(journal: Journal) -> None:
    ask = row(ScriptedEngine(), journal)
    await ask.choose("judge", PROMPT, ("A", "B"))
    await ask.choose("judge", PROMPT, ("B", "A"))
    await ask.choose("judge", PROMPT, ("A", "B", "C"))
    assert len(set(ask.keys)) == 3


async def test_the_key_of_a_reward_changes_with_the_answer_and_with_whether_it_was_cut_off(
    journal: Journal,
) -> None:
    ask = row(ScriptedEngine(reward=lambda prompt, completion: 0.5, score=lambda *_: -1.0), journal)
    assert (await ask.reward("judge", PROMPT, "Knock knock")).value == 0.5
    await ask.reward("judge", PROMPT, "Knock knock", finished=False)
    await ask.reward("judge", PROMPT, "Who is there?")
    await ask.score("judge", PROMPT, "Knock knock")
    assert len(set(ask.keys)) == 4
    again = await ask.reward("judge", PROMPT, "Knock knock")
    assert (again.value, ask.shared.tally.asked, ask.shared.tally.found) == (0.5, 4, 1)


async def test_a_greedy_answer_is_shared_by_rows_and_seeds_and_by_prompts_of_other_templates(
    journal: Journal,
) -> None:
    same = {
        await key_of(journal, sampling=GREEDY),
        await key_of(journal, sampling=GREEDY, row_id="r2"),
        await key_of(journal, sampling=GREEDY, seed=1),
        await key_of(journal, replace(PROMPT, template="own", template_hash="other"), GREEDY),
    }
    assert len(same) == 1


async def test_a_sampled_call_gets_a_seed_of_its_own(journal: Journal) -> None:
    engine = ScriptedEngine("ok")
    for seed, row_id, sample in ((0, "r1", 0), (1, "r1", 0), (0, "r2", 0), (0, "r1", 1)):
        await row(engine, journal, seed=seed, row_id=row_id).chat("judge", PROMPT, WARM, sample=sample)
    seeds = [call.sampling.seed for call in engine.calls if call.sampling]
    assert len(set(seeds)) == 4
    assert seeds[0] == derived_seed(0, "r1", "respond", 0)
    given_seed = replace(WARM, seed=5)
    await row(engine, journal).chat("judge", PROMPT, given_seed)
    assert engine.calls[-1].sampling == given_seed


async def test_a_failed_call_is_not_kept_and_is_asked_again(journal: Journal) -> None:
    failing = ScriptedEngine(lambda prompt, sampling: CallError("timeout", "too slow"))
    with pytest.raises(CallError):
        await row(failing, journal).chat("judge", PROMPT, WARM)
    assert len(journal) == 0
    assert (await row(ScriptedEngine("ok"), journal).chat("judge", PROMPT, WARM)).text == "ok"


async def test_calls_at_the_same_time_are_all_kept(journal: Journal) -> None:
    context = Context({"judge": ScriptedEngine("ok")}, journal, 0)
    await asyncio.gather(*(context.row(f"r{i}").chat("judge", PROMPT, WARM) for i in range(50)))
    assert len(journal) == 50


def test_a_row_draws_the_same_numbers_again_and_others_for_another_purpose(journal: Journal) -> None:
    engine = ScriptedEngine()
    draws = [
        row(engine, journal, seed=seed, row_id=row_id).rng(*purpose).random()
        for seed, row_id, purpose in (
            (0, "r1", ("principle", 0)),
            (0, "r1", ("principle", 1)),
            (1, "r1", ("principle", 0)),
            (0, "r2", ("principle", 0)),
            (0, "r1", ("order", 0)),
        )
    ]
    assert len(set(draws)) == 5
    assert row(engine, journal).rng("principle", 0).random() == draws[0]


@given(st.lists(st.one_of(st.text(), st.integers()), max_size=3))
def test_a_derived_seed_is_a_positive_63_bit_number_that_tells_text_from_numbers(
    parts: list[str | int],
) -> None:
    assert 0 <= derived_seed(*parts) < 2**63
    assert derived_seed(*parts) == derived_seed(*parts)
    assert derived_seed(1) != derived_seed("1")


class Slow(ScriptedEngine):
    """Answers after others have had their turn, and counts who is on the way."""

    inside = most = 0

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0)
        self.inside -= 1
        return await super().chat(prompt, sampling)


async def test_the_same_call_at_the_same_time_is_asked_once(journal: Journal) -> None:
    engine = Slow("ok")
    context = Context({"judge": engine}, journal, 0)
    told = await asyncio.gather(*(context.row(f"r{i}").chat("judge", PROMPT, GREEDY) for i in range(9)))
    assert {completion.text for completion in told} == {"ok"}
    assert (len(engine.calls), context.tally.asked, context.tally.found) == (1, 1, 8)


async def test_a_call_that_fails_fails_for_all_who_wait_for_it_and_is_asked_again_later(
    journal: Journal,
) -> None:
    engine = Slow(lambda prompt, sampling: CallError("timeout", "too slow"))
    context = Context({"judge": engine}, journal, 0)
    calls = (context.row(f"r{i}").chat("judge", PROMPT, GREEDY) for i in range(3))
    told = await asyncio.gather(*calls, return_exceptions=True)
    assert [getattr(error, "reason", "") for error in told] == ["timeout"] * 3
    assert len(engine.calls) == 1
    with pytest.raises(CallError):
        await context.row("r9").chat("judge", PROMPT, GREEDY)
    assert len(engine.calls) == 2


async def test_no_more_calls_are_in_flight_than_a_role_allows(journal: Journal) -> None:
    engine = Slow("ok")
    context = Context({"judge": engine}, journal, 0, in_flight={"judge": 3})
    await asyncio.gather(*(context.row(f"r{i}").chat("judge", PROMPT, WARM) for i in range(20)))
    assert (engine.most, context.tally.asked) == (3, 20)


def test_a_tally_knows_cached_tokens_only_where_an_engine_says_so() -> None:
    tally = Tally()
    tally.count({"prompt_tokens": 5, "completion_tokens": 1})
    assert tally.cached_tokens is None
    tally.count({"prompt_tokens": 5, "cached_tokens": 4})
    tally.count({"prompt_tokens": 5, "cached_tokens": 0})
    assert (tally.prompt_tokens, tally.cached_tokens, tally.asked) == (15, 4, 3)


async def test_a_score_is_kept_like_every_answer_and_counts_what_was_read(tmp_path: Path) -> None:
    told, calls, tally = [], [], Tally()
    for _ in range(2):
        engine = ScriptedEngine(score=lambda prompt, completion: -len(completion))
        with Journal(tmp_path / "journal") as journal:
            ask = row(engine, journal)
            told.append((await ask.score("judge", PROMPT, "a b c"), await ask.score("judge", PROMPT, "a b")))
            calls.append(len(engine.calls))
            tally = ask.shared.tally
            assert len(set(ask.keys)) == 2
    assert calls == [2, 0]
    assert told[0] == told[1] == (Score(-5, 3, 4), Score(-3, 2, 4))
    # Four words of the prompt each time, and three and two of the texts.
    assert (tally.found, tally.found_prompt_tokens, tally.found_completion_tokens) == (2, 13, 0)


async def test_a_score_that_is_no_number_is_an_error_and_never_kept(journal: Journal) -> None:
    ask = row(ScriptedEngine(score=lambda prompt, completion: float("-inf")), journal)
    with pytest.raises(CallError) as caught:
        await ask.score("judge", PROMPT, "a b c")
    assert caught.value.reason == "nan_logprob"
    assert len(journal) == 0


async def test_parts_that_go_together_keep_their_keys_in_order_and_all_come_to_their_end(
    journal: Journal,
) -> None:
    async def part(ask: RowContext, name: str, steps: int) -> str:
        for step in range(steps):
            prompt = replace(PROMPT, messages=(Message("user", f"{name} {step}"),))
            await ask.chat("judge", prompt, GREEDY)
            await asyncio.sleep(0)
        if name == "bad":
            raise CallError("timeout", "too slow")
        return name

    def keys(*names: str) -> list[str]:
        return [key for name in names for key in alone[name]]

    alone = {}
    for name, steps in (("slow", 3), ("bad", 1), ("quick", 1)):
        ask = row(ScriptedEngine("ok"), journal)
        await asyncio.gather(part(ask, name, steps), return_exceptions=True)
        alone[name] = ask.keys
    ask = row(ScriptedEngine("ok"), journal)
    told = await ask.together([lambda c: part(c, "slow", 3), lambda c: part(c, "quick", 1)])
    assert told == ["slow", "quick"]
    assert ask.keys == keys("slow", "quick")
    with pytest.raises(CallError):
        await ask.together([lambda c: part(c, "bad", 1), lambda c: part(c, "slow", 3)])
    assert ask.keys == keys("slow", "quick", "bad", "slow")


def test_what_came_since_a_tally_is_told_apart() -> None:
    tally = Tally(asked=2, prompt_tokens=7)
    before = replace(tally)
    tally.count({"prompt_tokens": 5, "completion_tokens": 1, "cached_tokens": 4})
    assert tally.since(before) == Tally(asked=1, prompt_tokens=5, completion_tokens=1, cached_tokens=4)


async def test_answers_of_a_journal_that_knows_no_cached_tokens_are_found(
    journal: Journal, tmp_path: Path
) -> None:
    ask = row(ScriptedEngine("Knock knock"), journal)
    told = await ask.chat("judge", PROMPT, GREEDY), await ask.choose("judge", PROMPT, ("A", "B"))
    with Journal(tmp_path / "older") as older:
        for key in ask.keys:
            stored = dict(journal.get(key) or {})
            assert stored.pop("cached_tokens") == 0
            older.put(key, stored)
        again = row(ScriptedEngine(()), older)
        found = await again.chat("judge", PROMPT, GREEDY), await again.choose("judge", PROMPT, ("A", "B"))
    assert found == told
