"""Boards drawn again at random: how far figures would move if other boards had been tested.

For figures that are no share of parts, which `Rate.by_board` does better. Whole boards are drawn with replacement, as
many as there are (the cluster bootstrap), by multiplying counts of boards, so that time and memory hardly grow with the
rows: with more than UNITS boards, boards are joined at random into that many groups, which are drawn; with more than
LEVELS defects, scores are told apart only by the scores of that many defects, nearly all of the lowest among them.
The same seed gives the same draws.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goldenpair.metrics import Board, Flag, Interval, Score

DRAWS = 2000
UNITS = 2000
LEVELS = 500
BELOW = 5
"""So many defects must lie below a cutoff before draws tell how uncertain it is; benchmarks/intervals.py shows why."""


@dataclass(frozen=True)
class Drawn:
    """Boards drawn R times: defects and good parts at or above each of K rising scores, float64 [R, K] each.

    The scores are those of defects, so nothing that is asked of the draws changes between two of them. Draws without
    any defect or any good part are left out.
    """

    defects: NDArray[np.float64]
    good: NDArray[np.float64]
    good_in_all: NDArray[np.float64]
    """float64 [R]: good parts of the boards that were drawn."""

    def false_calls(self, capture: float) -> NDArray[np.float64]:
        """float64 [R]: the share of good parts stopped by the highest cutoff with that capture, chosen in each draw."""
        wanted = np.ceil(capture * self.defects[:, :1] - 1e-9)
        level = (self.defects >= wanted).sum(axis=1) - 1
        stopped: NDArray[np.float64] = self.good[np.arange(len(level)), level] / self.good_in_all
        return stopped

    def average_precision(self) -> NDArray[np.float64]:
        """float64 [R]"""
        here = self.defects - np.pad(self.defects[:, 1:], ((0, 0), (0, 1)))
        precision = self.defects / np.maximum(self.defects + self.good, 1)
        mean: NDArray[np.float64] = (here * precision).sum(axis=1) / self.defects[:, 0]
        return mean


def draw_boards(score: Score, is_defect: Flag, board: Board, draws: int = DRAWS, seed: int = 0) -> Drawn:
    """Draw boards; every score is finite and both classes are there."""
    rng = np.random.default_rng(seed)
    names, unit = np.unique(board, return_inverse=True)
    units = min(len(names), UNITS)
    if len(names) > UNITS:
        unit = (rng.permutation(len(names)) % UNITS)[unit]
    levels = _levels(score[is_defect])
    above = np.searchsorted(levels, score, side="right")  # levels that a score reaches
    width = len(levels) + 1

    def counts(rows: Flag) -> NDArray[np.float64]:
        found = np.bincount(unit[rows] * width + above[rows], minlength=units * width)
        return found.reshape(units, width).astype(np.float64)

    times = rng.multinomial(units, np.full(units, 1 / units), size=draws).astype(np.float64)
    defects, good = _at_or_above(times @ counts(is_defect)), _at_or_above(times @ counts(~is_defect))
    usable = (defects[:, 0] > 0) & (good[:, 0] > 0)
    return Drawn(defects[usable, 1:], good[usable, 1:], good[usable, 0])


def defects_needed(capture: float) -> int | None:
    """Defects that the uncertainty of a cutoff for `capture` can be told from; None for 100 %, which no number can."""
    return None if capture >= 1 else round(BELOW / (1 - capture))


def false_call_interval(drawn: Drawn, defects: int, capture: float) -> Interval | None:
    """Of the share of good parts stopped at a capture: what 95 % of the draws lie between (percentiles)."""
    needed = defects_needed(capture)
    if needed is None or defects < needed or not len(drawn.good):
        return None
    low, high = np.quantile(drawn.false_calls(capture), [0.025, 0.975])
    return Interval(float(low), float(high))


def average_precision_interval(drawn: Drawn, value: float, boards_with_defects: int) -> Interval | None:
    """Of an average precision: the spread of the draws around it, on the scale of its log odds."""
    from scipy.special import expit, logit, stdtrit

    if not 0 < value < 1 or boards_with_defects < 2 or len(drawn.good) < 2:
        return None
    spread = drawn.average_precision().std(ddof=1) / (value * (1 - value))
    reach = stdtrit(boards_with_defects - 1, 0.975) * spread
    return Interval(float(expit(logit(value) - reach)), float(expit(logit(value) + reach)))


def _levels(defects: Score) -> Score:
    """The scores to tell apart, rising: all, or ever sparser ones; the lowest decide on cutoffs."""
    ordered = np.sort(defects)
    ranks = np.geomspace(1, len(ordered), LEVELS).astype(np.int64) if len(ordered) > LEVELS else None
    return np.unique(ordered if ranks is None else ordered[ranks - 1])


def _at_or_above(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
