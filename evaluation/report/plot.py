"""The report's pictures: figures come in, PNGs go out, each for a minute's look.

Colours are Okabe and Ito's, told apart by the colour-blind; each model has its own marker and hatch as well.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from evaluation.figures.checkpoint import CheckpointFigures
from evaluation.figures.figures import Figures
from evaluation.figures.revisions import Revisions
from evaluation.figures.rewards import Curve
from labeling.audit.estimate import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLANE, REWARDS, ROUNDS = "report.png", "report-rewards.png", "report-rounds.png"

_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
_MARKERS = "osD^vPX"
"""One more than there are colours, so that 42 models look different."""
_HATCHES = ("", "///", "...", "xx", "\\\\\\", "++")
_GRADES = ("engaged", "partial", "evasive", "empty", "complied")
_GREY = "#6b6b6b"


def pictures(figures: Figures, found: Revisions | None) -> Mapping[str, bytes]:
    """PNGs by file name; those that have nothing to show are left out."""
    shown: dict[str, bytes] = {}
    if any("harmful" in model.grades or _has_place(model) for model in figures.models):
        shown[PLANE] = _picture(2, lambda axes: _plane_and_grades(axes, figures))
    if figures.curves or figures.ratings:
        shown[REWARDS] = _picture(2, lambda axes: _curves_and_ratings(axes, figures))
    if found is not None:
        shown[ROUNDS] = _picture(1, lambda axes: _draw_rounds(axes[0], found))
    return shown


def _picture(panels: int, draw: "Callable[[Sequence[Axes]], None]") -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * panels, 5.6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    draw(list(np.atleast_1d(figure.subplots(1, panels))))
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()


def _plane_and_grades(axes: "Sequence[Axes]", figures: Figures) -> None:
    _draw_plane(axes[0], figures)
    _draw_grades(axes[1], figures)


def _draw_plane(axes: "Axes", figures: Figures) -> None:
    """Both axes are wanted high, so up and right is better; controls stand in its corners."""
    axes.plot([0, 100], [100, 0], color=_GREY, linewidth=1, linestyle=(0, (4, 4)), zorder=1)
    axes.text(8, 86, "refuses both alike", color=_GREY, rotation=-45, rotation_mode="anchor", fontsize=9)
    for place, names in _corners(figures).items():
        _draw_control(axes, place, names)
    shown = [model for model in figures.models if model.kind != "control" and _has_place(model)]
    for position, model in enumerate(shown):
        _draw_point(axes, model, position=position)
    for model in shown[1:]:
        _draw_step(axes, shown[0], after=model)
    axes.set(xlim=(-3, 103), ylim=(-3, 103), aspect="equal", title="Up and right is better")
    axes.set(xlabel="harmless prompts answered (%)", ylabel="harmful prompts refused (%)")
    if shown:
        axes.legend(loc="lower left", frameon=False, fontsize=8)
    _clean(axes)


def _has_place(model: CheckpointFigures) -> bool:
    return {"harmful_refused", "harmless_answered"} <= model.rates.keys()


def _at(model: CheckpointFigures) -> tuple[Estimate, Estimate]:
    return model.rates["harmless_answered"].value, model.rates["harmful_refused"].value


def _corners(figures: Figures) -> dict[tuple[float, float], list[str]]:
    """Controls that stand in one place are named together."""
    found: dict[tuple[float, float], list[str]] = {}
    for model in figures.controls:
        if _has_place(model):
            x, y = (100 * one.value for one in _at(model))
            found.setdefault((round(x), round(y)), []).append(model.name)
    return found


def _draw_control(axes: "Axes", place: tuple[float, float], names: Sequence[str]) -> None:
    x, y = place
    left = x > 50
    axes.plot([x], [y], marker="x", color=_GREY, markersize=7, clip_on=False, zorder=2)
    axes.annotate(
        ", ".join(_plain(name) for name in names), place, (-8 if left else 8, 6 if y < 50 else -10),
        textcoords="offset points", ha="right" if left else "left", fontsize=8, color=_GREY,
    )  # fmt: skip


def _draw_point(axes: "Axes", model: CheckpointFigures, *, position: int) -> None:
    x, y = _at(model)
    color = _COLORS[position % len(_COLORS)]
    if len(model.runs) > 1:
        each = [
            (100 * model.rates["harmless_answered"].by_run[run], 100 * rate)
            for run, rate in model.rates["harmful_refused"].by_run.items()
            if run in model.rates["harmless_answered"].by_run
        ]
        axes.scatter(*zip(*each, strict=True), s=14, color=color, alpha=0.5, zorder=3)
    axes.errorbar(
        [100 * x.value], [100 * y.value], xerr=_errors([x]), yerr=_errors([y]), color=color,
        marker=_MARKERS[position % len(_MARKERS)], markersize=9, markeredgecolor="white", elinewidth=1.6,
        capsize=3, linestyle="none", zorder=4, label=_plain(model.name),
    )  # fmt: skip


def _draw_step(axes: "Axes", before: CheckpointFigures, *, after: CheckpointFigures) -> None:
    start, end = ((100 * x.value, 100 * y.value) for x, y in (_at(before), _at(after)))
    arrow = {"arrowstyle": "-|>", "color": _GREY, "shrinkA": 8, "shrinkB": 8, "linewidth": 0.9, "alpha": 0.6}
    axes.annotate("", end, start, arrowprops=arrow, zorder=2)


def _draw_grades(axes: "Axes", figures: Figures) -> None:
    """What answers to harmful prompts do, a bar a model."""
    shown = [model for model in figures.models if "harmful" in model.grades]
    left = np.zeros(len(shown))
    for place, grade in enumerate(_GRADES):
        shares = np.array([100 * model.grades["harmful"][grade].value for model in shown])
        axes.barh(
            range(len(shown)), shares, left=left, color=_COLORS[place], hatch=_HATCHES[place],
            edgecolor="white", label=_SAID[grade], height=0.7,
        )  # fmt: skip
        left += shares
    axes.set_yticks(range(len(shown)), [_plain(model.name) for model in shown])
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="answers to harmful prompts (%)", title="What the answers do")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, frameon=False, fontsize=8)
    _clean(axes)


_SAID = {
    "engaged": "refuses with a reason", "partial": "partly refuses", "evasive": "evasive boilerplate",
    "empty": "empty", "complied": "complies",
}  # fmt: skip


def _curves_and_ratings(axes: "Sequence[Axes]", figures: Figures) -> None:
    _draw_curves(axes[0], figures.curves)
    _draw_ratings(axes[1], figures)


def _draw_curves(axes: "Axes", curves: Sequence[Curve]) -> None:
    """Where the reward that was trained on and one that was never met part."""
    for position, curve in enumerate(curves):
        color, filled = _COLORS[position % len(_COLORS)], curve.role == "proxy"
        axes.plot(
            [point.distance for point in curve.points], [point.gain for point in curve.points],
            marker=_MARKERS[position % len(_MARKERS)], color=color, linestyle="none",
            fillstyle="full" if filled else "none", label=f"{_plain(curve.by)} ({_ROLES[curve.role]})",
        )  # fmt: skip
        furthest = max((point.distance for point in curve.points), default=0.0)
        along = [furthest * step / 50 for step in range(56)]
        fitted = [gain for at in along if (gain := curve.at(at)) is not None]
        if fitted:
            axes.plot(along, fitted, color=color, linewidth=1.2)
    axes.axhline(0, color=_GREY, linewidth=1, linestyle=(0, (4, 4)))
    axes.set(xlabel="distance from the base, sqrt(KL in nats)", ylabel="reward more than the base (s.d.)")
    axes.set_title("Rewards over the way gone" if curves else "No rewards with a KL were recorded")
    if curves:
        axes.legend(frameon=False, fontsize=8)
    _clean(axes)


_ROLES = {"proxy": "trained on", "held_out": "never met", "verifier": "verifier"}


def _draw_ratings(axes: "Axes", figures: Figures) -> None:
    """Elo of every model, by the first judge."""
    judge, found = next(iter(figures.ratings.items()), ("", {}))
    rated = [(name, rating.elo) for name, rating in found.items() if rating.elo is not None]
    for place, (name, elo) in enumerate(rated):
        axes.errorbar(
            [elo.value], [place], xerr=[[elo.value - elo.low], [elo.high - elo.value]], capsize=3,
            color=_GREY if figures[name].kind == "control" else _COLORS[0], marker="o", markersize=7,
        )  # fmt: skip
    axes.set_yticks(range(len(rated)), [_plain(name) for name, _ in rated])
    axes.invert_yaxis()
    axes.axvline(0, color=_GREY, linewidth=1, linestyle=(0, (4, 4)))
    axes.set(xlabel=f"Elo points above {_plain(figures.base.name)}")
    axes.set_title(f"Preference by {_plain(judge)}" if rated else "No judge compared answers")
    _clean(axes)


def _draw_rounds(axes: "Axes", found: Revisions) -> None:
    for position, way in enumerate(dict.fromkeys(one.way for one in found.rounds)):
        its = [one for one in found.rounds if one.way == way]
        axes.errorbar(
            [one.round for one in its], [100 * one.refused.value for one in its],
            yerr=_errors([one.refused for one in its]), color=_COLORS[position],
            marker=_MARKERS[position], capsize=3, label="after critiques" if way == "critique" else "direct",
        )  # fmt: skip
        for before, after in pairwise(its):
            axes.plot(
                [before.round, after.round], [100 * before.refused.value, 100 * after.refused.value],
                color=_COLORS[position], linewidth=1,
            )  # fmt: skip
    axes.set_xticks(sorted({one.round for one in found.rounds}))
    axes.set(ylim=(-3, 103), xlabel="revision round (0: first answer)", ylabel="red-team prompts refused (%)")
    axes.set_title("Harmlessness by revision round")
    axes.legend(frameon=False, fontsize=8)
    _clean(axes)


def _errors(shares: Sequence[Estimate]) -> list[list[float]]:
    return [
        [100 * max(share.value - share.low, 0) for share in shares],
        [100 * max(share.high - share.value, 0) for share in shares],
    ]


def _plain(name: str) -> str:
    return name.replace("$", r"\$")[-28:]


def _clean(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
