"""Templates in, prompts out: the one Jinja environment of Solon.

A template is a `.j2` file that speaks in turns:

    {% call turn("user") %}
    {{ principle.critique_request }}
    {% endcall %}

Turns are structure, and what stands inside them is data: rendered once, never evaluated, and unable to
open a turn of its own. The *chat* family makes messages of them; a last turn of the assistant is a
prefill that the model continues. The *transcript* family, for base models, writes them as `Human:` and
`Assistant:` paragraphs and stops an answer where a model starts the next one.

Within a turn, `{{ fence }}` is a mark that no text of the call holds (`prompts.fence`): a response between
two of them can say what it likes.

A user's folder overrides single templates: a file of the same name there wins over Solon's own. Files whose
names begin with an underscore are parts that templates import or include.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal, cast

from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateError, meta, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel

from constitution.model import Example, Principle
from prompts.fence import fence
from prompts.message import ROLES, Message, Prompt, Role

Family = Literal["chat", "transcript"]
LIBRARY = Path(__file__).parent / "templates"

VARIABLES: Mapping[str, frozenset[str]] = {
    "respond": frozenset({"conversation"}),
    "critique": frozenset({"conversation", "response", "principle", "examples"}),
    "verdict": frozenset({"conversation", "response", "principle", "critique"}),
    "critique_finds": frozenset({"conversation", "response", "critique", "first", "second"}),
    "revise": frozenset({"conversation", "response", "principle", "examples", "critique"}),
    "direct_revision": frozenset({"conversation", "response", "principle", "examples"}),
    "compare": frozenset({"conversation", "first", "second", "principle"}),
    "compare_with_reasoning": frozenset({"conversation", "first", "second", "principle", "rationale"}),
    "compare_negated": frozenset({"conversation", "first", "second", "principle"}),
    "compare_few_shot": frozenset({"conversation", "first", "second", "principle", "shots"}),
    "score_response": frozenset({"conversation", "response", "principle"}),
    "harm_rubric": frozenset({"conversation", "response"}),
    "follow": frozenset({"conversation", "principle"}),
    "go_against": frozenset({"conversation", "principle"}),
}
"""Each template and the variables that it is given."""

OFFERED = frozenset({"turn", "fence"})
"""What every template has besides."""

_OWN = frozenset({"principle", "examples", "critique", "rationale", "shots"})
"""Variables that the constitution's author or the judge wrote: a fence keeps out what others did."""

_EXAMPLE = Example(prompt="question", response="answer", critique="critique", revision="revision")
TRIAL: Mapping[str, object] = {
    "conversation": (Message("user", "question"),),
    "response": "answer",
    "principle": Principle(
        id="trial", critique_request="why?", revision_request="rewrite", comparison_question="which?"
    ),
    "examples": (_EXAMPLE,),
    "critique": "critique",
    "first": "one answer",
    "second": "another answer",
    "rationale": "reasons",
    "shots": (
        {
            "conversation": ({"role": "user", "content": "question"},),
            "first": "one answer",
            "second": "another answer",
            "answer": "A",
            "mark": "mark",
            "reason": "reasons",
        },
    ),
}
"""Values of each variable for a trial rendering, before any model is loaded."""

TRANSCRIPT_LABELS: Mapping[str, str] = {"user": "Human", "assistant": "Assistant"}
CRITIQUE_LABELS = ("CritiqueRequest", "Critique", "RevisionRequest", "Revision")

EVALUATION_ERRORS = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)
"""What an expression in a template can raise besides Jinja's own errors."""


class PromptError(Exception):
    """A template is missing, malformed, or asks for a variable that it is not given."""


@dataclass(slots=True)
class Turns:
    """Collects the turns of one rendering; `turn` is what templates call."""

    family: Family
    spoken: list[tuple[str, str]] = field(default_factory=list)

    def turn(self, speaker: str, caller: Callable[[], str]) -> str:
        if self.family == "chat" and speaker not in ROLES:
            raise ValueError(f"turn({speaker!r}): the chat family knows {', '.join(ROLES)}")
        self.spoken.append((speaker, caller().strip("\n")))
        return ""


@dataclass(frozen=True, slots=True)
class Prompts:
    """The templates of one family, Solon's own or overridden by files in `folder`.

    Raises `PromptError` when made if the folder is missing or holds a template that Solon never asks for.
    """

    family: Family = "chat"
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.folder is None:
            return
        if not self.folder.is_dir():
            raise PromptError(f"{self.folder}: no such folder of templates")
        for path in sorted(self.folder.glob("*.j2")):
            if path.stem not in VARIABLES and not path.stem.startswith("_"):
                near = get_close_matches(path.stem, VARIABLES, n=1)
                hint = f"; did you mean {near[0]}.j2?" if near else ""
                raise PromptError(f"{path}: Solon has no template of this name{hint}\n{_known_templates()}")

    @property
    def has_own(self) -> bool:
        """Whether any template is the user's: such a one may show anything of what it is given."""
        return self.folder is not None and any(self.folder.glob("*.j2"))

    def render(self, name: str, **values: object) -> Prompt:
        """Render one template with exactly the variables that `VARIABLES` names for it."""
        turns = Turns(self.family)
        try:
            template = _environment(self.family, self.folder).get_template(f"{name}.j2")
            plain = {key: _plain(value) for key, value in values.items()}
            outside = template.render(turn=turns.turn, fence=_fence(values), **plain)
        except TemplateSyntaxError as error:
            place = f"{error.filename or error.name or name}:{error.lineno}"
            raise PromptError(f"{place}: {error.message}") from error
        except (TemplateError, *EVALUATION_ERRORS) as error:
            raise PromptError(f"{name}.j2: {error}") from error
        if outside.strip():
            raise PromptError(f"{name}.j2: text outside of a turn: {outside.strip()[:60]!r}")
        return _prompt(name, self.hash(name), turns)

    def hash(self, name: str) -> str:
        """SHA-256 (first 16 hex digits) of the template's source and of all that it includes."""
        return _hash(self.family, self.folder, f"{name}.j2")

    def problems(self) -> list[str]:
        """What `solon validate` reports: syntax errors and unknown names with file and line, and a trial."""
        return [problem for name in VARIABLES for problem in self._problems(name)]

    def _problems(self, name: str) -> list[str]:
        environment = _environment(self.family, self.folder)
        source, path = _source(environment, f"{name}.j2")
        try:
            tree = environment.parse(source)
        except TemplateSyntaxError as error:
            return [f"{path}:{error.lineno}: {error.message}"]
        unknown = meta.find_undeclared_variables(tree) - VARIABLES[name] - OFFERED
        named = [
            f"{path}:{node.lineno}: unknown variable {node.name!r}{_near(node.name, VARIABLES[name])}"
            for node in tree.find_all(nodes.Name)
            if node.name in unknown
        ]
        return named or self._trial(name)

    def _trial(self, name: str) -> list[str]:
        """What only shows when a template is rendered: a field that nothing has, text outside of a turn."""
        try:
            self.render(name, **{variable: TRIAL[variable] for variable in VARIABLES[name]})
        except PromptError as error:
            return [str(error)]
        return []


@cache
def _environment(family: Family, folder: Path | None) -> ImmutableSandboxedEnvironment:
    own = FileSystemLoader(LIBRARY / family)
    loader: BaseLoader = ChoiceLoader([FileSystemLoader(folder), own]) if folder else own
    # No autoescape: prompts are plain text for a model. Data cannot be evaluated, since it is only a value.
    # No reload: a process sees each template as it first was, so that a text and its hash always agree.
    return ImmutableSandboxedEnvironment(
        loader=loader,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        auto_reload=False,
    )


def _source(environment: ImmutableSandboxedEnvironment, file: str) -> tuple[str, str]:
    source, path, _ = cast("BaseLoader", environment.loader).get_source(environment, file)
    return source, path or file


@cache
def _hash(family: Family, folder: Path | None, file: str) -> str:
    environment = _environment(family, folder)
    digest = hashlib.sha256(family.encode())
    pending, seen = [file], set[str]()
    while pending:
        current = pending.pop()
        seen.add(current)
        source, _ = _source(environment, current)
        digest.update(source.encode())
        referenced = meta.find_referenced_templates(environment.parse(source))
        pending += sorted(name for name in referenced if name and name not in seen)
    return digest.hexdigest()[:16]


def _prompt(name: str, digest: str, turns: Turns) -> Prompt:
    if not turns.spoken:
        raise PromptError(f"{name}.j2: no turn was spoken")
    if turns.family == "chat":
        messages = tuple(Message(cast("Role", role), content) for role, content in turns.spoken)
        return Prompt(name, digest, messages=messages)
    return _transcript(name, digest, turns.spoken)


def _transcript(name: str, digest: str, spoken: Sequence[tuple[str, str]]) -> Prompt:
    labels = {TRANSCRIPT_LABELS.get(speaker, speaker) for speaker, _ in spoken}
    labels = sorted((labels | {*TRANSCRIPT_LABELS.values(), *CRITIQUE_LABELS}) - {"system"})
    # Text that looks like a turn mark is moved one space in, so that it can be read but opens no turn.
    forged = re.compile(rf"(?m)^({'|'.join(map(re.escape, labels))}):")
    paragraphs = []
    for speaker, content in spoken:
        content = forged.sub(r" \1:", content)
        label = TRANSCRIPT_LABELS.get(speaker, speaker)
        paragraphs.append(content if speaker == "system" else f"{label}: {content}".rstrip())
    return Prompt(name, digest, text="\n\n".join(paragraphs), stop=tuple(f"\n\n{label}:" for label in labels))


def _fence(values: Mapping[str, object]) -> str:
    """The mark that fences what is said in these values: conversations and texts."""
    said = [value for name, value in values.items() if name not in _OWN]
    messages = [each for value in said if isinstance(value, tuple | list) for each in value]
    texts = [each.content for each in messages if isinstance(each, Message)]
    return fence([*texts, *(value for value in said if isinstance(value, str))])


def _plain(value: object) -> object:
    """Templates see plain data only, never objects with methods."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Message):
        return value.as_dict()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _near(name: str, known: frozenset[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known here: {', '.join(sorted(known))}"


def _known_templates() -> str:
    return "templates: " + ", ".join(f"{name}.j2" for name in VARIABLES)
