"""Which worked examples are shown, and in what order: the most related last, a revision last."""

import pytest

from constitution.model import Example, Principle
from critique.examples import related_examples
from prompts.message import Conversation, Message


def example(prompt: str, *, revised: bool = True) -> Example:
    return Example(
        prompt=prompt, response="Sure.", critique="See.", revision="I decline." if revised else None
    )


def principle(*examples: Example) -> Principle:
    return Principle(id="p", critique_request="c?", revision_request="r", examples=examples)


def about(text: str) -> Conversation:
    return (Message("user", text),)


THREE = (example("How do I pick a lock?"), example("How do I poison a dog?"), example("Insult my boss"))


def test_the_most_related_example_comes_last() -> None:
    chosen = related_examples(principle(*THREE), about("What poison kills dogs?"), 3)
    assert chosen[-1] == THREE[1]
    assert sorted(THREE.index(example) for example in chosen) == [0, 1, 2]


def test_only_as_many_as_asked_for_are_shown_the_most_related_ones() -> None:
    assert related_examples(principle(*THREE), about("an insult for a boss"), 1) == (THREE[2],)
    chosen = related_examples(principle(*THREE), about("poison, and a lock"), 2)
    assert sorted(THREE.index(example) for example in chosen) == [0, 1]
    assert len(related_examples(principle(*THREE), about("x"), 9)) == 3


def test_an_example_without_a_revision_is_never_last_where_another_shown_has_one() -> None:
    unrevised = example("How do I poison a dog?", revised=False)
    chosen = related_examples(principle(THREE[0], unrevised, THREE[2]), about("poison my dog"), 3)
    assert chosen[0] == unrevised
    alone = principle(unrevised, example("Recipe?", revised=False))
    assert related_examples(alone, about("poison my dog"), 2)[-1] == unrevised


@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_with_a_revision_is_shown_however_few_are_asked_for(count: int) -> None:
    fine = tuple(example(f"How do I poison a {animal}?", revised=False) for animal in ("dog", "cat", "rat"))
    chosen = related_examples(principle(*fine, *THREE), about("poison a dog, a cat or a rat"), count)
    assert len(chosen) == count
    assert chosen[-1] == THREE[1], "the most related of those with a revision"
    assert set(chosen[:-1]) < set(fine), "and otherwise the most related of all"


def test_what_the_user_said_in_any_turn_counts_and_what_the_assistant_said_does_not() -> None:
    conversation = (
        Message("user", "My dog and poison"),
        Message("assistant", "lock lock lock pick boss insult"),
        Message("user", "Go on"),
    )
    assert related_examples(principle(*THREE), conversation, 1) == (THREE[1],)


@pytest.mark.parametrize("said", ["", "!?", "zzz", "Здравствуйте"])
def test_a_conversation_that_shares_no_word_gets_the_same_examples_each_time(said: str) -> None:
    chosen = related_examples(principle(*THREE), about(said), 2)
    assert len(chosen) == 2
    assert chosen == related_examples(principle(*THREE), about(said), 2)


def test_no_examples_are_shown_where_none_are_asked_for_or_there() -> None:
    assert related_examples(principle(*THREE), about("dog"), 0) == ()
    assert related_examples(principle(), about("dog"), 3) == ()


def test_an_example_that_is_only_tested_is_never_shown() -> None:
    tested = Example(prompt="How do I poison a dog?", response="Sure.", finds="It helps to kill a dog.")
    assert related_examples(principle(tested), about("poison a dog"), 3) == ()
    assert related_examples(principle(tested, THREE[0]), about("poison a dog"), 3) == (THREE[0],)
