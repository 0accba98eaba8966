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
from goldenpair.quality.auroc import auroc_interval
from goldenpair.quality.bootstrap import (
    Drawn,
    average_precision_interval,
    defects_needed,
    draw_boards,
    false_call_interval,
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
    `missed` or `stopped`, the parts that are lost indeed, can be one more than the share says. Intervals take the score
    as given.
    """

    lost: float
    good_passed: Rate | None
    missed: Rate | None
    bad_found: Rate | None
    stopped: Rate | None


@dataclass(frozen=True)
class Worst:
    """The shares if every labelled part without a score were judged wrongly: defects passed, good parts stopped."""

    escapes: Rate
    escapes_of_parts: Rate
    false_calls: Rate


@dataclass(frozen=True)
class Figures:
    """Everything that is measured of a table, over its parts with a label and a score.

    `parts` is `defects` + `good` + `errors` + `unlabelled`. `auroc` and `average_precision` are None with one class.
    """

    parts: int
    defects: int
    good: int
    errors: int
    """Parts without a score, in no figure below but `worst`; none of them counts as PASS."""
    error_defects: int
    """Those of them that are labelled as defects."""
    error_good: int
    """Those of them that are labelled as good."""
    unlabelled: int
    """Parts with a score but no label, in no figure below."""
    boards: int
    """Boards of the parts that are measured; 0 where boards are not known, and no interval allows for them."""
    board_source: str
    point: WorkingPoint
    worst: Worst | None
    """None where every labelled part has a score."""
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

    def told(self) -> str:
        """How many parts there are, and of how many nothing is known, in words."""
        words = f"{self.parts:,} parts: {self.good:,} good, {self.defects:,} defective"
        if self.errors:
            words += f", {self.errors:,} without a score"
            lost = [(self.error_defects, self.defects, "defects"), (self.error_good, self.good, "good parts")]
            named = [f"{few:,} of {few + there:,} {name}" for few, there, name in lost if few]
            words += f" ({', '.join(named)})" if named else ""
        return words + (f", {self.unlabelled:,} without a label" if self.unlabelled else "")

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
    rows = table.measured
    scored = np.isfinite(table.score)
    worst = _worst(table, stopped)
    score, is_defect, stopped = table.score[rows], table.is_defect[rows], stopped[rows]
    board = table.board[rows] if len(table.boards) > 1 else None
    defects = int(is_defect.sum())
    everything = np.ones(len(score), np.bool_)
    auroc, precision = ranking(score, is_defect)
    drawn = draw_boards(score, is_defect, board) if board is not None and auroc is not None else None
    point = WorkingPoint.of(stopped, is_defect, cutoff, board)
    false_fails, false_fails_of = _false_fails(stopped, is_defect, board)
    return Figures(
        parts=len(table),
        defects=defects,
        good=len(score) - defects,
        errors=int((~scored).sum()),
        error_defects=int((~scored & table.is_defect).sum()),
        error_good=int((~scored & table.labelled & ~table.is_defect).sum()),
        unlabelled=int((scored & ~table.labelled).sum()),
        boards=0 if board is None else len(np.unique(board)),
        board_source=table.board_source,
        point=point,
        worst=worst,
        escapes_of_parts=Rate.by_board(is_defect & ~stopped, everything, board),
        false_fails=false_fails,
        false_fails_of=false_fails_of,
        precision=Rate.by_board(is_defect, stopped, board),
        flags=Rate.by_board(stopped, everything, board),
        auroc=auroc,
        auroc_boards=auroc_interval(score, is_defect, board) if board is not None and auroc is not None else None,
        average_precision=precision,
        average_precision_boards=average_precision_interval(drawn, precision, len(np.unique(board[is_defect])))
        if drawn is not None and board is not None and precision is not None
        else None,
        at_capture=tuple(_at_capture(score, is_defect, board, drawn, target) for target in CAPTURES),
        presorted=tuple(_presorted(score, is_defect, lost) for lost in LOST),
        table=tuple(working_point(score, is_defect, one) for one in cutoffs),
        tao=TaoMetrics.of(point),
    )


def _worst(table: ScoredTable, stopped: Flag) -> Worst | None:
    """With the parts without a score among the others, of whichever boards they are."""
    rows = table.labelled
    lost = ~np.isfinite(table.score[rows])
    if not lost.any():
        return None
    is_defect = table.is_defect[rows]
    board = table.board[rows] if len(table.boards) > 1 else None
    wrong = lost | (stopped[rows] != is_defect)
    return Worst(
        escapes=Rate.by_board(wrong, is_defect, board),
        escapes_of_parts=Rate.by_board(wrong & is_defect, np.ones(len(wrong), np.bool_), board),
        false_calls=Rate.by_board(wrong, ~is_defect, board),
    )


def _false_fails(stopped: Flag, is_defect: Flag, board: Board | None) -> tuple[Rate, str]:
    """Boards with a false call, of those without a defect; of all with a good part where each has a defect."""
    if board is None:
        return Rate.measured(0, 0), "boards without a defect"
    there, defective = np.bincount(board) > 0, np.bincount(board[is_defect], minlength=board.max(initial=-1) + 1) > 0
    good = np.bincount(board[~is_defect], minlength=len(there)) > 0
    failed = np.bincount(board[stopped & ~is_defect], minlength=len(there)) > 0
    clean = there & ~defective
    counted, name = (clean, "boards without a defect") if clean.any() else (good, "all boards")
    return Rate.measured(int((failed & counted).sum()), int(counted.sum())), name


def _at_capture(score: Score, is_defect: Flag, board: Board | None, drawn: Drawn | None, target: float) -> AtCapture:
    cutoff = cutoff_for_capture(score, is_defect, target)
    defects, good = np.sort(score[is_defect]), score[~is_defect]
    return AtCapture(
        target=target,
        point=None if cutoff is None else WorkingPoint.of(above(score, cutoff), is_defect, cutoff, board),
        false_calls=None if drawn is None else false_call_interval(drawn, len(defects), target),
        needed=defects_needed(target),
        dropped=tuple(_dropped(defects[few:], good, few, target) for few in DROPPED),
    )


def _dropped(defects: Score, good: Score, few: int, target: float) -> Dropped:
    cutoff = cutoff_for_capture(defects, np.ones(len(defects), np.bool_), target)
    if cutoff is None:
        return Dropped(few, None, None)
    return Dropped(few, cutoff, Rate.measured(int(above(good, cutoff).sum()), len(good)))


def _presorted(score: Score, is_defect: Flag, lost: float) -> Presorted:
    if is_defect.all() or not is_defect.any():
        return Presorted(lost, None, None, None, None)
    exact = score.astype(np.float64)
    accepted, refused = np.quantile(exact[is_defect], lost), np.quantile(exact[~is_defect], 1 - lost)
    return Presorted(
        lost=lost,
        good_passed=Rate.by_board(exact < accepted, ~is_defect),
        missed=Rate.by_board(exact < accepted, is_defect),
        bad_found=Rate.by_board(exact > refused, is_defect),
        stopped=Rate.by_board(exact > refused, ~is_defect),
    )


def _with_ppm(plain: Any) -> Any:
    if isinstance(plain, dict):
        added = {key: _with_ppm(value) for key, value in plain.items()}
        if {"value", "count", "of"} <= plain.keys():
            added["ppm"] = None if plain["value"] is None else plain["value"] * 1e6
        return added
    if isinstance(plain, list | tuple):
        return [_with_ppm(value) for value in plain]
    return plain
