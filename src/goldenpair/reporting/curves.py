"""The numbers behind the plots: what each cutoff would do, thinned so that a million parts give a small drawing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goldenpair.metrics import Flag, Score
from goldenpair.quality.fitting import first_of_lowest

MOST_POINTS = 900
"""Of each of the two ways in which a curve is thinned: fewer than 2,000 points in all."""
Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Sweep:
    """What happens as the cutoff falls, float32 or int64 [K] each, first a cutoff that nothing exceeds.

    Of the `defects` so many are `captured`, and of the `good` parts so many are `false_calls`, with a cutoff just below
    `score`.
    """

    score: NDArray[np.float32]
    captured: Counts
    false_calls: Counts
    defects: int
    good: int

    @property
    def capture(self) -> Numbers:
        return self.captured / max(1, self.defects)

    @property
    def false_call_rate(self) -> Numbers:
        return self.false_calls / max(1, self.good)

    def cost(self, ratio: float) -> Numbers:
        """In false calls per 1,000 parts, where an escape costs as much as `ratio` false calls: float64 [K]."""
        escapes = self.defects - self.captured
        found: Numbers = (ratio * escapes + self.false_calls) / max(1, self.defects + self.good) * 1000
        return found

    def thinned(self) -> "Sweep":
        """The same in fewer than 2,000 points, each of them exact: evenly in capture and in the logarithm of false
        calls, so that both ends of a curve keep their steps."""
        if len(self.score) <= MOST_POINTS:
            return self
        by_false = np.searchsorted(self.false_calls, np.geomspace(1, max(1, self.good), MOST_POINTS))
        by_capture = np.searchsorted(self.captured, np.linspace(0, self.defects, MOST_POINTS))
        ends = np.array([0, len(self.score) - 1])
        kept = np.unique(np.clip(np.concatenate([ends, by_false, by_capture]), 0, len(self.score) - 1))
        return Sweep(self.score[kept], self.captured[kept], self.false_calls[kept], self.defects, self.good)


def sweep(score: Score, is_defect: Flag) -> Sweep:
    """All the cutoffs that differ in what they do, of finite scores [N] and bool [N]."""
    order = np.argsort(-np.asarray(score, np.float32), kind="stable")
    falling, defect = np.asarray(score, np.float32)[order], is_defect[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True)) if len(falling) else np.zeros(0, np.int64)
    highest = np.nextafter(falling[:1], np.float32(np.inf)) if len(falling) else np.zeros(1, np.float32)
    captured = np.cumsum(defect, dtype=np.int64)[last]
    false_calls = np.cumsum(~defect, dtype=np.int64)[last]
    nothing = np.zeros(1, np.int64)
    return Sweep(
        np.concatenate([highest, falling[last]]),
        np.concatenate([nothing, captured]),
        np.concatenate([nothing, false_calls]),
        int(is_defect.sum()),
        int((~is_defect).sum()),
    )


@dataclass(frozen=True)
class BreakEven:
    """Between which cost ratios (an escape : a false call) a working point is the cheapest one there is.

    `high` is infinite where no escape is left to save; `low` above `high` means that no ratio makes it so.
    """

    low: float
    high: float

    @property
    def ever(self) -> bool:
        return self.low <= self.high


def break_even(curve: Sweep, escapes: int, false_calls: int) -> BreakEven:
    """For a working point with these counts, against all cutoffs of the curve."""
    others, flags = curve.defects - curve.captured, curve.false_calls
    if ((others <= escapes) & (flags < false_calls)).any():
        return BreakEven(np.inf, 0.0)
    fewer, more = others < escapes, others > escapes
    high = ((flags[fewer] - false_calls) / (escapes - others[fewer])).min(initial=np.inf)
    low = ((false_calls - flags[more]) / (others[more] - escapes)).max(initial=0.0)
    return BreakEven(float(low), float(high))


def cheapest(curve: Sweep, ratio: float) -> int:
    """The place on the curve where the cost is least; of several the lowest cutoff, so the fewest escapes, as a policy
    by cost has it."""
    return len(curve.score) - 1 - first_of_lowest(curve.cost(ratio)[::-1])


def histogram(score: Score, is_defect: Flag, bins: int = 40) -> tuple[Numbers, Counts, Counts]:
    """Edges [bins + 1], and how many good and how many defective parts lie in each: int64 [bins]."""
    low, high = float(score.min()), float(score.max())
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    good, defects = np.histogram(score[~is_defect], edges)[0], np.histogram(score[is_defect], edges)[0]
    return edges, good.astype(np.int64), defects.astype(np.int64)


def nearest(margin: Score, each_side: int) -> list[int]:
    """Rows nearest to their cutoff, so many on each side, from the highest to the lowest; `margin` is score - cutoff,
    NaN for rows that count nowhere. A margin of 0 is a PASS."""
    rows = np.flatnonzero(np.isfinite(margin))
    above, below = rows[margin[rows] > 0], rows[margin[rows] <= 0]
    upper = above[np.argsort(margin[above], kind="stable")][:each_side]
    lower = below[np.argsort(-margin[below], kind="stable")][:each_side]
    return [int(row) for row in [*upper[::-1], *lower]]
