"""The page's chapters on scores and cutoffs; `evidence.py` has those on parts, data and run."""

from collections.abc import Sequence

import numpy as np

from goldenpair.metrics import Flag, Score, WorkingPoint, decimals, short
from goldenpair.quality.policy import VERDICTS
from goldenpair.quality.scored import ScoredTable
from goldenpair.reporting import plots
from goldenpair.reporting.curves import Sweep, break_even, cheapest, nearest, sweep
from goldenpair.reporting.judged import KINDS, Judged, kinds
from goldenpair.reporting.page import Grid, Line, Section

_CURVES = "What other cutoffs would do"
EACH_SIDE = 5
"""Parts on each side of the cutoff that are shown."""


def curves_section(
    score: Score, is_defect: Flag, point: WorkingPoint, cutoffs: Sequence[float], ratios: Sequence[float]
) -> Section:
    """Plots of what other cutoffs would do, of measured parts; `point` is what was decided of them."""
    curve = sweep(score, is_defect)
    scores = plots.histogram_plot(score, is_defect, cutoffs)
    if not curve.defects or not curve.good:
        missing = "good parts" if curve.defects else "defects"
        said = [f"There are no {missing} among the measured parts, so a cutoff cannot be weighed."]
        return Section("curves", _CURVES, said, [scores])
    even = break_even(curve, point.escapes.count, point.false_calls.count)
    made = [plots.roc_plot(curve, point, cutoffs), plots.cutoff_plot(curve, cutoffs), scores]
    cost = plots.cost_plot(curve, ratios, cutoffs, even)
    caveat = "It is compared with single cutoffs chosen afterwards on these very parts, which flatters them."
    return Section("curves", _CURVES, [plots.told(even), caveat], [*made, cost], [cost_grid(curve, ratios)])


def cost_grid(curve: Sweep, ratios: Sequence[float]) -> Grid:
    """The cheapest cutoff for each cost ratio."""
    lines = []
    for ratio in ratios:
        best = cheapest(curve, ratio)
        cutoff = float(np.nextafter(curve.score[best], np.float32(-np.inf)))
        escapes, flags = curve.defects - curve.captured[best], curve.false_calls[best]
        cost = f"{curve.cost(ratio)[best]:.4g}"
        lines.append(Line((f"{ratio:g} : 1", short(cutoff), f"{escapes:,}", f"{flags:,}", cost)))
    columns = ("escape : false call", "cheapest cutoff", "escapes", "false calls", "cost per 1,000 parts")
    note = "Cost in false calls. The cheapest cutoffs are those of these very data, so they look better than they are."
    return Grid("Cheapest cutoff for what an escape costs", columns, lines, note)


def _away(distance: float, digits: int) -> str:
    least = 10.0**-digits
    return f"{distance:.{digits}f}" if distance >= least else f"less than {least:.{digits}f}"


def neighbours_section(table: ScoredTable, judged: Judged) -> Section:
    """The parts whose verdict a small change of the cutoff, or of the picture, would turn."""
    margin = np.where(table.measured, table.score - judged.review.astype(np.float32), np.float32(np.nan))
    rows = nearest(margin, EACH_SIDE)
    title = "Near the cutoff"
    if not rows:
        return Section("near", title, ["No cutoff is known, so nothing can be near to it."])
    defects = np.flatnonzero(table.is_defect & np.isfinite(margin))
    said, digits = [], decimals(table.score)
    if judged.policy is None:
        said.append("The file's verdicts name no cutoff; here it is taken to be the highest score that passed.")
    for side, there in (("above", defects[margin[defects] > 0]), ("at or below", defects[margin[defects] <= 0])):
        if len(there):
            row = int(there[np.abs(margin[there]).argmin()])
            said.append(
                f"The nearest defect {side} the cutoff is {table.describe(row)} ({table.label[row]}), "
                f"{_away(abs(float(margin[row])), digits)} away."
            )
    what = kinds(table, judged)
    lines = [
        Line(
            (
                table.describe(row),
                table.label[row],
                VERDICTS[judged.code[row]],
                KINDS[what[row]],
                f"{table.score[row]:.{digits}f}",
                f"{margin[row]:+.{digits}f}",
            )
        )
        for row in rows
    ]
    grid = Grid("The nearest parts", ("part", "label", "verdict", "kind", "score", "from the cutoff"), lines, words=4)
    return Section("near", title, said, [plots.neighbours_plot(margin[rows], table.is_defect[rows])], [grid])
