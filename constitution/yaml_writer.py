"""A `Constitution` in, YAML out that a person can read and edit, and that loads back to an equal one."""

import textwrap
from collections.abc import Mapping

import yaml

from constitution.model import Constitution
from constitution.yaml_syntax import CORE, SCALARS

WIDTH = 88
SHORT = 72
"""Longest text that stays on the line of its key."""


def to_yaml(constitution: Constitution) -> str:
    """The constitution as one YAML file, long texts as indented blocks; what has its default is left out."""
    content = constitution.model_dump(mode="json", exclude_defaults=True)
    principles = content.pop("principles")
    listed = "\n".join(textwrap.indent(_dump([principle]), "  ") for principle in principles)
    return f"{_dump(content)}\nprinciples:\n{listed}"


def _dump(data: object) -> str:
    return yaml.dump(data, Dumper=_Writer, allow_unicode=True, sort_keys=False, width=WIDTH)


class _Writer(yaml.SafeDumper):
    """Lists indented below their key, tags on one line, long texts as blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        return super().increase_indent(flow, indentless=False)

    def represent_text(self, text: str) -> yaml.Node:
        # PyYAML falls back to quotes by itself where a block cannot hold the text (tabs, trailing spaces),
        # but not for Unicode's own line breaks, which it would read back as plain ones.
        exotic = any(line_break in text for line_break in "\x85\u2028\u2029")
        style = '"' if exotic else "|" if "\n" in text else ">" if len(text) > SHORT else None
        return self.represent_scalar(f"{CORE}str", text, style=style)

    def represent_names(self, items: list[object]) -> yaml.Node:
        names = all(isinstance(item, str) for item in items)
        return self.represent_sequence(f"{CORE}seq", items, flow_style=names)

    def represent_keys(self, mapping: Mapping[str, object]) -> yaml.Node:
        return self.represent_mapping(f"{CORE}map", mapping, flow_style=False)


_Writer.add_representer(str, _Writer.represent_text)
_Writer.add_representer(list, _Writer.represent_names)
_Writer.add_representer(dict, _Writer.represent_keys)
# What our reader takes for a number or boolean must be quoted too, beside what PyYAML's own reader does.
for _kind, _pattern, _first in SCALARS:
    _Writer.add_implicit_resolver(CORE + _kind, _pattern, _first)
