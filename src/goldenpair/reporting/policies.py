"""The page's chapters on how parts are decided: the policy, its probabilities, and what disturbs its verdicts."""

import numpy as np
from numpy.typing import NDArray

from goldenpair.metrics import Flag, short
from goldenpair.quality.calibration import expected_error
from goldenpair.quality.conformal import CONDITION
from goldenpair.quality.policy import Policy
from goldenpair.quality.robustness import Point, Robustness
from goldenpair.reporting import plots
from goldenpair.reporting.curves import Numbers
from goldenpair.reporting.page import Grid, Line, Section

_MOST_TYPES = 60
_OWN = "Share of its own parts: 1 is a cutoff by the type's parts alone, 0 one by all parts, as the type has too few."


def policy_section(policy: Policy, stated: Numbers | None, is_defect: Flag) -> Section:
    """What the policy says of itself, and whether the probabilities that it `stated` hold on the measured parts."""
    said = [f"{policy.told()[:1].upper()}{policy.told()[1:]}. From: {policy.source}."]
    if policy.rule:
        said.append(f"Rule: {policy.rule}.")
    said.append(f"Fitted on {policy.fitted_on}." if policy.fitted_on else "It was not fitted by goldenpair policy.")
    made = []
    if stated is not None and len(stated):
        made.append(plots.calibration_plot(stated, is_defect))
        error = expected_error(stated, is_defect)
        said.append(f"Expected calibration error on the {len(stated):,} parts of this page: {error:.3%}.")
        said += [_of_defects(stated[is_defect], int(is_defect.sum()))] if is_defect.any() else []
    grids = [_types_grid(policy)] if policy.types else []
    if policy.guarantees:
        said.append(f"{CONDITION}, the parts it was fitted on say of the next ones what is listed below.")
    listed = [*map(str, policy.guarantees), *policy.notes]
    return Section("policy", "Decision policy", said, made, grids, listed=listed)


def _of_defects(stated: NDArray[np.float64], defects: int) -> str:
    """What that error hides: where nearly all parts are good, those that are not hardly count in it."""
    low = int((stated < 0.5).sum())
    return (
        f"The many good parts make that small. The {defects:,} defects have a probability of {stated.mean():.1%} on "
        f"average, and {low:,} of them one below 50%."
    )


def _types_grid(policy: Policy) -> Grid:
    lines = [
        Line((kind, short(band.review), short(band.fail), f"{band.goods:,}", f"{band.defects:,}", f"{band.weight:.2f}"))
        for kind, band in policy.types.items()
    ]
    columns = ("type", "REVIEW above", "FAIL above", "good parts", "defects", "share of its own parts")
    grid = Grid(f"Cutoffs by {policy.column}", columns, lines, _OWN)
    return grid.first(_MOST_TYPES, "the policy's file has them all")


def robustness_section(found: Robustness) -> Section:
    """Curves, and their numbers as a table."""
    lines = [_point_line("none", found.undisturbed)]
    lines += [_point_line(f"{curve.name}: {point.label}", point) for curve in found.curves for point in curve.points]
    columns = ("disturbance", "false calls at 100% capture", "flips", "new escapes", "new false calls")
    said = [
        f"Samples of {found.good:,} good parts and {found.defects:,} defects (of {found.of:,} parts) were disturbed, "
        f"goldens left as they are, and judged by {found.decided_by}."
    ]
    said += [found.warning] if found.warning else []
    made = [plots.robustness_plot(curve, number) for number, curve in enumerate(found.curves, 1)]
    return Section("robustness", "Robustness", said, made, [Grid("Disturbed samples", columns, lines)])


def _point_line(name: str, point: Point) -> Line:
    rates = (point.fpr_at_full_capture, point.flips, point.lost, point.gained)
    return Line((name, *(one.told for one in rates)))
