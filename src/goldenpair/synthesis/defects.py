"""Defects made from good parts, with proof that they are some: no picture that (almost) did not change is one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from goldenpair.specs.synthetic import SMALLEST, Kind
from goldenpair.synthesis.anatomy import Pictures, Region, narrowed
from goldenpair.synthesis.kinds import MAKERS, Scene
from goldenpair.synthesis.painting import as_pictures

_TRIES = 4
_TOUCHED = 10  # grey levels: what belongs to the mask
_SEEN = 28  # grey levels by which what counts as a change differs, in any channel under any light
_LEAST_SEEN = 0.0012  # of the picture
_GONE = 0.6  # of a body that is missing: less is but a piece of one that fills the picture
_TURNED = 0.03  # of the inside of a body that was turned round: what looks the same then has no polarity
_SAME_PART = 22.0  # mean grey levels by which the body of a wrong part differs at least, out of focus


@dataclass(frozen=True)
class Defect:
    """A good part `sample` made defective: uint8 [L, H, W, 3] each. `mask` bool [H, W] is where it was changed."""

    kind: Kind
    sample: Pictures
    pictures: Pictures

    @property
    def mask(self) -> Region:
        return mask_of(self.sample, self.pictures)


def make_defect(
    sample: Pictures,
    goldens: Sequence[Pictures],
    kinds: Sequence[Kind],
    severity: tuple[float, float],
    rng: np.random.Generator,
    donor: Pictures | None = None,
) -> Defect | None:
    """A defect of the first of these `kinds` that the part can have, None if there is no such.

    `sample` uint8 [L, H, W, 3] is a good part, `goldens` are what it is compared with, `donor` a part of another kind,
    all of one shape. The severity is drawn between the two given ones. What changes too little to be seen, or leads
    closer to a golden than the sample was, is drawn again a few times and then given up.
    """
    if min(sample.shape[1:3]) < SMALLEST:
        return None
    scene = Scene(sample, donor)
    for kind in kinds:
        for _ in range(_TRIES):
            made = MAKERS[kind](scene, float(rng.uniform(*severity)), rng)
            if made is None:
                break
            pictures = as_pictures(made)
            if _is_defect(kind, scene, pictures, goldens):
                return Defect(kind, sample, pictures)
    return None


def _is_defect(kind: Kind, scene: Scene, made: Pictures, goldens: Sequence[Pictures]) -> bool:
    """Whether the change is one that can be seen, and not one towards a golden."""
    sample = scene.pictures
    if not can_be_seen(sample, made):
        return False
    where = _difference(sample, made) > _TOUCHED
    if kind == "missing" and where[scene.parts.body].mean() < _GONE:
        return False
    if kind == "flip" and not _turn_shows(sample, made, scene.parts.body):
        return False
    if kind == "wrong_part" and not _other_part(sample, made, scene.parts.body):
        return False
    return all(_far(made, golden, where) > max(_far(sample, golden, where), 0.5 * _far(made, sample, where))
               for golden in goldens)  # fmt: skip


def can_be_seen(sample: Pictures, made: Pictures) -> bool:
    """Whether enough pixels differ by more than noise and codecs do."""
    seen = _difference(sample, made) > _SEEN
    together = seen[1:] & seen[:-1]  # a pixel alone is noise
    return int(np.count_nonzero(together)) >= max(5, _LEAST_SEEN * seen.size)


def mask_of(sample: Pictures, made: Pictures) -> Region:
    """bool [H, W]: where the pictures differ, without the gaps that equal colours leave."""
    change = _difference(sample, made)
    touched = np.pad(change > _TOUCHED, 3)
    closed = ndimage.binary_fill_holes(ndimage.binary_closing(touched, iterations=2))[3:-3, 3:-3]
    found: Region = ndimage.binary_opening(closed) | (closed & (change > _SEEN))
    return found


def _difference(one: Pictures, other: Pictures) -> NDArray[np.uint8]:
    """Of the channel and light that differ most: uint8 [H, W]."""
    gap = (np.maximum(one, other) - np.minimum(one, other)).max(axis=0)
    most: NDArray[np.uint8] = np.maximum(np.maximum(gap[..., 0], gap[..., 1]), gap[..., 2])
    return most


def _far(one: Pictures, other: Pictures, where: Region) -> float:
    return float(np.abs(one[:, where].astype(np.int16) - other[:, where]).mean()) if where.any() else 0.0


def _turn_shows(sample: Pictures, made: Pictures, body: Region) -> bool:
    """Whether a body looks different inside, not only at its edges."""
    short = min(int(body.any(axis=axis).sum()) for axis in (0, 1))
    inside = narrowed(body, 0.12 * short)
    return bool(inside.any() and (_difference(sample, made) > _SEEN)[inside].mean() > _TURNED)


def _other_part(sample: Pictures, made: Pictures, body: Region) -> bool:
    """Whether bodies differ by more than marks and focus: the same part from another golden is no wrong part."""
    gap = made.astype(np.float32) - sample
    blurred = ndimage.uniform_filter(gap, (0, *(max(3, min(sample.shape[1:3]) // 8),) * 2, 0))
    return bool(np.abs(blurred).mean(axis=3).max(axis=0)[body].mean() > _SAME_PART)
