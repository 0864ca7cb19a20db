"""The Parquet columns of a kind of record, read off its type hints.

Columns that were guessed from the values would differ between shards: one where nothing was critiqued would
have no text column for critiques, and the shards could not be read as one table.
"""

import dataclasses
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

if TYPE_CHECKING:
    import pyarrow as pa

_LISTS = (tuple, list, Sequence)


def columns_of(kind: type) -> "pa.Schema":
    """The schema of a dataclass or TypedDict, nested where it is; every column may be null.

    Raises:
        TypeError: a field's type has no column that stands for it.
    """
    import pyarrow as pa

    return pa.schema([pa.field(name, _column(hint)) for name, hint in get_type_hints(kind).items()])


def _column(hint: object) -> "pa.DataType":
    import pyarrow as pa

    plain: dict[object, pa.DataType] = {
        str: pa.string(),
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
    }
    if hint in plain:
        return plain[hint]
    origin, inner = get_origin(hint), [part for part in get_args(hint) if part not in (type(None), ...)]
    if origin is Literal:
        return plain[type(inner[0])]
    if origin in (Union, types.UnionType) and len(inner) == 1:
        return _column(inner[0])
    if origin in _LISTS and len(inner) == 1:
        return pa.list_(_column(inner[0]))
    if isinstance(hint, type) and (dataclasses.is_dataclass(hint) or is_typeddict(hint)):
        return pa.struct(list(columns_of(hint)))
    raise TypeError(f"no Parquet column stands for {hint}")
