from pathlib import Path
from typing import get_args

import pytest
from trl.trainer.dpo_config import DPOConfig

from constitution.document import DocumentError, parse_document, validate
from training.reward_part import RewardPart
from training.settings import (
    DPOSettings,
    LossType,
    OnlineDPOSettings,
    PPOSettings,
    SFTSettings,
    TrainingSettings,
)


def test_a_recipe_section_becomes_settings() -> None:
    text = "sft: {lora_target_modules: [q_proj]}\ndpo: {beta: 0.2, loss_type: [sigmoid, ipo]}\n"
    settings = validate(parse_document(text, "recipe.yaml"), TrainingSettings)
    assert settings.sft == SFTSettings(lora_target_modules=("q_proj",))
    assert settings.dpo == DPOSettings(beta=0.2, loss_type=("sigmoid", "ipo"))


def test_layers_are_names_or_one_expression() -> None:
    expression = r"model\.layers\.[12]\d\.self_attn\.(q|k|v|o)_proj"
    assert SFTSettings(lora_target_modules=expression).lora_target_modules == expression
    with pytest.raises(ValueError, match="not a regular expression"):
        SFTSettings(lora_target_modules="layers.(1")


def test_a_stage_that_is_left_out_does_not_run() -> None:
    assert validate(parse_document("sft: {}\n", "recipe.yaml"), TrainingSettings).dpo is None


def test_an_unknown_setting_names_the_nearest_one() -> None:
    with pytest.raises(DocumentError, match="learning_rate"):
        validate(parse_document("sft: {learning_rat: 0.1}\n", "recipe.yaml"), TrainingSettings)


def test_every_loss_is_one_of_trls() -> None:
    known = DPOConfig.__dataclass_fields__["loss_type"].metadata["help"]
    assert [name for name in get_args(LossType) if f"'{name}'" not in known] == []


def test_one_loss_or_several_are_given_alike() -> None:
    assert DPOSettings(loss_type="ipo").losses == ("ipo",)
    assert DPOSettings(loss_type=("ipo", "hinge")).losses == ("ipo", "hinge")


def test_smoothing_that_would_change_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="robust, exo_pair, aot"):
        DPOSettings(label_smoothing=0.1)
    assert DPOSettings(label_smoothing=0.1, loss_type="robust").label_smoothing == 0.1


def test_soft_labels_are_the_sigmoid_losss_and_its_default() -> None:
    assert DPOSettings().soft
    assert not DPOSettings(labels="hard").soft
    assert not DPOSettings(loss_type="ipo").soft
    with pytest.raises(ValueError, match="`loss_type: sigmoid`, or `labels: hard`"):
        DPOSettings(labels="soft", loss_type=("sigmoid", "ipo"))


def test_the_exo_loss_asks_for_smoothing() -> None:
    with pytest.raises(ValueError, match=r"0\.001"):
        DPOSettings(loss_type="exo_pair")


def test_an_upload_needs_a_name() -> None:
    with pytest.raises(ValueError, match="hub_model_id"):
        SFTSettings(push_to_hub=True)


def test_every_setting_says_what_it_is() -> None:
    fields = [
        field
        for section in (SFTSettings, DPOSettings, PPOSettings, RewardPart)
        for field in section.model_fields.items()
    ]
    assert [name for name, field in fields if not field.description] == []


def test_grouping_by_length_and_checkpoints_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        SFTSettings(group_by_length=True, save_steps=5)


@pytest.mark.parametrize("name", ["top_p", "top_k", "min_new_tokens", "repetition_penalty"])
def test_samples_of_another_distribution_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}\n  Extra inputs are not permitted"):
        PPOSettings.model_validate({name: 1})


def test_a_rollout_is_cut_into_whole_steps() -> None:
    settings = PPOSettings(generation_batch_size=32, batch_size=4, gradient_accumulation_steps=2)
    assert settings.steps_per_rollout(1) == 2 * 4
    assert settings.rollouts(33) == 2
    assert settings.optimizer_steps(33) == 16
    with pytest.raises(ValueError, match="no multiple of batch_size x"):
        PPOSettings(generation_batch_size=20)


def test_several_processes_take_larger_steps_and_fewer_of_them() -> None:
    settings = PPOSettings(generation_batch_size=32, batch_size=4, gradient_accumulation_steps=2)
    assert (settings.steps_a_pass(2), settings.steps_per_rollout(4)) == (2, 2)
    assert settings.optimizer_steps(33, 2) == 8
    assert SFTSettings(batch_size=4, gradient_accumulation_steps=1, epochs=1).optimizer_steps(33, 2) == 5


def test_prompts_need_room_beside_answers() -> None:
    with pytest.raises(ValueError, match="prompts need room"):
        PPOSettings(max_length=128)


def test_a_part_of_a_reward_is_a_model_or_a_function_that_is_known() -> None:
    with pytest.raises(ValueError, match="give one of `reward_model`, `judge`"):
        RewardPart()
    with pytest.raises(ValueError, match="did you mean 'brevity'"):
        RewardPart(function="brevety")
    with pytest.raises(ValueError, match="one name: brevity, brevity"):
        PPOSettings(reward_funcs=(RewardPart(function="brevity"), RewardPart(function="brevity", weight=2)))
    with pytest.raises(ValueError, match="needs a reward_model"):
        PPOSettings(reward_funcs=(RewardPart(function="brevity"),), critic="reward")


def test_what_decides_an_outcome_is_a_reward_models_content_not_its_place(tmp_path: Path) -> None:
    for name, content in (("here", "{}"), ("there", "{}"), ("other", '{"a": 1}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(content)

    def decisive(name: str, **more: float) -> object:
        part = RewardPart(reward_model=str(tmp_path / name))
        return PPOSettings.model_validate({"reward_funcs": (part,), **more}).decisive()

    assert decisive("here") == decisive("there") == decisive("here", max_kl=9.0)
    assert decisive("here") != decisive("other")
    assert decisive("here") != decisive("here", beta=0.1)


def test_a_rollout_of_pairs_is_whole() -> None:
    settings = OnlineDPOSettings(generation_batch_size=32, batch_size=4, gradient_accumulation_steps=2)
    assert (settings.steps_per_rollout(1), settings.rollouts(48)) == (2, 3)
    with pytest.raises(ValueError, match=r"no multiple of batch_size x .* x num_generations = 12"):
        OnlineDPOSettings(generation_batch_size=32, batch_size=2, num_generations=3)
    assert OnlineDPOSettings().asks_judge
    assert not OnlineDPOSettings.model_validate({"reward_funcs": ({"function": "brevity"},)}).asks_judge
    assert PPOSettings.model_validate({"reward_funcs": ({"judge": "pointwise"},)}).asks_judge
