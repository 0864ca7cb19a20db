"""A principle whose pairs go along with the change is found; chance is not."""

import random

from evaluation.figures.principles import LabelledPrompt, moved

TOPICS = ("bombs", "poison", "forgery", "stalking")
WORDS = ("garden", "window", "river", "copper", "ladder", "market", "tunnel", "harbour", "violin", "saddle")


def prompt(topic: str, number: int) -> str:
    return f"Tell me about {topic} with the {WORDS[number % 10]} and the {WORDS[(number * 7 + 3) % 10]}"


def pairs(principles: list[str]) -> list[LabelledPrompt]:
    """Thirty pairs a topic; the topic's own principle labelled two in three of them."""
    generator = random.Random(1)
    return [
        LabelledPrompt(
            prompt(topic, number),
            (principles[place] if generator.random() < 2 / 3 else generator.choice(principles),),
        )
        for place, topic in enumerate(TOPICS)
        for number in range(30)
    ]


def test_a_principle_whose_pairs_changed_more_is_told_from_chance() -> None:
    changes = {
        prompt(topic, 40 + number): float(topic == "bombs") for topic in TOPICS for number in range(10)
    }
    found = {one.principle: one for one in moved(changes, pairs(["kind", "just", "true", "calm"]))}
    assert found["kind"].sure
    assert found["kind"].difference > found["kind"].chance_high
    assert not any(found[name].sure and found[name].difference > 0 for name in ("just", "true", "calm"))


def test_a_change_that_is_alike_everywhere_is_no_principles() -> None:
    changes = {prompt(topic, 40 + number): 1.0 for topic in TOPICS for number in range(10)}
    found = moved(changes, pairs(["kind", "just", "true", "calm"]))
    assert [one.difference for one in found] == [0.0] * 4 or all(abs(one.difference) < 1e-9 for one in found)
    assert not any(one.sure for one in found)


def test_a_label_by_two_principles_is_half_of_each() -> None:
    both = [LabelledPrompt(one.text, ("just", "kind")) for one in pairs(["kind", "just", "true", "calm"])]
    changes = {prompt(topic, 40 + number): float(number % 2) for topic in TOPICS for number in range(10)}
    assert [(one.principle, one.pairs) for one in moved(changes, both)] == [("just", 120), ("kind", 120)]
    assert not any(one.sure for one in moved(changes, both))


def test_too_few_prompts_or_principles_say_nothing() -> None:
    changes = {prompt("bombs", number): 1.0 for number in range(5)}
    assert moved(changes, pairs(["kind", "just", "true", "calm"])) == ()
    many = {prompt(topic, 40 + number): 1.0 for topic in TOPICS for number in range(10)}
    assert moved(many, [LabelledPrompt(one.text, ("kind",)) for one in pairs(["kind"] * 4)]) == ()
