"""The context: the only thing that asks. A row program gets one and does no other I/O.

A call is looked up in the journal, else asked of the engine and appended. Its key is content-addressed, so
a run that is started again finds every answer it already has, and a changed parser reads old ones for free.
Two rows that need the same call at the same time ask it once. Calls that wait for a busy engine go in by
their round, later rounds first.
"""

import asyncio
import hashlib
import json
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from typing import TypeVar

from engine.protocol import CallError, Choice, Completion, Engine, Fingerprint, Reward, Sampling, Score
from pipeline.gate import Gate, Stop
from pipeline.journal import KEY_DIGITS, Journal
from prompts.message import Prompt, as_dicts

SCHEMA = 1
"""Part of every key; raised when the stored form of an answer changes."""

IN_FLIGHT = 512
"""Calls on their way to one engine at once unless told otherwise: several batches of any engine."""

Stored = dict[str, object]
Answer = Completion | Choice | Score | Reward
Told = TypeVar("Told")

_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"))
"""Equal values are written as equal texts."""


@dataclass(slots=True)
class Tally:
    """What was asked so far, for progress and for the report.

    Tokens are those of the answers that were asked for; `cached_tokens` are the prompt tokens among them that
    were not computed again, as far as engines say so. The `found` ones are those of answers that were there.
    """

    asked: int = 0
    found: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None
    found_prompt_tokens: int = 0
    found_completion_tokens: int = 0

    def find(self, answer: Mapping[str, object]) -> None:
        """One more answer that was there already, as it is stored."""
        self.found += 1
        self.found_prompt_tokens += _read(answer)
        self.found_completion_tokens += _number(answer, "completion_tokens") or 0

    def count(self, answer: Mapping[str, object]) -> None:
        """One more answer that was asked for, as it is stored."""
        self.asked += 1
        self.prompt_tokens += _read(answer)
        self.completion_tokens += _number(answer, "completion_tokens") or 0
        cached = _number(answer, "cached_tokens")
        if cached is not None:
            self.cached_tokens = (self.cached_tokens or 0) + cached

    def since(self, before: "Tally") -> "Tally":
        """What was counted after `before` was."""
        counts = ((each.name, getattr(self, each.name), getattr(before, each.name)) for each in fields(self))
        return Tally(**{name: (now or 0) - (then or 0) for name, now, then in counts})


@dataclass(frozen=True, slots=True)
class Context:
    """What the rows of a stage share: engines by role, the journal, the run's seed, one tally.

    `in_flight` bounds the calls to each role's engine; roles that share an engine share the largest of their
    bounds. After `stop` is asked, rows get `StoppedError` instead of another call.
    """

    engines: Mapping[str, Engine]
    journal: Journal
    seed: int
    tally: Tally = field(default_factory=Tally)
    in_flight: Mapping[str, int] = field(default_factory=dict)
    stop: Stop = field(default_factory=Stop)
    _gates: dict[int, Gate] = field(default_factory=dict, init=False, repr=False)
    _asking: dict[str, asyncio.Future[Stored]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        bounds: dict[int, int] = {}
        for role, engine in self.engines.items():
            bounds[id(engine)] = max(bounds.get(id(engine), 0), self.in_flight.get(role, IN_FLIGHT))
        self._gates.update({engine: Gate(bound) for engine, bound in bounds.items()})
        for gate in self._gates.values():
            self.stop.then(gate.shut)

    def row(self, row_id: str, number: int = 0) -> "RowContext":
        """The way of one row, the `number`-th: where calls are equally far, earlier rows go first."""
        return RowContext(self, row_id, number)

    async def answer(self, key: str, ask: Callable[[], Awaitable[Answer]]) -> Stored:
        """Ask, or wait for somebody who is asking the same."""
        asking = self._asking.get(key)
        if asking is not None:
            self.tally.found += 1
            # Shielded: whoever waits with us must not be cancelled with us.
            return await asyncio.shield(asking)
        asking = self._asking[key] = asyncio.get_running_loop().create_future()
        try:
            stored = _fields(await ask())
            self.journal.put(key, stored)
        except BaseException as error:
            if isinstance(error, Exception):
                asking.set_exception(error)
                asking.exception()  # nobody may be waiting, which is no reason for a warning
            else:
                asking.cancel()
            raise
        finally:
            del self._asking[key]
        self.tally.count(stored)
        asking.set_result(stored)
        return stored

    def gate(self, role: str) -> Gate:
        return self._gates[id(self.engines[role])]


@dataclass(frozen=True, slots=True)
class RowContext:
    """One row's way to the engines. `keys` collects the journal keys of all that it was told.

    `behind` counts the calls that came before those of `keys`, in a part of the row that `together` made.
    """

    shared: Context
    row_id: str
    number: int = 0
    keys: list[str] = field(default_factory=list)
    behind: int = 0

    def rng(self, *purpose: str | int) -> random.Random:
        """A generator of this row's own: the same run seed, row and purpose draw the same numbers."""
        return random.Random(derived_seed(self.shared.seed, self.row_id, *purpose))

    async def chat(self, role: str, prompt: Prompt, sampling: Sampling, *, sample: int = 0) -> Completion:
        """Ask a role's engine for an answer; `sample` tells apart several answers to one prompt.

        Raises:
            CallError: the engine could not answer this call.
        """
        if sampling.temperature > 0 and sampling.seed is None:
            seed = derived_seed(self.shared.seed, self.row_id, prompt.template, sample)
            sampling = replace(sampling, seed=seed)
        request = {"call": "chat", "sampling": _fields(sampling), "sample": sample}
        if sampling.temperature > 0:
            request["row"] = self.row_id
        engine = self.shared.engines[role]
        stored = await self._told(
            role, prompt, request, ask=lambda priority: engine.chat(prompt, sampling, priority=priority)
        )
        return Completion(**stored)  # type: ignore[arg-type]

    async def choose(self, role: str, prompt: Prompt, labels: Sequence[str]) -> Choice:
        """Ask a role's engine how likely each label is next; raises `CallError` as `chat` does."""
        engine, request = self.shared.engines[role], {"call": "choose", "labels": list(labels)}
        stored = await self._told(
            role,
            prompt,
            request,
            ask=lambda priority: engine.choose(prompt, tuple(labels), priority=priority),
        )
        return Choice(**stored)  # type: ignore[arg-type]

    async def score(self, role: str, prompt: Prompt, completion: str) -> Score:
        """Ask a role's engine how likely a text is after a prompt; raises `CallError` as `chat` does."""
        engine, request = self.shared.engines[role], {"call": "score", "completion": completion}

        async def ask(priority: int) -> Score:
            score = await engine.score(prompt, completion, priority=priority)
            _require_number(score.logprob, "nan_logprob", "the text has log-probability")
            return score

        return Score(**await self._told(role, prompt, request, ask=ask))  # type: ignore[arg-type]

    async def reward(self, role: str, prompt: Prompt, completion: str, *, finished: bool = True) -> Reward:
        """Ask a role's engine how good an answer is; raises `CallError` as `chat` does."""
        engine = self.shared.engines[role]
        request = {"call": "reward", "completion": completion, "finished": finished}

        async def ask(priority: int) -> Reward:
            reward = await engine.reward(prompt, completion, finished=finished, priority=priority)
            _require_number(reward.value, "nan_reward", "the answer has reward")
            return reward

        return Reward(**await self._told(role, prompt, request, ask=ask))  # type: ignore[arg-type]

    async def together(self, parts: Sequence[Callable[["RowContext"], Awaitable[Told]]]) -> list[Told]:
        """Do at the same time what does not build on each other, so that an engine gets it as one batch.

        Each part asks by a context of its own, whose keys are added to `keys` in the parts' order, whichever
        comes back first. All parts are waited for, since what they asked is paid for; then the first error,
        if any, is raised.
        """
        contexts = [replace(self, keys=[], behind=self.behind + len(self.keys)) for _ in parts]
        asked = [part(context) for part, context in zip(parts, contexts, strict=True)]
        told = await _settled(asked)
        self.keys.extend(key for context in contexts for key in context.keys)
        return [_raised(each) for each in told]

    def fingerprint(self, role: str) -> str:
        """The digest of the engine that plays the role, for provenance columns."""
        return self.shared.engines[role].fingerprint.digest

    async def _told(
        self,
        role: str,
        prompt: Prompt,
        request: Mapping[str, object],
        *,
        ask: Callable[[int], Awaitable[Answer]],
    ) -> Stored:
        key = self._key(role, prompt, request)
        self.keys.append(key)
        stored = self.shared.journal.get(key)
        if stored is not None:
            self.shared.tally.find(stored)
            return stored
        return await self.shared.answer(key, lambda: self._in_turn(role, ask))

    async def _in_turn(self, role: str, ask: Callable[[int], Awaitable[Answer]]) -> Answer:
        """Ask when it is this row's turn: later rounds before earlier ones, in the engine's own queue too."""
        gate, priority = self.shared.gate(role), -self.behind - len(self.keys)
        await gate.enter((priority, self.number))
        try:
            return await ask(priority)
        finally:
            gate.leave()

    def _key(self, role: str, prompt: Prompt, request: Mapping[str, object]) -> str:
        engine = _plain(self.shared.engines[role].fingerprint)
        asked = {"text": prompt.text} if prompt.text is not None else {"messages": as_dicts(prompt.messages)}
        whole = {"schema": SCHEMA, "engine": engine, "stop": prompt.stop, **asked, **request}
        return hashlib.sha256(_CANONICAL.encode(whole).encode()).hexdigest()[:KEY_DIGITS]


@lru_cache(maxsize=16)
def _plain(fingerprint: Fingerprint) -> dict[str, str]:
    return asdict(fingerprint)


def _fields(given: Sampling | Answer) -> Stored:
    """As `asdict` of these, whose values need no copy, in a fifth of its time: it is made twice a call."""
    return {name: getattr(given, name) for name in given.__slots__}


async def _settled(asked: Sequence[Awaitable[Told]]) -> Sequence[Told | BaseException]:
    """What all came to, results or errors; one alone needs no task of its own, which would cost 30 µs."""
    if len(asked) != 1:
        return await asyncio.gather(*asked, return_exceptions=True)
    try:
        return [await asked[0]]
    except Exception as error:
        return [error]


def _raised(told: Told | BaseException) -> Told:
    if isinstance(told, BaseException):
        raise told
    return told


def _require_number(value: float, reason: str, what: str) -> None:
    """Half precision may make no number of an answer: then it must not be kept."""
    if not math.isfinite(value):
        raise CallError(reason, f"{what} {value}, expected a number")


def _read(answer: Mapping[str, object]) -> int:
    """Tokens that a model read for an answer: its prompt's, and those of a text that was scored."""
    return (_number(answer, "prompt_tokens") or 0) + (_number(answer, "tokens") or 0)


def _number(answer: Mapping[str, object], name: str) -> int | None:
    value = answer.get(name)
    return value if isinstance(value, int) else None


def derived_seed(*parts: str | int) -> int:
    """A 63-bit seed from named parts; neighbours in any part give unrelated numbers."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
