"""The model card: `README.md` with the Hub's metadata, saying what was trained, on what, and how it went."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml

from engine.embedded import NAME as EMBEDDED
from engine.settings import ModelSettings
from labeling.markdown import cell, facts_table, fenced
from training.course import SHOWN
from training.load import public_name
from training.settings import MethodName, TrainerSettings

METHODS: Mapping[MethodName, str] = {
    "sft": "supervised fine-tuning on constitutional revisions",
    "reward": "reward modelling on AI-labelled preferences",
    "dpo": "direct preference optimisation on AI-labelled preferences",
    "orpo": "odds ratio preference optimisation on AI-labelled preferences",
    "kto": "Kahneman-Tversky optimisation on AI-labelled responses",
    "rrhf": "ranking responses that a judge has ranked (RRHF)",
    "ppo": "proximal policy optimisation against a reward",
    "grpo": "group-relative policy optimisation against a reward",
    "online_dpo": "direct preference optimisation on its own answers, compared as it learned",
}

_LOG = "`recipe.yaml` holds every setting, `trainer_state.json` the log of each step"
_FILES = f"{_LOG}, `samples.md` "
_MORE: Mapping[MethodName, str] = {
    "reward": f"{_FILES}what it gives to a few pairs. `reward.json` has the mean and the standard deviation "
    "that make rewards comparable, (reward - mean) / sd, and the temperature that makes differences "
    "log-odds: P = 1 / (1 + exp(-difference / temperature)).",
}

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

_USE_ADAPTER = """\
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({base}), "FOLDER")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")"""
_USE_MODEL = """\
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("FOLDER")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")"""

_RATE_WITH_ADAPTER = """\
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

base = AutoModelForSequenceClassification.from_pretrained({base}, num_labels=1)
model = PeftModel.from_pretrained(base, "FOLDER")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")
model.config.pad_token_id = tokenizer.pad_token_id"""
_RATE_WITH_MODEL = """\
from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained("FOLDER")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")"""
_RATE = """
conversation = [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]
ids = tokenizer.apply_chat_template(conversation, return_tensors="pt", return_dict=True)
reward = model(**ids).logits[0, 0]"""


def model_card(
    stage: MethodName,
    *,
    kind: Literal["adapter", "model"],
    model: ModelSettings,
    settings: TrainerSettings,
    facts: Mapping[str, str],
    numbers: Mapping[str, str],
    dropped: str,
    samples: bool = True,
    course: str = "",
) -> str:
    """The card's text. `facts` are told by the caller (constitution, judge, data set, counts) and kept as
    they are; a fact named `datasets` also goes into the metadata where it holds Hub ids, and one named
    `warning` is what a reader must know first. `samples` says whether there are any; `course` is a table of
    an online method's rollouts.
    """
    base = public_name(model.model)
    warning = facts.get("warning", "")
    facts = {name: value for name, value in facts.items() if name != "warning"}
    metadata = yaml.safe_dump(_metadata(stage, kind, base, facts), sort_keys=False, allow_unicode=True)
    use = _use(stage, kind).replace("{base}", json.dumps(base, ensure_ascii=False))
    sections = [
        f"---\n{metadata}---",
        f"> **{cell(warning)}**" if warning else "",
        f"# {cell(base)}: {METHODS[stage]}",
        f"A {'LoRA adapter over' if kind == 'adapter' else 'full fine-tune of'} {cell(base)}, "
        f"trained by {METHODS[stage]} with Solon.{_embedded_note(model)}",
        f"## Where it comes from\n\n{facts_table(facts)}" if facts else "",
        f"## How it went\n\n{facts_table(numbers)}",
        f"From rollout to rollout, of {SHOWN} at the most:\n\n{course}" if course else "",
        f"Rows that were not trained on: {cell(dropped)}." if dropped else "No row was left out.",
        f"## Settings\n\n{facts_table(_settings(model, settings))}",
        f"## Use\n\n{fenced(use, 'python')}",
        _MORE.get(stage, f"{_FILES}what the model says." if samples else f"{_LOG}."),
        "AI-labelled data teaches what the labelling model prefers, its mistakes included. "
        "Measure the model on your own prompts before you rely on it.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _use(stage: MethodName, kind: Literal["adapter", "model"]) -> str:
    if stage == "reward":
        return (_RATE_WITH_ADAPTER if kind == "adapter" else _RATE_WITH_MODEL) + _RATE
    return _USE_ADAPTER if kind == "adapter" else _USE_MODEL


def _metadata(
    stage: MethodName, kind: Literal["adapter", "model"], base: str, facts: Mapping[str, str]
) -> dict[str, object]:
    data: dict[str, object] = {}
    if _HUB_ID.fullmatch(base) and not Path(base).exists():
        data["base_model"] = base
    data["library_name"] = "peft" if kind == "adapter" else "transformers"
    data["pipeline_tag"] = "text-classification" if stage == "reward" else "text-generation"
    named = "reward-model" if stage == "reward" else stage
    data["tags"] = [*(["lora"] if kind == "adapter" else []), named, "constitutional-ai", "solon", "trl"]
    if datasets := [
        name for name in re.split(r"[,\s]+", facts.get("datasets", "")) if _HUB_ID.fullmatch(name)
    ]:
        data["datasets"] = datasets
    return data


def _settings(model: ModelSettings, settings: TrainerSettings) -> dict[str, str]:
    started = {"model": model.model, "adapter trained further": str(model.adapter or "")}
    shown = {**started, **{name: _plain(value) for name, value in settings.model_dump(mode="json").items()}}
    if not settings.use_peft or model.adapter:
        shown = {name: value for name, value in shown.items() if not name.startswith("lora_")}
    return {name: value for name, value in shown.items() if value}


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return " ".join(f"{name}={_plain(item)}" for name, item in value.items() if item is not None)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _embedded_note(model: ModelSettings) -> str:
    if model.model != EMBEDDED:
        return ""
    return " The base is the 4-bit copy of these weights that Solon carries, read back to full precision."
