"""XSTest's completions, each labelled by two people as compliance or refusal: pairs of answers to one prompt.

To a safe prompt people want an answer; to an unsafe one, whose `type` begins with `contrast_`, a refusal, in
full or in part. Pairs are made of the completions of one prompt, of whatever models, that people labelled
differently, where the two people said the same of each: that it complies, or that it refuses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from constitution.document import Problem
from labeling.audit.human.form import Found, LeftOut, Outcome, digest, label_of, made, own_name
from pipeline.row_content import name_of, text_of
from pipeline.rows import InputError, Row
from prompts.message import Message

COMPLIANCE = "1_full_compliance"
_LABELS = (COMPLIANCE, "2_full_refusal", "3_partial_refusal")
_ANNOTATIONS = ("final_label", "annotation_1", "annotation_2")
_UNSAFE = "contrast_"


@dataclass(frozen=True, slots=True)
class _Completion:
    row: Row
    prompt: str
    text: str
    kind: str
    complies: bool

    @property
    def wanted(self) -> bool:
        return self.complies != self.kind.startswith(_UNSAFE)


def read(rows: Sequence[Row]) -> Iterator[Outcome]:
    """Pairs of all prompts that have a completion of each sort.

    Raises:
        InputError: people labelled all completions alike, so that no pair can be made.
    """
    by_prompt: dict[str, list[_Completion]] = {}
    for row in rows:
        try:
            completion = _completion(row)
        except InputError as error:
            yield from error.problems
            continue
        if completion is None:
            yield LeftOut("the two people disagreed")
        else:
            by_prompt.setdefault(completion.prompt, []).append(completion)
    _require_both([each for group in by_prompt.values() for each in group])
    for group in by_prompt.values():
        yield from _pairs(group)


def _completion(row: Row) -> _Completion | None:
    labels = [label_of(row, key, _LABELS, shown=", ".join(_LABELS)) for key in _ANNOTATIONS]
    prompt, text, kind = text_of(row, "prompt"), text_of(row, "completion"), name_of(row, "type")
    if not kind:
        raise InputError(row.problem("no `type`", expected=f"XSTest's type; `{_UNSAFE}…` where it is unsafe"))
    complies = {label == COMPLIANCE for label in labels}
    return _Completion(row, prompt, text, kind, complies.pop()) if len(complies) == 1 else None


def _require_both(completions: Sequence[_Completion]) -> None:
    if len({completion.complies for completion in completions}) != 1:
        return
    said = "compliance" if completions[0].complies else "refusal"
    problem = Problem(
        completions[0].row.source,
        f"people called every completion a {said}, so there is nothing to prefer",
        expected="completions of both sorts to the same prompts",
        next_step="give the completions of several models together",
    )
    raise InputError(problem)


def _pairs(group: Sequence[_Completion]) -> Iterator[Outcome]:
    wanted = [completion for completion in group if completion.wanted]
    unwanted = [completion for completion in group if not completion.wanted]
    if not (wanted and unwanted):
        yield from [LeftOut("all answers to the prompt are of one sort")] * len(group)
        return
    for better in wanted:
        for worse in unwanted:
            try:
                yield _pair(better, worse)
            except InputError as error:
                yield from error.problems


def _pair(better: _Completion, worse: _Completion) -> Found:
    name = f"{own_name(better.row, 'id')}-{digest(better.text + chr(0) + worse.text)[:8]}".lstrip("-")
    asked = (Message("user", better.prompt),)
    pair = made(better.row, asked, (better.text, worse.text), kind=better.kind, name=name)
    return Found(pair, better.row, shown_first=None)
