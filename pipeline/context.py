"""The context: the only thing that asks. A row program gets one and does no other I/O.

A call is looked up in the journal, else asked of the engine and appended. Its key is content-addressed, so
a run that is started again finds every answer it already has, and a changed parser reads old ones for free.
"""

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import cast

from engine.protocol import Choice, Completion, Engine, Sampling
from pipeline.journal import KEY_DIGITS, Journal
from prompts.message import Prompt, as_dicts

SCHEMA = 1
"""Part of every key; raised when the stored form of an answer changes."""


@dataclass(slots=True)
class Tally:
    """What a stage has asked so far, for progress and for the report."""

    asked: int = 0
    found: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """What the rows of a stage share: engines by role, the journal, the run's seed, one tally."""

    engines: Mapping[str, Engine]
    journal: Journal
    seed: int
    tally: Tally = field(default_factory=Tally)

    def row(self, row_id: str) -> "RowContext":
        return RowContext(self, row_id)


@dataclass(frozen=True, slots=True)
class RowContext:
    """One row's way to the engines. `keys` collects the journal keys of all that it was told."""

    shared: Context
    row_id: str
    keys: list[str] = field(default_factory=list)

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
        request = {"call": "chat", "sampling": asdict(sampling), "sample": sample}
        if sampling.temperature > 0:
            request["row"] = self.row_id
        key = self._key(role, prompt, request)
        stored = self._stored(key)
        if stored is None:
            answer = await self.shared.engines[role].chat(prompt, sampling)
            stored = self._keep(key, asdict(answer))
            self.shared.tally.completion_tokens += answer.completion_tokens
            self.shared.tally.prompt_tokens += answer.prompt_tokens
        return Completion(**cast("dict[str, object]", stored))  # type: ignore[arg-type]

    async def choose(self, role: str, prompt: Prompt, labels: Sequence[str]) -> Choice:
        """Ask a role's engine how likely each label is next; raises `CallError` as `chat` does."""
        key = self._key(role, prompt, {"call": "choose", "labels": list(labels)})
        stored = self._stored(key)
        if stored is None:
            answer = await self.shared.engines[role].choose(prompt, tuple(labels))
            stored = self._keep(key, asdict(answer))
            self.shared.tally.prompt_tokens += answer.prompt_tokens
        return Choice(**stored)  # type: ignore[arg-type]

    def fingerprint(self, role: str) -> str:
        """The digest of the engine that plays the role, for provenance columns."""
        return self.shared.engines[role].fingerprint.digest

    def _key(self, role: str, prompt: Prompt, request: Mapping[str, object]) -> str:
        engine = self.shared.engines[role].fingerprint
        asked = {"text": prompt.text} if prompt.text is not None else {"messages": as_dicts(prompt.messages)}
        whole = {"schema": SCHEMA, "engine": asdict(engine), "stop": prompt.stop, **asked, **request}
        text = json.dumps(whole, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]

    def _stored(self, key: str) -> dict[str, object] | None:
        self.keys.append(key)
        stored = self.shared.journal.get(key)
        if stored is not None:
            self.shared.tally.found += 1
        return stored

    def _keep(self, key: str, answer: dict[str, object]) -> dict[str, object]:
        self.shared.journal.put(key, answer)
        self.shared.tally.asked += 1
        return answer


def derived_seed(*parts: str | int) -> int:
    """A 63-bit seed from named parts; neighbours in any part give unrelated numbers."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
