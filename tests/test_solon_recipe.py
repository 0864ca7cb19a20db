"""Recipes: read whole, refused with their place, and every path in them found from their own folder."""

from pathlib import Path

import pytest

from constitution.document import DocumentError
from solon.loaded_recipe import LoadedRecipe, is_recipe, load_recipe

SMALLEST = "name: small\nconstitution: starter\ndata:\n  red_team: {path: red.jsonl}\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, text: str = SMALLEST, *overrides: str) -> LoadedRecipe:
    return load_recipe(written(folder, text), overrides)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(DocumentError) as caught:
        load_recipe(written(folder, text))
    return str(caught.value).replace(str(folder), "")


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    recipe = loaded(tmp_path).recipe
    assert recipe.seed == 0
    assert recipe.models.assistant.model == "embedded"
    assert recipe.labeling is None
    assert recipe.evaluation is None


def test_a_folder_means_the_recipe_in_it(tmp_path: Path) -> None:
    assert load_recipe(written(tmp_path, SMALLEST).parent).path == tmp_path / "recipe.yaml"


def test_only_the_stages_run_whose_sections_are_there(tmp_path: Path) -> None:
    assert loaded(tmp_path).recipe.stages == ("critique",)
    more = SMALLEST + "labeling: {}\ntraining: {sft: {}, dpo: {}}\n"
    assert loaded(tmp_path, more).recipe.stages == ("critique", "sft", "label", "dpo")
    rated = SMALLEST + "labeling: {}\ntraining: {reward: {}}\n"
    assert loaded(tmp_path, rated).recipe.stages == ("critique", "label", "reward")
    assert loaded(tmp_path, rated).recipe.trained_on_labels == ("reward",)


def test_an_unknown_key_is_shown_with_its_place_and_the_nearest_name(tmp_path: Path) -> None:
    text = refusal(tmp_path, SMALLEST + "training:\n  sft:\n    learing_rate: 1e-4\n")
    assert "recipe.yaml:7:5: unknown key `learing_rate`" in text
    assert "    ^^^^^^^^^^^^" in text
    assert "did you mean 'learning_rate'?" in text


def test_a_missing_section_is_named_with_what_it_is_for(tmp_path: Path) -> None:
    text = refusal(tmp_path, "name: small\nconstitution: starter\n")
    assert "`data` is missing: the prompts to learn from (or `audit:`, to audit a judge alone, or " in text


def test_a_wrong_type_is_shown_with_what_was_expected(tmp_path: Path) -> None:
    text = refusal(tmp_path, SMALLEST + "critique: {rounds: many}\n")
    assert ":5:20: `critique.rounds` is text `many`" in text
    assert "expected: a whole number" in text


def test_a_tab_is_refused_where_it_stands(tmp_path: Path) -> None:
    text = refusal(tmp_path, "name: small\ndata:\n\tred_team: x\n")
    assert ":3:1:" in text
    assert "YAML allows no tabs" in text


def test_a_name_that_is_no_slug_is_refused(tmp_path: Path) -> None:
    assert "lower-case letters, digits and hyphens" in refusal(tmp_path, SMALLEST.replace("small", "../up"))


def test_a_limit_of_nothing_is_refused(tmp_path: Path) -> None:
    assert "greater than or equal to 1" in refusal(tmp_path, SMALLEST.replace("jsonl}", "jsonl, limit: 0}"))


def test_a_missing_recipe_names_the_nearest_file(tmp_path: Path) -> None:
    written(tmp_path, SMALLEST)
    with pytest.raises(DocumentError, match=r"did you mean 'recipe\.yaml'"):
        load_recipe(tmp_path / "recipy.yaml")


def test_paths_start_at_the_recipes_folder(tmp_path: Path) -> None:
    (tmp_path / "tuned").mkdir()
    extra = "models: {assistant: {model: tuned, adapter: lora}}\nprompts: {folder: mine}\n"
    recipe = loaded(tmp_path, SMALLEST + extra)
    (tmp_path / "mine").mkdir()
    assert recipe.assistant.model == str(tmp_path / "tuned")
    assert recipe.assistant.adapter == tmp_path / "lora"
    assert recipe.prompts.folder == tmp_path / "mine"


def test_a_hub_id_and_a_served_name_stay_as_they_are(tmp_path: Path) -> None:
    judge = "models: {assistant: {model: org/name}, judge: {engine: openai, model: ./served}}\n"
    recipe = loaded(tmp_path, SMALLEST + judge)
    assert recipe.assistant.model == "org/name"
    assert recipe.judge.model == "./served"


def test_without_a_judge_the_assistant_judges(tmp_path: Path) -> None:
    recipe = loaded(tmp_path)
    assert recipe.judge == recipe.assistant


def test_with_a_reward_model_as_judge_the_assistant_critiques(tmp_path: Path) -> None:
    models = "models:\n  assistant: {model: a}\n  judge: {engine: reward, model: b}\n"
    recipe = loaded(tmp_path, SMALLEST + models)
    assert (recipe.judge.model, recipe.critic.model) == ("b", "a")
    assert loaded(tmp_path, SMALLEST + models.replace("engine: reward, ", "")).critic.model == "b"


def test_a_constitution_is_a_shipped_name_or_a_file_beside_the_recipe(tmp_path: Path) -> None:
    assert loaded(tmp_path).constitution.name == "starter"
    (tmp_path / "mine.yaml").write_text('name: mine\nversion: "1"\nextends: starter\n', encoding="utf-8")
    mine = loaded(tmp_path, SMALLEST.replace("starter", "./mine.yaml"))
    assert mine.constitution.name == "mine"


def test_sources_are_named_by_their_place(tmp_path: Path) -> None:
    evaluation = "evaluation: {harmful: {path: a.csv}, harmless: {path: b.csv}}\n"
    sources = loaded(tmp_path, SMALLEST + evaluation).sources
    assert list(sources) == ["data.red_team", "evaluation.harmful", "evaluation.harmless"]


def test_the_judges_that_vote_are_found_by_their_names(tmp_path: Path) -> None:
    panel = "models: {panel: {strict: {model: ./big}, kind: {model: other/one}}}\n"
    some = loaded(tmp_path, SMALLEST + panel + "labeling: {judges: [strict, judge]}\n")
    assert list(some.judges) == ["strict", "judge"]
    assert some.judges["strict"].model == str(tmp_path / "big")
    assert some.judges["judge"] == some.judge
    assert loaded(tmp_path).judges == {}


def test_a_judge_of_the_panel_takes_no_name_that_a_run_gives(tmp_path: Path) -> None:
    message = refusal(tmp_path, SMALLEST + "models: {panel: {policy: {model: x}}}\n")
    assert "`policy` is a model of every run: give the judge another name" in message


def test_a_trained_models_folder_is_a_model_though_it_holds_its_recipe(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: one\n")
    assert is_recipe(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    assert not is_recipe(tmp_path)
