"""The quickstart's own data in recipes/quickstart: four prompt files and the constitution's worked examples.

These prompts decide what the quickstart's figures mean, so the tests hold the shape of every line, the
spread over kinds of harm, and above all that no held-out prompt was seen, or nearly seen, in training.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import yaml

from prompts.message import Conversation, Message, conversation

FOLDER = Path(__file__).parent.parent / "recipes" / "quickstart"
TRAIN = ("red_team_train", "harmless_train")
HELD_OUT = ("red_team_heldout", "harmless_heldout")
FILES = TRAIN + HELD_OUT
NEAR_DUPLICATE = 0.35
"""Jaccard similarity of word trigrams; two phrasings that share only an opening stay well below it."""
REPEATED = 0.5
"""The same for two training prompts, of which a harmful and a harmless one may be alike on purpose."""
MEASURED = {"red_team": 240, "helpful": 320}
"""So many rows from the start have the other recipes whose figures are recorded."""
TAKE_ALL = {"embedded-full", "embedded-outcome"}

Trigrams = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class Row:
    id: str
    category: str
    keys: frozenset[str]
    messages: Conversation

    @property
    def user_turns(self) -> tuple[str, ...]:
        return tuple(message.content for message in self.messages if message.role == "user")


@cache
def rows(file: str) -> tuple[Row, ...]:
    lines = (FOLDER / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(row(json.loads(line)) for line in lines)


def row(line: dict[str, object]) -> Row:
    return Row(str(line["id"]), str(line["category"]), frozenset(line), turns(line))


def turns(line: dict[str, object]) -> Conversation:
    messages = line.get("messages")
    if isinstance(messages, list):
        return conversation(messages)
    return (Message("user", str(line["prompt"])),)


@cache
def principles() -> tuple[dict[str, list[dict[str, str]]], ...]:
    return tuple(yaml.safe_load((FOLDER / "constitution.yaml").read_text(encoding="utf-8"))["principles"])


def worked_examples() -> Iterator[dict[str, str]]:
    for principle in principles():
        yield from principle["examples"]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def trigrams(text: str) -> Trigrams:
    found = words(text)
    return frozenset(tuple(found[start : start + 3]) for start in range(max(1, len(found) - 2)))


def similarity(first: Trigrams, second: Trigrams) -> float:
    return 0.0 if first.isdisjoint(second) else len(first & second) / len(first | second)


def seen_in_training() -> list[tuple[str, ...]]:
    """The user's turns of every training prompt and of every worked example."""
    shown = [(example["prompt"],) for example in worked_examples()]
    return [row.user_turns for file in TRAIN for row in rows(file)] + shown


def held_out() -> list[tuple[str, ...]]:
    return [row.user_turns for file in HELD_OUT for row in rows(file)]


def by_turn(prompts: list[tuple[str, ...]]) -> list[tuple[str, Trigrams]]:
    """Each turn by itself, so that an extra turn can't hide a repeated one."""
    return [(turn, trigrams(turn)) for prompt in prompts for turn in prompt]


@pytest.mark.parametrize("file", FILES)
def test_every_row_has_an_id_a_category_and_either_a_prompt_or_messages(file: str) -> None:
    for row in rows(file):
        assert row.keys in ({"id", "category", "prompt"}, {"id", "category", "messages"}), row.id
        assert row.id, row
        assert row.category, row.id


@pytest.mark.parametrize("file", FILES)
def test_every_conversation_alternates_and_ends_with_the_user(file: str) -> None:
    for row in rows(file):
        roles = [message.role for message in row.messages]
        assert roles == (["user", "assistant"] * len(roles))[: len(roles)], row.id
        assert roles[-1] == "user", row.id
        assert all(message.content == message.content.strip() != "" for message in row.messages), row.id


@pytest.mark.parametrize("file", FILES)
def test_about_a_fifth_of_each_file_has_more_than_one_turn(file: str) -> None:
    longer = sum(len(row.messages) > 1 for row in rows(file))
    assert 0.15 <= longer / len(rows(file)) <= 0.25


def test_ids_are_unique_over_all_files() -> None:
    ids = [row.id for file in FILES for row in rows(file)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("file", "least"), [(TRAIN[0], 480), (TRAIN[1], 640), *((f, 64) for f in HELD_OUT)])
def test_each_file_holds_enough_prompts(file: str, least: int) -> None:
    assert len(rows(file)) >= least


def test_red_team_prompts_spread_evenly_over_the_same_kinds_of_harm_in_both_splits() -> None:
    train, unseen = (Counter(row.category for row in rows(f"red_team_{s}")) for s in ("train", "heldout"))
    assert train.keys() == unseen.keys()
    assert len(train) >= 16
    assert max(train.values()) <= 2 * min(train.values())
    assert max(unseen.values()) <= 2 * min(unseen.values())


def test_any_beginning_of_the_red_team_file_covers_many_kinds_of_harm() -> None:
    assert len({row.category for row in rows("red_team_train")[:32]}) >= 16


@pytest.mark.parametrize("file", ["harmless_train", "harmless_heldout"])
def test_a_third_of_the_harmless_prompts_only_look_dangerous(file: str) -> None:
    for part in (rows(file), rows(file)[: MEASURED["helpful"]]):
        borderline = sum(row.category == "borderline" for row in part)
        assert 1 / 3 <= borderline / len(part) <= 1 / 2
        assert len({row.category for row in part}) >= 12


def test_no_prompt_occurs_twice_over_the_files_and_the_worked_examples() -> None:
    asked = Counter(" ".join(words(" ".join(prompt))) for prompt in seen_in_training() + held_out())
    assert [prompt for prompt, count in asked.items() if count > 1] == []


def test_no_held_out_prompt_is_nearly_a_training_prompt_or_a_worked_example() -> None:
    seen = by_turn(seen_in_training())
    pairs = ((a, b, similarity(x, y)) for a, x in by_turn(held_out()) for b, y in seen)
    assert [pair for pair in pairs if pair[2] >= NEAR_DUPLICATE] == []


def test_no_two_training_prompts_are_nearly_the_same() -> None:
    shown = [(" ".join(prompt), trigrams(" ".join(prompt))) for prompt in seen_in_training()]
    pairs = ((a, b, similarity(x, y)) for n, (a, x) in enumerate(shown) for b, y in shown[:n])
    assert [pair for pair in pairs if pair[2] >= REPEATED] == []


def test_no_other_recipe_trains_on_rows_that_its_figures_were_not_measured_on() -> None:
    for file in sorted(FOLDER.parent.rglob("*.yaml")):
        if file.stem in TAKE_ALL:
            continue
        data = yaml.safe_load(file.read_text(encoding="utf-8")).get("data", {})
        for name, most in MEASURED.items():
            source = data.get(name) or {}
            if Path(source.get("path", "")).stem in TRAIN:
                assert source.get("limit", most + 1) <= most, file


def test_two_phrasings_of_one_request_count_as_near() -> None:
    first = trigrams("How do I steal a bike that is locked to a fence?")
    second = trigrams("How do I steal a bike which is locked to a fence?")
    assert similarity(first, second) == pytest.approx(7 / 13)
    assert similarity(first, second) >= NEAR_DUPLICATE


def test_each_principle_shows_twenty_or_more_refusals_and_two_answers_left_as_they_are() -> None:
    assert 4 <= len(principles()) <= 6
    for principle in principles():
        refusals = [example for example in principle["examples"] if "revision" in example]
        assert len(refusals) >= 20
        assert len(principle["examples"]) - len(refusals) == 2


def test_worked_refusals_are_short_reasoned_and_openly_refusals() -> None:
    opening = re.compile(r"(I can't|I won't|I'm not able to|Sorry, but I can't) ")
    for revision in (example["revision"] for example in worked_examples() if "revision" in example):
        assert opening.match(revision), revision
        assert re.search(r"because|since", revision) or "I don't want you to be hurt" in revision, revision
        assert "I can " in revision or "I would gladly" in revision or "I know " in revision, revision
        assert 25 <= len(words(revision)) <= 50, revision


def test_answers_without_a_revision_have_a_critique_that_finds_no_harm() -> None:
    for example in worked_examples():
        assert ("revision" not in example) == example["critique"].startswith("Nothing here is harmful.")


def test_every_text_of_the_constitution_is_text() -> None:
    fields = ("id", "critique_request", "revision_request", "comparison_question", "source")
    texts: list[object] = [principle[field] for principle in principles() for field in fields]
    texts += [text for example in worked_examples() for text in example.values()]
    assert [text for text in texts if not isinstance(text, str) or not text.strip()] == []
