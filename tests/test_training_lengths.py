"""Token counts of rows, against numbers that are counted by hand."""

from datasets import Dataset

from training.lengths import Lengths, measure


def test_prompts_answers_and_whole_texts_are_counted() -> None:
    rows = [
        {"prompt_ids": [1] * 4, "chosen_ids": [2] * 3, "rejected_ids": [2] * 10, "target": 1.0},
        {"prompt_ids": [1] * 6, "chosen_ids": [2] * 5, "rejected_ids": [2] * 2, "target": 1.0},
    ]
    found = measure(Dataset.from_list(rows))
    assert found.lengths == (
        Lengths("prompt", 2, 4, 5.0, 6, 6),
        Lengths("chosen", 2, 3, 4.0, 5, 5),
        Lengths("rejected", 2, 2, 6.0, 10, 10),
        Lengths("whole", 4, 7, 10.0, 14, 14),
    )
    assert (found.texts, found.learned, found.longest) == (2, 10, 14)


def test_95_of_100_texts_are_no_longer_than_p95() -> None:
    rows = [{"input_ids": [1] * size, "labels": [-100] + [1] * (size - 1)} for size in range(2, 102)]
    [prompt, answer, whole] = measure(Dataset.from_list(rows)).lengths
    assert (prompt.most, answer.p95, answer.most) == (1, 96, 100)
    assert sum(size <= whole.p95 for size in range(2, 102)) == 96


def test_a_reward_models_conversations_have_no_prompt_of_their_own() -> None:
    row = {"chosen_ids": [1] * 3, "rejected_ids": [1] * 5, "target": 0.8, "margin": 0.0}
    found = measure(Dataset.from_list([row]))
    assert found.lengths == (Lengths("whole", 2, 3, 4.0, 5, 5),)


def test_of_prompts_to_answer_there_are_no_answers() -> None:
    found = measure(Dataset.from_list([{"prompt_ids": [1] * 3, "prompt": "[]"}]))
    assert [each.name for each in found.lengths] == ["prompt", "whole"]


def test_what_the_texts_of_a_row_share_is_counted_once_where_they_are_joined() -> None:
    rows = [
        # A prompt of 4, an answer of 3 and one of 5: they part at once.
        {"prompt_ids": [1] * 4, "chosen_ids": [2] * 3, "rejected_ids": [3] * 5, "target": 1.0},
        # A prompt of 6, and answers of 4 that begin alike with 2.
        {"prompt_ids": [1] * 6, "chosen_ids": [2, 2, 4, 4], "rejected_ids": [2, 2, 5, 5], "target": 1.0},
    ]
    assert measure(Dataset.from_list(rows[:1])).joined == 4 + 3 + 5
    assert measure(Dataset.from_list(rows)).joined == 6 + 2 + 2 + 2
    assert measure(Dataset.from_list([{"prompt_ids": [1] * 3, "prompt": "[]"}])).joined == 3
