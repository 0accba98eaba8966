"""Random numbers of a seed: a stream for each use, so that what one use draws does not change another."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    DESIGN = 0
    SPLIT = 1
    DEFECTS = 2
    BOARD = 3
    REEL = 4
    GOOD = 5
    SPOIL = 6
    CAMERA = 7
    NOISE = 8
    MACHINE = 9
    WHOLE = 10


def draws(seed: int, stream: Stream, *numbers: int) -> np.random.Generator:
    """Of a use, and of the board, part and so on that it is for: always as many numbers for one use, as NumPy takes
    missing ones for zeros."""
    return np.random.default_rng([seed, stream, *numbers])
