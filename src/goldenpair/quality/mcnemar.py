"""Whether two models that judged the same parts differ: counted by part, and by board because its parts are alike."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goldenpair.metrics import Board, Flag

SURE = 0.05
FEWEST = 6
"""Parts, or boards, on which two have to differ before an exact test can come below SURE: 2 * 0.5 ** 5 is 0.0625."""
_EXACT = 16  # boards whose 65,536 changes of sign are all looked at
_DRAWS = 9_999


@dataclass(frozen=True)
class McNemar:
    """Parts of one kind by which of two models stopped them, and tests of `only_a` against `only_b`.

    Both are two-sided: how likely a difference of this size is between two models that are equally good.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    p: float
    """McNemar's exact test, which takes every part for an independent one."""
    boards: int
    """Boards of which one of the two stopped more parts than the other."""
    p_boards: float
    """Of the boards' net differences, each of which might as well have had the other sign (`sign_flips`)."""

    @classmethod
    def of(cls, a: Flag, b: Flag, board: Board, seed: int = 0) -> "McNemar":
        """`a`, `b` and `board` are [N]: what each stopped, and the board of each part."""
        from scipy.stats import binomtest  # slow to import, and not needed before there is something to measure

        only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
        differing = only_a + only_b
        p = float(binomtest(only_a, differing, 0.5).pvalue) if differing else 1.0
        net = np.bincount(board[~a & b], minlength=1 + int(board.max(initial=0)))
        net = net - np.bincount(board[a & ~b], minlength=len(net))
        boards = int((net != 0).sum())
        return cls(int((a & b).sum()), only_a, only_b, int((~a & ~b).sum()), p, boards, sign_flips(net, seed))

    @property
    def parts(self) -> int:
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def proven(self) -> bool:
        """Whether a difference of the two may be spoken of: both tests have to see it."""
        return max(self.p, self.p_boards) < SURE


def sign_flips(net: NDArray[np.int64], seed: int = 0) -> float:
    """How likely a sum at least as far from 0 is if the sign of each of these int64 [boards] were a matter of chance.

    Exact for up to 16 boards that are not 0, else by 9,999 draws.
    """
    size, times = np.unique(np.abs(net[net != 0]), return_counts=True)
    total = abs(int(net.sum()))
    if times.sum() <= _EXACT:
        sums = np.zeros(1, np.int64)
        for one in np.repeat(size, times):
            sums = np.concatenate([sums - one, sums + one])
        return float((np.abs(sums) >= total).mean())
    rng = np.random.default_rng(seed)
    sums = np.zeros(_DRAWS, np.int64)
    for one, of in zip(size.tolist(), times.tolist(), strict=True):  # boards of one size differ by their number only
        sums += one * (2 * rng.binomial(of, 0.5, _DRAWS) - of)
    return float((1 + (np.abs(sums) >= total).sum()) / (1 + _DRAWS))  # the draw that was seen is one of them
