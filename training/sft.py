"""Supervised fine-tuning: rows with `messages` in, a trained adapter or model out.

The loss is the negative log-likelihood of the last assistant message alone, averaged over its tokens in the
whole optimizer step, so that accumulation, padding and packing change nothing.
"""

from transformers import PreTrainedTokenizerBase, Trainer
from trl.trainer.sft_config import SFTConfig

from training.data import Example, Rows, read_sft
from training.examples import tokenize_examples
from training.method import Method, Prepared
from training.packing import packed
from training.seams import PackedSFTTrainer, QuietSFTTrainer
from training.settings import SFTSettings
from training.tokens import TokenizedRows


def _tokenize(
    examples: Rows[Example],
    tokenizer: PreTrainedTokenizerBase,
    settings: SFTSettings,
    _seed: int,
) -> TokenizedRows:
    rows = tokenize_examples(
        examples,
        tokenizer,
        max_length=settings.max_length,
        max_completion_length=settings.max_completion_length,
    )
    return packed(rows, max_length=settings.max_length) if settings.packing else rows


def _trainer(prepared: Prepared[SFTSettings]) -> Trainer:
    kind = PackedSFTTrainer if prepared.settings.packing else QuietSFTTrainer
    return kind(
        model=prepared.policy.model,
        args=SFTConfig(
            **prepared.arguments,
            train_sampling_strategy="group_by_length" if prepared.settings.group_by_length else "random",
        ),
        train_dataset=prepared.tokens.dataset,
        processing_class=prepared.tokenizer,
        peft_config=prepared.policy.new_adapter,
    )


train_sft = Method(
    "sft", columns=("messages", "cut_off"), read=read_sft, tokenize=_tokenize, trainer=_trainer
)
