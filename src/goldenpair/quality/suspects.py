"""What to look at again before a model is blamed: labels that contradict the scores, and goldens unlike their kind."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.table import Layout, PairTable, part_pictures
from goldenpair.data.thumbnails import SIDE, Thumbnails, thumbnails
from goldenpair.progress import Progress
from goldenpair.quality.scored import ScoredTable

MOST = 20
"""Of suspected labels, and of odd goldens, that are listed."""
_DEEP = 0.5  # a suspect lies beyond half of the other class
_RARE_GOOD, _RARE_DEFECT = 0.01, 0.05  # and among so few of its own class
FEWEST = 8
"""Goldens of one kind below which nothing is said of any: there is no telling which is the odd one."""
_FAR = 5.0  # robust standard deviations from the siblings
_LEAST_SPREAD = 0.1  # of their distances' median: siblings that are all but equal make no difference odd
_HALF = 0.5
_MISFRAMED, _EXPLAINED = 3, 0.6  # pixels of a thumbnail, 10 % of the crop; what is left of the distance then
_LETTERS = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True)
class SuspectLabel:
    """A part whose score speaks against its label. `beyond` is the share of the other class that its score exceeds
    (or, of a defect, falls below); `own` is the share of its own class that lies as far out, itself left aside."""

    row: int
    label: str
    score: float
    beyond: float
    own: float


@dataclass(frozen=True)
class SuspectLabels:
    """The first MOST, the deepest first, and how many there are."""

    listed: tuple[SuspectLabel, ...]
    found: int


def suspect_labels(table: ScoredTable) -> SuspectLabels:
    """Measured parts that are probably labelled wrongly.

    A good part is suspected if its score reaches at least half of the defects' and at most 1 % of the other good parts
    reach it; a defect if at least half of the good parts reach its score and at most 5 % of the other defects do not
    exceed it. It is a hint to look, not a proof: a model's own mistakes look the same.
    """
    rows = np.flatnonzero(table.measured)
    score, bad = table.score[rows], table.is_defect[rows]
    found = [
        *_deep(table, rows[~bad], score[~bad], score[bad], _RARE_GOOD),
        *_deep(table, rows[bad], -score[bad], -score[~bad], _RARE_DEFECT),
    ]
    found.sort(key=lambda one: (-one.beyond, one.own, one.row))
    return SuspectLabels(tuple(found[:MOST]), len(found))


def _deep(
    table: ScoredTable,
    rows: NDArray[np.int64],
    score: NDArray[np.float32],
    others: NDArray[np.float32],
    rare: float,
) -> Iterator[SuspectLabel]:
    """Of parts whose class has low scores, those with high ones."""
    if len(rows) < 2 or not len(others):
        return
    beyond = np.searchsorted(np.sort(others), score, "right") / len(others)
    as_far = len(score) - np.searchsorted(np.sort(score), score, "left") - 1
    own = as_far / (len(score) - 1)
    for i in np.flatnonzero((beyond >= _DEEP) & (own <= rare)).tolist():
        row = int(rows[i])
        yield SuspectLabel(row, table.label[row], float(table.score[row]), float(beyond[i]), float(own[i]))


def without_rows(table: ScoredTable, rows: Sequence[int]) -> ScoredTable:
    """The table without these rows, to give figures with and without suspects."""
    kept = np.setdiff1d(np.arange(len(table)), np.array(rows, np.int64))
    places = kept.tolist()
    label = [table.label[row] for row in places]
    cells = {
        name: label if column is table.label else [column[row] for row in places]
        for name, column in table.cells.items()
    }
    return replace(
        table,
        cells=cells,
        label=label,
        score=table.score[kept],
        is_defect=table.is_defect[kept],
        labelled=table.labelled[kept],
        board=table.board[kept],
        sha256="",
    )


@dataclass(frozen=True)
class OddGolden:
    """A golden's picture that is unlike its siblings; `z` is by how many robust standard deviations, the most of all
    that is told in `reasons`. `row` is the first of the table that is compared with it."""

    path: str
    row: int
    siblings: int
    z: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class OddGoldens:
    """The first MOST, the oddest first; how many there are, of how many pictures of goldens, and how many of these had
    too few siblings to be judged or could not be read."""

    listed: tuple[OddGolden, ...]
    found: int
    pictures: int
    not_judged: int


def odd_goldens(table: PairTable, layout: Layout, progress: Progress | None = None) -> OddGoldens:
    """Goldens that are dark, pale, misframed or otherwise far from their siblings, judged light by light.

    Siblings are the goldens of the same object_name, where there are FEWEST of them, else those of the same letters in
    it (R, C, LED). Compared are thumbnails without their brightness with the siblings' median, and its distance from
    it with that of the siblings: where these differ much among themselves, nothing is odd. Nor is a golden that most
    others of its object_name resemble in what is odd about it.
    """
    parts = part_pictures(table, layout)
    first = np.unique(parts.golden_id, return_index=True)[1]
    owner: dict[int, tuple[int, int]] = {}
    for golden, row in enumerate(first.tolist()):
        for of_golden in parts.chosen[golden].tolist():
            for light, picture in enumerate(of_golden):
                owner.setdefault(picture, (row, light))
    pictures = list(owner)
    small = thumbnails([parts.paths[picture] for picture in pictures], progress)
    kinds = _siblings(table, [owner[picture] for picture in pictures], small)
    found = []
    judged = 0
    for places in kinds:
        judged += len(places)
        names = [table.cells["object_name"][owner[pictures[place]][0]] for place in places.tolist()]
        odd = list(_odd_of(small, places))
        times, odd_times = Counter(names), Counter(names[i] for i, _, _ in odd)
        for i, z, reasons in odd:
            if 1 < times[names[i]] <= 2 * odd_times[names[i]]:
                continue
            picture = pictures[int(places[i])]
            found.append(OddGolden(parts.paths[picture], owner[picture][0], len(places) - 1, z, reasons))
    found.sort(key=lambda one: -one.z)
    return OddGoldens(tuple(found[:MOST]), len(found), len(pictures), len(pictures) - judged)


def _siblings(table: PairTable, owners: Sequence[tuple[int, int]], small: Thumbnails) -> list[NDArray[np.int64]]:
    """Places of readable pictures that are to look alike, FEWEST or more at a time."""
    names = table.cells["object_name"]
    by_name: dict[tuple[str, int], list[int]] = defaultdict(list)
    for place, (row, light) in enumerate(owners):
        if place not in small.errors:
            by_name[names[row], light].append(place)
    by_letters: dict[tuple[str, int], list[int]] = defaultdict(list)
    for (name, light), places in by_name.items():
        if len(places) < FEWEST and (match := _LETTERS.match(name)):
            by_letters[match[0].upper(), light] += places
    return [np.array(places, np.int64) for places in (*by_name.values(), *by_letters.values()) if len(places) >= FEWEST]


def _odd_of(small: Thumbnails, places: NDArray[np.int64]) -> Iterator[tuple[int, float, tuple[str, ...]]]:
    """Of these pictures the index, the z and the reasons of each odd one."""
    grey = small.grey[places]
    bright, contrast = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2))
    flat = small.normalised()[places] * SIDE  # standard deviation 1
    usual = np.median(flat, axis=0)
    distance = np.sqrt(((flat - usual) ** 2).mean(axis=1))
    far = _robust_z(distance)
    dark = np.where(bright < _HALF * np.median(bright), -_robust_z(bright), 0)
    pale = np.where(contrast < _HALF * np.median(contrast), -_robust_z(contrast), 0)
    for i in np.flatnonzero((far > _FAR) | (dark > _FAR) | (pale > _FAR)).tolist():
        reasons = []
        if dark[i] > _FAR:
            reasons.append(f"dark: mean {bright[i]:.0f}, siblings {np.median(bright):.0f}")
        if pale[i] > _FAR:
            reasons.append(f"low contrast: {contrast[i]:.0f} grey levels, siblings {np.median(contrast):.0f}")
        if far[i] > _FAR:
            reasons.append(_shifted(flat[i], usual, distance[i]) or "unlike its siblings")
        yield i, float(max(far[i], dark[i], pale[i])), tuple(reasons)


def _robust_z(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Distance from the median in standard deviations, as the median absolute deviation tells them."""
    middle = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - middle))
    return np.asarray((values - middle) / max(spread, _LEAST_SPREAD * abs(middle), 1e-6), np.float64)


def _shifted(flat: NDArray[np.float32], usual: NDArray[np.float32], distance: float) -> str:
    """How far a thumbnail has to be moved to look like its siblings, "" if moving does not help."""
    one, other = flat.reshape(SIDE, SIDE), usual.reshape(SIDE, SIDE)
    reach = SIDE // 4
    best, dx, dy = distance, 0, 0
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            here = one[max(0, down) : SIDE + min(0, down), max(0, right) : SIDE + min(0, right)]
            there = other[max(0, -down) : SIDE + min(0, -down), max(0, -right) : SIDE + min(0, -right)]
            left = float(np.sqrt(((here - there) ** 2).mean()))
            if left < best:
                best, dx, dy = left, right, down
    if best > _EXPLAINED * distance or max(abs(dx), abs(dy)) < _MISFRAMED:
        return ""
    return f"misframed: {dx / SIDE:+.0%} to the right, {dy / SIDE:+.0%} down"
