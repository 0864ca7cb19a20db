"""A model ready to be trained, its tokenizer, and for DPO the reference it is held to.

With LoRA an adapter that exists is trained further, so that two stages end in one adapter over the original
base; without LoRA it is merged into the weights first. Nothing here knows of rows.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from peft import LoraConfig, PeftModel, TaskType
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from engine import attention
from engine.embedded import MODEL as EMBEDDED_MODEL
from engine.embedded import NAME as EMBEDDED
from engine.local_model import locate, pick_device, pick_dtype
from engine.settings import ModelSettings
from training import processes
from training.model import TrainingError
from training.packing import check_packing
from training.sampling import check_processes, check_sampler
from training.settings import OnlineSettings, SFTSettings, TrainerSettings
from training.trackers import lacking


@dataclass(frozen=True, slots=True)
class Policy:
    """What is trained. `new_adapter` is set where TRL is to put a fresh LoRA on the model."""

    model: PreTrainedModel | PeftModel
    new_adapter: LoraConfig | None


@dataclass(frozen=True, slots=True)
class Precision:
    """`compute`: the dtype of matrix products; `weights`: that of the loaded weights."""

    device: torch.device
    compute: torch.dtype
    weights: torch.dtype


def precision(model: ModelSettings, settings: TrainerSettings) -> Precision:
    """Weights that are trained stay in float32; a frozen base under LoRA is kept in the compute dtype."""
    device = pick_device(model.device)
    if device.index:
        raise TrainingError(
            f"training runs on the first device that it sees, not on {device}\n"
            f"set CUDA_VISIBLE_DEVICES={device.index} and `device: cuda`"
        )
    compute = pick_dtype(settings.dtype, device)
    # FSDP divides weights of one dtype only, and computes in another by itself.
    frozen = settings.use_peft and compute is torch.bfloat16 and not processes.divided()
    return Precision(device, compute, torch.bfloat16 if frozen else torch.float32)


def load_tokenizer(model: ModelSettings) -> PreTrainedTokenizerBase:
    """The tokenizer with a chat template and a padding token; `TrainingError` where it has no template."""
    source = str(model.adapter or locate(model.model))
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=model.trust_remote_code)
    except (OSError, ValueError) as error:
        raise TrainingError(not_loaded(model, error)) from error
    if not tokenizer.chat_template:
        raise TrainingError(
            f"{model.model} has no chat template, so conversations cannot be turned into tokens\n"
            "train an instruct model, or put a chat_template.jinja into the model's folder"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return cast("PreTrainedTokenizerBase", tokenizer)


def check_settings(model: ModelSettings, settings: TrainerSettings) -> None:
    """`TrainingError` where the tracker is missing, vLLM is asked for and cannot be had, rollouts do not fit
    the processes, or `max_length` is beyond what the model was made for.
    """
    missing = lacking(settings.report_to)
    if missing:
        raise TrainingError(missing)
    if isinstance(settings, OnlineSettings):
        check_processes(settings)
        check_sampler(settings, model)
    try:
        config = AutoConfig.from_pretrained(locate(model.model), trust_remote_code=model.trust_remote_code)
    except (OSError, ValueError) as error:
        raise TrainingError(not_loaded(model, error)) from error
    if isinstance(settings, SFTSettings) and settings.packing:
        check_packing(config, trust_remote_code=model.trust_remote_code)
    limit = getattr(config, "max_position_embeddings", None)
    if isinstance(limit, int) and settings.max_length > limit:
        raise TrainingError(
            f"max_length {settings.max_length} is beyond the model's {limit} tokens: lower it"
        )


def load_policy(model: ModelSettings, settings: TrainerSettings) -> Policy:
    """The model with everything that this stage trains, on its device.

    Raises:
        TrainingError: the model or its adapter cannot be loaded.
    """
    base = load_base(model, settings)
    if model.adapter is None:
        return Policy(base, lora_config(settings) if settings.use_peft else None)
    peft_model = _with_adapter(base, model, trainable=settings.use_peft)
    if settings.use_peft:
        return Policy(peft_model, None)
    # PEFT froze the base when the adapter was put on it.
    return Policy(_merged(peft_model).requires_grad_(requires_grad=True), None)


def load_reference(model: ModelSettings, settings: TrainerSettings) -> PreTrainedModel:
    """A frozen copy of where full fine-tuning begins, its adapter merged.

    TRL would load it from the path in the model's config, which knows nothing of a merged adapter.
    """
    base = load_base(model, settings)
    whole = base if model.adapter is None else _merged(_with_adapter(base, model, trainable=False))
    if processes.first_reads_alone():
        # The trained model gets its weights from the first process when it is divided, TRL's reference not.
        processes.alike([*whole.parameters(), *whole.buffers()])
    return whole.requires_grad_(requires_grad=False).eval()


def lora_config(settings: TrainerSettings) -> LoraConfig:
    modules = settings.lora_target_modules
    return LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
    )


def public_name(model: str) -> str:
    """The name that others can load a base by: the Hub id of the embedded model, else the name as given."""
    return EMBEDDED_MODEL if model == EMBEDDED else model


def load_base(
    model: ModelSettings,
    settings: TrainerSettings,
    *,
    kind: type[AutoModelForCausalLM] | type[AutoModelForSequenceClassification] = AutoModelForCausalLM,
    **more: object,
) -> PreTrainedModel:
    """The model without its adapter on its device, ready to be trained; `more` goes to `from_pretrained`."""
    chosen = precision(model, settings)
    # Without this kernel a padded batch on a CPU copies keys and values for every query head.
    options = {"attn_implementation": attention.register()} if chosen.device.type == "cpu" else {}
    try:
        base = kind.from_pretrained(
            locate(model.model),
            dtype=chosen.weights,
            trust_remote_code=model.trust_remote_code,
            **options,
            **more,
        )
    except (OSError, ValueError) as error:
        raise TrainingError(not_loaded(model, error)) from error
    base.config.use_cache = False
    if processes.divided():
        # Each process is to get its part of them, and one GPU may not hold all.
        return cast("PreTrainedModel", base)
    return cast("PreTrainedModel", cast("torch.nn.Module", base).to(chosen.device))


def _with_adapter(base: PreTrainedModel, model: ModelSettings, *, trainable: bool) -> PeftModel:
    adapter = require_adapter(model)
    try:
        return PeftModel.from_pretrained(base, str(adapter), is_trainable=trainable)
    except (OSError, ValueError, RuntimeError) as error:
        raise TrainingError(not_loaded(model, error)) from error


def require_adapter(model: ModelSettings) -> Path:
    """The folder of the model's adapter; `TrainingError` where it holds none."""
    adapter = cast("Path", model.adapter)
    if not (adapter / "adapter_config.json").is_file():
        raise TrainingError(f"{adapter} holds no adapter_config.json: give the folder of a LoRA adapter")
    return adapter


def _merged(model: PeftModel) -> PreTrainedModel:
    return cast("PreTrainedModel", model.merge_and_unload())


def not_loaded(model: ModelSettings, error: Exception) -> str:
    """Why the model cannot be loaded, and what to give instead."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    adapter = f" with adapter {model.adapter}" if model.adapter else ""
    return (
        f"{model.model}{adapter} cannot be loaded for training: {reason}\n"
        "give a folder that holds config.json and *.safetensors, an id on the Hugging Face Hub "
        "that this machine can reach, or `embedded`"
    )
