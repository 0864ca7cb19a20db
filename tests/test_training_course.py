"""The table of a model's card that says how an online method went."""

from training.course import SHOWN, course_table


def test_each_rollout_is_a_line_with_what_was_logged() -> None:
    log = [
        {"step": 1, "score": 0.1234, "kl": 0.0, "kl_k3": 0.0, "loss": 1.0},
        {"step": 2, "loss": 0.9},
        {"step": 5, "score": 0.5, "kl": 1.234, "kl_k3": 1.2},
    ]
    assert course_table(log).splitlines() == [
        "| step | score | kl | kl_k3 |",
        "| --- | --- | --- | --- |",
        "| 1 | 0.123 | 0.00 | 0.00 |",
        "| 5 | 0.500 | 1.23 | 1.20 |",
    ]


def test_methods_that_sample_nothing_have_none() -> None:
    assert course_table([{"step": 1, "loss": 1.0}]) == ""


def test_of_many_the_first_and_the_last_are_there() -> None:
    lines = course_table([{"step": number, "kl_k3": 0.0} for number in range(100)]).splitlines()[2:]
    assert len(lines) == SHOWN
    assert (lines[0], lines[-1]) == ("| 0 | 0.00 |", "| 99 | 0.00 |")
