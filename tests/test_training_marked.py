"""What a dry run shows as learned: exactly what the collators put the loss on, in every method."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from training_fixtures import (
    PREFERENCES,
    SFT_ROWS,
    byte_tokenizer,
    dpo_settings,
    reward_settings,
    sft_settings,
    tiny_model,
)
from trl.trainer.dpo_trainer import DataCollatorForPreference
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from training.groups import GroupCollator
from training.marked import Span, aim, spans, texts
from training.methods import METHODS
from training.settings import KTOSettings, PPOSettings, RRHFSettings, TrainerSettings
from training.tokens import IGNORED, TokenizedRows

__all__ = ["tiny_model"]

TOKENIZER = byte_tokenizer()
UNPAIRED = [
    {
        "prompt": [{"role": "user", "content": ask}],
        "completion": [{"role": "assistant", "content": said}],
        "label": good,
    }
    for ask, said, good in (("Hm?", "Yes.", True), ("Insult me.", "Fool.", False), ("Hi", "Hello!", True))
]
RANKED = [
    {
        "prompt": [{"role": "user", "content": "Insult me."}],
        "completions": [[{"role": "assistant", "content": said}] for said in ("No.", "Fool.", "Twit.")],
        "ranks": [1, 2, 2],
    }
]


def tokens(
    method: str, rows: Sequence[Mapping[str, object]], settings: TrainerSettings, model: Path
) -> TokenizedRows:
    from engine.settings import ModelSettings

    chosen = METHODS[method]  # pyright: ignore[reportArgumentType]
    return chosen.tokens(rows, TOKENIZER, ModelSettings(model=str(model), device="cpu"), settings, seed=0)


def marked(rows: TokenizedRows) -> list[list[tuple[int, bool]]]:
    """Ids and marks of every text, in the order of `texts`."""
    return [
        list(zip(text.ids, text.learned, strict=True))
        for row in rows.dataset
        for text in texts(row)  # pyright: ignore[reportArgumentType]
    ]


def masked(batch: Mapping[str, Any], mask: str = "completion_mask") -> list[list[tuple[int, bool]]]:
    """The same of a padded batch."""
    found = []
    for ids, attended, learned in zip(batch["input_ids"], batch["attention_mask"], batch[mask], strict=True):
        there = attended.bool()
        found.append(list(zip(ids[there].tolist(), learned[there].bool().tolist(), strict=True)))
    return found


def test_sft_marks_what_has_a_label(tiny_model: Path) -> None:
    rows = tokens("sft", SFT_ROWS, sft_settings(max_completion_length=9), tiny_model)
    batch = DataCollatorForLanguageModeling(pad_token_id=0)(list(rows.dataset))
    assert marked(rows) == masked({**batch, "learned": batch["labels"] != IGNORED}, "learned")


def test_packed_conversations_are_shown_one_by_one(tiny_model: Path) -> None:
    alone = marked(tokens("sft", SFT_ROWS, sft_settings(), tiny_model))
    rows = tokens("sft", SFT_ROWS, sft_settings(packing=True, max_length=200), tiny_model)
    assert len(rows) < len(SFT_ROWS)
    assert sorted(marked(rows)) == sorted(alone)


@pytest.mark.parametrize("method", ["dpo", "orpo"])
def test_pairs_mark_both_answers(method: str, tiny_model: Path) -> None:
    rows = tokens(method, PREFERENCES, dpo_settings(), tiny_model)
    batch = DataCollatorForPreference(pad_token_id=0)(list(rows.dataset))
    # A batch has all chosen answers first.
    found = masked(batch)
    half = len(PREFERENCES)
    assert marked(rows) == [text for number in range(half) for text in (found[number], found[half + number])]
    assert aim(rows.dataset[0]) == "P(chosen) 0.80"


def test_unpaired_responses_are_marked_and_the_mismatched_one_is_left_out(tiny_model: Path) -> None:
    rows = tokens("kto", UNPAIRED, KTOSettings(batch_size=2), tiny_model)
    batch = DataCollatorForUnpairedPreference(pad_token_id=0)(list(rows.dataset))
    assert marked(rows) == masked(batch)
    assert [aim(row) for row in rows.dataset] == [  # pyright: ignore[reportArgumentType]
        "good" if label else "bad" for label in rows.dataset["label"]
    ]


def test_groups_mark_every_answer_with_its_rank(tiny_model: Path) -> None:
    rows = tokens("rrhf", RANKED, RRHFSettings(), tiny_model)
    batch = GroupCollator(0)([rows.dataset[number] for number in range(len(rows))])
    assert marked(rows) == masked(batch)
    names = [text.name for text in texts(rows.dataset[0])]
    assert names == ["answer 1, rank 1", "answer 2, rank 2", "answer 3, rank 2"]


def test_a_reward_is_read_at_the_last_token(tiny_model: Path) -> None:
    rows = tokens("reward", PREFERENCES, reward_settings(), tiny_model)
    for text in texts(rows.dataset[0]):
        assert text.learned == (*[False] * (len(text.ids) - 1), True)


def test_of_a_prompt_that_is_to_be_answered_nothing_is_learned_yet(tiny_model: Path) -> None:
    settings = PPOSettings.model_validate(
        {"reward_funcs": ({"function": "brevity"},), "max_length": 64, "max_completion_length": 8}
    )
    rows = tokens("ppo", [{"prompt": [{"role": "user", "content": "Hm?"}]}], settings, tiny_model)
    [text] = texts(rows.dataset[0])
    assert list(spans(text, TOKENIZER)) == [
        Span("<|im_start|>user\nHm?<|im_end|>\n<|im_start|>assistant\n", learned=False)
    ]


def test_pieces_of_a_text_begin_where_learning_does(tiny_model: Path) -> None:
    rows = tokens("sft", SFT_ROWS[1:2], sft_settings(), tiny_model)
    assert list(spans(texts(rows.dataset[0])[0], TOKENIZER)) == [
        Span("<|im_start|>user\nIs it late?<|im_end|>\n<|im_start|>assistant\n", learned=False),
        Span("No.<|im_end|>\n", learned=True),
    ]
