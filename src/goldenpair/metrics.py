"""How good scores are: capture, escapes and false calls, with the counts behind every share.

A score above the cutoff is FAIL. Throughout `score` is float [N], `is_defect` and `stopped` are bool [N], and `board`
is int64 [N], which board each part is of. `quality/figures.py` makes them into an evaluation.
"""

import math
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CARD_CUTOFFS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
"""Distances that others are compared with, those of NVIDIA's model card among them."""
PROBABILITY_CUTOFFS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
STOPPED = {"PASS": False, "REVIEW": True, "FAIL": True}
"""Whether a verdict in words stops its part; ERROR is none."""
Score = NDArray[np.floating[Any]]
Flag = NDArray[np.bool_]
Board = NDArray[np.int64]


def lower_bounds(count: ArrayLike, of: ArrayLike, confidence: float) -> NDArray[np.float64]:
    """Clopper and Pearson's bounds of shares, one-sided; counts may be effective ones, which are no whole numbers."""
    from scipy.special import betaincinv  # slow to import, and not needed before there is something to measure

    some, parts = np.asarray(count, np.float64), np.asarray(of, np.float64)
    known = betaincinv(np.where(some > 0, some, 1), parts - some + 1, 1 - confidence)
    return np.where(some > 0, known, 0.0)


def lower_bound(count: float, of: float, confidence: float) -> float:
    return float(lower_bounds(count, of, confidence))


def upper_bound(count: float, of: float, confidence: float) -> float:
    return 1.0 - lower_bound(of - count, of, confidence)


@dataclass(frozen=True)
class Interval:
    """A 95 % interval that allows for parts of one board being alike."""

    low: float
    high: float
    effective: float | None = None
    """So many independent parts would tell as much; None where boards were drawn again instead."""


@dataclass(frozen=True)
class Rate:
    """A share `value` = `count` / `of` in 0..1, None where `of` is 0, with its exact 95 % interval.

    The interval is Clopper and Pearson's (1934), which takes every part for an independent one.
    """

    value: float | None
    count: int
    of: int
    low: float | None
    high: float | None
    boards: Interval | None = None
    """The interval that allows for boards, by `by_board`; None where boards are not known, and where none or all of the
    parts count, because then nothing tells how boards differ."""

    @classmethod
    def measured(cls, count: int, of: int) -> "Rate":
        if not of:
            return cls(None, count, of, None, None)
        return cls(count / of, count, of, *_clopper_pearson(count, of))

    @classmethod
    def by_board(cls, counted: Flag, among: Flag, board: Board | None = None) -> "Rate":
        """Of the rows `among`, those that are `counted`; both bool [N]. With boards, also the interval that allows for
        them: Korn and Graubard's (1998), the exact one of as many parts as all of them are worth, judging by how much
        the share differs from board to board. It is never narrower than the exact one of all parts."""
        rate = cls.measured(int((counted & among).sum()), int(among.sum()))
        effective = _worth(counted, among, board) if board is not None and rate.count not in (0, rate.of) else None
        if effective is None or rate.value is None:
            return rate
        return replace(rate, boards=Interval(*_clopper_pearson(rate.value * effective, effective), effective))

    @property
    def ppm(self) -> float | None:
        return None if self.value is None else self.value * 1e6

    @property
    def told(self) -> str:
        """The share with its counts, for a cell of a table."""
        return "-" if self.value is None else f"{percent(self.value)} ({self.count:,} of {self.of:,})"

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "not measurable (0 of 0)"
        interval = percent(self.value, self.low, self.high)
        return f"{percent(self.value)} ({self.count:,} of {self.of:,}; 95 %: {interval})"


def percent(share: float, *ends: float) -> str:
    """A share, or the ends of its interval where they are given.

    With more digits where two would make a few parts in many look like none, or like all.
    """
    digits = 4 if 0 < share < 0.001 or 0.999 < share < 1 else 2
    return " to ".join(f"{one:.{digits}%}" for one in ends or (share,))


def _clopper_pearson(count: float, of: float) -> tuple[float, float]:
    return lower_bound(count, of, 0.975), upper_bound(count, of, 0.975)


def _worth(counted: Flag, among: Flag, board: Board) -> float | None:
    """How many independent parts would tell as much as these; None where all are of one board."""
    from scipy.special import ndtri, stdtrit

    of = np.bincount(board[among])
    count = np.bincount(board[counted & among], minlength=len(of))
    boards, parts, share = int((of > 0).sum()), int(of.sum()), count.sum() / of.sum()
    if boards < 2:
        return None
    variance = boards / (boards - 1) * ((count - share * of) ** 2).sum() / parts**2
    # few boards tell little of how much boards differ
    few = (stdtrit(boards - 1, 0.975) / ndtri(0.975)) ** 2
    return float(min(parts, share * (1 - share) / variance / few)) if variance else float(parts)


@dataclass(frozen=True)
class WorkingPoint:
    """What one cutoff does, or a policy that has no single one; then `cutoff` is None."""

    cutoff: float | None
    capture: Rate
    """Defects that are stopped (FAIL, or REVIEW where a policy has it), of all defects."""
    escapes: Rate
    """Defects that are called PASS, of all defects."""
    false_calls: Rate
    """Good parts that are stopped, of all good parts."""
    accuracy: Rate

    @classmethod
    def of(cls, stopped: Flag, is_defect: Flag, cutoff: float | None, board: Board | None = None) -> "WorkingPoint":
        everything = np.ones(len(stopped), np.bool_)
        return cls(
            cutoff=cutoff,
            capture=Rate.by_board(stopped, is_defect, board),
            escapes=Rate.by_board(~stopped, is_defect, board),
            false_calls=Rate.by_board(stopped, ~is_defect, board),
            accuracy=Rate.by_board(stopped == is_defect, everything, board),
        )


def above(score: Score, cutoff: float | Score) -> Flag:
    """Which scores exceed a cutoff, or each its own [N]. Compared as float32: a score that reads 0.1 does not exceed a
    cutoff of 0.1."""
    return np.asarray(score, np.float32) > np.asarray(cutoff, np.float32)


def working_point(score: Score, is_defect: Flag, cutoff: float) -> WorkingPoint:
    return WorkingPoint.of(above(score, cutoff), is_defect, cutoff)


def cutoff_for_capture(score: Score, is_defect: Flag, capture: float) -> float | None:
    """The highest cutoff that still captures this share of the defects; None without defects.

    It lies just below the score of the last defect it has to capture, because a score has to exceed it.
    """
    defects = np.sort(score[is_defect])[::-1]
    if not len(defects):
        return None
    # the small term keeps 0.97 * 100 from asking for 98 defects because of a rounding error
    needed = max(1, math.ceil(capture * len(defects) - 1e-9))
    lowest = np.float32(defects[needed - 1])
    return float(np.nextafter(lowest, np.float32(-np.inf)))


def false_alarm_rate(score: Score, is_defect: Flag, capture: float = 1.0) -> float | None:
    """The share of good parts called FAIL at `capture`, 0..1; None without defects or good parts."""
    cutoff = cutoff_for_capture(score, is_defect, capture)
    good = score[~is_defect]
    if cutoff is None or not len(good):
        return None
    return float(above(good, cutoff).mean())


def decimals(score: Score) -> int:
    """So many digits behind the point show scores of this size, all alike, about as finely as `short` does cutoffs."""
    largest = float(np.abs(score[np.isfinite(score)]).max(initial=0.0))
    return min(9, max(0, 4 - math.floor(math.log10(largest)))) if largest else 4


def short(cutoff: float) -> str:
    """A cutoff in four digits to be read and typed; rounded down, so that it captures what the cutoff does."""
    digits = 4 - 1 - math.floor(math.log10(abs(cutoff))) if cutoff and math.isfinite(cutoff) else 0
    shown = Decimal(repr(float(cutoff))).quantize(Decimal(1).scaleb(-digits), ROUND_FLOOR)
    return f"{float(shown):g}"


@dataclass(frozen=True)
class TaoMetrics:
    """TAO's figures in percent, each over its own class as in TAO 7.3; 0 where the class is empty."""

    test_acc: float
    test_fpr: float
    test_fnr: float
    defect_acc: float

    @classmethod
    def of(cls, point: WorkingPoint) -> "TaoMetrics":
        shares = (point.accuracy, point.false_calls, point.escapes, point.capture)
        return cls(*(100 * (share.value or 0.0) for share in shares))


def ranking(score: Score, is_defect: Flag) -> tuple[float | None, float | None]:
    """AUROC and average precision; None each where only one class is there."""
    from sklearn.metrics import average_precision_score, roc_auc_score  # slow to import, as above

    if is_defect.all() or not is_defect.any():
        return None, None
    return float(roc_auc_score(is_defect, score)), float(average_precision_score(is_defect, score))
