"""From plain data to a typed model: every mismatch at its place, all of them at once."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from constitution.document import DocumentError, Section, parse_document, validate


class Sft(Section):
    kind: Literal["sft"]
    rate: float = 1e-4


class Dpo(Section):
    kind: Literal["dpo"]
    beta: float = 0.1


class Recipe(Section):
    name: str = Field(description="what the run is called")
    output: Path | None = None
    tags: tuple[str, ...] = ()
    rate: float = Field(default=1.0, gt=0)
    rounds: int = 4
    method: Literal["full", "lora"] = "full"
    resume: bool = False
    weights: dict[str, float] = Field(default={})
    prompts: str | tuple[str, ...] = ()
    stages: tuple[Annotated[Sft | Dpo, Field(discriminator="kind")], ...] = ()
    from_: str = Field(default="", alias="from", description="where it starts")
    hf_token: int = 0


def read(text: str) -> Recipe:
    return validate(parse_document(text, "r.yaml"), Recipe)


def refusal(text: str) -> str:
    with pytest.raises(DocumentError) as caught:
        read(text)
    return str(caught.value)


def test_lists_fill_tuples_whole_numbers_fill_floats_and_text_fills_paths_and_choices() -> None:
    recipe = read(
        "name: x\noutput: runs/x\ntags: [a, b]\nrate: 2\nmethod: lora\nfrom: y\n"
        "weights: {a: 1}\nprompts: p.jsonl\nstages:\n  - {kind: dpo, beta: 1}\n"
    )
    assert recipe.output == Path("runs/x")
    assert recipe.tags == ("a", "b")
    assert recipe.rate == 2.0
    assert isinstance(recipe.rate, float)
    assert recipe.method == "lora"
    assert recipe.from_ == "y"
    assert recipe.weights == {"a": 1.0}
    assert recipe.prompts == "p.jsonl"
    assert recipe.stages == (Dpo(kind="dpo", beta=1.0),)


def test_a_section_cannot_be_changed_after_reading() -> None:
    with pytest.raises(ValidationError):
        read("name: x").name = "y"  # type: ignore[misc]


def test_an_unknown_key_is_refused_with_the_valid_ones_and_the_nearest() -> None:
    assert refusal("name: x\nround: 3\n") == (
        "r.yaml:2:1: unknown key `round`\n"
        "  2 | round: 3\n"
        "    | ^^^^^\n"
        "  expected: one of name, output, tags, rate, rounds, method, resume, weights, prompts, stages, "
        "from, hf_token\n"
        "  did you mean 'rounds'?"
    )


def test_a_missing_key_is_refused_with_its_meaning() -> None:
    assert refusal("rate: 2\n") == (
        "r.yaml:1:1: `name` is missing\n  1 | rate: 2\n    | ^\n  expected: `name:` what the run is called"
    )


@pytest.mark.parametrize(
    ("written", "found", "next_step"),
    [
        ("no", "boolean `no`", 'write "no" in quotes'),
        ("1.0", "number `1.0`", 'write "1.0" in quotes'),
        ("", "empty", "give a value, or remove the key"),
        ("null", "empty", "give a value, or remove the key"),
    ],
)
def test_scalars_that_are_not_text_are_refused_where_text_is_meant(
    written: str, found: str, next_step: str
) -> None:
    message = refusal(f"name: {written}\n")
    assert message.startswith(f"r.yaml:1:{7 if written else 6}: `name` is {found}\n")
    assert message.endswith(f"  expected: text\n  next: {next_step}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('rounds: "3"', "`rounds` is text `3`|a whole number|write 3 without quotes"),
        ("rounds: 2.5", "`rounds` is number `2.5`|a whole number|"),
        ("rounds: 1_000", "`rounds` is text `1_000`|a whole number|write 1000 without quotes"),
        ("rate: fast", "`rate` is text `fast`|a number|"),
        ("rate: .nan", "`rate` is number `.nan`|a finite number|"),
        ("rate: 0", "`rate` is number `0`|greater than 0|"),
        ("resume: 'true'", "`resume` is text `true`|true or false|write true without quotes"),
        ("tags: abc", "`tags` is text `abc`|a list|write [abc]"),
        ("tags: [a, 1]", '`tags[1]` is number `1`|text|write "1" in quotes'),
        ("weights: [a]", "`weights` is a list|a mapping (`key: value` lines)|"),
        ("weights: {a: b}", "`weights.a` is text `b`|a number|"),
        ("prompts: 3", '`prompts` is number `3`|text or a list|write "3" in quotes'),
        ("stages: [sft]", "`stages[0]` is text `sft`|a mapping (`key: value` lines)|"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(line: str, message: str) -> None:
    what, expected, next_step = message.split("|")
    lines = refusal(f"name: x\n{line}\n").split("\n")
    assert lines[0].startswith("r.yaml:2:")
    assert lines[0].endswith(f": {what}")
    assert lines[3] == f"  expected: {expected}"
    assert lines[4:] == ([f"  next: {next_step}"] if next_step else [])


def test_a_wrong_choice_is_refused_with_the_nearest() -> None:
    assert refusal("name: x\nmethod: lorra\n") == (
        "r.yaml:2:9: `method` is text `lorra`\n"
        "  2 | method: lorra\n"
        "    |         ^^^^^\n"
        "  expected: one of full, lora\n"
        "  did you mean 'lora'?"
    )


def test_the_valid_keys_of_one_kind_of_a_union_are_named() -> None:
    message = refusal("name: x\nstages:\n  - kind: dpo\n    betta: 1\n")
    assert "unknown key `betta`" in message
    assert "expected: one of kind, beta\n  did you mean 'beta'?" in message


def test_a_kind_that_is_unknown_or_missing_is_refused_with_the_kinds() -> None:
    wrong = refusal("name: x\nstages:\n  - {kind: ppo}\n")
    assert wrong.startswith("r.yaml:3:12: `stages[0].kind` is text `ppo`\n")
    assert "expected: one of sft, dpo" in wrong
    missing = refusal("name: x\nstages:\n  - {beta: 1}\n")
    assert missing.startswith("r.yaml:3:5: `kind` is missing\n")
    assert missing.endswith("expected: `kind:` one of sft, dpo")


def test_all_mismatches_of_a_file_are_told_at_once_in_its_order() -> None:
    message = refusal("rounds: many\nmethod: half\ncolour: red\n")
    assert [line.split(": ")[0] for line in message.split("\n") if line.startswith("r.yaml")] == [
        "r.yaml:1:1",
        "r.yaml:1:9",
        "r.yaml:2:9",
        "r.yaml:3:1",
    ]
    assert message.endswith("\n\n4 problems in r.yaml")


def test_a_wrong_value_of_a_secret_is_not_shown() -> None:
    assert "sk-123" not in refusal("name: x\nhf_token: sk-123\n")


def test_control_characters_do_not_reach_the_terminal() -> None:
    message = refusal('name: x\nrounds: "\\e[31mred"\n')
    assert "\x1b" not in message
    assert "`rounds` is text `\\x1b[31mred`" in message


def test_a_part_of_a_document_is_read_with_its_own_places() -> None:
    document = parse_document("train:\n  kind: sft\n  rate: x\n", "r.yaml")
    with pytest.raises(DocumentError, match=r"^r.yaml:3:9: `train.rate` is text `x`\n"):
        validate(document, Sft, at=("train",))
    with pytest.raises(DocumentError, match=r"^r.yaml:1:1: `evaluate` is missing"):
        validate(document, Sft, at=("evaluate",))


def test_a_reader_can_raise_a_problem_of_its_own_at_a_place() -> None:
    document = parse_document("name: x\nrounds: 3\n", "r.yaml")
    error = DocumentError(document.problem(("rounds",), "too many", on_key=True, expected="2"))
    assert str(error) == "r.yaml:2:1: too many\n  2 | rounds: 3\n    | ^^^^^^\n  expected: 2"
