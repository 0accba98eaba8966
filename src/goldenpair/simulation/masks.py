"""Where a defect is: the surface with it beside the surface without."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldenpair.simulation.scene import Scene, Window
from goldenpair.simulation.surface import FINE, surface

Box = tuple[int, int, int, int]


def defect_mask(spoilt: Scene, good: Scene, window: Window, pixels: int) -> tuple[NDArray[np.uint8], Box]:
    """255 where the surfaces differ, else 0: [rows, columns]; and the box (x0, y0, x1, y1) around it in pixels, its
    right and lower ends beyond the last. All over a part that is not where it should be."""
    bad, fine = surface(spoilt, window, pixels), surface(good, window, pixels)
    changed: NDArray[np.bool_] = (np.abs(bad.height - fine.height) > 0.02) | (
        np.abs(bad.material - fine.material).max(axis=0) > 0.08
    )
    mask: NDArray[Any] = changed[::FINE, ::FINE]
    down, across = np.nonzero(mask)
    if not len(down):
        return np.zeros(mask.shape, np.uint8), (0, 0, 0, 0)
    box = (int(across.min()), int(down.min()), int(across.max()) + 1, int(down.max()) + 1)
    return mask.astype(np.uint8) * np.uint8(255), box
