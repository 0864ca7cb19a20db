"""Prompts into token ids, for methods that answer them, with the references that verifiers read.

In: rows with a prompt as `training.data` reads them. Out: tokenized rows, each with room for an answer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from engine.tokens import encode_prompt
from prompts.message import as_dicts
from training.data import Question, Rows
from training.model import TrainingError
from training.tokens import TokenizedRows, TooLongError, prompt_of, tokenize_rows
from training.verifiers.attempt import BadReferenceError
from training.verifiers.registry import check_reference
from training.verifiers.settings import VerifierSettings


@dataclass(frozen=True, slots=True)
class TokenizedQuestion:
    """Token ids of a prompt, open for an answer.

    For whoever scores the answer: its messages as JSON, and of its row's columns those that verifiers read.
    """

    prompt_ids: list[int]
    prompt: str
    references: str

    @property
    def cut(self) -> bool:
        """A prompt is whole or left out."""
        return False

    def columns(self) -> dict[str, object]:
        return {"prompt_ids": self.prompt_ids, "prompt": self.prompt, "references": self.references}


def tokenize_questions(
    rows: Rows[Question],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    max_completion_length: int,
    verifiers: Sequence[VerifierSettings] = (),
) -> TokenizedRows:
    """Prompts as token ids; one that leaves no room for `max_completion_length` tokens is dropped.

    Raises:
        TrainingError: no prompt is short enough, or a verifier finds no sound reference in a row.
    """
    room = max_length - max_completion_length
    columns = dict.fromkeys(settings.reads for settings in verifiers if settings.reads is not None)

    def tokenized(question: Question) -> TokenizedQuestion:
        _check_references(question, verifiers)
        ids = encode_prompt(tokenizer, prompt_of(question.prompt))
        if len(ids) > room:
            raise TooLongError(f"the prompt has more than max_length - max_completion_length = {room} tokens")
        references = {name: question.columns[name] for name in columns}
        return TokenizedQuestion(
            ids, json.dumps(as_dicts(question.prompt)), json.dumps(references, default=list)
        )

    return tokenize_rows(rows, tokenized)


def _check_references(question: Question, verifiers: Sequence[VerifierSettings]) -> None:
    for settings in verifiers:
        try:
            check_reference(question.columns, settings)
        except BadReferenceError as error:
            asked = question.prompt[-1].content[:80]
            raise TrainingError(f"the prompt {asked!r} cannot be verified: {error}") from error
