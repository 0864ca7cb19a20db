"""The engine for servers under fire: each fault once, then many at once, against a server in its own process.

The server's ledger is the witness: what was asked, how often, and what it gave.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_answers import chat_text
from fault_server import BROKEN, MODEL, RETRIED, Running, Script, fault_server

from engine.backoff import Backoff
from engine.openai import OpenAIEngine
from engine.protocol import CallError, EngineUnavailable, Sampling
from pipeline.context import Context, RowContext
from pipeline.journal import Journal
from pipeline.runner import collect, run_rows
from prompts.message import Message, Prompt

GREEDY = Sampling(max_tokens=8, temperature=0.0)
LABELS = ("A", "B")


@dataclass
class Waits:
    """Stands in for sleeping: keeps how long it would have been, and takes no time."""

    seconds: list[float]

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def engine_of(server: Running, *, retries: int = 3, timeout_s: float = 20.0) -> tuple[OpenAIEngine, Waits]:
    waits = Waits([])
    engine = OpenAIEngine(
        base_url=server.base_url,
        model=MODEL,
        timeout_s=timeout_s,
        backoff=Backoff(retries=retries),
        rng=random.Random(1),
        sleep=waits,
    )
    return engine, waits


def saying(text: str) -> Prompt:
    return Prompt("respond", "hash", messages=(Message("user", text),))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all that fails as a prompt says; tests tell their prompts apart."""
    with fault_server(tmp_path_factory.mktemp("server"), Script(retry_after_s=30)) as running:
        yield running


async def fault_of(server: Running, prompt: Prompt, *, timeout_s: float = 20.0) -> tuple[CallError, Waits]:
    engine, waits = engine_of(server, timeout_s=timeout_s)
    try:
        with pytest.raises(CallError) as caught:
            await engine.chat(prompt, GREEDY)
    finally:
        await engine.close()
    return caught.value, waits


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("rate_limited", "rate_limited"),
        ("server_error", "server_error"),
        ("unavailable", "server_error"),
        ("half_closed", "connection"),
    ],
)
async def test_a_failure_that_stays_is_asked_so_often_and_then_quarantines_its_row(
    server: Running, fault: str, reason: str
) -> None:
    before = len(server.entries())
    error, waits = await fault_of(server, saying(f"fault:{fault}"))
    assert error.reason == reason
    assert [entry.outcome for entry in server.entries()[before:]] == [fault] * 4
    assert all(low <= wait <= 2 * low for wait, low in zip(waits.seconds, (0.25, 0.5, 1.0), strict=True))


async def test_silence_is_a_time_out_and_quarantines_its_row(server: Running) -> None:
    error, waits = await fault_of(server, saying("fault:timeout"), timeout_s=0.3)
    assert error.reason == "timeout"
    assert len(waits.seconds) == 3


async def test_a_failure_that_passes_is_got_over(server: Running) -> None:
    engine, waits = engine_of(server)
    completion = await engine.chat(saying("fault:half_closed*2"), GREEDY)
    await engine.close()
    assert completion.text.startswith("answer ")
    assert len(waits.seconds) == 2


@pytest.mark.parametrize("fault", ["retry_after", "retry_date"])
async def test_the_server_says_when_to_come_back_in_seconds_or_as_a_date(server: Running, fault: str) -> None:
    error, waits = await fault_of(server, saying(f"fault:{fault}"))
    assert error.reason == "rate_limited"
    assert waits.seconds == [30.0] * 3


@pytest.mark.parametrize("fault", ["invalid_json", "no_choices", "null_content", "too_long"])
async def test_an_answer_that_is_none_is_asked_once(server: Running, fault: str) -> None:
    before = len(server.entries())
    error, _ = await fault_of(server, saying(f"fault:{fault} once"))
    assert error.reason == fault
    assert len(server.entries()) == before + 1


@pytest.mark.parametrize("fault", ["nan_logprob", "no_logprobs"])
async def test_a_choice_without_a_number_is_never_a_label(server: Running, fault: str) -> None:
    words = (Message("user", f"Which? fault:{fault}"), Message("assistant", "Answer: ("))
    engine, _ = engine_of(server)
    with pytest.raises(CallError) as caught:
        await engine.choose(Prompt("compare", "hash", messages=words), LABELS)
    await engine.close()
    assert caught.value.reason == fault


async def test_a_cut_off_answer_is_flagged(server: Running) -> None:
    engine, _ = engine_of(server)
    completion = await engine.chat(saying("fault:cut_off"), GREEDY)
    await engine.close()
    entry = server.entries()[-1]
    assert (completion.finish_reason, completion.text) == ("length", chat_text(entry.hash))


@pytest.mark.parametrize(("fault", "status"), [("unauthorized", 401), ("not_found", 404)])
async def test_a_wrong_key_or_model_stops_every_row_at_once(server: Running, fault: str, status: int) -> None:
    before = len(server.entries())
    engine, waits = engine_of(server)
    with pytest.raises(EngineUnavailable, match=f"answered {status}"):
        await engine.chat(saying(f"fault:{fault}"), GREEDY)
    await engine.close()
    assert (len(server.entries()) - before, waits.seconds) == (1, [])


# many rows, many faults


@dataclass(frozen=True)
class Item:
    id: str


async def answer_and_label(item: Item, context: RowContext) -> tuple[str, float]:
    asked = Prompt("respond", "hash", messages=(Message("user", f"Row {item.id}"),))
    answer = await context.chat("judge", asked, GREEDY)
    judged = (Message("user", f"Is this right? {answer.text}"), Message("assistant", "Answer: ("))
    choice = await context.choose("judge", Prompt("compare", "hash", messages=judged), LABELS)
    return answer.text, choice.logprobs["A"]


STORM = {
    **dict.fromkeys(RETRIED, 0.05),
    **dict.fromkeys(BROKEN, 0.02),
    "timeout": 0.002,
    "cut_off": 0.03,
}


@pytest.fixture
def stormy(tmp_path: Path) -> Iterator[Running]:
    with fault_server(tmp_path / "server", Script(seed=7, faults=STORM)) as server:
        yield server


async def test_many_faults_leave_one_outcome_per_row_and_repeat_no_committed_call(
    stormy: Running, tmp_path: Path
) -> None:
    items = [Item(f"r{number}") for number in range(300)]
    engine, _ = engine_of(stormy, retries=8, timeout_s=4.0)
    with Journal(tmp_path / "journal") as journal:
        context = Context({"judge": engine}, journal, 0)
        first = await collect(run_rows(answer_and_label, items, context, open_rows=64))
        asked = stormy.entries()
        failed = Counter(outcome.reason for outcome in first if outcome.record is None)

        assert [outcome.row_id for outcome in first] == [item.id for item in items]
        assert set(failed) <= {*BROKEN}
        assert len(failed) >= 3
        assert sum(entry.outcome != "ok" for entry in asked) > 150
        assert {entry.outcome for entry in asked} == {"ok", *STORM}
        answered = Counter(entry.hash for entry in asked if entry.answered)
        assert max(answered.values()) == 1, "no answer that could be kept was asked for again"

        again = await collect(run_rows(answer_and_label, items, context, open_rows=64))
    await engine.close()
    late = stormy.entries()[len(asked) :]
    assert not answered.keys() & {entry.hash for entry in late}, "what was committed is not sent again"
    whole = {outcome.row_id: outcome.record for outcome in first if outcome.record}
    assert whole.items() <= {outcome.row_id: outcome.record for outcome in again}.items()
    assert len(whole) + sum(failed.values()) == len(items)
