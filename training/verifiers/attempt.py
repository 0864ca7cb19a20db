"""What verifiers are asked: a text and the reference that it is held against; and what a verifier is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.verifiers.settings import VerifierSettings


@dataclass(frozen=True, slots=True)
class Attempt:
    """A model's text, and the reference as the prompt's row has it: text, a number, a list, an object."""

    text: str
    reference: object


Verifier = Callable[[Sequence[Attempt], VerifierSettings], Sequence[float]]
"""Gives 1 to each attempt that is right and 0 to one that is wrong, in their order.

A wrong text is never an error; a reference that says nothing is a `BadReferenceError`.
"""


class BadReferenceError(ValueError):
    """A reference that no answer could be held against; says what it is and what it should be."""
