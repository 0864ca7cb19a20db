"""The audit's picture: figures come in, a PNG's bytes go out.

From left to right: agreement with people beside the rules that read nothing, whether probabilities mean what
they say, and what leaving doubtful pairs out gains. Colours are Okabe and Ito's, told apart by the
colour-blind.
"""

import io
from typing import TYPE_CHECKING

from labeling.audit.calibrator import Way
from labeling.audit.estimate import Estimate
from labeling.audit.figures import Figures
from labeling.audit.record import Audit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#E69F00", "#009E73", "#6b6b6b"


def plot(found: Audit) -> bytes:
    """The picture as PNG, drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4.8), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    agreement, reliability, abstention = figure.subplots(1, 3, width_ratios=(1.2, 1, 1))
    _draw_agreement(agreement, found)
    _draw_reliability(reliability, found.figures)
    _draw_abstention(abstention, found.figures)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()


def _draw_agreement(axes: "Axes", found: Audit) -> None:
    bars = _bars(found)
    for place, (_, estimate, color) in enumerate(reversed(bars)):
        error = [[100 * (estimate.value - estimate.low)], [100 * (estimate.high - estimate.value)]]
        axes.barh(place, 100 * estimate.value, xerr=error, color=color, height=0.7, capsize=3)
    axes.set_yticks(range(len(bars)), [name for name, _, _ in reversed(bars)])
    axes.axvline(50, color=_GREY, linewidth=1, linestyle=(0, (4, 4)))
    axes.set(
        xlim=(0, 100), xlabel="agreement with people (%), 95 % intervals", title="The judge and the rules"
    )
    _clean(axes)


def _bars(found: Audit) -> list[tuple[str, Estimate, str]]:
    """The judge, the judge on each file, and the rules that read nothing."""
    if found.figures.agreement is None:
        return []
    sources = [
        (_plain(name), kind.accuracy, _GREEN)
        for name, kind in found.by_source.items()
        if kind.accuracy is not None and len(found.by_source) > 1
    ]
    rules = [(f"the {each.rule} one", each.accuracy, _GREY) for each in found.figures.floors]
    return [("judge", found.figures.agreement.accuracy, _BLUE), *sources, *rules]


def _draw_reliability(axes: "Axes", found: Figures) -> None:
    axes.plot([50, 100], [50, 100], color=_GREY, linewidth=1, linestyle=(0, (4, 4)))
    if found.calibration is not None:
        ways: dict[Way, tuple[str, str]] = {"as_is": (_ORANGE, "o")}
        ways.setdefault(found.calibration.best, (_BLUE, "s"))
        for way, (color, marker) in ways.items():
            bins = found.calibration.by_way[way].bins
            axes.scatter(
                [100 * each.confidence for each in bins], [100 * each.right for each in bins],
                s=[20 + 200 * each.n / found.usable for each in bins], color=color, marker=marker, alpha=0.75,
                label="as it is" if way == "as_is" else f"by {way}, held out",
            )  # fmt: skip
        axes.legend(loc="lower right", frameon=False)
    axes.set(xlim=(48, 102), ylim=(-3, 103), xlabel="how sure the judge is (%)", ylabel="how often right (%)")
    axes.set_title("Does its confidence mean anything?")
    _clean(axes)


def _draw_abstention(axes: "Axes", found: Figures) -> None:
    if found.abstention is not None:
        curve = found.abstention.curve
        axes.plot(
            [100 * each.coverage for each in curve], [100 * each.accuracy for each in curve], color=_BLUE
        )
    axes.axhline(50, color=_GREY, linewidth=1, linestyle=(0, (4, 4)))
    axes.set(
        xlim=(0, 102), ylim=(-3, 103), xlabel="pairs kept, surest first (%)", ylabel="right of these (%)"
    )
    axes.set_title("Leaving doubtful pairs out")
    _clean(axes)


def _plain(name: str) -> str:
    return name.replace("$", r"\$")[-28:]


def _clean(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
