"""Responses one by one: their rows, their order, and the mismatched response of each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_fixtures import byte_tokenizer

from training.data import Row
from training.model import TrainingError
from training.responses import mismatched, read_unpaired, tokenize_responses

TOKENIZER = byte_tokenizer()


def response_row(question: str, answer: str, label: object, **more: object) -> Row:
    return {
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": answer}],
        "label": label,
        **more,
    }


ROWS = [response_row(f"Question {n // 2}?", f"Answer {n}.", n % 2 == 0) for n in range(10)]


def test_a_mismatched_response_is_that_of_the_row_before_in_the_batch_going_round() -> None:
    assert mismatched([1, 2, 3, 4, 5, 6], 3) == [2, 0, 1, 5, 3, 4]


def test_rows_of_the_same_prompt_are_passed_over() -> None:
    # Row 1's neighbour has its prompt, so it goes round to row 2; row 0 finds row 2 at once.
    assert mismatched([7, 7, 8], 3) == [2, 2, 1]
    # A batch of one prompt, and a last batch of one row, look at the rows before them.
    assert mismatched([1, 2, 3, 3, 4], 2) == [1, 0, 1, 1, 3]


@given(st.lists(st.integers(0, 3), min_size=2, max_size=20), st.integers(2, 8))
def test_no_mismatched_response_is_one_to_the_same_prompt(prompts: list[int], batch: int) -> None:
    if len(set(prompts)) == 1:
        with pytest.raises(TrainingError, match="one prompt only"):
            mismatched(prompts, batch)
        return
    others = mismatched(prompts, batch)
    assert all(prompts[other] != prompt for other, prompt in zip(others, prompts, strict=True))


def test_responses_are_drawn_into_an_order_by_the_seed_and_none_is_lost() -> None:
    rows = read_unpaired(ROWS)
    orders = []
    for seed in (0, 0, 1):
        told = tokenize_responses(rows, TOKENIZER, max_length=400, batch=4, seed=seed).dataset
        orders.append([TOKENIZER.decode(ids) for ids in told["completion_ids"]])
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == [f"Answer {n}.<|im_end|>\n" for n in range(10)]
    assert orders[0] != sorted(orders[0])


def test_what_a_row_is_stays_with_it_and_its_mismatch_answers_another_prompt() -> None:
    told = tokenize_responses(read_unpaired(ROWS), TOKENIZER, max_length=400, batch=4, seed=0).dataset
    assert told.column_names == ["prompt_ids", "completion_ids", "label", "KL_completion_ids"]
    for row in told.to_list():
        prompt, own, other = (
            str(TOKENIZER.decode(row[name])) for name in ("prompt_ids", "completion_ids", "KL_completion_ids")
        )
        number, mismatch = (int(text.split()[1].split(".")[0]) for text in (own, other))
        assert f"Question {number // 2}?" in prompt
        assert row["label"] == (number % 2 == 0)
        assert mismatch // 2 != number // 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"label": None}, "label is empty, expected true"),
        ({"label": "yes"}, "label is a str"),
        ({"label": 1}, "label is a int"),
        ({"completion": "yes"}, "`completion` is a str"),
    ],
)
def test_a_row_of_another_shape_is_told_before_a_model_loads(change: dict[str, object], problem: str) -> None:
    with pytest.raises(TrainingError, match=problem):
        read_unpaired([*ROWS, {**ROWS[0], **change}])


def test_labels_that_are_all_equal_teach_nothing() -> None:
    with pytest.raises(TrainingError, match="good responses only"):
        read_unpaired([response_row("a", "b", True), response_row("c", "d", True)])
    with pytest.raises(TrainingError, match="bad responses only"):
        # What is dropped has no say.
        read_unpaired([response_row("a", " ", True), response_row("c", "d", False)])


def test_responses_to_one_prompt_alone_are_refused() -> None:
    rows = read_unpaired([response_row("a", "b", True), response_row("a", "c", False)])
    with pytest.raises(TrainingError, match="one prompt only"):
        tokenize_responses(rows, TOKENIZER, max_length=400, batch=4, seed=0)
