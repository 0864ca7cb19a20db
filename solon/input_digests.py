"""What a recipe's files hold, as digests: a run goes on only with the inputs that it was begun with.

In: a `LoadedRecipe`. Out: a digest for each place of the recipe that names a file.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from labeling.audit.human.load import human_files
from prompts.render import VARIABLES
from solon.loaded_recipe import LoadedRecipe
from solon.recipe import Source
from solon.rows import is_hub_id


def input_digests(loaded: LoadedRecipe) -> Mapping[str, str]:
    """What the recipe's files hold, by their place in the recipe: constitution, templates, data."""
    prompts = loaded.prompts
    templates = "".join(prompts.hash(name) for name in VARIABLES)
    return {
        "constitution": loaded.constitution.digest,
        "prompts": hashlib.sha256(templates.encode()).hexdigest(),
        **{place: _source_digest(source, loaded.folder) for place, source in loaded.sources.items()},
        **{place: _labels_digest(path) for place, path in loaded.human_labels.items()},
        **({"labeling.helpfulness": _labels_digest(loaded.helpfulness)} if loaded.helpfulness else {}),
    }


def _labels_digest(path: Path) -> str:
    """A file that is missing is told of when labels are read, and the others are used."""
    return _digest(human_files(path)) if path.exists() else "missing"


def _source_digest(source: Source, base: Path) -> str:
    if is_hub_id(source, base=base):
        return "on the Hub"
    path = base / Path(source.path).expanduser()
    # A saved dataset's content is named by the fingerprint in its small JSON files.
    return _digest(sorted(path.rglob("*.json")) if path.is_dir() else [path])


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
