"""The deep audit as a whole: what is suspected in all splits, the most certain first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from goldenpair.data.faults import Fault
from goldenpair.data.table import Layout, PairTable
from goldenpair.data.thumbnails import Album
from goldenpair.deep_audit.copies import better_fits, same_goldens, shared
from goldenpair.deep_audit.goldens import Golden, framed_apart, goldens_of, odd_looks, unlike_kind
from goldenpair.deep_audit.joined import Joined, join
from goldenpair.deep_audit.labels import DoubtedLabels, doubted_labels
from goldenpair.deep_audit.measured import measure
from goldenpair.deep_audit.suspicion import KINDS, Suspicion
from goldenpair.progress import progress_bar

MOST_PICTURES = 80_000
"""That are looked at: 10,000 pairs with four lights, in about 1 GB of memory."""


@dataclass(frozen=True)
class DeepAudit:
    """`found` stand the most certain first; `notes` say what was looked at, and what it is worth."""

    joined: Joined
    golden: NDArray[np.int64]
    """int64 [N, L]: the pictures that each row was compared with."""
    found: tuple[Suspicion, ...]
    labels: DoubtedLabels
    notes: tuple[str, ...]
    goldens: int

    def faults(self) -> list[Fault]:
        """The same as warnings of the audit, by kind and split."""
        joined, found = self.joined, []
        for what, kind in KINDS.items():
            for split in joined.tables:
                some = [one for one in self.found if one.what == what and joined.split[one.row] == split]

                def tell(place: int, some: Sequence[Suspicion] = some) -> str:
                    one = some[place]
                    return f"{joined.tables[split].describe(int(joined.row[one.row]))}: {one.why}"  # noqa: B023

                found += Fault.of(split, what, kind.said, range(len(some)), tell, fatal=False)
        return found


def deep_audit(tables: Mapping[str, PairTable], layout: Layout, most: int = MOST_PICTURES) -> DeepAudit:
    """Look at the goldens and labels of these tables, which have the columns of pairs.

    The same pictures and tables give the same result, on however many threads: sums are taken by one.
    """
    joined = join(tables, layout, most)
    with threadpool_limits(1):
        with progress_bar("Reading pictures") as progress:
            album = Album.of(joined.parts.paths, progress)
        with progress_bar("Comparing samples with goldens") as progress:
            measured = measure(joined, progress)
        goldens = goldens_of(joined, measured)
        found = _one_each(
            goldens,
            [
                *same_goldens(joined, measured, goldens, album),
                *better_fits(joined, layout, goldens, album),
                *odd_looks(joined, measured, goldens, layout.lights, album.small.digest),
                *unlike_kind(joined, layout, goldens, album),
            ],
        )
        odd = _rows_of_odd_goldens(goldens, found)
        apart = framed_apart(joined, measured)
        with progress_bar("Checking labels") as progress:
            labels = doubted_labels(joined, measured, odd, progress)
    found += [*apart, *shared(joined, layout, album), *labels.found]
    order = list(KINDS)
    found.sort(key=lambda one: (-one.sure, order.index(one.what), one.row))
    notes = [labels.said]
    if odd:
        notes.append(f"{len(odd):,} rows with suspected goldens had no say in that, and their labels were not judged.")
    if joined.left_out:
        notes.append(
            f"{joined.left_out:,} good rows, evenly spread, were not looked at: there are more than {most:,} pictures."
        )
    if measured.errors:
        first = next(iter(sorted(measured.errors.items())))[1]
        notes.append(
            f"{len(measured.errors):,} pictures could not be read and are compared with none; the first: {first}"
        )
    return DeepAudit(joined, measured.golden, tuple(found), labels, tuple(notes), len(goldens))


def _one_each(goldens: Sequence[Golden], found: Sequence[Suspicion]) -> list[Suspicion]:
    """Of each golden its first suspicion, which explains the others, and those of single samples compared with it."""
    golden_of = {row: one.numbers for one in goldens for row in one.rows.tolist()}
    first: dict[tuple[int, ...], Suspicion] = {}
    for one in found:
        if one.what.startswith("golden_"):
            first.setdefault(golden_of[one.row], one)
    samples = [one for one in found if not one.what.startswith("golden_") and golden_of[one.row] not in first]
    return [*first.values(), *samples]


def _rows_of_odd_goldens(goldens: Sequence[Golden], found: Sequence[Suspicion]) -> list[int]:
    odd = {one.row for one in found if one.what.startswith("golden_") and one.what != "golden_near_duplicate"}
    return sorted({row for one in goldens if odd & set(one.rows.tolist()) for row in one.rows.tolist()})
