"""Figures of two models on the same parts, and how far their difference would move if other boards had been tested."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from goldenpair.metrics import Board, Flag, Score, false_alarm_rate, ranking
from goldenpair.quality.bootstrap import defects_needed

DRAWS = 1000


@dataclass(frozen=True)
class Difference:
    """A figure of A and of B, and B - A with its 95 % interval of a bootstrap in which whole boards are drawn.

    `low` and `high` are None where `unknown` says why; all are None where a class is empty.
    """

    name: str
    a: float | None
    b: float | None
    low: float | None = None
    high: float | None = None
    unknown: str = ""

    @property
    def difference(self) -> float | None:
        return None if self.a is None or self.b is None else self.b - self.a


def differences(
    a: Score, b: Score, is_defect: Flag, board: Board, capture: float, seed: int
) -> tuple[Difference, Difference]:
    """Of the false calls at a capture, and of AUROC; everything is [N], and scores are finite."""
    _, board = np.unique(board, return_inverse=True)
    name = f"false calls at {100 * capture:.4g} % capture"
    calls = Difference(name, false_alarm_rate(a, is_defect, capture), false_alarm_rate(b, is_defect, capture))
    area = Difference("AUROC", ranking(a, is_defect)[0], ranking(b, is_defect)[0])
    drawn = _drawn(a, b, is_defect, board, capture, seed)
    if not len(drawn):
        unknown = "one board: none" if board.max() == 0 else "-"
        return replace(calls, unknown=unknown), replace(area, unknown=unknown)
    (low, area_low), (high, area_high) = np.percentile(drawn, (2.5, 97.5), axis=0).tolist()
    area = replace(area, low=area_low, high=area_high)
    needed = defects_needed(capture)
    if needed is None:
        return replace(calls, unknown="none is known to hold"), area
    if is_defect.sum() < needed:
        return replace(calls, unknown=f"needs {needed} defects"), area
    return replace(calls, low=low, high=high), area


def _drawn(a: Score, b: Score, is_defect: Flag, board: Board, capture: float, seed: int) -> NDArray[np.float64]:
    """float64 [D, 2]: B - A of both figures in each draw of as many boards; no draws of one board or class."""
    boards = int(board.max()) + 1
    found: list[NDArray[np.float64]] = []
    if boards > 1 and is_defect.any() and not is_defect.all():
        ranked = [_Ranked.of(one, is_defect, board) for one in (a, b)]
        rng = np.random.default_rng(seed)
        for _ in range(DRAWS):
            times = np.bincount(rng.integers(0, boards, boards), minlength=boards)
            both = [one.figures(times, capture) for one in ranked]
            if both[0] is not None and both[1] is not None:
                found.append(np.subtract(both[1], both[0]))
    return np.array(found, np.float64).reshape(-1, 2)


@dataclass(frozen=True)
class _Ranked:
    """Parts as far as the defects' scores tell them apart: K of those differ.

    `defect` is each defect's place among these K, the lowest first. Good parts of one board between the same two of
    them, or beside the same one, are counted together: place 2 k lies below defect score k and 2 k + 1 beside it.
    """

    scores: int
    defect: NDArray[np.int64]
    defect_board: NDArray[np.int64]
    good: NDArray[np.int64]
    good_board: NDArray[np.int64]
    good_count: NDArray[np.int64]

    @classmethod
    def of(cls, score: Score, is_defect: Flag, board: Board) -> "_Ranked":
        known, defect = np.unique(score[is_defect], return_inverse=True)
        good = score[~is_defect]
        place = np.searchsorted(known, good)
        beside = known[np.minimum(place, len(known) - 1)] == good
        code = (2 * place + beside) * (int(board.max()) + 1) + board[~is_defect]
        codes, count = np.unique(code, return_counts=True)
        places, boards = np.divmod(codes, int(board.max()) + 1)
        return cls(len(known), defect, board[is_defect], places, boards, count)

    def figures(self, times: NDArray[np.int64], capture: float) -> tuple[float, float] | None:
        """False calls at `capture` and AUROC where board i is there `times[i]` times; None without a class."""
        bad = np.bincount(self.defect, times[self.defect_board], self.scores)
        good = np.bincount(self.good, times[self.good_board] * self.good_count, 2 * self.scores + 1)
        captured, called = np.cumsum(bad[::-1])[::-1], np.cumsum(good[::-1])[::-1]
        defects, goods = captured[0], called[0]
        if not defects or not goods:
            return None
        needed = max(1.0, np.ceil(capture * defects - 1e-9))
        lowest = int(np.flatnonzero(captured >= needed)[-1])
        below = goods - called[1::2] + good[1::2] / 2  # good parts below each score, and half of those beside it
        return float(called[2 * lowest + 1] / goods), float((bad * below).sum() / defects / goods)
