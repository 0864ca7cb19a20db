"""One list of the ways to train: the registry, the recipe, the command line and the cards have the same."""

from typing import get_args

from labeling.pair_settings import Export
from solon.commands.train import METHODS as NAMED
from solon.stage import LEARN_FROM_LABELS, ONLINE, POLICIES, SECTIONS
from training.card import METHODS as SPELLED
from training.methods import METHODS
from training.settings import MethodName, TrainingSettings


def test_every_method_has_a_section_a_command_and_words_in_the_order_of_a_run() -> None:
    names = get_args(MethodName)
    assert (tuple(METHODS), tuple(TrainingSettings.model_fields), NAMED, tuple(SPELLED)) == (names,) * 4
    assert [stage for stage in SECTIONS if stage in names] == list(names)
    assert all(SECTIONS[name] == f"training.{name}" for name in names)
    assert all(METHODS[name].stage == name for name in names)


def test_what_learns_from_labels_reads_an_export_and_what_answers_is_evaluated() -> None:
    assert set(LEARN_FROM_LABELS.values()) <= set(get_args(Export))
    assert set(POLICIES) | {"reward"} == set(get_args(MethodName))
    assert {"sft", *LEARN_FROM_LABELS, *ONLINE} == set(get_args(MethodName))
