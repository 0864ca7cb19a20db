"""A recipe's `Source` in, its rows out: a file (`pipeline.rows`), a saved dataset, the Hub.

Nothing is known here of what a row means (`solon.inputs` does). Reading goes no further than `limit`, and the
first row that cannot be read is an `InputError`, as is a source that cannot be read.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import cast

from constitution.document import Problem, nearest
from pipeline.rows import FORMATS, InputError, Row, iter_file, names_beside
from solon.recipe import Source

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")


def read_rows(source: Source, *, base: Path) -> Iterator[Row]:
    """The source's rows in order, at most `limit`; a relative path starts at the folder `base`."""
    path = base / Path(source.path).expanduser()
    if path.is_dir():
        rows = _saved_dataset(path, source)
    elif path.is_file() or not is_hub_id(source, base=base):
        rows = _strict(path)
    else:
        rows = _hub(source, path)
    return islice(rows, source.limit)


def is_hub_id(source: Source, *, base: Path) -> bool:
    """Whether the source is on the Hub: its path has the form of an id, and nothing here is called so."""
    path = source.path
    first, slash, _ = path.partition("/")
    # `data/red_tem` beside a folder `data` is a misspelt path, as is `red_team.txt`; `org/set-v1.1` is an id.
    named_as_file = (base / first).is_dir() if slash else "." in path
    named_as_file = named_as_file or path.lower().removesuffix(".gz").endswith(FORMATS)
    return not named_as_file and _HUB_ID.fullmatch(path) is not None and not (base / path).exists()


def _strict(path: Path) -> Iterator[Row]:
    for row in iter_file(path):
        if isinstance(row, Problem):
            raise InputError(row)
        yield row


def _saved_dataset(path: Path, source: Source) -> Iterator[Row]:
    from datasets import DatasetDict, load_from_disk

    try:
        found = load_from_disk(str(path))
    except (OSError, ValueError, KeyError) as error:
        files = sorted(entry.name for entry in path.iterdir() if entry.suffix in FORMATS)
        step = f"name a file in it: {', '.join(files[:5])}" if files else ""
        problem = Problem(
            str(path),
            "the folder holds no dataset that `datasets` saved",
            expected="a folder written by `Dataset.save_to_disk`",
            next_step=step,
        )
        raise InputError(problem) from error
    if isinstance(found, DatasetDict):
        if source.split not in found:
            names = list(map(str, found))
            what = f"the dataset has no split `{source.split}`"
            suggestion = nearest(source.split, names)
            expected = f"`split:` one of {', '.join(names)}"
            raise InputError(Problem(str(path), what, expected=expected, suggestion=suggestion))
        found = found[source.split]
    for number, values in enumerate(found, start=1):
        yield Row(cast("Mapping[str, object]", values), str(path), number)


def _hub(source: Source, path: Path) -> Iterator[Row]:
    from datasets import load_dataset

    shown = source.path if source.config is None else f"{source.path} ({source.config})"
    try:
        found = load_dataset(source.path, source.config, split=source.split)
    except Exception as error:  # the Hub's client raises errors of many libraries
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        problem = Problem(
            shown,
            f"no file or folder {path}, and nothing that can be loaded from the Hub: {reason}",
            expected="a file, a folder, or an id on the Hub that this machine can reach",
            suggestion=nearest(path.name, names_beside(path)),
            next_step="check the path, `config:`, `split:` and the network; for a gated data set, log in",
        )
        raise InputError(problem) from error
    for number, values in enumerate(found, start=1):
        yield Row(cast("Mapping[str, object]", values), f"{shown}, split {source.split}", number)
