"""What reaches the terminal: texts that cannot drive it, and of other libraries no more than is wanted."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solon.loaded_recipe import LoadedRecipe

_QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""Set unless the environment says otherwise; whether the Hub may be asked is left to the user."""


def visible(text: str) -> str:
    """Control characters spelled out: a text that somebody wrote must not drive the terminal."""
    return "".join(mark if mark.isprintable() or mark == "\n" else repr(mark)[1:-1] for mark in text)


def complain(text: str) -> None:
    """To standard error; of several processes, as `accelerate launch` starts them, the first one speaks."""
    if os.environ.get("RANK", "0") == "0":
        print(visible(text), file=sys.stderr)


def ask_for_quiet() -> None:
    """By the environment, which libraries read as they are imported."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def hush_libraries(loaded: "LoadedRecipe") -> None:
    """Their bars would run through ours; downloads from the Hub keep theirs on a terminal.

    Where every model is behind a server, nothing of them is needed, and a second of importing is saved.
    """
    if all(model.engine == "openai" for model in (loaded.assistant, loaded.judge)):
        return
    from transformers.utils import logging

    logging.disable_progress_bar()
    if sys.stderr.isatty():
        from huggingface_hub.utils import enable_progress_bars

        enable_progress_bars()
