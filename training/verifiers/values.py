"""Verifiers of short answers: the same words, the same number.

The reference is read as the answer is: GSM8K's whole solution will do, whose answer stands behind ####.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from training.verifiers.attempt import Attempt, BadReferenceError
from training.verifiers.place import answer_in
from training.verifiers.settings import VerifierSettings

_NUMBER = re.compile(
    r"(?<![\w.,/^])([-+]?)"
    r"((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)"
    r"(?:[eE]([-+]?\d{1,2}))?(?:/(\d+))?"
    r"(?![.,]?\w|/|\^)"
)
_SIGNS = str.maketrans({"\u2212": "-", "\u2013": "-", "$": None, "€": None, "£": None, "%": None, "\\": None})
_MOST_DIGITS = 60


def exact(attempts: Sequence[Attempt], settings: VerifierSettings) -> list[float]:
    """1 where the answer is the reference, word for word; space between words does not count."""
    pairs = [(_said(each, settings), reference_text(each, settings)) for each in attempts]
    return [float(said is not None and said.split() == reference.split()) for said, reference in pairs]


def number(attempts: Sequence[Attempt], settings: VerifierSettings) -> list[float]:
    """1 where the answer holds one number and it is the reference's: 1,200.0 is 1200, 1/2 is 0.5."""
    return [float(_number_in(_said(each, settings)) == number_reference(each, settings)) for each in attempts]


def number_in(text: str) -> Fraction | None:
    """The number that a text holds; None where it holds none, or several, so that none is guessed.

    Signs of currency and percent are passed over. Numbers of more than 60 digits are none.
    """
    found = list(_NUMBER.finditer(text.replace("{,}", ",").translate(_SIGNS)))
    if len(found) != 1 or len(found[0].group()) > _MOST_DIGITS:
        return None
    sign, digits, power, divisor = found[0].groups()
    value = Fraction(digits.replace(",", "")) * Fraction(10) ** int(power or 0)
    if divisor is not None and int(divisor) == 0:
        return None
    return (-value if sign == "-" else value) / int(divisor or 1)


def reference_text(attempt: Attempt, settings: VerifierSettings) -> str:
    """The answer in the reference: what is marked there, else all of it.

    Raises:
        BadReferenceError: it is neither text nor a number, or it is empty.
    """
    reference = attempt.reference
    if isinstance(reference, bool) or not isinstance(reference, str | int | float):
        raise BadReferenceError(f"the reference is a {type(reference).__name__}, expected text or a number")
    text = str(reference)
    found = answer_in(text, "marked", tag=settings.tag) or text.strip()
    if not found:
        raise BadReferenceError("the reference is empty")
    return found


def number_reference(attempt: Attempt, settings: VerifierSettings) -> Fraction:
    """The number in the reference; `BadReferenceError` where there is none, or several."""
    text = reference_text(attempt, settings)
    value = number_in(text)
    if value is None:
        raise BadReferenceError(f"the reference {text[:80]!r} does not hold one number")
    return value


def _number_in(text: str | None) -> Fraction | None:
    return None if text is None else number_in(text)


def _said(attempt: Attempt, settings: VerifierSettings) -> str | None:
    return answer_in(attempt.text, settings.answer_in or "marked", tag=settings.tag)
