"""Every pair of all splits, read once and measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.decoding import decode
from goldenpair.data.threads import Threads
from goldenpair.deep_audit.joined import Joined
from goldenpair.deep_audit.looks import PAIR_FEATURES, SIDE, Pair, Part, compare, look
from goldenpair.errors import DataError
from goldenpair.progress import Progress

_WORKERS = 8
_ROWS = 32  # that are compared with a golden before it is read again
_STEP = 64
STATISTICS = ("bright", "contrast", "sharp")


@dataclass(frozen=True)
class Measured:
    """Of N rows with L lights, and of the P pictures they need.

    `looks` is float32 [P, len(STATISTICS)], NaN for what could not be read; `features` float32
    [N, L, len(PAIR_FEATURES)], NaN as well; `move` float32 [N, 2] and `gain` float32 [N] as in `Pair`; `order` int64
    [N, L], which light of the golden each one looks like; `golden` int64 [N, L], the pictures it was compared with.
    """

    looks: NDArray[np.float32]
    features: NDArray[np.float32]
    move: NDArray[np.float32]
    gain: NDArray[np.float32]
    order: NDArray[np.int64]
    golden: NDArray[np.int64]
    errors: dict[int, str]
    """Why a picture could not be read."""

    @property
    def read(self) -> NDArray[np.bool_]:
        """bool [N]: rows whose pictures could be read."""
        return np.isfinite(self.gain)


def measure(joined: Joined, progress: Progress | None = None) -> Measured:
    """Read the pictures and compare each sample with its golden; of several goldens with the one most like it."""
    parts = joined.parts
    rows, lights = parts.sample.shape
    found = Measured(
        np.full((len(parts.paths), len(STATISTICS)), np.nan, np.float32),
        np.full((rows, lights, len(PAIR_FEATURES)), np.nan, np.float32),
        np.full((rows, 2), np.nan, np.float32),
        np.full(rows, np.nan, np.float32),
        np.tile(np.arange(lights), (rows, 1)),
        parts.chosen[parts.golden_id, 0].copy(),
        {},
    )
    order = np.argsort(parts.golden_id, kind="stable")
    starts = np.flatnonzero(np.diff(parts.golden_id[order], prepend=-1))
    groups = [
        group[start : start + _ROWS] for group in np.split(order, starts[1:]) for start in range(0, len(group), _ROWS)
    ]
    threads, done = Threads(_WORKERS), 0
    for start in range(0, len(groups), _STEP):
        some = groups[start : start + _STEP]
        threads.each(lambda place: _measure(joined, groups[place].tolist(), found), range(start, start + len(some)))
        done += sum(map(len, some))
        if progress:
            progress(done, rows)
    return found


def _measure(joined: Joined, rows: Sequence[int], found: Measured) -> None:
    """Rows that share a golden."""
    parts = joined.parts
    numbers = parts.chosen[parts.golden_id[rows[0]]].tolist()
    goldens = [(part, which) for which in numbers if (part := _read(parts.paths, which, found))]
    for row in rows:
        sample = _read(parts.paths, parts.sample[row].tolist(), found)
        if sample is None or not goldens:
            continue
        pairs = [(compare(sample, golden), which) for golden, which in goldens]
        pair, which = min(pairs, key=lambda one: float(one[0].features[:, 0].mean()))
        found.golden[row] = which
        _put(found, row, pair)


def _put(found: Measured, row: int, pair: Pair) -> None:
    found.features[row] = pair.features
    found.move[row] = pair.move
    found.gain[row] = pair.gain
    found.order[row] = pair.order


def _read(paths: Sequence[str], numbers: Sequence[int], found: Measured) -> Part | None:
    """A part's pictures, None where one of them cannot be read."""
    pixels = []
    for number in numbers:
        try:
            pixels.append(decode(paths[number], SIDE, SIDE))
        except DataError as error:
            found.errors[number] = str(error)
    if len(pixels) < len(numbers):
        return None
    part = look(np.stack(pixels))
    found.looks[numbers] = np.stack([part.bright, part.contrast, part.sharp], axis=1)
    return part
