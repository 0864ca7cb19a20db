"""A name or a path in, a `Constitution` out: reading, inheriting, selecting, weighting.

A bare name (`harmless`) is one that ships with Solon, in `library/`; anything with a slash or a `.yaml`
ending is a file. Everything that is wrong is a `DocumentError` at its place in the file that says it.
"""

from dataclasses import dataclass
from pathlib import Path

from constitution.document import Document, DocumentError, Problem, nearest, read_document, validate
from constitution.file import ConstitutionFile
from constitution.model import Constitution, Principle

LIBRARY = Path(__file__).parent / "library"


@dataclass(frozen=True, slots=True)
class _Layer:
    """One file of a chain of `extends`, with the place of everything in it."""

    file: ConstitutionFile
    document: Document


def load(name_or_path: str | Path, *, relative_to: Path | None = None) -> Constitution:
    """Read a constitution, with all that it extends; `DocumentError` says what is wrong and where.

    A relative path starts at the folder `relative_to`, or at the working directory.
    """
    path = find(name_or_path, relative_to=relative_to)
    if path is None:
        raise DocumentError(_unknown_name(str(name_or_path)))
    return _read(path, chain=())


def shipped() -> list[str]:
    """The names of the constitutions that ship with Solon."""
    return sorted(path.stem for path in LIBRARY.glob("*.yaml"))


def find(name_or_path: str | Path, *, relative_to: Path | None = None) -> Path | None:
    """The file that a name or path means; None for a bare name that is not shipped."""
    path = Path(name_or_path).expanduser()
    if isinstance(name_or_path, str) and path.name == name_or_path and not path.suffix:
        return LIBRARY / f"{name_or_path}.yaml" if name_or_path in shipped() else None
    return path if path.is_absolute() or relative_to is None else relative_to / path


def check(constitution: Constitution) -> list[str]:
    """What a valid constitution still lacks or repeats: one sentence for each, for people to weigh."""
    principles = constitution.principles
    remarks = []
    if not any(principle.can_revise and principle.weight > 0 for principle in principles):
        remarks.append("no principle has critique and revision requests: critique and revision cannot use it")
    if not any(principle.can_compare and principle.weight > 0 for principle in principles):
        remarks.append("no principle has a comparison question: labeling cannot use it")
    return remarks + _repeated(principles)


def _repeated(principles: tuple[Principle, ...]) -> list[str]:
    """Principles that ask the same, as after copying one and forgetting to change it."""
    first: dict[tuple[str, str], str] = {}
    remarks = []
    for principle in principles:
        for field in ("critique_request", "revision_request", "comparison_question"):
            text = getattr(principle, field)
            owner = first.setdefault((field, text), principle.id) if text else principle.id
            if owner != principle.id:
                remarks.append(f"`{principle.id}` and `{owner}` have the same {field}")
    return remarks


def _read(path: Path, chain: tuple[Path, ...]) -> Constitution:
    document = read_document(path)
    layer = _Layer(validate(document, ConstitutionFile), document)
    inherited = _inherited(layer, (*chain, path.resolve()))
    problems = [*_clashes(layer, inherited), *_nothing_inherited(layer)]
    if problems:
        raise DocumentError(*problems)
    return _assembled(layer, _weighted(layer, inherited))


def _inherited(layer: _Layer, chain: tuple[Path, ...]) -> tuple[Principle, ...]:
    """The principles of the constitution that the file extends, those that its selection keeps."""
    name, document = layer.file.extends, layer.document
    if name is None:
        return ()
    path = find(name, relative_to=Path(document.source).parent)
    if path is None:
        unknown = _unknown_name(name)
        raise DocumentError(
            document.problem(
                ("extends",), unknown.what, expected=unknown.expected, suggestion=unknown.suggestion
            )
        )
    if path.resolve() in chain:
        names = " -> ".join(link.name for link in (*chain, path))
        raise DocumentError(
            document.problem(("extends",), f"the constitutions extend each other in a circle: {names}")
        )
    if not path.is_file():
        raise DocumentError(document.problem(("extends",), f"there is no file {path}", expected="a file"))
    return _selected(layer, _read(path, chain).principles)


def _selected(layer: _Layer, inherited: tuple[Principle, ...]) -> tuple[Principle, ...]:
    selection = layer.file.select
    if selection is None:
        return inherited
    ids = [principle.id for principle in inherited]
    tags = sorted({tag for principle in inherited for tag in principle.tags})
    problems = [
        problem
        for key, names in (("tags", tags), ("exclude_tags", tags), ("ids", ids), ("exclude_ids", ids))
        for problem in _not_inherited(layer.document, key, given=getattr(selection, key), names=names)
    ]
    if problems:
        raise DocumentError(*problems)
    return tuple(principle for principle in inherited if selection.keeps(principle))


def _not_inherited(
    document: Document, key: str, *, given: tuple[str, ...], names: list[str]
) -> list[Problem]:
    kind = "tag" if key.endswith("tags") else "principle"
    return [
        document.problem(
            ("select", key, position),
            f"no inherited {kind} is called `{name}`",
            expected=f"one of {', '.join(names)}",
            suggestion=nearest(name, names),
        )
        for position, name in enumerate(given)
        if name not in names
    ]


def _weighted(layer: _Layer, inherited: tuple[Principle, ...]) -> tuple[Principle, ...]:
    weights, ids = layer.file.weights, [principle.id for principle in inherited]
    own = {principle.id for principle in layer.file.principles}
    problems = [
        layer.document.problem(
            ("weights", name),
            f"no inherited principle is called `{name}`",
            on_key=True,
            expected=f"one of {', '.join(ids)}",
            suggestion="" if name in own else nearest(name, ids),
            next_step=f"write `weight:` in the principle `{name}` itself" if name in own else "",
        )
        for name in weights
        if name not in ids
    ]
    if problems:
        raise DocumentError(*problems)
    return tuple(
        principle.model_copy(update={"weight": weights.get(principle.id, principle.weight)})
        for principle in inherited
    )


def _nothing_inherited(layer: _Layer) -> list[Problem]:
    """`select` and `weights` speak of inherited principles: without `extends` they mean nothing."""
    if layer.file.extends is not None:
        return []
    return [
        layer.document.problem(
            (key,),
            f"`{key}` is for inherited principles, and the file extends nothing",
            on_key=True,
            next_step=f"add `extends:`, or remove `{key}`",
        )
        for key in ("select", "weights")
        if layer.document.data.get(key)
    ]


def _clashes(layer: _Layer, inherited: tuple[Principle, ...]) -> list[Problem]:
    """Ids that are used twice, in the file itself or by an inherited principle too."""
    problems = []
    taken = {principle.id: f"inherited from `{layer.file.extends}`" for principle in inherited}
    for position, principle in enumerate(layer.file.principles):
        where = ("principles", position, "id")
        if principle.id in taken:
            problems.append(_clash(layer.document, where, owner=taken[principle.id]))
        taken.setdefault(principle.id, f"on line {layer.document.position(where)[0]}")
    return problems


def _clash(document: Document, where: tuple[str | int, ...], *, owner: str) -> Problem:
    name = document.written[where]
    step = (
        f"choose another id, or put the new one in its place with `select: {{exclude_ids: [{name}]}}`"
        if owner.startswith("inherited")
        else "choose another id"
    )
    return document.problem(where, f"a principle `{name}` is there already, {owner}", next_step=step)


def _assembled(layer: _Layer, inherited: tuple[Principle, ...]) -> Constitution:
    file, document = layer.file, layer.document
    principles = (*inherited, *file.principles)
    if not any(principle.weight > 0 for principle in principles):
        where = next((key for key in ("weights", "principles", "select") if key in document.data), "name")
        raise DocumentError(
            document.problem(
                (where,),
                "no principle can be drawn",
                on_key=True,
                expected="at least one principle with a weight above 0",
            )
        )
    return Constitution(
        name=file.name, version=file.version, description=file.description, principles=principles
    )


def _unknown_name(name: str) -> Problem:
    here = Path(f"{name}.yaml")
    next_step = f"to read the file, write ./{here}" if here.is_file() else "for a file, give its path"
    return Problem(
        name,
        f"no constitution called '{name}' ships with Solon",
        expected=f"one of {', '.join(shipped())}, or a path such as ./{here}",
        suggestion=nearest(name, shipped()),
        next_step=next_step,
    )
