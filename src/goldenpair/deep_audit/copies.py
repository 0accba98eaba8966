"""Files and pictures that stand in two places: goldens, samples that are goldens, splits, two labels, boards."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.audit import UNLABELLED
from goldenpair.data.duplicates import Duplicates, duplicates, is_plain, near_twins, usual_threshold
from goldenpair.data.table import Layout
from goldenpair.data.thumbnails import Album
from goldenpair.deep_audit.goldens import Golden
from goldenpair.deep_audit.joined import Joined
from goldenpair.deep_audit.measured import Measured
from goldenpair.deep_audit.suspicion import CERTAIN, Suspicion
from goldenpair.quality.suspects import FAR, BetterGolden, better_goldens

_ALL = 1_000_000_000
_CLEARLY = 1.5  # times as far from its samples as the one that fits best


def same_goldens(joined: Joined, measured: Measured, goldens: Sequence[Golden], album: Album) -> list[Suspicion]:
    """Places with another name that have the same golden, or all but the same.

    Of a group with the same files one fits its own samples best: somebody's golden it is. Others are suspected where
    their good samples are far from it, by what is usual in this set too: the places of one component on several boards
    may have a copy each, and names of their own.
    """
    names = joined.pairs.cells["object_name"]
    groups: dict[tuple[str, ...], list[Golden]] = defaultdict(list)
    flat = album.small.normalised()
    busy = [one for one in goldens if _telling(flat[list(one.numbers)])]
    for one in busy:
        groups[tuple(album.small.digest[number] for number in one.numbers)].append(one)
    usual = _usual([_distance(one, measured) for one in goldens if len(one.good)])
    found, known = [], set()
    for group in groups.values():
        if len({names[one.row] for one in group}) < 2:
            continue
        best = min(group, key=lambda one: _distance(one, measured))
        known |= {one.numbers for one in group}
        limit = max(usual, _CLEARLY * _distance(best, measured))
        for one in group:
            if names[one.row] != names[best.row] and len(one.good) and _distance(one, measured) > limit:
                why = f"the same files as the golden of {joined.place(best.row)}"
                found.append(Suspicion("golden_duplicate", one.row, why, 0.0, CERTAIN, best.row))
    pairs = _good_pairs(joined, measured)
    threshold = usual_threshold(pairs, flat)
    rest = [one for one in busy if one.numbers not in known]
    if threshold is None or not rest:
        return found
    numbers = np.array([one.numbers for one in rest], np.int64)

    def same_name(one: int, other: int) -> bool:
        return names[rest[one].row] == names[rest[other].row]

    told: set[tuple[int, int]] = set()
    for place, like, distance in near_twins(numbers, numbers, flat, threshold, same_name):
        if (like, place) not in told:
            told.add((place, like))
            why = f"distance {distance:.3f} from the golden of {joined.place(rest[like].row)}, below {threshold:.3f}"
            sure = threshold / max(distance, 1e-3)
            found.append(Suspicion("golden_near_duplicate", rest[place].row, why, distance, sure, rest[like].row))
    return found


def _telling(flat: NDArray[np.float32]) -> bool:
    """Whether a part, float32 [L, ...] of normalised thumbnails, shows enough not to be like another one by chance."""
    return bool(flat.any(axis=1).all()) and not is_plain(flat)


def _usual(distances: Sequence[float]) -> float:
    """What goldens of this set are from their good samples at most, but for outliers; 0 where there are none."""
    if not distances:
        return 0.0
    values = np.array(distances)
    middle = np.median(values)
    return float(middle + FAR * 1.4826 * np.median(np.abs(values - middle)))


def _distance(golden: Golden, measured: Measured) -> float:
    """From its good samples; inf where it has none."""
    return float(np.median(measured.features[golden.good, :, 0])) if len(golden.good) else CERTAIN


def _good_pairs(joined: Joined, measured: Measured) -> NDArray[np.int64]:
    good = np.flatnonzero(~joined.bad)
    return np.stack([joined.parts.sample[good], measured.golden[good]], axis=1)


def better_fits(joined: Joined, layout: Layout, goldens: Sequence[Golden], album: Album) -> list[Suspicion]:
    """Goldens that most of their good samples leave for another one, and single samples that do."""
    better = better_goldens(joined.pairs, layout, read=album, most=_ALL)
    by_row = {one.row: one for one in better.listed}
    found = []
    for golden in goldens:
        leaving = [by_row[row] for row in golden.good.tolist() if row in by_row]
        if len(leaving) > 1 and 2 * len(leaving) > len(golden.good):
            one = max(leaving, key=lambda one: (_times(one), -one.row))
            why = (
                f"{len(leaving)} of {len(golden.good)} good samples fit another golden better, such as that of "
                f"{joined.place(one.other_row)}: distance {one.other_distance:.2f}, from this one {one.distance:.2f}"
            )
            sure = _times(one) / 2
            found.append(Suspicion("golden_of_another", golden.row, why, one.other_distance, sure, one.other_row))
            continue
        for one in leaving:
            why = (
                f"distance {one.other_distance:.2f} from the golden of {joined.place(one.other_row)}, "
                f"from its own {one.distance:.2f}"
            )
            sure = _times(one) / 2
            found.append(Suspicion("sample_fits_another", one.row, why, one.other_distance, sure, one.other_row))
    return found


def _times(one: BetterGolden) -> float:
    """How many times as far from its own golden as from the other one."""
    return one.distance / max(one.other_distance, 1e-3)


def shared(joined: Joined, layout: Layout, album: Album) -> list[Suspicion]:
    """What stands in two splits, and samples that are goldens. infer_dataset is judged by nobody and may hold it."""
    tables = {name: table for name, table in joined.tables.items() if name != UNLABELLED}
    both = duplicates(tables, layout, read=album, most=_ALL)
    keys = zip(joined.split, joined.row.tolist(), strict=True)
    place = {key: number for number, key in enumerate(keys)}
    found = _two_labels(joined, album.small.digest) + _boards(joined, both)
    flat = album.small.normalised()
    for what, twins, why in (
        ("sample_in_two_splits", both.same, "the same files as"),
        ("sample_nearly_in_two_splits", both.near, "distance {:.3f} from"),
        ("sample_is_golden", both.golden_samples, "the same files as the golden of"),
    ):
        told = set()
        for twin in twins:
            row, other = place.get((twin.split, twin.row)), place.get((twin.other_split, twin.other_row))
            if row is None or other is None or row in told or not _telling(flat[joined.parts.sample[row]]):
                continue
            told.add(row)  # a golden that rows of all splits share is one
            sure = (both.threshold or 0) / twin.distance if twin.distance else CERTAIN
            said = f"{why.format(twin.distance)} {joined.describe(other)}"
            found.append(Suspicion(what, row, said, twin.distance, sure, other))
    return found


def _two_labels(joined: Joined, digests: Sequence[str]) -> list[Suspicion]:
    """Samples with the same content, once PASS and once a defect."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row in np.flatnonzero(joined.labelled).tolist():
        content = tuple(digests[number] for number in joined.parts.sample[row].tolist())
        if all(content):
            groups[content].append(row)
    found = []
    for rows in groups.values():
        good = [row for row in rows if not joined.bad[row]]
        if good and len(good) < len(rows):
            for row in rows:
                if joined.bad[row]:
                    why = f"called {joined.cell(row, 'label')}, and PASS in {joined.describe(good[0])}"
                    found.append(Suspicion("two_labels", row, why, 0.0, CERTAIN, good[0]))
    return found


def _boards(joined: Joined, both: Duplicates) -> list[Suspicion]:
    """Once for each board and each two splits that have it, at its first row of the later one."""
    first: dict[tuple[str, str], int] = {}
    for row, key in enumerate(zip(joined.split, joined.board, strict=True)):
        first.setdefault(key, row)
    found = []
    for pair, boards in both.boards.items():
        one, other = pair.split(" and ")
        for board in boards:
            if (one, board) in first and (other, board) in first:
                counts = [joined.rows_of(split, board) for split in (one, other)]
                why = f"board {board}: {counts[0]:,} rows in {one}, {counts[1]:,} in {other} ({both.board_source})"
                row = first[other, board]
                found.append(Suspicion("board_in_two_splits", row, why, counts[1], CERTAIN, first[one, board]))
    return found
