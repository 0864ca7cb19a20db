"""A `Recipe` in, YAML out that says every one of its values, and that loads back to an equal one.

This is the resolved recipe that stands beside each output: what the file and the command line said, and what
was left to its default.
"""

import json
import re
from collections.abc import Mapping

from solon.recipe import Recipe

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null"})


def resolved_yaml(recipe: Recipe) -> str:
    """Every key of the recipe; relative paths stay as they are written."""
    return "\n".join(_lines(recipe.model_dump(mode="json"), indent="")) + "\n"


def _lines(mapping: Mapping[str, object], *, indent: str) -> list[str]:
    lines: list[str] = []
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{_scalar(key)}:", *_lines(value, indent=f"{indent}  ")]
        else:
            lines.append(f"{indent}{_scalar(key)}: {_flow(value)}")
    return lines


def _flow(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_scalar(key)}: {_flow(inner)}' for key, inner in value.items())}}}"
    return _scalar(value)


def _scalar(value: object) -> str:
    """A scalar in JSON's spelling, which YAML shares; short plain words go without quotes."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    text = json.dumps(value, ensure_ascii=False)
    # YAML has line breaks that JSON leaves as they are, and takes no other unprintable character.
    return "".join(mark if mark.isprintable() else _escaped(mark) for mark in text)


def _escaped(mark: str) -> str:
    return f"\\u{ord(mark):04x}" if ord(mark) < 0x10000 else f"\\U{ord(mark):08x}"
