"""The resolved recipe: everything in it, and equal when it is read again."""

from hypothesis import given
from hypothesis import strategies as st

from constitution.document import parse_document, validate
from critique.model import CritiqueSettings, SamplingSettings
from labeling.settings import LabelingSettings
from solon.recipe import DataSettings, Recipe, Source
from solon.recipe_yaml import resolved_yaml
from training.settings import SFTSettings, TrainingSettings


def recipe(path: str = "red.jsonl", **more: object) -> Recipe:
    data = DataSettings(red_team=Source(path=path))
    return Recipe(name="small", constitution="starter", data=data, **more)  # type: ignore[arg-type]


def again(text: str) -> Recipe:
    return validate(parse_document(text, "recipe.yaml"), Recipe)


def red_team(found: Recipe) -> str | None:
    return found.data.red_team.path if found.data and found.data.red_team else None


def test_defaults_are_spelled_out() -> None:
    text = resolved_yaml(recipe())
    assert "seed: 0\n" in text
    assert "    model: embedded\n" in text
    assert "labeling: null\n" in text


def test_numbers_lists_and_sections_load_back() -> None:
    full = recipe(
        critique=CritiqueSettings(respond=SamplingSettings(temperature=1e-5, stop=("\n\n", "Human:"))),
        labeling=LabelingSettings(pairs=("samples", "revision"), clamp=(0.4, 0.6)),
        training=TrainingSettings(sft=SFTSettings(learning_rate=3e-7, lora_target_modules=("q_proj", "on"))),
    )
    assert again(resolved_yaml(full)) == full


def test_words_that_yaml_takes_for_something_else_load_back() -> None:
    for path in ("yes", "null", "2e-4", "0x1f", "1_000", "~", "- a", "a: b", "#x", "Off", "12:30"):
        assert red_team(again(resolved_yaml(recipe(path)))) == path


@given(st.text(min_size=1).filter(lambda text: text.strip() == text and "\ufeff" not in text))
def test_any_text_loads_back(path: str) -> None:
    assert red_team(again(resolved_yaml(recipe(path)))) == path
