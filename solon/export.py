"""`solon export openrlhf|verl RUN OUT`: a run's datasets and rewards as trainers of other projects take them.

In: the folder of a run. Out: a new folder with datasets in the project's format, launch scripts, and, where
the recipe has an online method, a reward-function file with what it reads. What is exported is what Solon
would train on: rows of which nothing is learned are left out. Paths in it start at the folder, so it can be
moved to a cluster. Held to OpenRLHF 0.11.0 and verl 0.9.0: docs/training.md says how.
"""

import json
import shlex
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, cast

from pipeline.disk import sync_folder, write_whole
from pipeline.store import StoredRows
from prompts.message import Conversation, as_dicts
from solon.errors import BadInputError
from solon.imitated import imitated
from solon.loaded_recipe import LoadedRecipe
from solon.programs import prompts_to_answer
from solon.run_folder import RunFolder, load_run_recipe
from training.data import Example, Rows, read_preferences, read_questions, read_sft
from training.reward_part import RUN, RewardPart
from training.scale import FILE as SCALE
from training.scale import read_scale
from training.settings import DPOSettings, PPOSettings, SFTSettings

Project = Literal["openrlhf", "verl"]
PROJECTS: tuple[Project, ...] = ("openrlhf", "verl")

TEMPLATES = Path(__file__).parent / "exports"

Line = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Source:
    """A run that is exported."""

    loaded: LoadedRecipe
    folder: RunFolder

    @property
    def ppo(self) -> PPOSettings | None:
        """How the run's PPO would train, folders of reward models spelled out."""
        settings = self.loaded.online("ppo")
        if not isinstance(settings, PPOSettings):
            return None
        return settings.with_run(self.folder.model("reward").resolve())


def export(project: Project, run: Path, out: Path) -> str:
    """Write the export into a new folder, and say what is in it.

    Raises:
        BadInputError: there is no run, or nothing of it can be exported, or `out` is there already.
        DocumentError: the run's recipe cannot be read.
    """
    folder = RunFolder(run)
    if not folder.recipe.is_file():
        raise BadInputError(f"{run}: there is no run here\n  next: name the folder of one, as in runs/my-run")
    if out.exists():
        raise BadInputError(f"{out}: is there already, and is left as it is\n  next: name a new folder")
    source = Source(load_run_recipe(folder), folder)
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        written = _written(project, source, partial)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sync_folder(out.parent)
    counts = "".join(f"  {name}: {count} rows\n" for name, count in written.items())
    return f"Wrote {out} for {project}\n{counts}Read {out / 'README.md'}.\n"


def _written(project: Project, source: Source, out: Path) -> Counter[str]:
    """Everything but the final name; gives the rows of each dataset."""
    write = _write_lines if project == "openrlhf" else _write_parquet
    written: Counter[str] = Counter()
    scripts: list[str] = []
    for name, script, lines in _datasets(project, source):
        file = out / f"{name}.{'jsonl' if project == 'openrlhf' else 'parquet'}"
        written[file.name] = write(file, lines)
        scripts.append(script)
    if not written:
        raise BadInputError(
            f"{source.folder.path}: has no dataset that {project} could take yet\n"
            f"  next: solon run {source.loaded.path}, or its first stages, and export again"
        )
    for name in scripts:
        _copy(TEMPLATES / project / name, out / name, values(source, written))
    _copy(TEMPLATES / "merge.py.in", out / "merge.py", {})
    if "train_ppo.sh" in scripts and source.ppo is not None:
        _write_reward(source, source.ppo.reward_funcs, out)
    _copy(TEMPLATES / "README.md.in", out / "README.md", _readme(project, source, written))
    return written


def _datasets(project: Project, source: Source) -> Iterator[tuple[str, str, Iterable[Line]]]:
    """Each dataset that is there: its name, the script that trains on it, its lines."""
    data, revised = source.loaded.recipe.data, source.folder.sft_dataset
    if revised.exists() or (data is not None and data.demonstrations is not None):
        made = StoredRows(revised) if revised.exists() else ()
        yield "sft", "train_sft.sh", _sft(read_sft(imitated(source.loaded, made)))
    # verl trains by rewards, and has no trainer for pairs.
    if source.folder.preferences.exists() and project == "openrlhf":
        yield "preferences", "train_dpo.sh", _pairs(source.folder.preferences)
    if source.ppo is not None:
        questions = read_questions(prompts_to_answer(source.loaded, source.ppo))
        line = _openrlhf_prompt if project == "openrlhf" else _VerlPrompt(source.loaded.recipe.name)
        yield "prompts", "train_ppo.sh", (line(row, one.prompt) for row, one in questions.kept)


def _sft(rows: Rows[Example]) -> Iterator[Line]:
    for _, one in rows.kept:
        yield {"messages": as_dicts((*one.prompt, *one.completion)), "cut_off": one.cut_off}


def _pairs(folder: Path) -> Iterator[Line]:
    """Pairs with their labels, which the project's loss does not read: they are hard there."""
    for _, pair in read_preferences(StoredRows(folder)).kept:
        texts = {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}
        told = {name: as_dicts(messages) for name, messages in texts.items()}
        cut_off = {"chosen_cut_off": pair.chosen_cut_off, "rejected_cut_off": pair.rejected_cut_off}
        yield {**told, **cut_off, "chosen_probability": pair.probability}


def _openrlhf_prompt(_row: int, prompt: Conversation) -> Line:
    """The label is what the reward function gets beside the texts: here the prompt's messages."""
    return {"prompt": as_dicts(prompt), "label": json.dumps(as_dicts(prompt), ensure_ascii=False)}


@dataclass(frozen=True, slots=True)
class _VerlPrompt:
    name: str

    def __call__(self, row: int, prompt: Conversation) -> Line:
        messages = as_dicts(prompt)
        told = json.dumps(messages, ensure_ascii=False)
        return {
            "data_source": f"solon/{self.name}",
            "prompt": messages,
            "ability": "alignment",
            "reward_model": {"style": "rule", "ground_truth": ""},
            "extra_info": {"split": "train", "index": row, "messages": told},
        }


def _write_lines(file: Path, lines: Iterable[Line]) -> int:
    count = 0
    with file.open("w", encoding="utf-8", errors="backslashreplace") as opened:
        for line in lines:
            opened.write(json.dumps(line, ensure_ascii=False) + "\n")
            count += 1
    return count


def _write_parquet(file: Path, lines: Iterable[Line]) -> int:
    """A thousand rows at a time, so that memory holds no more of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    left, count, writer = iter(lines), 0, None
    while batch := list(islice(left, 1000)):
        table = pa.Table.from_pylist(batch)
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
        count += len(batch)
    if writer is not None:
        writer.close()
    return count


def values(source: Source, written: Mapping[str, int]) -> dict[str, str]:
    """What stands in the scripts for @NAME@: the recipe's settings or defaults, and what fits the rows."""
    training = source.loaded.recipe.training
    sft, dpo, ppo = training.sft or SFTSettings(), training.dpo or DPOSettings(), source.ppo or PPOSettings()
    answer = cast("int", ppo.max_completion_length)
    rows = {Path(name).stem: count for name, count in written.items()}
    prompts = rows.get("prompts", 0)
    told: dict[str, object] = {
        "MODEL": _public(source.loaded.assistant.model),
        "NAME": source.loaded.recipe.name,
        "SEED": source.loaded.recipe.seed,
        "SFT_LENGTH": sft.max_length,
        "SFT_TOKENS": max(sft.max_length, 8192),
        "SFT_BATCH": _batch(rows.get("sft", 0), 64),
        "SFT_EPOCHS": _passes(sft.epochs),
        "DPO_LENGTH": dpo.max_length,
        "DPO_BATCH": _batch(rows.get("preferences", 0), 64),
        "DPO_EPOCHS": _passes(dpo.epochs),
        "DPO_BETA": dpo.beta,
        "PPO_LENGTH": ppo.max_length,
        "PPO_TOKENS": max(ppo.max_length, 16384),
        "ROLLOUT": _batch(prompts, 1024),
        "PPO_BATCH": _batch(prompts, 128),
        "MINI_BATCH": _batch(prompts, 256),
        "PPO_EPOCHS": _passes(ppo.epochs),
        "PPO_PASSES": ppo.num_ppo_epochs,
        "MAX_NEW_TOKENS": answer,
        "MAX_PROMPT": ppo.max_length - answer,
        "TEMPERATURE": ppo.temperature,
        "BETA": ppo.beta,
        "GAMMA": ppo.gamma,
        "LAM": ppo.lam,
        "CLIP": ppo.cliprange,
        "VALUE_CLIP": ppo.cliprange_value,
    }
    return {name: shlex.quote(str(value)) for name, value in told.items()}


def _batch(rows: int, most: int) -> int:
    """A power of two, so that GPUs divide it, within the rows: SFT stops without a full batch."""
    return 1 << (max(1, min(rows, most)).bit_length() - 1)


def _passes(epochs: float) -> int:
    return max(1, round(epochs))


def _public(model: str) -> str:
    """The name that others can load the model by; "" for a folder of this machine."""
    from engine.embedded import MODEL, NAME

    return MODEL if model == NAME else "" if Path(model).is_absolute() else model


def _copy(template: Path, file: Path, filled: Mapping[str, str]) -> None:
    text = template.read_text(encoding="utf-8")
    for name, value in filled.items():
        text = text.replace(f"@{name}@", value)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755 if file.suffix == ".sh" else 0o644)


def _write_reward(source: Source, parts: tuple[RewardPart, ...], out: Path) -> None:
    """`reward.py`, `reward_parts.json`, and the reward models that it reads."""
    end = None if any(part.reward_model for part in parts) else _end(source)
    _copy(TEMPLATES / "reward.py.in", out / "reward.py", {"END": repr(end)})
    told = [_part(part, out / f"reward-{number}") for number, part in enumerate(parts)]
    write_whole(out / "reward_parts.json", (json.dumps(told, indent=2) + "\n").encode())


def _end(source: Source) -> str | None:
    """The policy's end token: OpenRLHF's answers have it, and functions are asked about words alone."""
    from training.load import load_tokenizer

    return cast("str | None", load_tokenizer(source.loaded.assistant).eos_token)


def _part(part: RewardPart, copy: Path) -> dict[str, object]:
    if part.judge is not None or part.verifier is not None:
        raise BadInputError(
            f"{part.name}: judges and verifiers can't be exported: reward.py has models and functions alone\n"
            "  next: export a recipe whose `training.ppo.reward_funcs` names these alone"
        )
    told: dict[str, object] = {"function": part.function, "reward_model": None, "weight": part.weight}
    if part.reward_model is None:
        return told
    folder = Path(part.reward_model)
    if not folder.is_dir():
        missing = "the run has not trained its reward model" if part.reward_model == RUN else "is not there"
        raise BadInputError(f"{folder}: {missing}\n  next: solon train reward RECIPE, and export again")
    shutil.copytree(folder, copy, ignore=_only_weights)
    _name_base(copy / "adapter_config.json")
    scale = read_scale(folder) if part.normalize else None
    mean, sd = (scale.mean, scale.sd) if scale else (0.0, 1.0)
    return {**told, "reward_model": copy.name, "mean": mean, "sd": sd}


def _only_weights(_folder: str, names: list[str]) -> set[str]:
    """Weights, their configuration, tokenizer and scale; how they were trained stays here."""
    kept = (".safetensors", "config.json", ".jinja", "tokenizer.json", "tokens_map.json", "vocab.json")
    return {name for name in names if not name.endswith(kept) and name not in ("merges.txt", SCALE)}


def _name_base(config: Path) -> None:
    """A base in a folder of this machine is called by the folder's name; `REWARD_BASE` says where it is."""
    if not config.is_file():
        return
    content = json.loads(config.read_text(encoding="utf-8"))
    base = str(content.get("base_model_name_or_path") or "")
    if Path(base).is_absolute():
        content["base_model_name_or_path"] = Path(base).name
        write_whole(config, (json.dumps(content, indent=2) + "\n").encode())


_DIFFERS: Mapping[Project, str] = {
    "openrlhf": "- A prompt that leaves no room for an answer loses its beginning; Solon leaves it out.",
    "verl": "- SFT learns every answer of a conversation; Solon learns the last alone.\n"
    "- `compute_score` takes every answer for finished.",
}


def _readme(project: Project, source: Source, written: Mapping[str, int]) -> dict[str, str]:
    constitution = source.loaded.constitution
    return {
        "NAME": source.loaded.recipe.name,
        "PROJECT": {"openrlhf": "OpenRLHF 0.11.0", "verl": "verl 0.9.0"}[project],
        "DIFFERS": _DIFFERS[project],
        "SEED": str(source.loaded.recipe.seed),
        "CONSTITUTION": f"{constitution.name} {constitution.version}",
        "ROWS": "\n".join(f"| `{name}` | {count} |" for name, count in written.items()),
    }
