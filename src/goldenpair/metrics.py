"""How good scores are: capture, escapes and false calls, with the counts behind every share.

A score above the cutoff is FAIL. `score` is float [N] and `is_defect` bool [N] throughout.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

CAPTURES = (1.0, 0.99, 0.97)
CARD_CUTOFFS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
"""Distances that others are compared with, those of NVIDIA's model card among them."""
PROBABILITY_CUTOFFS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
Score = NDArray[np.floating[Any]]
Flag = NDArray[np.bool_]


@dataclass(frozen=True)
class Rate:
    """A share `value` = `count` / `of` in 0..1, None where `of` is 0, with its exact 95 % interval.

    The interval is Clopper and Pearson's (1934).
    """

    value: float | None
    count: int
    of: int
    low: float | None
    high: float | None

    @classmethod
    def measured(cls, count: int, of: int) -> "Rate":
        from scipy.stats import binomtest  # slow to import, and not needed before there is something to measure

        if not of:
            return cls(None, count, of, None, None)
        interval = binomtest(count, of).proportion_ci(0.95, method="exact")
        return cls(count / of, count, of, float(interval.low), float(interval.high))

    @property
    def ppm(self) -> float | None:
        return None if self.value is None else self.value * 1e6

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "not measurable (0 of 0)"
        return f"{self.value:.2%} ({self.count} of {self.of}; 95 %: {self.low:.2%} to {self.high:.2%})"


@dataclass(frozen=True)
class WorkingPoint:
    """What one cutoff does."""

    cutoff: float
    capture: Rate
    """Defects that are called FAIL, of all defects."""
    escapes: Rate
    """Defects that are called PASS, of all defects."""
    false_calls: Rate
    """Good parts that are called FAIL, of all good parts."""
    accuracy: Rate

    @classmethod
    def of(cls, stopped: Flag, is_defect: Flag, cutoff: float) -> "WorkingPoint":
        captured = int((stopped & is_defect).sum())
        false_calls = int((stopped & ~is_defect).sum())
        defects = int(is_defect.sum())
        good = len(stopped) - defects
        return cls(
            cutoff=cutoff,
            capture=Rate.measured(captured, defects),
            escapes=Rate.measured(defects - captured, defects),
            false_calls=Rate.measured(false_calls, good),
            accuracy=Rate.measured(captured + good - false_calls, len(stopped)),
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


def short(cutoff: float) -> str:
    """A cutoff in four digits to be read and typed; rounded down, so that it captures what the cutoff does."""
    digits = 4 - 1 - math.floor(math.log10(abs(cutoff))) if cutoff and math.isfinite(cutoff) else 0
    shown = Decimal(repr(float(cutoff))).quantize(Decimal(1).scaleb(-digits), ROUND_FLOOR)
    return f"{float(shown):g}"


@dataclass(frozen=True)
class AtCapture:
    """The working point at the highest cutoff that reaches `target` capture; None without defects."""

    target: float
    point: WorkingPoint | None


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


@dataclass(frozen=True)
class Metrics:
    """Everything `evaluate` measures. `auroc` and `average_precision` are None with one class only."""

    parts: int
    defects: int
    good: int
    errors: int
    """Parts without a score, left out of everything below; none of them counts as PASS."""
    point: WorkingPoint
    auroc: float | None
    average_precision: float | None
    at_capture: tuple[AtCapture, ...]
    table: tuple[WorkingPoint, ...]
    """One line for each cutoff of NVIDIA's model card and a few between."""
    tao: TaoMetrics

    def as_dict(self) -> dict[str, Any]:
        return {key: _with_ppm(value) for key, value in asdict(self).items()}


def measure(
    score: Score,
    is_defect: Flag,
    cutoff: float,
    table: Sequence[float] = CARD_CUTOFFS,
    stopped: Flag | None = None,
) -> Metrics:
    """Measure the rows that have a finite score; the others are counted as errors.

    `stopped` bool [N] says what a policy stops, where that is not just what is above the cutoff.
    """
    scored = np.isfinite(score)
    errors = int((~scored).sum())
    stopped = above(score, cutoff) if stopped is None else stopped
    stopped = stopped[scored]
    score, is_defect = score[scored], is_defect[scored]
    auroc, precision = ranking(score, is_defect)
    point = WorkingPoint.of(stopped, is_defect, cutoff)
    targets = [(target, cutoff_for_capture(score, is_defect, target)) for target in CAPTURES]
    return Metrics(
        parts=len(score) + errors,
        defects=int(is_defect.sum()),
        good=int((~is_defect).sum()),
        errors=errors,
        point=point,
        auroc=auroc,
        average_precision=precision,
        at_capture=tuple(
            AtCapture(target, None if found is None else working_point(score, is_defect, found))
            for target, found in targets
        ),
        table=tuple(working_point(score, is_defect, one) for one in table),
        tao=TaoMetrics.of(point),
    )


def ranking(score: Score, is_defect: Flag) -> tuple[float | None, float | None]:
    """AUROC and average precision; None each where only one class is there."""
    from sklearn.metrics import average_precision_score, roc_auc_score  # slow to import, as above

    if is_defect.all() or not is_defect.any():
        return None, None
    return float(roc_auc_score(is_defect, score)), float(average_precision_score(is_defect, score))


def _with_ppm(plain: Any) -> Any:
    """Adds `ppm` to every rate."""
    if isinstance(plain, dict):
        added = {key: _with_ppm(value) for key, value in plain.items()}
        if {"value", "count", "of"} <= plain.keys():
            added["ppm"] = None if plain["value"] is None else plain["value"] * 1e6
        return added
    if isinstance(plain, list | tuple):
        return [_with_ppm(value) for value in plain]
    return plain
