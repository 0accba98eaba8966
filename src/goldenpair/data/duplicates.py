"""Parts that stand in two splits under other names: the same files, or the same part pictured twice.

The audit finds rows of two splits that lead to the same file; this looks into the files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.boards import boards_of_splits
from goldenpair.data.table import Layout, PairTable, PartPictures, part_pictures
from goldenpair.data.thumbnails import SIDE, Reader, Thumbnails, distances, part_vectors, thumbnails
from goldenpair.progress import Progress

MOST = 20
"""Of each kind that are listed."""
_CLOSE = 0.25  # of the distance that a good part usually has from its golden
_LARGEST = 0.15  # of that threshold: two pictures that correlate by less than 0.99 are two pictures
_ALONE, _NEIGHBOURS = 0.5, 5  # a twin is much closer than the fifth closest, which a part among its like is not
_PLAIN = 0.02  # of a picture's variance that no single row times a single column explains
_CHUNK = 1024


@dataclass(frozen=True)
class Twin:
    """A part and its like in another split; `distance` is 0 for the same files, else that of their thumbnails."""

    split: str
    row: int
    other_split: str
    other_row: int
    distance: float


@dataclass(frozen=True)
class Duplicates:
    """What splits have in common, by what is in their files. Lists hold the first `most`, counts are of all."""

    parts: int
    """Different samples that were looked at."""
    unreadable: int
    """Pictures that could not be read; their parts are compared with none."""
    same: tuple[Twin, ...]
    same_count: int
    near: tuple[Twin, ...]
    near_count: int
    threshold: float | None
    """Thumbnails nearer than this were looked at as twins; None where no good part could be compared with a golden."""
    golden_samples: tuple[Twin, ...]
    """Samples whose files are those of a golden, of their own split too; `other_row` is one compared with it."""
    golden_samples_count: int
    boards: Mapping[str, Sequence[str]]
    """The boards of two splits, by `first and second`; the empty name is left out."""
    board_source: str


@dataclass(frozen=True)
class _Split:
    """A split's different samples and goldens, P and G of them, with the first row of each; int64 [P, L], [G, L]."""

    name: str
    rows: NDArray[np.int64]
    samples: NDArray[np.int64]
    golden_rows: NDArray[np.int64]
    goldens: NDArray[np.int64]
    good: NDArray[np.int64]
    """int64 [any number, 2, L]: good samples and what they are compared with."""


def duplicates(
    tables: Mapping[str, PairTable],
    layout: Layout,
    progress: Progress | None = None,
    read: Reader = thumbnails,
    most: int = MOST,
) -> Duplicates:
    """Compare the samples of each two of these splits, which are given in the order train, validation, test.

    Component crops look alike by nature, so near means: the thumbnails (without brightness, all lights together) are
    nearer than a quarter of what is usual between good parts of this set and their goldens, which are two parts
    pictured alike; and than half of the distance of the fifth nearest of that split; and the picture is not so plain
    that chance explains it. That finds parts that were saved again, lighted otherwise or pictured again without moving,
    not those that lie elsewhere in the crop by more than half a pixel of a thumbnail, 1.5 % of the crop.
    """
    numbers: dict[str, int] = {}
    splits = [_split(name, table, part_pictures(table, layout), numbers) for name, table in tables.items()]
    small = read(list(numbers), progress)
    flat = small.normalised()
    good = [split.good for split in splits]
    threshold = usual_threshold(np.concatenate(good), flat) if good else None
    same: list[Twin] = []
    near: list[Twin] = []
    for first, second in combinations(splits, 2):
        found = _same(second, second.samples, second.rows, first, first.samples, first.rows, small)
        same += found
        if threshold is not None:
            near += _near(second, first, {twin.row for twin in found}, flat, threshold)
    golden_samples = [
        twin
        for split in splits
        for other in splits
        for twin in _same(split, split.samples, split.rows, other, other.goldens, other.golden_rows, small)
    ]
    near.sort(key=lambda twin: twin.distance)
    boards, source = _shared_boards(tables)
    return Duplicates(
        parts=sum(len(split.rows) for split in splits),
        unreadable=len(small.errors),
        same=tuple(same[:most]),
        same_count=len(same),
        near=tuple(near[:most]),
        near_count=len(near),
        threshold=threshold,
        golden_samples=tuple(golden_samples[:most]),
        golden_samples_count=len(golden_samples),
        boards=boards,
        board_source=source,
    )


def _split(name: str, table: PairTable, parts: PartPictures, numbers: dict[str, int]) -> _Split:
    """`numbers` are those of the files of all splits; a file that stands in several is read once."""
    place = np.array([numbers.setdefault(path, len(numbers)) for path in parts.paths], np.int64)
    samples, rows = np.unique(place[parts.sample], axis=0, return_index=True)
    every = np.arange(len(table))
    golden = place[parts.golden(every)].reshape(len(table), *parts.chosen.shape[1:])  # [n, G, L], of no rows too
    flat = golden.reshape(-1, golden.shape[2])
    goldens, first = np.unique(flat, axis=0, return_index=True)
    good = np.flatnonzero(~table.is_defect) if "label" in table.cells else every[:0]
    pairs = np.stack([place[parts.sample[good]], golden[good, 0]], axis=1)
    return _Split(name, rows, samples, first // golden.shape[1], goldens, pairs)


def is_plain(flat: NDArray[np.float32]) -> bool:
    """Whether normalised pictures, float32 [L, SIDE * SIDE], show hardly more than one straight edge each; such ones
    are alike by chance."""
    strength = np.linalg.svd(flat.reshape(-1, SIDE, SIDE), compute_uv=False) ** 2
    return bool((1 - strength[:, 0] / np.maximum(strength.sum(axis=1), 1e-9) < _PLAIN).all())


def usual_threshold(pairs: NDArray[np.int64], flat: NDArray[np.float32]) -> float | None:
    """How near twins have to be, of what is usual between good samples and their goldens, int64 [n, 2, L]; None where
    none of these can be compared."""
    sample, golden = part_vectors(flat, pairs[:, 0]), part_vectors(flat, pairs[:, 1])
    told = sample.any(axis=1) & golden.any(axis=1)
    if not told.any():
        return None
    usual = float(np.median(distances((sample[told] * golden[told]).sum(axis=1))))
    return min(_CLOSE * usual, _LARGEST)


def _same(
    split: _Split,
    pictures: NDArray[np.int64],
    rows: NDArray[np.int64],
    other: _Split,
    others: NDArray[np.int64],
    other_rows: NDArray[np.int64],
    small: Thumbnails,
) -> list[Twin]:
    """Parts whose files are, light by light, copies of those of another; not those that are the same files."""
    known: dict[tuple[str, ...], tuple[int, list[int]]] = {}
    for row, numbers in zip(other_rows.tolist(), others.tolist(), strict=True):
        known.setdefault(tuple(small.digest[number] for number in numbers), (row, numbers))
    found = []
    for row, numbers in zip(rows.tolist(), pictures.tolist(), strict=True):
        digests = tuple(small.digest[number] for number in numbers)
        if all(digests) and digests in known and known[digests][1] != numbers:
            found.append(Twin(split.name, row, other.name, known[digests][0], 0.0))
    return found


def _near(split: _Split, other: _Split, known: set[int], flat: NDArray[np.float32], threshold: float) -> list[Twin]:
    found = []
    for place, like, distance in near_twins(split.samples, other.samples, flat, threshold):
        row = int(split.rows[place])
        if row not in known and not np.array_equal(split.samples[place], other.samples[like]):
            found.append(Twin(split.name, row, other.name, int(other.rows[like]), distance))
    return found


def near_twins(
    parts: NDArray[np.int64],
    others: NDArray[np.int64],
    flat: NDArray[np.float32],
    threshold: float,
    excluded: Callable[[int, int], bool] | None = None,
) -> Iterator[tuple[int, int, float]]:
    """Places of parts, int64 [n, L], and of their twins among others, int64 [m, L], by the rule of `duplicates`.

    `flat` are the normalised thumbnails; a twin that is `excluded` is as good as not there.
    """
    if len(others) < _NEIGHBOURS:
        return
    vectors = part_vectors(flat, others)
    for start in range(0, len(parts), _CHUNK):
        pictures = parts[start : start + _CHUNK]
        distance = distances(part_vectors(flat, pictures) @ vectors.T)
        if excluded:
            for i, like in np.argwhere(distance < threshold).tolist():
                if excluded(start + i, like):
                    distance[i, like] = np.inf
        nearest = distance.argmin(axis=1)
        least = distance[np.arange(len(pictures)), nearest]
        fifth = np.partition(distance, _NEIGHBOURS - 1, axis=1)[:, _NEIGHBOURS - 1]
        for i in np.flatnonzero((least < threshold) & (least < _ALONE * fifth)).tolist():
            if not is_plain(flat[pictures[i]]):
                yield start + i, int(nearest[i]), float(least[i])


def _shared_boards(tables: Mapping[str, PairTable]) -> tuple[dict[str, list[str]], str]:
    boards, source = boards_of_splits({split: table.cells for split, table in tables.items()})
    names = {split: set(of_split) - {""} for split, of_split in boards.items()}
    shared = {f"{first} and {second}": sorted(names[first] & names[second]) for first, second in combinations(names, 2)}
    return {pair: common for pair, common in shared.items() if common}, source
