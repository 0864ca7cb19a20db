"""Labels as single tokens: checked once at start-up, read from log-probabilities at every choice.

A judge answers with one token, so each label must be exactly one token where it will stand. What comes in
is a tokenizer's `encode` and the text before the label (for a chat prompt: the fully rendered prompt with
its prefill); what goes out are token ids. After the model has answered, the labels' log-probabilities come
in and a `Choice` goes out. Pure functions: no model and no tokenizer library is loaded here.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from engine.protocol import CallError, Choice, EngineUnavailable, LabelWay

Encode = Callable[[str], Sequence[int]]
"""Text to token ids, special tokens in the text included, none added at the end."""

_ROUNDING = 1e-3
"""A log-probability may exceed 0 by this much: half precision rounds; more than this is not a probability."""

_TAIL_SHOWN = 40


def label_token_ids(encode: Encode, tail: str, labels: Sequence[str]) -> dict[str, int]:
    """The one token that each label is after `tail`.

    `EngineUnavailable` where a label is not exactly one further token, changes the tokens before it, or
    shares its token with another label: the message names the label, its tokens and what to change.
    """
    require_labels(labels)
    before = list(encode(tail))
    ids = {label: _one_token(encode, tail, label=label, before=before) for label in labels}
    for label, token in ids.items():
        twin = next((other for other in ids if other != label and ids[other] == token), None)
        if twin is not None:
            raise EngineUnavailable(
                f"labels {label!r} and {twin!r} are the same token {token} after {_end(tail)}: "
                "choose labels that differ, such as 'A' and 'B'"
            )
    return ids


def require_labels(labels: Sequence[str]) -> None:
    """`ValueError` unless there are at least two labels, none empty, all different."""
    stripped = [label.strip() for label in labels]
    if len(stripped) < 2 or not all(stripped) or len(set(stripped)) < len(stripped):
        raise ValueError(f"labels are {tuple(labels)!r}, expected two or more that are not blank and differ")


def choice_from_logprobs(
    logprobs: Mapping[str, float],
    *,
    argmax_is_label: bool,
    bounds: Mapping[str, float] | None = None,
    prompt_tokens: int = 0,
    cached_tokens: int = 0,
    way: LabelWay = "vocabulary",
) -> Choice:
    """A `Choice` from natural-log probabilities over the full vocabulary, or over the labels (`constrained`).

    `bounds` holds upper bounds for labels that the server did not return; they enter `logprobs` and set
    `bounded`, but not `mass`, which counts only what was seen. `CallError`: `nan_logprob` for a value that is
    not finite or not a log-probability, `no_label` where every label is only bounded.
    """
    if not logprobs:
        raise CallError("no_label", f"the model's likeliest tokens hold none of {tuple(bounds or ())!r}")
    bounds = bounds or {}
    known = {label: _checked(label, value) for label, value in logprobs.items()}
    bounded = {label: _checked(label, value) for label, value in bounds.items()}
    mass = min(1.0, math.fsum(math.exp(value) for value in known.values()))
    return Choice(
        logprobs={**known, **bounded},
        mass=None if way == "constrained" else mass,
        argmax_is_label=argmax_is_label,
        prompt_tokens=prompt_tokens,
        bounded=bool(bounded),
        way=way,
        cached_tokens=cached_tokens,
    )


def _one_token(encode: Encode, tail: str, *, label: str, before: list[int]) -> int:
    tokens = list(encode(tail + label))
    if tokens[: len(before)] != before:
        raise EngineUnavailable(
            f"label {label!r} changes the tokens before it: {_end(tail)} ends in {before[-3:]} alone and "
            f"the whole becomes {tokens[-4:]} with the label. {_advice(tail)}"
        )
    added = tokens[len(before) :]
    if len(added) != 1:
        raise EngineUnavailable(
            f"label {label!r} is {len(added)} tokens {added} after {_end(tail)}, expected exactly one. "
            f"{_advice(tail)}"
        )
    return added[0]


def _advice(tail: str) -> str:
    if tail[-1:].isspace():
        return (
            "The text before a label must not end in white space: take the space off the prefill's end, "
            "or end the prefill in an opening bracket, as in 'Answer: ('."
        )
    return "Choose labels of one letter, or end the prefill in an opening bracket, as in 'Answer: ('."


def _end(tail: str) -> str:
    return repr(tail) if len(tail) <= _TAIL_SHOWN else "..." + repr(tail[-_TAIL_SHOWN:])


def _checked(label: str, value: float) -> float:
    if not math.isfinite(value) or value > _ROUNDING:
        raise CallError(
            "nan_logprob", f"label {label!r} has log-probability {value}, expected a number up to 0"
        )
    return min(value, 0.0)
