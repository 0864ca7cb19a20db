"""The parts about how answers read: figures come in, Markdown goes out."""

from evaluation.figures.checkpoint import KINDS, CheckpointFigures, Texts
from evaluation.figures.figures import Figures
from evaluation.measures import TextStatistics
from evaluation.model import SuiteKind
from evaluation.report import words
from labeling.markdown import cell, table


def lengths(figures: Figures) -> str:
    """How long answers are and how much longer they have become."""
    header = ["model, prompts", "tokens", "words", "words more than the base", "ended by itself"]
    rows = [
        [
            f"{words.title(model)}, {kind}",
            f"{text.statistics.mean_tokens:.0f}",
            f"{text.statistics.mean_words:.0f}",
            words.number(text.longer, 1, sign=True),
            f"{100 * text.statistics.ended:.1f} %",
        ]
        for kind, model, text in _texts(figures)
    ]
    note = (
        "Tokens and words are means; words more: on the same prompts. Win rates at equal length are under "
        "Helpfulness."
    )
    return f"{table(header, rows)}\n\n{note}"


def collapse(figures: Figures) -> str:
    """Variety and repetition: what falls when a policy has found one thing to say."""
    header = ["model, prompts", "empty", "repetition", "distinct-1", "distinct-2", "distinct-3"]
    header += ["openings, bits", "first sentences, bits", "commonest opening", "most overused phrase"]
    rows = [
        [f"{words.title(model)}, {kind}", *_variety(text.statistics), _overused(text)]
        for kind, model, text in _texts(figures)
    ]
    note = (
        "Repetition: share of an answer's four-word runs that it said before. Distinct-n: distinct n-word "
        "runs over all of them, in the first 50 words of each answer; compare it within one kind of "
        "prompts. Openings: entropy of the first three words, and of the first sentence. Most overused: "
        "the phrase whose share of answers rose most against the base."
    )
    return f"{table(header, rows)}\n\n{note}"


def _texts(figures: Figures) -> list[tuple[SuiteKind, CheckpointFigures, Texts]]:
    return [
        (kind, model, model.texts[kind]) for kind in KINDS for model in figures.models if kind in model.texts
    ]


def _variety(text: TextStatistics) -> list[str]:
    return [
        f"{100 * text.empty:.1f} %",
        f"{100 * text.repetition:.1f} %",
        *(f"{text.distinct[size]:.3f}" for size in (1, 2, 3)),
        f"{text.opening_entropy:.2f}",
        f"{text.sentence_entropy:.2f}",
        f"{cell(text.top_opening) or '(none)'} ({100 * text.top_opening_share:.0f} %)",
    ]


def _overused(text: Texts) -> str:
    phrase = text.overused
    if phrase is None:
        return words.NOTHING
    return f"“{cell(phrase.words)}” ({100 * phrase.before:.0f} → {100 * phrase.after:.0f} %)"
