"""The house rules that a reader relies on, read off the source files themselves."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = (
    "constitution",
    "prompts",
    "engine",
    "pipeline",
    "critique",
    "labeling",
    "training",
    "evaluation",
    "solon",
)
HEAVY = {"torch", "transformers", "trl", "vllm", "peft", "accelerate", "datasets", "pyarrow", "matplotlib"}
MODELS = {"torch", "transformers", "trl", "vllm", "peft", "accelerate"}
WITH_MODELS = {
    *(
        Path("engine", name)
        for name in (
            "hf.py",
            "decode.py",
            "head.py",
            "prefill.py",
            "cache.py",
            "tokens.py",
            "attention.py",
            "embedded.py",
            "vllm.py",
            "local_model.py",
            "reward_head.py",
        )
    ),
}
CONFINED = Path("training", "verifiers", "confine.py")
SOURCES = sorted(path.relative_to(ROOT) for package in ORDER for path in (ROOT / package).rglob("*.py"))
every_source = pytest.mark.parametrize("source", SOURCES, ids=str)


@cache
def tree(source: Path) -> ast.Module:
    return ast.parse((ROOT / source).read_text(encoding="utf-8"))


def imported(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Top-level names of the packages that a statement imports, with its line."""
    if isinstance(node, ast.Import):
        yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield ("." if node.level else (node.module or "").split(".")[0]), node.lineno


def at_import_time(node: ast.AST) -> Iterator[ast.AST]:
    """Statements that run when the module is imported: not in functions, not under TYPE_CHECKING."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from at_import_time(child)


def test_every_chapter_of_the_house_is_there() -> None:
    for package in ORDER:
        assert (ROOT / package / "__init__.py").is_file(), package


@every_source
def test_imports_go_one_way(source: Path) -> None:
    allowed = ORDER[: ORDER.index(source.parts[0]) + 1]
    for node in ast.walk(tree(source)):
        for name, line in imported(node):
            assert name != ".", f"{source}:{line}: import by the full name"
            assert name not in ORDER or name in allowed, f"{source}:{line}: {source.parts[0]} imports {name}"


@every_source
def test_nothing_heavy_is_loaded_before_it_is_needed(source: Path) -> None:
    with_models = source in WITH_MODELS or source.parts[0] == "training"
    heavy = HEAVY - MODELS - {"datasets"} if with_models else HEAVY
    for node in at_import_time(tree(source)):
        for name, line in imported(node):
            assert name not in heavy, f"{source}:{line}: import {name} where it is used"


@every_source
def test_models_are_touched_only_where_they_live(source: Path) -> None:
    if source in WITH_MODELS or source.parts[0] in {"training", "evaluation", "solon"}:
        return
    for node in ast.walk(tree(source)):
        for name, line in imported(node):
            assert name not in MODELS, f"{source}:{line}: {name} belongs in engine/hf.py and training/"


@every_source
def test_names_say_what_is_inside(source: Path) -> None:
    assert not re.search(r"(^|_)(utils?|common|helpers?|misc)($|_)", source.stem), source
    for part in source.parts[:-1]:
        assert part not in {"util", "utils", "common", "helpers", "misc"}


@every_source
def test_nothing_runs_code_that_comes_with_data(source: Path) -> None:
    """But for the file whose work it is, in a process that it has confined first."""
    if source == CONFINED:
        return
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"yaml.load", "yaml.unsafe_load", "eval", "exec"}, f"{source}:{node.lineno}"
            for keyword in node.keywords:
                trusted = keyword.arg == "trust_remote_code" and getattr(keyword.value, "value", None) is True
                assert not trusted, f"{source}:{node.lineno}: trust_remote_code is the user's to give"
        for name, line in imported(node):
            assert name not in {"pickle", "dill", "cloudpickle", "shelve", "marshal"}, f"{source}:{line}"


@every_source
def test_every_file_says_what_it_is_for(source: Path) -> None:
    module = tree(source)
    assert not module.body or ast.get_docstring(module), source


def test_every_package_is_installed_and_checked() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for folder in sorted({source.parent for source in SOURCES}):
        assert f'"{".".join(folder.parts)}"' in project, f"{folder} is missing from pyproject.toml"
