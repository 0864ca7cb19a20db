"""A reward model behind the protocol: its numbers are those of a plain forward pass, and it only rates."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
import torch
from training_fixtures import CHATML, byte_tokenizer, reward_model, save_tiny_model
from transformers import AutoModelForSequenceClassification

from engine.open import open_engine
from engine.protocol import CallError, EngineUnavailable, Reward, Sampling
from engine.reward import RewardEngine
from engine.reward_folder import brings_head, outputs
from engine.settings import ModelSettings
from prompts.message import Message, Prompt

__all__ = ["reward_model"]

QUESTION = Prompt("", "", messages=(Message("system", "Be kind."), Message("user", "Why?")))
ANSWERS = ["Because.", "It is <|im_end|> so.", "A long answer, " * 20, "", "No."]


def settings(model: Path, **more: object) -> ModelSettings:
    given = {"engine": "reward", "model": str(model), "device": "cpu", "dtype": "float32"}
    return ModelSettings.model_validate(given | more)


async def given(folder: Path, **more: object) -> list[Reward]:
    """What the engine gives to all answers when they are asked at once."""
    engine = RewardEngine(settings(folder, **more))
    told = await asyncio.gather(*(engine.reward(QUESTION, answer) for answer in ANSWERS))
    await engine.close()
    return list(told)


def by_hand(folder: Path, answer: str) -> float:
    """One conversation alone through `transformers`, special tokens in the answer as text."""
    tokenizer = byte_tokenizer()
    before = "".join(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in QUESTION.messages)
    ids = [
        *tokenizer(f"{before}<|im_start|>assistant\n", add_special_tokens=False).input_ids,
        *tokenizer(answer, add_special_tokens=False, split_special_tokens=True).input_ids,
        *tokenizer("<|im_end|>\n", add_special_tokens=False).input_ids,
    ]
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0, 0].item()


async def test_a_reward_is_that_of_a_plain_forward_pass(reward_model: Path) -> None:
    told = await given(reward_model)
    assert [reward.value for reward in told] == pytest.approx(
        [by_hand(reward_model, answer) for answer in ANSWERS], abs=1e-4
    )
    assert len({round(reward.value, 3) for reward in told}) == len(ANSWERS)


async def test_a_batch_of_any_size_gives_the_same(reward_model: Path) -> None:
    together, alone = await given(reward_model), await given(reward_model, max_batch_size=1)
    assert [r.value for r in together] == pytest.approx([r.value for r in alone], abs=1e-4)
    assert [r.tokens for r in together] == [r.tokens for r in alone]


async def test_a_model_without_a_padding_token_is_asked_one_by_one(
    reward_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(reward_model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": None}))
    named = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(named | {"pad_token": None}))
    told = await given(folder)
    expected = await given(reward_model)
    assert [r.value for r in told] == pytest.approx([r.value for r in expected], abs=1e-4)


async def test_half_precision_moves_a_reward_a_little_only(reward_model: Path) -> None:
    exact, half = await given(reward_model), await given(reward_model, dtype="bfloat16")
    assert [r.value for r in half] == pytest.approx([r.value for r in exact], abs=0.3)
    head = RewardEngine(settings(reward_model, dtype="bfloat16")).model.get_submodule("score")
    assert next(head.parameters()).dtype == torch.float32


async def test_it_only_rates(reward_model: Path) -> None:
    engine = await open_engine(settings(reward_model))
    for asked in (
        engine.chat(QUESTION, Sampling()),
        engine.choose(QUESTION, ("A", "B")),
        engine.score(QUESTION, "Yes"),
    ):
        with pytest.raises(EngineUnavailable, match="is a reward model, which cannot"):
            await asked
    with pytest.raises(EngineUnavailable, match="not to a transcript"):
        await engine.reward(Prompt("", "", text="Human: Why?"), "So.")
    await engine.close()


async def test_what_does_not_fit_is_a_failed_call(reward_model: Path) -> None:
    engine = RewardEngine(settings(reward_model))
    with pytest.raises(CallError) as caught:
        await engine.reward(QUESTION, "x" * 2000)
    assert caught.value.reason == "too_long"
    await engine.close()


async def test_the_fingerprint_follows_the_folders_content(reward_model: Path, tmp_path: Path) -> None:
    copy = tmp_path / reward_model.name
    shutil.copytree(reward_model, copy)
    assert RewardEngine(settings(copy)).fingerprint == RewardEngine(settings(reward_model)).fingerprint
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = CHATML.replace("\n{%", "{%")
    tokenizer.save_pretrained(copy)
    assert RewardEngine(settings(copy)).fingerprint != RewardEngine(settings(reward_model)).fingerprint


async def test_a_language_model_or_one_with_more_outputs_is_refused(
    reward_model: Path, tmp_path: Path
) -> None:
    language = save_tiny_model(tmp_path / "language")
    with pytest.raises(EngineUnavailable, match="gives 2 numbers to a text"):
        await open_engine(settings(language))
    (tmp_path / "one").mkdir()
    shutil.copytree(language, tmp_path / "one", dirs_exist_ok=True)
    config = json.loads((language / "config.json").read_text())
    (tmp_path / "one" / "config.json").write_text(json.dumps(config | {"id2label": {"0": "r"}}))
    with pytest.raises(EngineUnavailable, match="has no head, and would rate at random"):
        await open_engine(settings(tmp_path / "one"))
    assert (outputs(reward_model), outputs(language)) == (1, None)
    assert not brings_head(language)


async def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="cannot be loaded"):
        await open_engine(settings(tmp_path / "gone"))
