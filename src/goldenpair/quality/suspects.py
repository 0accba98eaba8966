"""What to look at again before a model is blamed: labels that contradict the scores, and goldens unlike their kind."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.goldens import evenly
from goldenpair.data.table import Layout, PairTable, part_pictures
from goldenpair.data.thumbnails import SIDE, Reader, Thumbnails, distances, part_vectors, thumbnails
from goldenpair.progress import Progress
from goldenpair.quality.scored import ScoredTable

MOST = 20
"""Of suspected labels, and of odd goldens, that are listed."""
_DEEP = 0.5  # a suspect lies beyond half of the other class
_RARE_GOOD, _RARE_DEFECT = 0.01, 0.05  # and among so few of its own class
FEWEST = 8
"""Pictures of one kind below which nothing is said of any: there is no telling which is the odd one."""
SAMPLES = 50
"""Good samples of one name that its goldens are compared with at most."""
MOST_COMPARED = 20_000
"""Rows whose pictures a report compares with each other at most: about ten seconds of two cores."""
FAR = 3.5  # robust standard deviations from the siblings, the usual limit of outliers (Iglewicz and Hoaglin 1993)
_UNLIKE = 0.5  # distance of thumbnails of deviation 1, below which even the farthest are alike to the eye
_LEAST_SPREAD = 0.1  # of their distances' median: siblings that are all but equal make no difference odd
_HALF = 0.5
_MISFRAMED, _EXPLAINED = 3, 0.6  # pixels of a thumbnail, 10 % of the crop; what is left of the distance then
_CHUNK = 1024
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
    """The first `most`, the deepest first, and how many there are."""

    listed: tuple[SuspectLabel, ...]
    found: int


def suspect_labels(table: ScoredTable, usual: tuple[float, float] | None = None, most: int = MOST) -> SuspectLabels:
    """Measured parts that are probably labelled wrongly.

    A good part is suspected if its score reaches at least half of the defects' and at most 1 % of the other good parts
    reach it; a defect if at least half of the good parts reach its score and at most 5 % of the other defects do not
    exceed it. Where scores are probabilities `usual`, the means of good parts and of defects, may take the place of
    the halves: it is what confident learning (Northcutt 2021) compares with. It is a hint to look, not a proof: a
    model's own mistakes look the same.
    """
    rows = np.flatnonzero(table.measured)
    score, bad = table.score[rows], table.is_defect[rows]
    found = [
        *_deep(table, rows[~bad], score[~bad], score[bad], _RARE_GOOD, usual and usual[1]),
        *_deep(table, rows[bad], -score[bad], -score[~bad], _RARE_DEFECT, usual and -usual[0]),
    ]
    found.sort(key=lambda one: (-one.beyond, one.own, one.row))
    return SuspectLabels(tuple(found[:most]), len(found))


def _deep(
    table: ScoredTable,
    rows: NDArray[np.int64],
    score: NDArray[np.float32],
    others: NDArray[np.float32],
    rare: float,
    usual: float | None,
) -> Iterator[SuspectLabel]:
    """Of parts whose class has low scores, those with high ones."""
    if len(rows) < 2 or not len(others):
        return
    beyond = np.searchsorted(np.sort(others), score, "right") / len(others)
    as_far = len(score) - np.searchsorted(np.sort(score), score, "left") - 1
    own = as_far / (len(score) - 1)
    deep = beyond >= _DEEP if usual is None else score >= usual
    for i in np.flatnonzero(deep & (own <= rare)).tolist():
        row = int(rows[i])
        yield SuspectLabel(row, table.label[row], float(table.score[row]), float(beyond[i]), float(own[i]))


@dataclass(frozen=True)
class OddGolden:
    """A golden's picture that is unlike its siblings; `z` is by how many robust standard deviations, the most of all
    that is told in `reasons`. `row` is the first of the table that is compared with it; `copies` are the goldens with
    this very content, itself among them."""

    path: str
    row: int
    copies: int
    siblings: int
    z: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class OddGoldens:
    """The first `most`, the oddest first; how many there are, each content once; of how many pictures of goldens, and
    how many of these had too few siblings to be judged or could not be read."""

    listed: tuple[OddGolden, ...]
    found: int
    pictures: int
    not_judged: int


@dataclass(frozen=True)
class _Picture:
    path: str
    row: int
    light: int
    is_golden: bool
    name: str


def odd_goldens(
    table: PairTable,
    layout: Layout,
    progress: Progress | None = None,
    read: Reader = thumbnails,
    most: int = MOST,
) -> OddGoldens:
    """Goldens that are dark, pale, misframed or otherwise far from their siblings, judged light by light.

    Siblings are other goldens and good samples of the same object_name, and where these are fewer than FEWEST, those
    of the same letters in it (R, C, LED). Compared are thumbnails without their brightness with the siblings' median,
    and this distance with that of the siblings: where they differ much among themselves, nothing is odd. Nor is a
    golden that most other goldens of its object_name resemble in being odd.
    """
    pictures = _pictures(table, layout)
    small = read([one.path for one in pictures], progress)
    flat = small.normalised() * SIDE  # standard deviation 1
    copies = Counter(digest for one, digest in zip(pictures, small.digest, strict=True) if one.is_golden)
    found = []
    judged = set()
    for places in _siblings(pictures, small):
        judged |= {(pictures[place].name, pictures[place].light) for place in places.tolist()}
        goldens = [place for place in places.tolist() if pictures[place].is_golden]
        odd = [one for one in _odd_of(small, flat, places) if pictures[one[0]].is_golden]
        times = Counter(pictures[place].name for place in goldens)
        odd_times = Counter(pictures[place].name for place, _, _ in odd)
        for place, z, reasons in odd:
            one = pictures[place]
            if times[one.name] == 1 or 2 * odd_times[one.name] < times[one.name]:
                siblings = len(places) - 1
                found.append(OddGolden(one.path, one.row, copies[small.digest[place]], siblings, z, reasons))
    found.sort(key=lambda one: -one.z)
    every = [place for place, one in enumerate(pictures) if one.is_golden]
    not_judged = sum(
        place in small.errors or (pictures[place].name, pictures[place].light) not in judged for place in every
    )
    return OddGoldens(tuple(found[:most]), len(found), len(every), not_judged)


def _pictures(table: PairTable, layout: Layout) -> list[_Picture]:
    """All goldens, then good samples: at most SAMPLES of each name, evenly spread."""
    parts = part_pictures(table, layout)
    names = table.cells["object_name"]
    ids, first = np.unique(parts.golden_id, return_index=True)
    found: dict[int, _Picture] = {}
    for golden, row in zip(ids.tolist(), first.tolist(), strict=True):
        for of_golden in parts.chosen[golden].tolist():
            for light, picture in enumerate(of_golden):
                found.setdefault(picture, _Picture(parts.paths[picture], row, light, True, names[row]))
    rows: dict[str, list[int]] = defaultdict(list)
    for row in np.flatnonzero(~table.is_defect).tolist():
        rows[names[row]].append(row)
    for name, of_name in rows.items():
        for place in evenly(len(of_name), SAMPLES).tolist():
            row = of_name[place]
            for light, picture in enumerate(parts.sample[row].tolist()):
                found.setdefault(picture, _Picture(parts.paths[picture], row, light, False, name))
    return list(found.values())


def _siblings(pictures: Sequence[_Picture], small: Thumbnails) -> list[NDArray[np.int64]]:
    """Places of readable pictures that are to look alike, FEWEST or more at a time, each content once."""
    by_name: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    for place, one in enumerate(pictures):
        if place not in small.errors:
            by_name[one.name, one.light].setdefault(small.digest[place], place)
    by_letters: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    for (name, light), places in by_name.items():
        if len(places) < FEWEST and (match := _LETTERS.match(name)):
            for digest, place in places.items():
                by_letters[match[0].upper(), light].setdefault(digest, place)
    kinds = (*by_name.values(), *by_letters.values())
    return [np.array(list(places.values()), np.int64) for places in kinds if len(places) >= FEWEST]


def _odd_of(
    small: Thumbnails, normalised: NDArray[np.float32], places: NDArray[np.int64]
) -> Iterator[tuple[int, float, tuple[str, ...]]]:
    """Of the pictures at these places the place, the z and the reasons of each odd one."""
    grey = small.grey[places]
    bright, contrast = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2))
    flat = normalised[places]
    usual = np.median(flat, axis=0)
    distance = np.sqrt(((flat - usual) ** 2).mean(axis=1))
    far = np.where(distance > _UNLIKE, robust_z(distance), 0)
    dark = np.where(bright < _HALF * np.median(bright), -robust_z(bright), 0)
    pale = np.where(contrast < _HALF * np.median(contrast), -robust_z(contrast), 0)
    for i in np.flatnonzero((far > FAR) | (dark > FAR) | (pale > FAR)).tolist():
        reasons = []
        if dark[i] > FAR:
            reasons.append(f"dark: mean {bright[i]:.0f}, siblings {np.median(bright):.0f}")
        if pale[i] > FAR:
            reasons.append(f"low contrast: {contrast[i]:.0f} grey levels, siblings {np.median(contrast):.0f}")
        if far[i] > FAR:
            reasons.append(_shifted(flat[i], usual, distance[i]) or "unlike its siblings")
        yield int(places[i]), float(max(far[i], dark[i], pale[i])), tuple(reasons)


def robust_z(values: NDArray[np.floating]) -> NDArray[np.float64]:
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
    moved = max(abs(dx), abs(dy))
    if best > _EXPLAINED * distance or not _MISFRAMED <= moved < reach:  # at the end of the reach it is anything
        return ""
    return f"misframed: {dx / SIDE:+.0%} to the right, {dy / SIDE:+.0%} down"


@dataclass(frozen=True)
class BetterGolden:
    """A good sample (`row`) that resembles the golden of `other_row` much more than its own; distances of thumbnails
    from 0 for equal ones to 1.41 for such that have nothing in common."""

    row: int
    distance: float
    other_row: int
    other_distance: float


@dataclass(frozen=True)
class BetterGoldens:
    """The first `most`, those with the largest gain first; how many there are, of how many good samples."""

    listed: tuple[BetterGolden, ...]
    found: int
    samples: int


def better_goldens(
    table: PairTable,
    layout: Layout,
    progress: Progress | None = None,
    read: Reader = thumbnails,
    most: int = MOST,
) -> BetterGoldens:
    """Good samples that are unlike their golden and at most half as far from another one of the table.

    Goldens may be swapped, or there is a second make of the part. Of several goldens of a sample the first counts;
    a sample whose golden is flat or cannot be read is compared with none.
    """
    parts = part_pictures(table, layout)
    used = np.unique(
        np.concatenate([parts.sample.reshape(-1), parts.chosen[np.unique(parts.golden_id), 0].reshape(-1)])
    )
    place = np.zeros(len(parts.paths), np.int64)
    place[used] = np.arange(len(used))
    flat = read([parts.paths[picture] for picture in used.tolist()], progress).normalised()
    golden_of_row = place[parts.chosen[parts.golden_id, 0]]
    ids, first = np.unique(parts.golden_id, return_index=True)
    goldens = part_vectors(flat, golden_of_row[first])
    good = np.flatnonzero(~table.is_defect)
    found = []
    for start in range(0, len(good), _CHUNK):
        rows = good[start : start + _CHUNK]
        distance = distances(part_vectors(flat, place[parts.sample[rows]]) @ goldens.T)
        own = distance[np.arange(len(rows)), np.searchsorted(ids, parts.golden_id[rows])]
        nearest = distance.argmin(axis=1)
        least = distance.min(axis=1)
        known = (np.abs(goldens).sum(axis=1) > 0)[np.searchsorted(ids, parts.golden_id[rows])]
        for i in np.flatnonzero(known & (own > _UNLIKE) & (least < _HALF * own)).tolist():
            other = int(first[nearest[i]])
            found.append(BetterGolden(int(rows[i]), float(own[i]), other, float(least[i])))
    found.sort(key=lambda one: one.other_distance - one.distance)
    return BetterGoldens(tuple(found[:most]), len(found), len(good))
