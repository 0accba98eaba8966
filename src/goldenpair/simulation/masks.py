"""Where a defect is: the surface with it beside the surface without."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from goldenpair.simulation.camera import GAMMA
from goldenpair.simulation.canvas import Array
from goldenpair.simulation.scene import Scene, Window
from goldenpair.simulation.surface import FINE, surface

_SHARE = 0.004
"""A body is elsewhere when this share of its outline's area differs."""
Box = tuple[int, int, int, int]


def defect_mask(spoilt: Scene, good: Scene, window: Window, pixels: int) -> tuple[NDArray[np.uint8], Box]:
    """255 where the surfaces differ, else 0: [rows, columns]; and the box (x0, y0, x1, y1) around it in pixels, its
    right and lower ends beyond the last. All over a part that is not where it should be."""
    bad, fine = surface(spoilt, window, pixels), surface(good, window, pixels)
    changed = np.abs(bad.height - fine.height) > 0.012
    changed |= np.abs(_seen(bad.material) - _seen(fine.material)).max(axis=0) > 0.04
    changed |= _moved(bad.part, fine.part)
    rows, columns = (size // FINE for size in changed.shape)
    mask = changed.reshape(rows, FINE, columns, FINE).any(axis=(1, 3))
    closed = ndimage.binary_closing(np.pad(mask, 2), iterations=1)[2:-2, 2:-2] | mask
    mask = ndimage.binary_fill_holes(closed)
    down, across = np.nonzero(mask)
    if not len(down):
        return np.zeros(mask.shape, np.uint8), (0, 0, 0, 0)
    box = (int(across.min()), int(down.min()), int(across.max()) + 1, int(down.max()) + 1)
    return mask.astype(np.uint8) * np.uint8(255), box


def _seen(material: Array) -> Array:
    """With colours as a camera codes them: what is dark differs by more than its reflectance tells."""
    return np.concatenate([material[:3] ** (1 / GAMMA), material[3:]])


def _moved(bad: Array, fine: Array) -> NDArray[np.bool_]:
    """Both outlines of a body that is not where it was; nothing of bodies that are."""
    differs = np.abs(bad - fine) > 0.5
    bodies, count = ndimage.label((bad > 0.5) | (fine > 0.5))
    moved = np.bincount(bodies[differs], minlength=count + 1) > _SHARE * np.bincount(bodies.ravel())
    moved[0] = False
    found: NDArray[np.bool_] = moved[bodies]
    return found
