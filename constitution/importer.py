"""The CAI paper's published JSON in, a `Constitution` out.

Three kinds of file are read, told apart by what is in them:

- instructions: `{"harmful0": {"prompt": ["CritiqueRequest: ... Critique:"], "edit_request": "..."}, ...}`;
- comparison questions: a list of texts that end in `Options:`;
- few-shot transcripts: a list of texts with Human, Assistant, CritiqueRequest, Critique, RevisionRequest and
  Revision turns.

In the paper, questions are drawn independently of critique and revision requests, so each question becomes a
principle of its own (`question-0`, ...). A transcript becomes a worked example of the principle that has its
critique request; where none has it, of a principle of weight 0 (`few-shot-0`, ...), which is never drawn.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from constitution.document import DocumentError, Problem, Value, read_text
from constitution.model import Constitution, Example, Principle
from constitution.yaml_writer import to_yaml

__all__ = ["read_published", "to_yaml"]

_TURN = re.compile(r"(?:^|\n\n)(Human|Assistant|CritiqueRequest|Critique|RevisionRequest|Revision):")
_REQUESTS = ("CritiqueRequest", "Critique", "RevisionRequest", "Revision")
_KNOWN = "critique/revision instructions, comparison questions or critique/revision few-shot transcripts"


@dataclass(frozen=True, slots=True)
class _Transcript:
    """One few-shot transcript: the requests it answers, and the example it gives."""

    critique_request: str
    revision_request: str
    example: Example
    source: str


def read_published(*paths: Path, name: str = "imported", version: str = "1") -> Constitution:
    """Read published files, in any order, into one constitution; `DocumentError` names what fits no kind."""
    if not paths:
        raise ValueError("no file to import: give at least one path")
    principles: list[Principle] = []
    transcripts: list[_Transcript] = []
    for path in paths:
        match _read_json(path):
            case dict() as entries if entries:
                principles += [_instruction(path, key, entry) for key, entry in entries.items()]
            case list() as texts if texts and all(isinstance(text, str) for text in texts):
                if any("CritiqueRequest:" in str(text) for text in texts):
                    transcripts += [_transcript(path, n, str(text)) for n, text in enumerate(texts)]
                else:
                    principles += [_question(path, n, str(text)) for n, text in enumerate(texts)]
            case _:
                raise _refused(path, "the file has a form that is not known", expected=_KNOWN)
    _refuse_clashes(paths, principles)
    if not any(principle.can_revise for principle in principles) and transcripts:
        raise _refused(paths[0], "few-shot transcripts alone", expected="the instructions file beside them")
    origin = ", ".join(path.name for path in paths)
    return Constitution(
        name=name,
        version=version,
        description=f"Imported from {origin}.",
        principles=_with_examples(principles, transcripts),
    )


def _read_json(path: Path) -> Value:
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        excerpt = text.split("\n")[error.lineno - 1]
        problem = Problem(
            str(path), f"not JSON: {error.msg}", error.lineno, error.colno, excerpt=excerpt, expected="JSON"
        )
        raise DocumentError(problem) from None
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"not JSON that can be read: {error}", expected="JSON") from None


def _instruction(path: Path, key: str, entry: Value) -> Principle:
    """One entry of an instructions file."""
    if not isinstance(entry, Mapping) or set(entry) != {"prompt", "edit_request"}:
        raise _refused(path, f'"{key}" has a form that is not known', expected="`prompt` and `edit_request`")
    prompt = entry["prompt"]
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    revision = entry["edit_request"]
    if not isinstance(prompt, str) or not isinstance(revision, str):
        raise _refused(path, f'"{key}" does not hold one text each', expected="one prompt, one edit_request")
    return Principle(
        id=_slug(path, key),
        critique_request=_between(
            path, f'the prompt of "{key}"', prompt, marks=("CritiqueRequest:", "Critique:")
        ),
        revision_request=_between(
            path, f'the edit_request of "{key}"', revision, marks=("RevisionRequest:", "Revision:")
        ),
        source=f"{path.name}, {key}",
    )


def _slug(path: Path, key: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")
    if not slug:
        raise _refused(path, f'"{key}" is not a name', expected="letters or digits in each key")
    return slug


def _between(path: Path, where: str, text: str, *, marks: tuple[str, str]) -> str:
    """The text without the mark before it and the one after it."""
    first, last = marks
    inner = text.strip().removeprefix(first).removesuffix(last).strip()
    if not inner:
        raise _refused(path, f"{where} is blank", expected=f"{first} ... {last}")
    return inner


def _question(path: Path, number: int, text: str) -> Principle:
    question = text.strip().removesuffix("Options:").strip()
    if not question:
        raise _refused(path, f"question {number} is blank", expected="a comparison question")
    return Principle(
        id=f"question-{number}", comparison_question=question, source=f"{path.name}, question {number}"
    )


def _transcript(path: Path, number: int, text: str) -> _Transcript:
    """A few-shot transcript; the turns before the last question stay in front of it, as it writes them."""
    trimmed = re.sub(r"\n\nHuman:\s*$", "", "\n\n" + text.strip())
    parts = _TURN.split(trimmed)
    marks, texts = parts[1::2], [part.strip() for part in parts[2::2]]
    turns = len(marks) - len(_REQUESTS)
    expected = ["Human", "Assistant"] * (turns // 2) + list(_REQUESTS)
    if turns < 2 or marks != expected or not all(texts):
        found = ", ".join(marks) or "no turns"
        what = f"transcript {number} has the turns {found}"
        raise _refused(path, what, expected=f"Human, Assistant, {', '.join(_REQUESTS)}, none of them blank")
    critique_request, critique, revision_request, revision = texts[turns:]
    response = texts[turns - 1]
    return _Transcript(
        critique_request,
        revision_request,
        Example(
            prompt=_dialogue(marks[: turns - 1], texts[: turns - 1]),
            response=response,
            critique=critique,
            revision=None if revision == response else revision,
        ),
        source=f"{path.name}, transcript {number}",
    )


def _dialogue(marks: Sequence[str], texts: Sequence[str]) -> str:
    turns = [f"{mark}: {text}" for mark, text in zip(marks, texts, strict=True)]
    return "\n\n".join(turns).removeprefix("Human: ")


def _with_examples(
    principles: Sequence[Principle], transcripts: Sequence[_Transcript]
) -> tuple[Principle, ...]:
    """The principles, each with the transcripts that answer its critique request."""
    examples: dict[str, list[Example]] = {}
    for transcript in transcripts:
        examples.setdefault(transcript.critique_request, []).append(transcript.example)
    known = {principle.critique_request for principle in principles}
    strays = [transcript for transcript in transcripts if transcript.critique_request not in known]
    undrawn = [
        Principle(
            id=f"few-shot-{number}",
            critique_request=stray.critique_request,
            revision_request=stray.revision_request,
            weight=0.0,
            source=stray.source,
            examples=(stray.example,),
        )
        for number, stray in enumerate(strays)
    ]
    answered = [
        principle.model_copy(update={"examples": tuple(examples.get(principle.critique_request or "", ()))})
        for principle in principles
    ]
    return (*answered, *undrawn)


def _refuse_clashes(paths: Sequence[Path], principles: Sequence[Principle]) -> None:
    """Two files of one kind, or keys that differ only in case, would give two principles one id."""
    ids = [principle.id for principle in principles]
    twice = next((name for position, name in enumerate(ids) if name in ids[:position]), None)
    if twice is not None:
        names = " and ".join(path.name for path in paths)
        raise _refused(paths[-1], f"`{twice}` is there twice in {names}", expected="each entry once")


def _refused(path: Path, what: str, *, expected: str) -> DocumentError:
    return DocumentError(Problem(str(path), what, expected=expected))
