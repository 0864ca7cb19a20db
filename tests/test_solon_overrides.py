"""`--set`: values over a file's, checked like the file, and blamed where they are wrong."""

import pytest

from constitution.document import Document, DocumentError, parse_document, validate
from solon.overrides import override
from solon.recipe import Recipe

TEXT = """\
name: small
constitution: starter
data:
  red_team: {path: red.jsonl}
critique: {rounds: 2}
"""


def document() -> Document:
    return parse_document(TEXT, "recipe.yaml")


def recipe(*settings: str) -> Recipe:
    return validate(override(document(), settings), Recipe)


def refusal(*settings: str) -> str:
    with pytest.raises(DocumentError) as caught:
        recipe(*settings)
    return str(caught.value)


def test_values_are_yaml() -> None:
    changed = recipe(
        "seed=7", "critique.rounds=4", "critique.direct=true", "critique.respond.temperature=2e-1"
    )
    assert changed.seed == 7
    assert changed.critique.rounds == 4
    assert changed.critique.direct is True
    assert changed.critique.respond.temperature == 0.2


def test_a_section_that_the_file_leaves_out_is_made() -> None:
    assert recipe("training.sft.learning_rate=1e-4").training.sft is not None
    assert recipe("labeling={}").labeling is not None


def test_a_list_is_given_in_brackets() -> None:
    changed = recipe("labeling.pairs=[samples, revision]")
    assert changed.labeling is not None
    assert changed.labeling.pairs == ("samples", "revision")


def test_nothing_after_the_sign_empties_a_key() -> None:
    assert recipe("labeling={}", "labeling=").labeling is None


def test_the_last_of_several_counts() -> None:
    assert recipe("seed=1", "seed=2").seed == 2


def test_the_document_itself_stays_as_it_was() -> None:
    original = document()
    override(original, ["critique.rounds=4"])
    assert original.data["critique"] == {"rounds": 2}


def test_an_unknown_key_on_the_way_is_blamed_on_the_setting() -> None:
    text = refusal("trainig.sft.learning_rate=1e-4")
    assert text.startswith("--set trainig.sft.learning_rate=1e-4: unknown key `trainig`")
    assert "did you mean 'training'?" in text


def test_an_unknown_key_at_the_end_is_blamed_on_the_setting() -> None:
    text = refusal("training.sft.learing_rate=1e-4")
    assert text.startswith("--set training.sft.learing_rate=1e-4: unknown key `learing_rate`")
    assert "did you mean 'learning_rate'?" in text


def test_a_wrong_value_is_blamed_on_the_setting_and_not_on_the_file() -> None:
    text = refusal("critique.rounds=many")
    assert text.startswith("--set critique.rounds=many: `critique.rounds` is text `many`")
    assert "recipe.yaml" not in text


def test_a_mistake_of_the_file_is_still_blamed_on_the_file() -> None:
    broken = parse_document(TEXT.replace("rounds: 2", "rounds: many"), "recipe.yaml")
    with pytest.raises(DocumentError, match=r"recipe\.yaml:5:20"):
        validate(override(broken, ["seed=1"]), Recipe)


@pytest.mark.parametrize("setting", ["seed", "=1", "a..b=1", ".seed=1", ""])
def test_what_is_no_key_and_value_is_refused(setting: str) -> None:
    assert "expected: --set key=value" in refusal(setting)


def test_a_key_below_a_value_is_refused() -> None:
    assert "`name` is a value and has no keys below it" in refusal("name.first=x")


def test_a_second_key_cannot_be_smuggled_in() -> None:
    assert "more than one value" in refusal("seed=1\nname: other")


def test_broken_yaml_is_shown_as_the_setting() -> None:
    assert refusal("labeling.pairs=[samples").startswith("--set labeling.pairs=[samples:")


def test_a_secret_is_not_shown() -> None:
    text = refusal("models.assistant.api_key=sk-123")
    assert "sk-123" not in text
    assert "unknown key `api_key`" in text
