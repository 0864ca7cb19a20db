"""The program: recipe, run folder, command line.

Solon's packages have names that any folder may have (`training`, `prompts`), and `solon init` itself writes
one. So whatever starts with `import solon` finds its own, also where Python would look in the working
directory first.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parent.parent)
_OWN = frozenset(
    {"constitution", "prompts", "engine", "pipeline", "critique", "labeling", "training", "evaluation"}
)


class _OwnPackages(MetaPathFinder):
    """Finds Solon's packages beside this one, before anything of the same name elsewhere."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        return PathFinder.find_spec(fullname, [_ROOT]) if fullname in _OWN else None


sys.meta_path.insert(0, _OwnPackages())
