"""Small grey pictures of many files, to compare each with each."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.decoding import decode, read
from goldenpair.data.threads import Threads
from goldenpair.errors import DataError
from goldenpair.progress import Progress

SIDE = 32
_WORKERS = 8
_STEP = 512
_FLAT = 2.0  # grey levels: a picture that varies less shows nothing but noise


@dataclass(frozen=True)
class Thumbnails:
    """Of P files: `grey` float32 [P, SIDE, SIDE] in 0..255, and `digest`, equal for files with the same content.

    `errors` tells of each number that could not be read why; its thumbnail is zeros and its digest "".
    """

    grey: NDArray[np.float32]
    digest: Sequence[str]
    errors: dict[int, str]

    def normalised(self) -> NDArray[np.float32]:
        """float32 [P, SIDE * SIDE] of mean 0 and length 1: a dot product is a correlation, brightness does not count.

        Flat pictures are zeros, which are like nothing.
        """
        flat = self.grey.reshape(len(self.grey), SIDE * SIDE)
        flat = flat - flat.mean(axis=1, keepdims=True)
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        found: NDArray[np.float32] = np.where(length > _FLAT * SIDE, flat / np.maximum(length, 1), 0).astype(np.float32)
        return found


def thumbnails(paths: Sequence[str], progress: Progress | None = None) -> Thumbnails:
    """Read all of these pictures, each once."""
    grey = np.zeros((len(paths), SIDE, SIDE), np.float32)
    digest = [""] * len(paths)
    errors: dict[int, str] = {}

    def work(number: int) -> None:
        try:
            content = read(paths[number])
            pixels = decode(content, SIDE, SIDE, paths[number])
        except DataError as error:
            errors[number] = str(error)
            return
        grey[number] = pixels.mean(axis=0)
        digest[number] = hashlib.sha256(content).hexdigest()

    threads = Threads(_WORKERS)
    for start in range(0, len(paths), _STEP):
        threads.each(work, range(start, min(start + _STEP, len(paths))))
        if progress:
            progress(min(start + _STEP, len(paths)), len(paths))
    return Thumbnails(grey, digest, errors)


Reader = Callable[[Sequence[str], Progress | None], Thumbnails]
"""What gives the thumbnails of these paths: `thumbnails`, or an `Album` of some that are read already."""


@dataclass(frozen=True)
class Album:
    """Thumbnails that several questions are asked of; `place` is that of each path."""

    place: Mapping[str, int]
    small: Thumbnails

    @classmethod
    def of(cls, paths: Sequence[str], progress: Progress | None = None) -> "Album":
        """Read these pictures."""
        return cls({path: number for number, path in enumerate(paths)}, thumbnails(paths, progress))

    def __call__(self, paths: Sequence[str], progress: Progress | None = None) -> Thumbnails:
        """Those of some of its paths."""
        numbers = [self.place[path] for path in paths]
        if numbers == list(range(len(self.small.digest))):
            return self.small
        errors = {i: self.small.errors[number] for i, number in enumerate(numbers) if number in self.small.errors}
        return Thumbnails(self.small.grey[numbers], [self.small.digest[number] for number in numbers], errors)


def part_vectors(normalised: NDArray[np.float32], pictures: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 [n, L * SIDE * SIDE] of length 1 for parts with L pictures each, int64 [n, L], all lights together.

    Zeros where a picture of a part is flat or could not be read.
    """
    found = normalised[pictures]
    found[(np.abs(found).sum(axis=2) == 0).any(axis=1)] = 0
    flat: NDArray[np.float32] = found.reshape(len(pictures), pictures.shape[1] * SIDE * SIDE)
    return flat / np.float32(np.sqrt(pictures.shape[1]))


def distances(correlation: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of vectors of length 1: 0 for equal ones, 1.41 for such that have nothing to do with each other."""
    found: NDArray[np.float32] = np.sqrt(np.maximum(2 - 2 * correlation, 0))
    return found
