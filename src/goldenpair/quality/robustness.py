"""What disturbed pictures do to false calls and verdicts, as curves; the numbers only, without pictures or networks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from goldenpair.metrics import Flag, Rate, Score, above, cutoff_for_capture, short


@dataclass(frozen=True)
class Point:
    """What one disturbance does to the same parts; `level` is in the curve's unit, `label` says it in words."""

    level: float
    label: str
    fpr_at_full_capture: Rate
    """Good parts stopped where the cutoff is set so that it captures every defect of the disturbed pictures."""
    flips: Rate
    """Parts that are stopped and were not, or were and are not, of all parts."""
    lost: Rate
    """Defects that were stopped and pass now, of all defects: escapes."""
    gained: Rate
    """Good parts that passed and are stopped now, of all good parts: false calls."""

    @classmethod
    def of(cls, level: float, label: str, score: Score, is_defect: Flag, stopped: Flag, before: Flag) -> "Point":
        """Of N parts: disturbed scores float [N], where no number counts as the highest, as it never is a PASS; which
        of the parts are defects; which are stopped now, and were without the disturbance: bool [N] each."""
        known = np.where(np.isfinite(score), score, np.inf).astype(np.float32)
        cutoff = cutoff_for_capture(known, is_defect, 1.0)
        good = ~is_defect
        called = int(above(known[good], cutoff).sum()) if cutoff is not None else 0
        return cls(
            level,
            label,
            Rate.measured(called, int(good.sum()) if cutoff is not None else 0),
            Rate.measured(int((stopped != before).sum()), len(score)),
            Rate.measured(int((is_defect & before & ~stopped).sum()), int(is_defect.sum())),
            Rate.measured(int((good & ~before & stopped).sum()), int(good.sum())),
        )


@dataclass(frozen=True)
class Curve:
    """Points by rising level; `said` is what was done to the samples."""

    name: str
    unit: str
    said: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Robustness:
    """All curves of one model, on `defects` and `good` parts of a table of `of` parts with a label and a score.

    `undisturbed` is what the same parts give as they are.
    """

    cutoff: float | None
    """Above it a part is stopped; None where that differs by component type."""
    defects: int
    good: int
    of: int
    undisturbed: Point
    curves: tuple[Curve, ...]
    stopped: int
    """Parts that are stopped as they are."""

    @property
    def warning(self) -> str:
        """What makes the flips worthless, "" for nothing."""
        if 0 < self.stopped < self.defects + self.good:
            return ""
        what = "nothing" if not self.stopped else "everything"
        return (
            f"As they are, this cutoff stops {what}: flips, new escapes and new false calls say nothing of robustness."
        )

    @property
    def decided_by(self) -> str:
        return "cutoffs by component type" if self.cutoff is None else f"the cutoff {short(self.cutoff)}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def robustness_table(found: Robustness) -> Table:
    """A line for each disturbance."""
    title = (
        f"Robustness on {found.good:,} good parts and {found.defects:,} defects of {found.of:,} parts, "
        f"samples disturbed, goldens as they are; judged by {found.decided_by}"
    )
    table = Table(title=title, caption=found.warning or None, title_justify="left", caption_justify="left", box=SIMPLE)
    for column in ("disturbance", "level", "false calls at 100 % capture", "flips", "new escapes", "new false calls"):
        table.add_column(column, justify="left" if column in ("disturbance", "level") else "right")
    _add(table, "none", [found.undisturbed])
    for curve in found.curves:
        table.add_section()
        _add(table, curve.name, curve.points)
    return table


def _add(table: Table, name: str, points: Sequence[Point]) -> None:
    for place, point in enumerate(points):
        rates = (point.fpr_at_full_capture, point.flips, point.lost, point.gained)
        table.add_row("" if place else name, point.label, *(one.told for one in rates))
