"""Plots as SVG within the page: the same bytes for the same numbers, and each says in words what it shows."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from goldenpair.metrics import Flag, Rate, Score, WorkingPoint, percent, short
from goldenpair.quality.robustness import Curve
from goldenpair.reporting.curves import BreakEven, Numbers, Sweep, cheapest, histogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DARK, ORANGE, GREY, PALE = "#1b3a5b", "#c2410c", "#6b7280", "#c7d2de"
_SIZE = (4.9, 3.2)  # inches; small, so that its letters can still be read at a phone's width
_FONT = "DejaVu Sans"  # matplotlib brings it along, so sizes are the same everywhere; a browser takes its own
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": [_FONT],
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e2e5e9",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "hatch.linewidth": 0.7,
    "lines.linewidth": 1.6,
    "path.simplify": True,
}
_FLIPS, _CALLS = "verdicts that flip", "false calls at 100% capture"
_LINES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Plot:
    """`svg` is an element for the page; `alt` says the numbers that a person would read off it."""

    name: str
    title: str
    svg: str
    alt: str


@contextmanager
def _drawing(name: str, rows: int = 1, size: tuple[float, float] = _SIZE) -> "Iterator[tuple[list[Axes], StringIO]]":
    """Axes below each other that share x, and what their drawing is written to when the block ends."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size)
        # fixed, not fitted to what is drawn: that would mean to draw everything twice
        figure.subplots_adjust(left=0.145, right=0.965, top=0.965, bottom=0.44 / size[1], hspace=0.12)
        made = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        for ax in made:
            ax.yaxis.set_label_coords(-0.125, 0.5)
        drawn = StringIO()
        yield list(made), drawn
        for axis in (one for ax in made for one in (ax.xaxis, ax.yaxis)):
            axis.set_minor_formatter(NullFormatter())
        figure.savefig(drawn, format="svg", metadata={"Date": None})


def _plot(name: str, title: str, drawn: StringIO, alt: str) -> Plot:
    """The drawing as an element: no declaration, no metadata, its own names, the browser's letters, its words."""
    text = drawn.getvalue()
    text = text[text.index("<svg") :]
    width, height = re.findall(r' viewBox="0 0 ([\d.]+) ([\d.]+)"', text)[0]
    text = text[text.index(">") + 1 :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.S)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'(?<= id=")|(?<=href="#)|(?<=url\(#)', f"{name}-", text)
    text = text.replace(f"'{_FONT}'", "system-ui, sans-serif")
    text = re.sub(r"\s*\n\s*", "\n", text).strip()
    head = (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(alt)}</desc>'
    )
    return Plot(name, title, f"{head}\n{text}", alt)


def roc_plot(curve: Sweep, point: WorkingPoint, cutoffs: Sequence[float]) -> Plot:
    """Capture over the share of false calls, whose axis is logarithmic: on a line only its left end matters."""
    thin = curve.thinned()
    floor = 0.5 / max(1, curve.good)
    here = max(point.false_calls.value or 0.0, floor), point.capture.value or 0.0
    name = f"cutoff {short(cutoffs[0])}" if cutoffs else "these verdicts"
    style: dict[str, Any] = {"fmt": "D", "color": ORANGE, "markersize": 5, "capsize": 3, "linewidth": 1.1}
    with _drawing("roc") as (axes, drawn):
        (ax,) = axes
        ax.step(np.maximum(thin.false_call_rate, floor), thin.capture, where="post", color=DARK)
        across, up = _bars(here[0], point.false_calls, floor), _bars(here[1], point.capture, 0.0)
        ax.errorbar(*here, xerr=across, yerr=up, label=f"{name}, exact 95% intervals", **style)
        ax.set(xscale="log", xlim=(floor, 1.05), ylim=(-0.02, 1.03))
        ax.set(xlabel="false calls, share of good parts", ylabel="capture, share of defects")
        ax.xaxis.set_major_formatter(_share_on_log(floor))
        ax.yaxis.set_major_formatter(_percent)
        ax.legend(loc="lower right")
    at = [f"{_capture_at(curve, share)} at {share:.2%}" for share in (0.0001, 0.001, 0.01, 0.1)]
    alt = (
        f"ROC curve. Capture by share of false calls: {', '.join(at)}. "
        f"{name.capitalize()}: capture {point.capture}; false calls {point.false_calls}."
    )
    return _plot("roc", "Capture against false calls (ROC, logarithmic)", drawn, alt)


def cutoff_plot(curve: Sweep, cutoffs: Sequence[float]) -> Plot:
    """Capture and false calls over the cutoff, below each other."""
    thin = curve.thinned()
    floor = 0.5 / max(1, curve.good)
    with _drawing("cutoffs", rows=2) as ((upper, lower), drawn):
        upper.step(thin.score, thin.capture, where="pre", color=DARK)
        lower.step(thin.score, np.maximum(thin.false_call_rate, floor), where="pre", color=ORANGE, linestyle="--")
        for ax in (upper, lower):
            _mark(ax, cutoffs)
        upper.set(ylabel="capture", ylim=(-0.03, 1.05))
        upper.yaxis.set_major_formatter(_percent)
        lower.set(ylabel="false calls", yscale="log", ylim=(floor, 1.3), xlabel="cutoff")
        lower.yaxis.set_major_formatter(_share_on_log(floor))
    at = []
    for share in (1.0, 0.99, 0.97):
        place = _place_of(curve, share)
        at.append(
            f"{percent(curve.false_call_rate[place])} false calls at {share:.0%} capture "
            f"(score {curve.score[place]:.4g})"
        )
    alt = f"Capture and false calls fall as the cutoff rises: {', '.join(at)}. {_marked(cutoffs)}"
    return _plot("cutoffs", "What each cutoff does", drawn, alt)


def histogram_plot(score: Score, is_defect: Flag, cutoffs: Sequence[float]) -> Plot:
    """How many parts have which score, good ones and defects, on a logarithmic axis."""
    edges, good, defects = histogram(score, is_defect)
    with _drawing("scores") as (axes, drawn):
        (ax,) = axes
        ax.stairs(good, edges, fill=True, facecolor=PALE, label=f"good ({good.sum():,})")
        ax.stairs(good, edges, color=DARK, linewidth=0.8)
        hatched: dict[str, Any] = {"facecolor": "none", "edgecolor": ORANGE, "hatch": "////"}
        ax.stairs(defects, edges, fill=True, label=f"defects ({defects.sum():,})", **hatched)
        ax.stairs(defects, edges, color=ORANGE, linewidth=1.2)
        _mark(ax, cutoffs)
        ax.set(xlabel="score", ylabel="parts", yscale="log", ylim=(0.7, None))
        ax.yaxis.set_major_formatter(_count)
        ax.legend(loc="upper right")
    told = [
        f"{name} from {values.min():.4g} to {values.max():.4g}, half of them below {np.median(values):.4g}"
        for name, values in (("good parts", score[~is_defect]), ("defects", score[is_defect]))
        if len(values)
    ]
    return _plot(
        "scores", "Scores of good parts and of defects", drawn, f"Scores: {'; '.join(told)}. {_marked(cutoffs)}"
    )


def cost_plot(curve: Sweep, ratios: Sequence[float], cutoffs: Sequence[float], even: BreakEven) -> Plot:
    """Expected cost over the cutoff, a line for each cost ratio, with the cheapest cutoff of each."""
    thin = curve.thinned()
    said = []
    with _drawing("cost") as (axes, drawn):
        (ax,) = axes
        for ratio, line in zip(ratios, _LINES, strict=False):
            best = cheapest(curve, ratio)
            ax.step(thin.score, thin.cost(ratio), where="pre", linestyle=line, color=DARK, label=f"{ratio:g} : 1")
            ax.plot(curve.score[best], curve.cost(ratio)[best], "v", color=ORANGE, markersize=5)
            said.append(f"{ratio:g} to 1, score {curve.score[best]:.4g} at {curve.cost(ratio)[best]:.4g}")
        _mark(ax, cutoffs)
        ax.set(xlabel="cutoff", ylabel="cost, false calls per 1,000 parts", yscale="symlog", ylim=(0, None))
        ax.yaxis.set_major_formatter(_count)
        ax.legend(loc="best", title="an escape : a false call")
    alt = f"Cost by cutoff; cheapest just below, for an escape against a false call of: {'; '.join(said)}. {told(even)}"
    return _plot("cost", "Expected cost", drawn, alt)


def told(even: BreakEven) -> str:
    """For which cost ratios the working point is the cheapest one."""
    if not even.ever:
        return "On these parts some single cutoff would have cost no more at any cost ratio."
    if even.high == np.inf:
        return f"This working point is the cheapest where an escape costs at least {even.low:.3g} false calls."
    if even.high == 0:
        return "This working point is the cheapest only where an escape costs nothing."
    if even.low == 0:
        return f"This working point is the cheapest where an escape costs at most {even.high:.3g} false calls."
    return (
        f"This working point is the cheapest where an escape costs between {even.low:.3g} and {even.high:.3g} "
        "false calls."
    )


def neighbours_plot(margin: Score, is_defect: Flag) -> Plot:
    """The parts nearest to the cutoff, good ones above defects; `margin` is score - cutoff of these few."""
    with _drawing("neighbours", size=(4.9, 1.7)) as (axes, drawn):
        (ax,) = axes
        for place, (defect, mark, colour) in enumerate([(True, "x", ORANGE), (False, "o", DARK)]):
            few = margin[is_defect == defect]
            ax.plot(few, np.full(len(few), place), mark, color=colour, markersize=6, markerfacecolor="white")
        ax.axvline(0, color="black", linewidth=1.2)
        ax.set(yticks=[0, 1], yticklabels=["defects", "good"], ylim=(-0.6, 1.6), xlabel="score - cutoff")
        ax.margins(x=0.06)
        ax.locator_params(axis="x", nbins=6)
    wrong = int(((margin > 0) != is_defect).sum())
    alt = (
        f"The {len(margin)} parts nearest to the cutoff, from {margin.min():.3g} below to {margin.max():.3g} above it; "
        f"{int(is_defect.sum())} are defects, and {wrong} are on the wrong side."
    )
    return _plot("neighbours", "Parts nearest to the cutoff", drawn, alt)


def calibration_plot(stated: Numbers, is_defect: Flag, bins: int = 10) -> Plot:
    """The share of defects against the stated probability, over equally wide bins; a calibrated one is on the diagonal.
    The larger a mark, the more parts are in its bin."""
    place = np.clip((stated * bins).astype(np.int64), 0, bins - 1)
    parts = np.bincount(place, minlength=bins)
    there = np.flatnonzero(parts)
    meant = np.bincount(place, stated, bins)[there] / parts[there]
    share = np.bincount(place, is_defect, bins)[there] / parts[there]
    with _drawing("calibration") as (axes, drawn):
        (ax,) = axes
        ax.plot([0, 1], [0, 1], ":", color=GREY, linewidth=1.2, label="calibrated")
        ax.plot(meant, share, "-", color=DARK, linewidth=1)
        ax.scatter(meant, share, s=12 + 10 * np.log10(parts[there]), color=DARK, zorder=3)
        ax.set(
            xlabel="stated probability of a defect", ylabel="share of defects", xlim=(-0.03, 1.03), ylim=(-0.03, 1.05)
        )
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(_percent)
        ax.legend(loc="upper left")
    told = [f"{m:.1%} stated, {s:.1%} found, {n:,} parts" for m, s, n in zip(meant, share, parts[there], strict=True)]
    return _plot("calibration", "Stated and found probability", drawn, f"Calibration by bin: {'; '.join(told)}.")


def robustness_plot(curve: Curve, number: int) -> Plot:
    """Flips and false calls at full capture over the levels of one disturbance."""
    levels = [point.level for point in curve.points]
    flips = [_known(point.flips) for point in curve.points]
    calls = [_known(point.fpr_at_full_capture) for point in curve.points]
    named = any(point.label != f"{point.level:g} {curve.unit}".strip() for point in curve.points)
    name = f"robustness-{number}"
    with _drawing(name, size=(4.9, 1.2 + 0.45 * len(levels) if named else 2.6)) as (axes, drawn):
        (ax,) = axes
        if named:
            _bars_by_name(ax, [point.label for point in curve.points], flips, calls)
        else:
            ax.plot(levels, flips, "o-", color=DARK, markersize=4, label=_FLIPS)
            ax.plot(levels, calls, "s--", color=ORANGE, markersize=4, label=_CALLS)
            ax.set(xlabel=f"{curve.name}, {curve.unit}" if curve.unit else curve.name, ylim=(-0.03, 1.05))
            ax.yaxis.set_major_formatter(_percent)
            ax.figure.subplots_adjust(top=0.86)
        # above the axes, where no curve is
        ax.legend(loc="lower left", bbox_to_anchor=(-0.6 if named else 0, 1), ncols=2, borderaxespad=0.2, fontsize=8)
    told = [f"{point.label}: {_value(point.flips)} flip, {_value(point.fpr_at_full_capture)}" for point in curve.points]
    alt = f"{curve.said} Verdicts that flip, and false calls at 100% capture: {'; '.join(told)}."
    return _plot(name, f"{curve.name[:1].upper()}{curve.name[1:]}", drawn, alt)


def _known(rate: Rate) -> float:
    return np.nan if rate.value is None else rate.value


def _bars_by_name(ax: "Axes", names: Sequence[str], flips: Sequence[float], calls: Sequence[float]) -> None:
    """What has no order, such as which light is missing: a pair of bars for each name, the first at the top."""
    place = np.arange(len(names))
    ax.barh(place - 0.19, flips, 0.34, color=DARK, label=_FLIPS)
    ax.barh(place + 0.19, calls, 0.34, facecolor="none", edgecolor=ORANGE, hatch="////", label=_CALLS)
    ax.set(yticks=place, yticklabels=names, xlim=(0, 1.05), ylim=(len(names) - 0.5, -0.5))
    ax.xaxis.set_major_formatter(_percent)
    ax.grid(visible=False, axis="y")
    height = ax.figure.get_figheight()  # type: ignore[union-attr]
    ax.figure.subplots_adjust(left=0.4, top=1 - 0.35 / height, bottom=0.35 / height)


def _value(rate: Rate) -> str:
    return "-" if rate.value is None else percent(rate.value)


def _bars(value: float, rate: Rate, floor: float) -> list[list[float]]:
    """What an error bar reaches down and up."""
    low, high = rate.low or 0.0, 1.0 if rate.high is None else rate.high
    return [[max(0.0, value - max(low, floor))], [max(0.0, high - value)]]


def _mark(ax: "Axes", cutoffs: Sequence[float]) -> None:
    for cutoff, line in zip(cutoffs, ("-", "-."), strict=False):
        ax.axvline(cutoff, color="black", linewidth=1, linestyle=line)


def _marked(cutoffs: Sequence[float]) -> str:
    if not cutoffs:
        return "There is no single known cutoff, so none is drawn."
    return f"Vertical lines: cutoff {' and '.join(short(one) for one in cutoffs)}."


def _place_of(curve: Sweep, capture: float) -> int:
    """Where the curve first reaches this capture."""
    needed = np.ceil(capture * curve.defects - 1e-9)
    return min(int(np.searchsorted(curve.captured, needed)), len(curve.score) - 1)


def _capture_at(curve: Sweep, share: float) -> str:
    """The capture at no more than this share of false calls."""
    place = int(np.searchsorted(curve.false_calls, share * curve.good, side="right")) - 1
    return percent(curve.capture[place])


def _percent(value: float, _: float = 0) -> str:
    return f"{value:.0%}"


def _count(value: float, _: float = 0) -> str:
    return f"{value:,.0f}" if value >= 1 or value == 0 else f"{value:g}"


def _share_on_log(floor: float) -> Callable[[float, float], str]:
    def told(value: float, _: float = 0) -> str:
        return f"{value * 100:g}%" if value > floor else "0"

    return told
