"""`solon init`: a folder with a recipe, a constitution, templates and data to edit, which runs as it is.

In: an empty folder. Out: the files of `solon/starter`, with copies of the starter constitution, of the chat
templates and of the JSON Schemas, so that the folder stands on its own.
"""

from pathlib import Path

from constitution.load import LIBRARY
from constitution.schema import schema_text as constitution_schema_text
from prompts.render import LIBRARY as TEMPLATES
from prompts.render import VARIABLES
from solon.errors import BadInputError
from solon.schema import schema_text

STARTER = Path(__file__).parent / "starter"

PURPOSES = {
    "respond": "an answer to the conversation",
    "critique": "what the answer does against the principle",
    "verdict": "whether the critique found something, A or B (`revise_when: found`)",
    "critique_finds": "which of two things a critique says, A or B (`solon constitution test`)",
    "revise": "a better answer, after the critique",
    "direct_revision": "a better answer, without a critique (`direct: true`)",
    "compare": "which of two answers is better, A or B",
    "compare_with_reasoning": "the same, after a rationale (`method: reasoned`)",
    "compare_negated": "which of two answers is worse, A or B (`negated: true`)",
    "compare_few_shot": "which of two answers is better, after worked comparisons (`method: few_shot`)",
    "score_response": "how good one answer is, 1 to 9 (`method: pointwise`)",
    "harm_rubric": "what an answer to a harmful prompt would be worth (`evaluation.strongreject`)",
    "follow": "an answer as the principle wants it, sampled (`contrast`) or read (`method: likelihood`)",
    "go_against": "an answer as the principle does not want it (`contrast`)",
}
"""What each template asks a model for."""


def write_starter(folder: Path) -> list[Path]:
    """Write the starter project into a new or empty folder and return its files' paths.

    Raises:
        BadInputError: the folder holds something, or is a file; nothing is written then.
    """
    _require_empty(folder)
    files = starter_files()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def starter_files() -> dict[str, str]:
    """What is written, by its path in the folder."""
    data = {f"data/{path.name}": path for path in sorted((STARTER / "data").iterdir())}
    templates = {f"prompts/{name}.j2": TEMPLATES / "chat" / f"{name}.j2" for name in VARIABLES}
    copied = {"README.md": STARTER / "README.md", "recipe.yaml": STARTER / "recipe.yaml", **data, **templates}
    return {
        **{name: path.read_text(encoding="utf-8") for name, path in copied.items()},
        "constitution.yaml": _constitution(),
        "prompts/README.md": _prompts_readme(),
        "schemas/recipe.schema.json": schema_text(),
        "schemas/constitution.schema.json": constitution_schema_text(),
    }


def _require_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.is_dir():
        names = sorted(entry.name for entry in folder.iterdir())
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise BadInputError(f"{folder}: is not empty (it holds {shown})\n  next: name a new folder")
    if folder.exists() or folder.is_symlink():
        raise BadInputError(f"{folder}: is a file\n  next: name a new folder")


def _constitution() -> str:
    """The starter constitution, its first line pointing to the schema in this folder."""
    text = (LIBRARY / "starter.yaml").read_text(encoding="utf-8")
    return text.replace("$schema=../constitution.schema.json", "$schema=schemas/constitution.schema.json", 1)


def _prompts_readme() -> str:
    rows = (
        f"| `{name}.j2` | {PURPOSES[name]} | {', '.join(f'`{variable}`' for variable in sorted(variables))} |"
        for name, variables in VARIABLES.items()
    )
    return (STARTER / "prompts_readme.md").read_text(encoding="utf-8") + "\n".join(rows) + "\n"
