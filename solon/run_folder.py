"""The folder of one run: where everything goes, and the rule that one folder holds one run's settings.

In: the `--out` of the command line and a `LoadedRecipe`. Out: a `RunFolder` that is new, or that was begun
with the same settings and the same inputs and is gone on with. Any other folder is refused and left as it is.
"""

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from constitution.document import DocumentError, read_document, validate
from labeling.pair_settings import Export
from pipeline.disk import is_full, write_whole
from pipeline.journal import locked
from solon.input_digests import input_digests
from solon.loaded_recipe import LoadedRecipe
from solon.overrides import override
from solon.recipe import Recipe
from solon.recipe_yaml import resolved_yaml

RUN_ONLY = frozenset(
    {
        "engine",
        "device",
        "max_batch_size",
        "max_batch_tokens",
        "base_url",
        "api_key_env",
        "timeout_s",
        "max_in_flight",
        "retries",
        "max_num_seqs",
        "max_model_len",
        "gpu_memory_utilization",
        "enforce_eager",
        "takes_turns",
    }
)
"""Keys of a model that say how it is reached and not what it answers: a run may go on with others.

The engine is one: what answers differ in is the fingerprint, which is part of every answer's key.
"""


_LEFT_BY_A_KILL = (".recipe*.partial", ".inputs.json.*.partial", ".progress.json.*")
"""Files that were being written."""


class RunFolderError(Exception):
    """The folder cannot hold this run; the message says what is in it and the ways on."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The places in a run's folder. Stages make the folders that they write into."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe, written when the run begins."""
        return self.path / "recipe.yaml"

    @property
    def inputs(self) -> Path:
        """Digests of the files that the recipe names."""
        return self.path / "inputs.json"

    @property
    def journal(self) -> Path:
        """The folder of answers that were paid for; deleting it asks everything again."""
        return self.path / "journal"

    @property
    def answers(self) -> Path:
        """The journal's file; the lock is beside it."""
        return self.journal / "answers.log"

    @property
    def progress(self) -> Path:
        """How far each stage is."""
        return self.path / "progress.json"

    @property
    def data(self) -> Path:
        """The folder of the datasets that were made."""
        return self.path / "data"

    @property
    def trajectories(self) -> Path:
        return self.data / "trajectories"

    @property
    def sft_dataset(self) -> Path:
        return self.data / "sft"

    @property
    def comparisons(self) -> Path:
        return self.data / "comparisons"

    @property
    def audited(self) -> Path:
        """The judge's answers to pairs that people labelled."""
        return self.path / "audit" / "answers"

    @property
    def audit(self) -> Path:
        """What they come to: figures, verdict, calibrator."""
        return self.path / "audit" / "audit.json"

    @property
    def votes(self) -> Path:
        """What people said of the comparisons."""
        return self.path / "votes.jsonl"

    @property
    def preferences(self) -> Path:
        return self.dataset("preferences")

    def dataset(self, export: Export) -> Path:
        """What labeling exports under this name."""
        return self.data / export

    def model(self, method: str) -> Path:
        """What was trained by this method."""
        return self.path / "models" / method

    @property
    def earlier_models(self) -> Path:
        """Models that were trained before the recipe was changed; nothing here is ever written over."""
        return self.path / "models" / "earlier"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation"

    @property
    def report(self) -> Path:
        return self.path / "report.md"


def default_out(recipe: Recipe) -> Path:
    """`runs/<name>` in the working directory."""
    return Path("runs") / recipe.name


def estimate_folder(out: Path) -> Path:
    """Beside the run folder: the answers of an estimate's sample, which the run takes from there."""
    return out.with_name(f"{out.name}.estimate")


def diff_folder(out: Path) -> Path:
    """Beside the run folder: what was asked to see what another constitution would change in it."""
    return out.with_name(f"{out.name}.diff")


def load_run_recipe(folder: RunFolder, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """The recipe that the folder's run was made by, its relative paths starting where they did then.

    Overrides are written over it, as `load_recipe` has them.

    Raises:
        DocumentError: it cannot be read.
    """
    document = read_document(folder.recipe)
    made_of = _MADE_OF.match(document.lines[0])
    path = Path(made_of[1]) if made_of else folder.recipe.absolute()
    return LoadedRecipe(validate(override(document, overrides), Recipe), path, tuple(overrides))


def open_run_folder(out: Path, loaded: LoadedRecipe, *, accept_changes: bool = False) -> RunFolder:
    """Begin a run in a new or empty folder, or go on with one that was begun with the same settings.

    With `accept_changes` a run goes on with other settings or inputs; the recipe that it had is kept beside.

    Raises:
        RunFolderError: the folder holds something else, or a run with other settings or inputs.
        JournalError: another process is at work in the folder; nothing is changed.
    """
    objection = objection_to(out, loaded, accept_changes=accept_changes)
    if objection:
        raise RunFolderError(objection)
    folder = RunFolder(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = locked(folder.answers, sign=False)
        try:
            _write(folder, loaded, accept_changes=accept_changes)
        finally:
            lock.release()
    except OSError as error:
        step = "free some space and run again" if is_full(error) else "choose another --out"
        raise RunFolderError(f"{out}: cannot be written: {error.strerror}; {step}") from error
    return folder


def _write(folder: RunFolder, loaded: LoadedRecipe, *, accept_changes: bool) -> None:
    for name in _LEFT_BY_A_KILL:
        for leftover in folder.path.glob(name):
            leftover.unlink()
    changed = accept_changes and folder.recipe.is_file() and changes(folder.path, loaded)
    if changed:
        _keep(folder.recipe)
    if changed or not folder.inputs.exists():
        write_whole(folder.inputs, (json.dumps(input_digests(loaded), indent=2) + "\n").encode())
    # Written last: a folder that has it is a whole run folder.
    write_whole(folder.recipe, (_header(loaded) + resolved_yaml(loaded.recipe)).encode())


def objection_to(out: Path, loaded: LoadedRecipe, *, accept_changes: bool = False) -> str:
    """Why the folder cannot hold this run, or "" where it can; nothing is written."""
    strange = _strange(out)
    if strange or accept_changes or not RunFolder(out).recipe.is_file():
        return strange
    changed = changes(out, loaded)
    if not changed:
        return ""
    return (
        f"{out}: holds a run with other settings or inputs, which are kept as they are.\n{changed}\n"
        "  next: begin a new run with another --out, restore these to go on as before,\n"
        "        or go on with the change and make again only what it touches: --accept-changes"
    )


def changes(out: Path, loaded: LoadedRecipe) -> str:
    """What differs from the run that the folder holds, for people; "" where nothing does."""
    folder = RunFolder(out)
    kept = validate(read_document(folder.recipe), Recipe)
    return "\n".join(filter(None, (_other_settings(folder, kept, loaded), _other_inputs(folder, loaded))))


def _strange(out: Path) -> str:
    """Why this is no folder of a run, whatever its settings."""
    folder = RunFolder(out)
    if out.is_symlink() and not out.exists():
        return f"{out}: is a link to nothing; choose another --out"
    if not out.exists():
        return ""
    if not out.is_dir():
        return f"{out}: is a file; choose another --out"
    # A folder with a recipe alone is a project of the user's, whose recipe must not be written over.
    if not (folder.recipe.is_file() and folder.inputs.is_file()):
        return _foreign(folder)
    try:
        validate(read_document(folder.recipe), Recipe)
        json.loads(folder.inputs.read_text(encoding="utf-8"))
    except DocumentError as error:
        return (
            f"{folder.recipe} cannot be read, so it is not clear what {out} holds; "
            f"choose another --out\n{error}"
        )
    except (OSError, ValueError):
        return f"{folder.inputs}: cannot be read, so what the run began with is lost; choose another --out"
    return ""


def _foreign(folder: RunFolder) -> str:
    names = sorted(entry.name for entry in folder.path.iterdir() if not _is_beginning(folder, entry))
    if not names:
        return ""
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return f"{folder.path}: is not a run's folder, and not empty (it holds {shown}); choose another --out"


def _is_beginning(folder: RunFolder, entry: Path) -> bool:
    """Whether a run that was killed while it began may have left this, and nothing else can have."""
    if entry == folder.journal and entry.is_dir():
        return all(file.name.startswith(folder.answers.name) for file in entry.iterdir())
    return entry == folder.inputs or any(entry.match(name) for name in _LEFT_BY_A_KILL)


def _other_settings(folder: RunFolder, kept: Recipe, loaded: LoadedRecipe) -> str:
    before, now = _comparable(kept), _comparable(loaded.recipe)
    if before == now:
        return ""
    difference = difflib.unified_diff(
        before, now, f"{folder.recipe} (the run in the folder)", f"{loaded.path} (now)", n=2, lineterm=""
    )
    return "\n".join(f"  {line}" for line in difference)


def _comparable(recipe: Recipe) -> list[str]:
    """The resolved recipe's lines without what may differ between two sittings of one run."""
    lines = resolved_yaml(recipe).splitlines()
    return [line for line in lines if line.strip().partition(":")[0] not in RUN_ONLY]


def _other_inputs(folder: RunFolder, loaded: LoadedRecipe) -> str:
    kept = cast("dict[str, str]", json.loads(folder.inputs.read_text(encoding="utf-8")))
    now = input_digests(loaded)
    changed = [name for name in now if now[name] != kept.get(name, now[name])]
    return f"  Changed since the run began: what is in {', '.join(changed)}" if changed else ""


def _keep(recipe: Path) -> None:
    """A copy of the recipe that a run had so far, under a numbered name."""
    number = 1
    while (kept := recipe.with_name(f"recipe-{number}.yaml")).exists():
        number += 1
    write_whole(kept, recipe.read_bytes())


_MADE_OF = re.compile(r"# All settings of the run, read from (.+)\.$")
"""The first line of `_header`, which is the only place that says where relative paths start."""


def _header(loaded: LoadedRecipe) -> str:
    """Where the settings came from; a file's name may hold a line break, which must not end the comment."""
    made_of = "".join(mark if mark.isprintable() else "?" for mark in str(loaded.path))
    return f"# All settings of the run, read from {made_of}.\n# Relative paths start at that file's folder.\n"
