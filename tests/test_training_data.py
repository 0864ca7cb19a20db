from typing import Any

import pytest
from training_fixtures import preference_row, sft_row

from prompts.message import Message
from training.data import Example, Pair, read_preferences, read_sft, reasons
from training.model import Dropped, TrainingError


def test_the_last_assistant_message_is_the_completion() -> None:
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "See you"},
    ]
    rows = read_sft([{"messages": messages, "principle": "kind"}])
    prompt = (Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "Bye"))
    assert tuple(rows.kept) == ((0, Example(prompt, (Message("assistant", "See you"),))),)


def test_a_pair_keeps_only_what_is_trained() -> None:
    (kept,) = read_preferences([preference_row("Q", "good", "bad")]).kept
    assert kept == (
        0,
        Pair(
            (Message("user", "Q"),),
            (Message("assistant", "good"),),
            (Message("assistant", "bad"),),
            probability=0.8,
        ),
    )


def test_rows_with_nothing_to_learn_are_dropped_with_their_number_and_reason() -> None:
    rows = read_sft([sft_row("Q", " "), sft_row("Q", "A"), sft_row("", "A"), {"messages": []}])
    assert [number for number, _ in rows.kept] == [1]
    assert rows.dropped == (
        Dropped(0, "the last assistant message is empty"),
        Dropped(2, "the prompt's last message is empty"),
        Dropped(3, "messages are empty"),
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rejected": [{"role": "assistant", "content": "good"}]}, "chosen and rejected are the same"),
        ({"rejected": []}, "rejected is empty"),
        ({"chosen": [{"role": "assistant", "content": ""}]}, "chosen is empty"),
        ({"prompt": []}, "the prompt is empty"),
        ({"chosen_probability": 0.5}, "a tie: chosen_probability is 0.5"),
        (
            {"chosen_probability": 0.4},
            "chosen_probability is not between 0.5 and 1, so rejected is not behind",
        ),
        ({"chosen_probability": float("nan")}, "chosen_probability is not between 0.5 and 1"),
    ],
)
def test_pairs_that_cannot_teach_are_dropped(change: dict[str, Any], reason: str) -> None:
    good = preference_row("Q", "good", "bad")
    rows = read_preferences([good, {**good, **change}])
    assert len(rows.kept) == 1
    assert rows.dropped[0].reason.startswith(reason)


def test_no_rows_at_all_is_an_error() -> None:
    with pytest.raises(TrainingError, match="the SFT data set has no rows\n"):
        read_sft([])


def test_only_ties_is_an_error_that_counts_them() -> None:
    tie = {**preference_row("Q", "a", "b"), "chosen_probability": 0.5}
    with pytest.raises(TrainingError, match=r"2 dropped because 2 x a tie: chosen_probability is 0\.5"):
        read_preferences([tie, tie])


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"text": "hi", "id": 3}, "column `messages` is missing; its columns are: text, id"),
        ({"messages": "hi"}, "`messages` is a str, expected a list of messages"),
        ({"messages": None}, "`messages` is empty, expected a list"),
        ({"messages": ["hi"]}, "something other than role and content"),
        ({"messages": [{"role": "human", "content": "hi"}]}, "role is 'human', expected one of"),
        ({"messages": [{"role": "user", "content": "hi"}]}, "the last message is the user's"),
    ],
)
def test_a_row_of_another_shape_is_an_error_that_names_the_row(row: dict[str, Any], says: str) -> None:
    with pytest.raises(TrainingError, match=r"the SFT data set, row 1: ") as error:
        read_sft([sft_row("Q", "A"), row])
    assert says in str(error.value)


def test_an_answer_that_is_not_the_assistants_is_an_error() -> None:
    row = {**preference_row("Q", "a", "b"), "chosen": [{"role": "user", "content": "a"}]}
    with pytest.raises(TrainingError, match="`chosen` must begin and end with the assistant's message"):
        read_preferences([row])


def test_a_probability_that_is_no_number_is_an_error() -> None:
    with pytest.raises(TrainingError, match="chosen_probability is a str"):
        read_preferences([{**preference_row("Q", "a", "b"), "chosen_probability": "0.9"}])


def test_reasons_are_counted_most_frequent_first() -> None:
    assert reasons([Dropped(0, "b"), Dropped(1, "a"), Dropped(2, "a")]) == "2 x a, 1 x b"
