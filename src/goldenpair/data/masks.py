"""Masks: which pixels of a sample have changed, and how. A pixel is a class, 0 for no change, or IGNORED."""

import os

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.decoding import decode_values
from goldenpair.data.lists import MASK_COLUMN
from goldenpair.data.table import PairTable
from goldenpair.data.threads import Threads
from goldenpair.errors import DataError
from goldenpair.specs.common import SplitFiles
from goldenpair.specs.segment import IGNORED, ListFiles, MaskRule

_NORM = (0, 255)
_TOLD = 5  # values in a message


def decode_mask(path: str, rule: MaskRule) -> NDArray[np.uint8]:
    """A mask file as classes, uint8 [H, W]; DataError for one that cannot be read or holds what is no class."""
    values = decode_values(path)
    there = np.flatnonzero(np.bincount(values.reshape(-1), minlength=256)).tolist()
    if rule.transform == "norm":
        allowed, meant = set(_NORM), "label_transform norm knows 0 and 255 only; with None numbers are classes"
    else:
        allowed = {*range(rule.classes), IGNORED}
        meant = f"num_classes {rule.classes} allows 0 to {rule.classes - 1}, and {IGNORED} for what is left out"
    if strange := [value for value in there if value not in allowed]:
        told = ", ".join(map(str, strange[:_TOLD])) + (", ..." if len(strange) > _TOLD else "")
        raise DataError(f"{path}: it holds {told}; {meant}")
    return values // 255 if rule.transform == "norm" else values


def resize_mask(mask: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Classes, uint8 [H, W], as uint8 [size, size]. No change gets lost, however small it is.

    Made smaller, a pixel stands for all pixels whose centres lie in it: it has the highest class of change among them,
    else 0, and IGNORED only where all of them have. Made larger, the nearest pixel counts. Height and width are
    treated each by itself.
    """
    order = mask + np.uint8(1)  # IGNORED becomes 0, below no change, and that is below every change
    for axis, length in enumerate(mask.shape):
        places = 2 * np.arange(max(size, length)) + 1
        if length > size:
            starts = np.searchsorted(places * size // (2 * length), np.arange(size))
            order = np.maximum.reduceat(order, starts, axis=axis)
        else:
            order = order.take(places * length // (2 * size), axis=axis)
    return order - np.uint8(1)


class Masks:
    """The masks of a table by row, decoded whenever they are asked for, `size` x `size` as `resize_mask` makes them.

    `errors` tells for every row whose mask could not be decoded why; such a mask is IGNORED throughout.
    """

    def __init__(self, paths: list[str], rule: MaskRule, size: int, workers: int):
        self.paths = paths
        self.size = size
        self.errors: dict[int, str] = {}
        self._rule = rule
        self._threads = Threads(workers)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 [len(rows), size, size]."""
        found = self._threads.each(self._one, rows.tolist())
        return np.stack(found) if found else np.empty((0, self.size, self.size), np.uint8)

    def _one(self, row: int) -> NDArray[np.uint8]:
        try:
            return resize_mask(decode_mask(self.paths[row], self._rule), self.size)
        except DataError as error:
            self.errors[row] = str(error)
            return np.full((self.size, self.size), IGNORED, np.uint8)


def masks_of(table: PairTable, files: SplitFiles, size: int, workers: int) -> Masks | None:
    """The masks of a split whose table was read from `files`, None if it has none."""
    if not isinstance(files, ListFiles) or files.masks is None:
        return None
    paths = [os.path.join(str(table.images_dir), path) for path in table.cells[MASK_COLUMN]]
    return Masks(paths, files.masks, size, workers)
