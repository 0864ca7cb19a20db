"""The parts about being helpful and about rewards: figures come in, Markdown goes out.

Beside every win rate stands what its judge's audit says.
"""

from collections.abc import Iterator, Sequence

from evaluation.figures.figures import Figures
from evaluation.figures.ratings import Rating
from evaluation.figures.rewards import Curve, Interval95
from evaluation.model import JudgeFacts
from evaluation.report import words
from labeling.markdown import cell, table


def helpfulness(figures: Figures, judges: Sequence[JudgeFacts]) -> str:
    """Win rates against the base, plain and at equal lengths, and ratings over all models."""
    rows = [
        [
            words.title(model),
            cell(name),
            words.share(wins.rate),
            words.share(wins.length_controlled),
            words.share(wins.consistency),
            f"{wins.pairs - wins.silent} of {wins.pairs}",
            words.audit(name, judges),
        ]
        for model in figures.models
        for name, wins in model.wins.items()
    ]
    if not rows:
        return "No judge compared answers: nothing is known of how helpful they are."
    header = ["model", "judge", "preferred to the base", "at equal length", "same in both orders", "verdicts"]
    note = (
        "A tie, or the same answer twice, is half a win. At equal length: a logistic model of the verdict "
        "on the model and tanh(difference in words / its deviation), at a difference of 0 (Dubois et al. "
        "2024, without the instruction's own difficulty)."
    )
    return "\n\n".join(
        [table([*header, "the judge's audit"], rows), note, *_ratings(figures, judges), *_said(judges)]
    )


def _said(judges: Sequence[JudgeFacts]) -> Iterator[str]:
    for judge in judges:
        yield f"{cell(judge.name)} ({cell(judge.method)}): {cell(judge.said)}"


def _ratings(figures: Figures, judges: Sequence[JudgeFacts]) -> Iterator[str]:
    for judge, found in figures.ratings.items():
        rows = [
            [cell(name), _elo(rating, first=name == figures.base.name), str(rating.games)]
            for name, rating in sorted(found.items(), key=lambda item: -_height(item[1]))
        ]
        shown = table(["model", "Elo points", "comparisons"], rows)
        yield (
            f"### Elo by {cell(judge)} (audit: {words.audit(judge, judges)})\n\n{shown}\n\nBradley-Terry "
            f"over all comparisons, {cell(figures.base.name)} at 0; 400 points are ten wins to a loss."
        )


def _height(rating: Rating) -> float:
    return rating.elo.value if rating.elo else 0.0


def _elo(rating: Rating, *, first: bool) -> str:
    if rating.elo is None:
        return "0" if first else "not compared with the others"
    alike = ", all comparisons alike" if rating.all_alike else ""
    return words.number(rating.elo, 0, sign=True) + alike


def rewards(figures: Figures) -> str:
    """Proxy against held-out rewards, and how far each model went from the base for them."""
    rows = [
        [
            words.title(model),
            words.number(model.kl, 2),
            *(
                words.number(model.scores[by].gain if by in model.scores else None, sign=True)
                for by in _by(figures)
            ),
        ]
        for model in figures.models
        if model.kl is not None or any(score.role != "verifier" for score in model.scores.values())
    ]
    if not rows:
        return "Neither divergences nor rewards were recorded."
    roles = {score.by: score.role for model in figures.models for score in model.scores.values()}
    header = ["model", "KL to the base, nats", *(f"{cell(by)} ({_ROLES[roles[by]]})" for by in _by(figures))]
    note = (
        "KL: mean log-ratio of the model's own answers, nats an answer. Rewards: what the answers get more "
        "than the base's, in the base's standard deviations."
    )
    return "\n\n".join([table(header, rows), note, *_fits(figures.curves)])


_ROLES = {"proxy": "trained on", "held_out": "never met", "verifier": "verifier"}


def _by(figures: Figures) -> list[str]:
    return list(dict.fromkeys(by for model in figures.models for by in model.scores))


def _fits(curves: Sequence[Curve]) -> Iterator[str]:
    rows = [
        [
            f"{cell(curve.by)} ({_ROLES[curve.role]})",
            _fitted(curve.alpha),
            _fitted(curve.beta),
            f"{curve.peak:.1f}" if curve.peak is not None else "never, in reach",
        ]
        for curve in curves
        if curve.alpha is not None
    ]
    if rows:
        header = ["R = d (alpha - beta log d)", "alpha", "beta", "turns at sqrt(KL)"]
        yield (
            f"{table(header, rows)}\n\nGao et al. 2023, d = sqrt(KL), by least squares through every "
            "checkpoint and the base at 0; in brackets the middle 95 % of bootstrap draws over prompts."
        )
    elif curves:
        yield "Fewer than three checkpoints have both a divergence and rewards: no curve is fitted."


def _fitted(found: Interval95 | None) -> str:
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})" if found else words.NOTHING
