"""All figures of an evaluation: capture, escapes, false calls and what follows from them, with their uncertainty.

`score` is float32 [N], `is_defect` and `stopped` are bool [N], `board` is int64 [N].
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from goldenpair.metrics import (
    CARD_CUTOFFS,
    Board,
    Flag,
    Interval,
    Rate,
    Score,
    TaoMetrics,
    WorkingPoint,
    above,
    cutoff_for_capture,
    ranking,
    working_point,
)
from goldenpair.quality.scored import ScoredTable

CAPTURES = (1.0, 0.999, 0.99, 0.97)
DROPPED = (1, 2, 3, 5)
LOST = (0.0, 0.01, 0.02)


@dataclass(frozen=True)
class Dropped:
    """False calls at a capture if the `defects` lowest-scoring defects were not there; None without others."""

    defects: int
    cutoff: float | None
    false_calls: Rate | None


@dataclass(frozen=True)
class AtCapture:
    """The working point at the highest cutoff that reaches `target` capture; None without defects.

    Its intervals take the cutoff as given. `false_calls` allows for the cutoff too, which hangs on few defects; None
    with fewer defects than `needed` (None: no number is enough), where nothing bounds it from above.
    """

    target: float
    point: WorkingPoint | None
    false_calls: Interval | None
    needed: int | None
    dropped: tuple[Dropped, ...]


@dataclass(frozen=True)
class Presorted:
    """PG: `good_passed`, the good parts below the score where the share `lost` of the defects lies below. PB:
    `bad_found`, the defects above the score where that share of the good parts lies above. None without either.

    As Valeo and anomalib have it, that score lies between two parts where no part is exactly at the share, so that
    `missed` or `stopped`, the parts that are lost indeed, can be one more than the share says.
    """

    lost: float
    good_passed: Rate | None
    missed: Rate | None
    bad_found: Rate | None
    stopped: Rate | None


@dataclass(frozen=True)
class Figures:
    """Everything that is measured of a table, over its parts with a label and a score.

    `parts` is `defects` + `good` + `errors` + `unlabelled`. `auroc` and `average_precision` are None with one class.
    """

    parts: int
    defects: int
    good: int
    errors: int
    """Parts without a score, in no figure below; none of them counts as PASS."""
    unlabelled: int
    """Parts with a score but no label, in no figure below."""
    boards: int
    """Boards of the parts that are measured; 0 where boards are not known, and no interval allows for them."""
    board_source: str
    point: WorkingPoint
    escapes_of_parts: Rate
    """Escapes, of all parts."""
    false_fails: Rate
    """Boards with a false call, of `false_fails_of`."""
    false_fails_of: str
    """`boards without a defect`, or `all boards` with a good part where each has a defect."""
    precision: Rate
    """Defects, of all stopped parts."""
    flags: Rate
    """Stopped parts, of all parts."""
    auroc: float | None
    auroc_boards: Interval | None
    average_precision: float | None
    average_precision_boards: Interval | None
    at_capture: tuple[AtCapture, ...]
    presorted: tuple[Presorted, ...]
    table: tuple[WorkingPoint, ...]
    """What other cutoffs would do."""
    tao: TaoMetrics

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, with `ppm` beside every rate."""
        return {key: _with_ppm(value) for key, value in asdict(self).items()}


def figures(
    table: ScoredTable, stopped: Flag, cutoff: float | None = None, cutoffs: Sequence[float] = CARD_CUTOFFS
) -> Figures:
    """Measure the rows of a table of which those are stopped (verdict REVIEW or FAIL) that `stopped`, bool [N], says.

    `cutoff` is the one that made the verdicts, None where there was no single one; `cutoffs` are others to compare it
    with. Rows without a label and rows without a score are counted and left out.
    """
    raise NotImplementedError


def _with_ppm(plain: Any) -> Any:
    if isinstance(plain, dict):
        added = {key: _with_ppm(value) for key, value in plain.items()}
        if {"value", "count", "of"} <= plain.keys():
            added["ppm"] = None if plain["value"] is None else plain["value"] * 1e6
        return added
    if isinstance(plain, list | tuple):
        return [_with_ppm(value) for value in plain]
    return plain
