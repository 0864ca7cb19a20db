"""The log-ratio of a model's own sample, by numbers that are written down."""

from pathlib import Path

import pytest

from engine.protocol import CallError, Sampling
from engine.scripted import ScriptedEngine
from evaluation.answer import Question
from evaluation.diverge import Diverger
from evaluation.model import Divergence
from pipeline.context import Context
from pipeline.journal import Journal
from prompts.message import Message
from prompts.render import Prompts

ASKED = Question("h/a", "h", "helpful", "c", (Message("user", "Say something."),))


async def measured(tmp_path: Path, model: ScriptedEngine, base: ScriptedEngine) -> Divergence:
    program = Diverger(Prompts("chat"), Sampling(max_tokens=8), "dpo", "base", run="s0")
    with Journal(tmp_path / "answers.log") as journal:
        context = Context({"model": model, "reference": base}, journal, 0)
        return await program(ASKED, context.row(ASKED.id))


async def test_the_models_own_sample_is_scored_by_both(tmp_path: Path) -> None:
    model = ScriptedEngine("one two", score=lambda _prompt, _text: -1.5, name="dpo")
    base = ScriptedEngine(score=lambda _prompt, _text: -4.0, name="base")
    found = await measured(tmp_path, model, base)
    assert (found.log_ratio, found.tokens, found.model, found.against) == (2.5, 2, "dpo", "base")
    assert [call.kind for call in model.calls] == ["chat", "score"]
    assert [call.completion for call in base.calls] == ["one two"]


async def test_an_empty_sample_has_no_ratio(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="empty"):
        await measured(tmp_path, ScriptedEngine(""), ScriptedEngine())
