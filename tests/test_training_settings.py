from typing import get_args

import pytest
from trl.trainer.dpo_config import DPOConfig

from constitution.document import DocumentError, parse_document, validate
from training.settings import DPOSettings, LossType, SFTSettings, TrainingSettings


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
    fields = [*SFTSettings.model_fields.items(), *DPOSettings.model_fields.items()]
    assert [name for name, field in fields if not field.description] == []


def test_grouping_by_length_and_checkpoints_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        SFTSettings(group_by_length=True, save_steps=5)
