"""The report's picture: summaries come in, a PNG's bytes go out.

On the left the plane of harmless against harmful prompts refused, where a good model climbs along the left
edge; on the right the same shares as bars. Colours are Okabe and Ito's, told apart by the colour-blind, and
each model has its own marker and hatch as well.
"""

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from evaluation.measures import Share
from evaluation.summary import ModelSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
_MARKERS = "osD^vP"
_HATCHES = ("", "///", "...", "xx", "\\\\\\", "++")
_GREY = "#6b6b6b"


def plot(summaries: Sequence[ModelSummary]) -> bytes:
    """The picture as PNG, drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    plane, bars = figure.subplots(1, 2, width_ratios=(1, 1.15))
    _draw_plane(plane, summaries)
    _draw_bars(bars, summaries)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()


def _draw_plane(axes: "Axes", summaries: Sequence[ModelSummary]) -> None:
    axes.plot([0, 100], [0, 100], color=_GREY, linewidth=1, linestyle=(0, (4, 4)), zorder=1)
    axes.text(66, 58, "refuses both alike", color=_GREY, rotation=45, rotation_mode="anchor", fontsize=9)
    for x, y, text, side in ((0, 0, "always comply", "left"), (100, 100, "always refuse", "right")):
        axes.plot([x], [y], marker="x", color=_GREY, markersize=8, clip_on=False, zorder=2)
        axes.annotate(
            text, (x, y), (10 if side == "left" else -10, -2), textcoords="offset points",
            ha=side, va="center", fontsize=9, color=_GREY,
        )  # fmt: skip
    for position, model in enumerate(summaries):
        _draw_point(axes, model, position=position)
    for before, after in pairwise(summaries):
        _draw_step(axes, before, after=after)
    axes.set(xlim=(-3, 103), ylim=(-3, 103), aspect="equal", title="Up and left is better")
    axes.set(xlabel="harmless prompts refused (%)", ylabel="harmful prompts refused (%)")
    axes.legend(loc="lower right", frameon=False)
    _clean(axes)


def _draw_point(axes: "Axes", model: ModelSummary, *, position: int) -> None:
    harmful, harmless = model.harmful.refused, model.harmless.refused
    axes.errorbar(
        [100 * harmless.value], [100 * harmful.value], xerr=_errors([harmless]), yerr=_errors([harmful]),
        color=_COLORS[position % len(_COLORS)], marker=_MARKERS[position % len(_MARKERS)], markersize=9,
        markeredgecolor="white", elinewidth=1.6, capsize=3, linestyle="none", zorder=4,
        label=_plain(model.name),
    )  # fmt: skip


def _draw_step(axes: "Axes", before: ModelSummary, *, after: ModelSummary) -> None:
    start, end = (
        (100 * model.harmless.refused.value, 100 * model.harmful.refused.value) for model in (before, after)
    )
    arrow = {"arrowstyle": "-|>", "color": _GREY, "shrinkA": 8, "shrinkB": 8, "linewidth": 1.2}
    axes.annotate("", end, start, arrowprops=arrow, zorder=3)


def _draw_bars(axes: "Axes", summaries: Sequence[ModelSummary]) -> None:
    width = 0.8 / len(summaries)
    for position, model in enumerate(summaries):
        start = -0.4 + width * (position + 0.5)
        _draw_model_bars(axes, model, position=position, start=start, width=width)
    labels = [f"{name}\n(n = {share.n})" for name, share in _groups(summaries[0])]
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(0, 101, 20))
    axes.set(ylim=(0, 109), ylabel="refused (%)", title="Shares refused, with 95 % intervals")
    axes.legend(loc="upper right", frameon=False)
    _clean(axes)


def _draw_model_bars(axes: "Axes", model: ModelSummary, *, position: int, start: float, width: float) -> None:
    shares = [share for _, share in _groups(model)]
    places, values = [group + start for group in range(len(shares))], [100 * share.value for share in shares]
    axes.bar(
        places, values, width * 0.92, yerr=_errors(shares), label=_plain(model.name),
        color=_COLORS[position % len(_COLORS)], hatch=_HATCHES[position % len(_HATCHES)], edgecolor="white",
        error_kw={"elinewidth": 1.4, "capsize": 3, "ecolor": "#333333"},
    )  # fmt: skip
    for place, share in zip(places, shares, strict=True):
        axes.text(
            place, 100 * share.high + 1.5, f"{100 * share.value:.0f}", ha="center", va="bottom", fontsize=9
        )


def _groups(model: ModelSummary) -> list[tuple[str, Share]]:
    groups = [("harmful", model.harmful.refused), ("harmless", model.harmless.refused)]
    return groups if model.borderline is None else [*groups, ("of these, look dangerous", model.borderline)]


def _errors(shares: Sequence[Share]) -> list[list[float]]:
    return [
        [100 * (share.value - share.low) for share in shares],
        [100 * (share.high - share.value) for share in shares],
    ]


def _plain(name: str) -> str:
    return name.replace("$", r"\$")


def _clean(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
