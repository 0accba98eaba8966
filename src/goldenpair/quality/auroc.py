"""How uncertain an AUROC is that some boards and few defects gave."""

import numpy as np
from numpy.typing import NDArray

from goldenpair.metrics import Board, Flag, Interval, Score

_WEIGHT = 0.5
"""What the model weighs, in misplaced defects; benchmarks/intervals.py shows that intervals hold with it."""
_EDGE = 1e-9


def auroc_interval(score: Score, is_defect: Flag, board: Board) -> Interval | None:
    """A 95 % interval of the AUROC of scores float32 [N] that allows for boards; None without both classes, or where
    fewer than two boards have defects.

    All values that are less than some standard errors away: as many as Student's t says for so many boards with
    defects, the standard error being that of the value, not of the estimate (a score interval, as Newcombe 2006 made
    one). It is Hanley and McNeil's (1982), times a factor that the data give: Obuchowski's (1997) variance for
    clustered data over theirs. Where less than a few defects are misplaced that ratio means nothing, so it is drawn
    towards 1: scores alone would say that an AUROC of 1 is certain.
    """
    from scipy.optimize import brentq
    from scipy.special import stdtrit

    defects, good = score[is_defect], score[~is_defect]
    with_defects = len(np.unique(board[is_defect]))
    if with_defects < 2 or not len(good):
        return None
    below, above = _shares_below(defects, good), 1 - _shares_below(good, defects)
    value = float(below.mean())
    sizes = len(defects), len(good)
    model = _hanley_mcneil(value, *sizes)
    misplaced = len(defects) * (1 - value)
    seen = misplaced * _variance(below - value, above - value, board, is_defect) / model if model > 0 else 0.0
    factor = (seen + _WEIGHT) / ((misplaced if model > 0 else 0.0) + _WEIGHT)
    reach = float(stdtrit(with_defects - 1, 0.975)) ** 2 * factor

    def outside(other: float) -> float:
        return (value - other) ** 2 - reach * _hanley_mcneil(other, *sizes)

    # 0 and 1 themselves have no variance, so both always solve it for themselves
    inside = min(max(value, _EDGE), 1 - _EDGE)
    low = brentq(outside, _EDGE, inside) if outside(_EDGE) > 0 else 0.0
    high = brentq(outside, inside, 1 - _EDGE) if outside(1 - _EDGE) > 0 else 1.0
    return Interval(float(low), float(high))


def _shares_below(ones: Score, others: Score) -> NDArray[np.float64]:
    """float64 [len(ones)]: the share of the others below each, ties half."""
    ordered = np.sort(others)
    both = np.searchsorted(ordered, ones, "left") + np.searchsorted(ordered, ones, "right")
    shares: NDArray[np.float64] = both / (2 * len(ordered))
    return shares


def _hanley_mcneil(value: float, defects: int, good: int) -> float:
    """The variance of an AUROC of scores whose distribution is exponential."""
    of_defects = value / (2 - value) - value**2
    of_good = 2 * value**2 / (1 + value) - value**2
    return (value * (1 - value) + (good - 1) * of_good + (defects - 1) * of_defects) / (defects * good)


def _variance(below: NDArray[np.float64], above: NDArray[np.float64], board: Board, is_defect: Flag) -> float:
    """Obuchowski's, from what each defect and each good part adds to the AUROC, summed by board."""
    boards = int(board.max()) + 1
    of_defects = np.bincount(board[is_defect], below, boards) / len(below)
    of_good = np.bincount(board[~is_defect], above, boards) / len(above)

    def spread(a: NDArray[np.float64], b: NDArray[np.float64], there: int) -> float:
        return float(a @ b) * (there / (there - 1) if there > 1 else 1.0)

    places = [len(np.unique(board[rows])) for rows in (is_defect, ~is_defect)]
    own = spread(of_defects, of_defects, places[0]) + spread(of_good, of_good, places[1])
    return max(0.0, own + 2 * spread(of_defects, of_good, len(np.unique(board))))
