"""Defects made while training: some of the good pairs of a batch become defective, the same ones in every run."""

import logging
import os
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from goldenpair.data.pairs import PairBatch, PairSet
from goldenpair.specs.synthetic import SyntheticDefects
from goldenpair.synthesis.anatomy import Pictures
from goldenpair.synthesis.defects import Defect, make_defect

log = logging.getLogger(__name__)

_STREAM = 2  # tells these draws from those of rows and goldens, which are seeded by fewer numbers
_DONORS = 4  # goldens that are looked at for one of another part


def spoiler_of(wish: SyntheticDefects, pairs: PairSet, seed: int) -> "SyntheticPairs | None":
    """What training makes defects with; None where the spec wants none."""
    return SyntheticPairs(wish, pairs, seed) if wish.enable else None


@dataclass
class _Count:
    drawn: int = 0
    made: int = 0


@dataclass(frozen=True)
class SyntheticPairs:
    """Makes good pairs of `pairs` defective: each by chance, and in a way that seed, epoch and place determine.

    A pair whose part can have none of the wanted defects stays good, with its label.
    """

    wish: SyntheticDefects
    pairs: PairSet
    seed: int
    _count: _Count = field(default_factory=_Count, init=False)

    def plan(self) -> dict[str, int | float | str]:
        wish = self.wish
        return {
            "synthetic_defects.share": wish.share,
            "synthetic_defects.kinds": ", ".join(wish.kinds),
            "synthetic_defects.severity": f"{wish.min_severity:g} to {wish.max_severity:g}",
        }

    def spoil(self, batch: PairBatch, epoch: int, rank: int, number: int) -> PairBatch:
        """See `goldenpair.data.pairs.Spoiler`."""
        drawn = np.random.default_rng([self.seed, epoch, rank, number, _STREAM])
        chosen = np.flatnonzero((drawn.random(len(batch.row)) < self.wish.share) & (batch.label.numpy() == 0))

        donors = self._donors(batch.row.numpy()[chosen], drawn)

        def work(count: int) -> Defect | None:
            place = int(chosen[count])
            # of its own for each pair, so that it does not matter which thread makes it
            rng = np.random.default_rng([self.seed, epoch, rank, number, _STREAM, place + 1])
            sample, goldens = _as_images(batch.sample[place]), batch.golden[place]
            several = goldens if goldens.ndim == 5 else goldens[None]
            kinds = [self.wish.kinds[i] for i in rng.permutation(len(self.wish.kinds))]
            severity = (self.wish.min_severity, self.wish.max_severity)
            return make_defect(sample, [_as_images(one) for one in several], kinds, severity, rng, donors[count])

        found = self.pairs.pictures.each(work, range(len(chosen)))
        sample, label = batch.sample.clone(), batch.label.clone()
        for place, defect in zip(chosen.tolist(), found, strict=True):
            if defect is not None:
                sample[place] = torch.from_numpy(defect.pictures.transpose(0, 3, 1, 2).copy())
                label[place] = 1
        self._count.drawn += len(chosen)
        self._count.made += sum(defect is not None for defect in found)
        return replace(batch, sample=sample, label=label)

    def say_count(self) -> None:
        """Log how many defects were made since it was asked last; a warning where there was none to be made."""
        drawn, made = self._count.drawn, self._count.made
        self._count.drawn = self._count.made = 0
        if drawn and not made:
            log.warning(
                "No synthetic defect was made: none of the %d good parts drawn for one can have any of %s; look at the "
                "pictures at the size they are trained in, or name other kinds (scratch and contamination need no "
                "body).",
                *(drawn, ", ".join(self.wish.kinds)),
            )
        else:
            log.info("Synthetic defects: %d made; %d more parts drawn for one can have none.", made, drawn - made)

    def _donors(self, rows: NDArray[np.int64], rng: np.random.Generator) -> list[Pictures | None]:
        """For each of these rows a golden whose file has another name, as parts of other places have, or None."""
        parts, pictures = self.pairs.parts, self.pairs.pictures
        if "wrong_part" not in self.wish.kinds or not len(rows):
            return [None] * len(rows)
        others = rng.integers(len(self.pairs), size=(len(rows), _DONORS))
        goldens = parts.golden(others.reshape(-1)).reshape(*others.shape, -1, parts.sample.shape[1])[:, :, 0]
        names = [[os.path.basename(parts.paths[first]) for first in drawn] for drawn in goldens[:, :, 0].tolist()]
        own = [os.path.basename(parts.paths[first]) for first in parts.sample[rows, 0].tolist()]
        place = [next((i for i, name in enumerate(there) if name != mine), None)
                 for there, mine in zip(names, own, strict=True)]  # fmt: skip
        chosen = goldens[np.arange(len(rows)), [i or 0 for i in place]]
        pixels = pictures.read(chosen)
        broken = [any(number in pictures.errors for number in golden) for golden in chosen.tolist()]
        return [
            None if i is None or bad else _as_images(one) for i, bad, one in zip(place, broken, pixels, strict=True)
        ]


def _as_images(pixels: torch.Tensor | NDArray[np.uint8]) -> Pictures:
    """[L, 3, H, W] -> [L, H, W, 3]."""
    return np.ascontiguousarray(np.asarray(pixels).transpose(0, 2, 3, 1))
