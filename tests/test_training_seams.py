"""The contract with TRL: what `training.seams` relies on is there, and gives TRL's own numbers."""

import inspect
from pathlib import Path
from typing import Any, cast

import huggingface_hub.constants
import torch
import trl.trainer.utils as trl_utils
from datasets import Dataset
from training_fixtures import PREFERENCES, SFT_ROWS, byte_tokenizer, reward_settings, tiny_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from trl.trainer.base_trainer import _BaseTrainer
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from engine import attention
from training.comparisons import tokenize_comparisons
from training.data import read_preferences, read_sft
from training.examples import tokenize_examples
from training.held_out import Sides
from training.pairs import tokenize_pairs
from training.responses import read_unpaired, tokenize_responses
from training.seams import ComparisonCollator, SoftRewardTrainer, quiet
from training.seams_answers import TokenizedDPOTrainer

__all__ = ["tiny_model"]


def config(out: Path) -> dict[str, Any]:
    return {"output_dir": str(out), "use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True}


def test_trl_sends_nothing() -> None:
    assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
    assert "_send_telemetry" in vars(_BaseTrainer)


def test_pairs_are_tokenized_as_trl_does(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    told = tokenize_pairs(read_preferences(PREFERENCES), tokenizer, max_length=400).dataset
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    with quiet():
        trainer = DPOTrainer(
            model=model,
            ref_model=AutoModelForCausalLM.from_pretrained(tiny_model),
            args=DPOConfig(**config(tmp_path)),
            train_dataset=Dataset.from_list([dict(row) for row in PREFERENCES]),
            processing_class=tokenizer,
        )
    prepared = cast("Dataset", trainer.train_dataset)
    told = told.remove_columns("target")
    assert prepared.select_columns(told.column_names).to_dict() == told.to_dict()
    assert "_prepare_dataset" in vars(DPOTrainer)
    assert "_prepare_dataset" in vars(TokenizedDPOTrainer)


def test_responses_are_tokenized_and_set_against_their_neighbours_as_trl_does(
    tiny_model: Path, tmp_path: Path
) -> None:
    """The rows in the drawn order, no prompt twice: TRL's tokens, and its mismatched responses."""
    tokenizer = byte_tokenizer()
    rows = [
        {"prompt": row["prompt"], "completion": row["chosen"], "label": number % 2 == 0}
        for number, row in enumerate(PREFERENCES)
    ]
    told = tokenize_responses(read_unpaired(rows), tokenizer, max_length=400, batch=4, seed=0).dataset
    texts = [tokenizer.decode(ids) for ids in told["completion_ids"]]
    drawn = sorted(rows, key=lambda row: texts.index(f"{row['completion'][0]['content']}<|im_end|>\n"))  # type: ignore[index]
    options: dict[str, Any] = {"train_dataset": Dataset.from_list(drawn), "processing_class": tokenizer}
    models = [AutoModelForCausalLM.from_pretrained(tiny_model) for _ in range(2)]
    with quiet():
        trainer = KTOTrainer(
            model=models[0],
            ref_model=models[1],
            args=KTOConfig(**config(tmp_path), per_device_train_batch_size=4),
            **options,
        )
    prepared = cast("Dataset", trainer.train_dataset)
    assert prepared.select_columns(told.column_names).to_dict() == told.to_dict()


def test_what_the_trainers_on_given_answers_take_the_place_of_is_there() -> None:
    assert {"_prepare_dataset", "_set_signature_columns_if_needed", "compute_loss"} <= vars(SFTTrainer).keys()
    assert {"_prepare_dataset", "compute_ref_log_probs"} <= vars(KTOTrainer).keys()
    assert {"_compute_loss", "compute_ref_log_probs"} <= vars(DPOTrainer).keys()
    assert vars(_BaseTrainer)["loss_is_scaled_for_ga"] is None


def test_hard_labels_cost_what_trls_reward_trainer_says(tiny_model: Path, tmp_path: Path) -> None:
    """The same rows, through TRL's own tokenizing, batching and loss; with margins and centring."""
    tokenizer = byte_tokenizer()
    settings = reward_settings(margin=0.7)
    pairs = read_preferences(PREFERENCES)
    told = tokenize_comparisons(pairs, tokenizer, settings, sides=Sides(0, -1)).dataset
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model, num_labels=1)
    options: dict[str, Any] = {
        "model": model,
        "args": RewardConfig(**config(tmp_path), center_rewards_coefficient=0.2),
        "processing_class": tokenizer,
    }
    rows = Dataset.from_list([{**row, "margin": 0.7} for row in PREFERENCES])
    with quiet():
        theirs = RewardTrainer(train_dataset=rows, **options)
        collator = ComparisonCollator(cast("int", tokenizer.pad_token_id))
        ours = SoftRewardTrainer(train_dataset=told, data_collator=collator, **options)
    losses, batches = [], []
    for trainer in (theirs, ours):
        dataset = cast("Dataset", trainer.train_dataset)
        batch: dict[str, Any] = cast("Any", trainer.data_collator)(
            [dataset[i] for i in range(len(PREFERENCES))]
        )
        batches.append({name: batch[name].tolist() for name in ("input_ids", "attention_mask")})
        losses.append(cast("torch.Tensor", trainer.compute_loss(model, batch)).item())
    assert batches[0] == batches[1]
    assert losses[1] == losses[0]
    assert ours._metrics["train"]["accuracy"] == theirs._metrics["train"]["accuracy"]


def test_examples_are_tokenized_as_trl_does(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    told = tokenize_examples(read_sft(SFT_ROWS), tokenizer, max_length=400).dataset
    rows: list[Any] = [row["messages"] for row in SFT_ROWS]
    with quiet():
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(tiny_model),
            args=SFTConfig(**config(tmp_path)),
            train_dataset=Dataset.from_list([{"prompt": row[:-1], "completion": row[-1:]} for row in rows]),
            processing_class=tokenizer,
        )
    prepared = cast("Dataset", trainer.train_dataset)
    assert prepared.select_columns(told.column_names).to_dict() == told.to_dict()


def test_scoring_only_the_labelled_tokens_gives_trls_numbers(tiny_model: Path) -> None:
    assert "_use_triton(" in inspect.getsource(trl_utils.add_fused_lm_head)
    ids = torch.arange(24).reshape(2, 12)
    labels = ids.masked_fill(torch.arange(12) < 7, -100)
    found = []
    compact = trl_utils._use_triton  # pyright: ignore[reportPrivateImportUsage]
    for choice in (compact, lambda _: False):
        model = AutoModelForCausalLM.from_pretrained(tiny_model)
        trl_utils.add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
        trl_utils._use_triton = choice  # pyright: ignore[reportPrivateImportUsage]
        try:
            output = model(input_ids=ids, labels=labels, fused_lm_head=True)
        finally:
            trl_utils._use_triton = compact  # pyright: ignore[reportPrivateImportUsage]
        output.log_probs.sum().backward()
        found.append((output.log_probs, model.model.embed_tokens.weight.grad))
    torch.testing.assert_close(found[0], found[1])


def test_narrower_tiles_of_logits_give_the_same_numbers(tiny_model: Path) -> None:
    assert "_CHUNKED_LOGPROB_CHUNK_SIZE," in inspect.getsource(trl_utils.add_fused_lm_head)
    ids = torch.arange(24).reshape(2, 12)
    ours = trl_utils._CHUNKED_LOGPROB_CHUNK_SIZE  # pyright: ignore[reportPrivateUsage]
    found = []
    for words in (32_768, ours, 7):
        model = AutoModelForCausalLM.from_pretrained(tiny_model)
        trl_utils.add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
        trl_utils._CHUNKED_LOGPROB_CHUNK_SIZE = words  # pyright: ignore[reportPrivateUsage]
        try:
            output = model(input_ids=ids, labels=ids, fused_lm_head=True)
            output.log_probs.sum().backward()
        finally:
            trl_utils._CHUNKED_LOGPROB_CHUNK_SIZE = ours  # pyright: ignore[reportPrivateUsage]
        found.append((output.log_probs, output.entropy, model.model.embed_tokens.weight.grad))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


def test_the_engines_attention_has_the_usual_gradients_with_padding(tiny_model: Path) -> None:
    ids = torch.arange(36).reshape(3, 12)
    mask = (torch.arange(12) < torch.tensor([[12], [7], [3]])).long()
    gradients = []
    for name in ("eager", attention.register()):
        model = AutoModelForCausalLM.from_pretrained(tiny_model, attn_implementation=name)
        logits = model(input_ids=ids, attention_mask=mask).logits
        (logits.log_softmax(-1)[:, :, 5] * mask).sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)


def test_the_libraries_speak_again_afterwards() -> None:
    import datasets
    from transformers.utils import logging

    before = (logging.get_verbosity(), datasets.are_progress_bars_disabled())
    with quiet():
        assert datasets.are_progress_bars_disabled()
    assert (logging.get_verbosity(), datasets.are_progress_bars_disabled()) == before
