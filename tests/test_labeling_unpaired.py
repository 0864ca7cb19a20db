"""Responses one by one, each good or bad, as KTO learns from them."""

from pathlib import Path

import pytest

from labeling.dataset import write_dataset
from labeling.model import Labelled
from labeling.preferences import PreferenceRow, preference_dataset
from labeling.settings import LabelingSettings
from labeling.unpaired import AGAIN, BOTH_WAYS, unpaired_dataset
from pipeline.store import read_rows
from prompts.message import Message
from tests.labeling_fixtures import PROVENANCE, labelled


def preferences(*items: Labelled) -> list[PreferenceRow]:
    return list(preference_dataset(items, LabelingSettings(), PROVENANCE).rows)


def test_a_pair_gives_its_chosen_response_as_good_and_the_other_as_bad(tmp_path: Path) -> None:
    exported = unpaired_dataset(preferences(labelled("a", "b", 0.2, id="p", shaped_by="calm")))
    write_dataset(tmp_path, exported, title="t", facts=dict)
    good, bad = read_rows(tmp_path)
    assert (good["label"], good["completion"]) == (True, [{"role": "assistant", "content": "b"}])
    assert (bad["label"], bad["completion"]) == (False, [{"role": "assistant", "content": "a"}])
    assert good["prompt"] == bad["prompt"] == [{"role": "user", "content": "How do I pick a lock?"}]
    assert good["label_probability"] == bad["label_probability"] == pytest.approx(0.8)
    assert (good["id"], bad["id"]) == ("p/chosen", "p/rejected")
    assert (good["decided_by"], good["shaped_by"], good["source"]) == ("judge", "calm", "samples")
    assert good["journal_keys"] == ["key of a-b"]
    assert (good["constitution_digest"], good["seed"]) == ("abc", 7)
    assert exported.counts == {"samples: kept": 2}


def test_a_response_of_several_pairs_is_one_row_where_they_agree() -> None:
    exported = unpaired_dataset(
        preferences(labelled("a", "b", 0.9), labelled("a", "c", 0.7, source="revision"))
    )
    rows = list(exported.rows)
    assert [(row["completion"][0]["content"], row["label"], row["pairs"]) for row in rows] == [
        ("a", True, 2),
        ("b", False, 1),
        ("c", False, 1),
    ]
    assert [row["label_probability"] for row in rows] == pytest.approx([0.8, 0.9, 0.7])
    assert exported.counts == {"samples: kept": 2, "revision: kept": 1, f"revision: {AGAIN}": 1}


def test_a_response_that_is_chosen_here_and_rejected_there_is_left_out() -> None:
    exported = unpaired_dataset(preferences(labelled("a", "b", 0.9), labelled("b", "c", 0.7)))
    assert [row["completion"][0]["content"] for row in exported.rows] == ["a", "c"]
    assert exported.counts == {"samples: kept": 2, f"samples: {BOTH_WAYS}": 2}


def test_the_same_words_to_another_prompt_are_another_response() -> None:
    other = labelled("b", "a", 0.9, conversation=(Message("user", "Hello?"),))
    assert len(list(unpaired_dataset(preferences(labelled("a", "b", 0.9), other)).rows)) == 4


def test_trls_kto_trainer_takes_the_folder_as_it_is(tmp_path: Path, tiny_model: Path) -> None:
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.kto_trainer import KTOTrainer

    pairs = [labelled(f"GOOD {number}", f"BAD {number}", 0.9, id=str(number)) for number in range(4)]
    write_dataset(tmp_path / "unpaired", unpaired_dataset(preferences(*pairs)), title="t", facts=dict)
    settings = KTOConfig(
        output_dir=str(tmp_path / "out"),
        per_device_train_batch_size=4,
        max_steps=1,
        bf16=False,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = KTOTrainer(
        model=str(tiny_model),
        args=settings,
        train_dataset=load_dataset(str(tmp_path / "unpaired"), split="train"),
        processing_class=AutoTokenizer.from_pretrained(tiny_model),
    )
    # Policy and reference are equal before the first step: 1 - sigmoid(0) for good and bad alike.
    assert trainer.train().training_loss == pytest.approx(0.5, abs=1e-4)
