"""The surface of a scene within a window: one height map and the materials."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldenpair.simulation.scene import Scene, Window

Array = NDArray[np.floating[Any]]
FINE = 2
"""Points of a surface along each pixel of its picture, so that edges are smooth."""


@dataclass
class Surface:
    """`height` [rows, columns] in mm; `colour` [3, rows, columns], `metal` and `roughness` [rows, columns], 0 to 1:
    what is not metal scatters in its colour under a clear gloss, metal reflects in its colour; `part` is how much of
    a part covers a point. `step` is mm between points."""

    step: float
    height: Array
    material: Array
    part: Array
    tilt: tuple[float, float]


def surface(scene: Scene, window: Window, pixels: int) -> Surface:
    """What is within the window, for pictures that are `pixels` wide (FINE points a pixel)."""
    columns = pixels * FINE
    rows = round(pixels * window.height / window.width) * FINE
    step = window.width / columns
    flat = np.zeros((rows, columns), np.float32)
    material = np.zeros((5, rows, columns), np.float32)
    material[:3] = np.array(scene.lot.mask, np.float32)[:, None, None]
    x = window.x - window.width / 2 + (np.arange(columns, dtype=np.float32) + 0.5) * step
    y = window.y - window.height / 2 + (np.arange(rows, dtype=np.float32) + 0.5) * step
    out = Surface(step, flat, material, flat.copy(), scene.lot.tilt)
    for place, state in scene.parts:
        if state.present:
            half = (state.package.body[0] / 2, state.package.body[1] / 2)[:: -1 if place.turns % 2 else 1]
            inside = (np.abs(x - place.x) < half[0])[None, :] & (np.abs(y - place.y) < half[1])[:, None]
            out.material[:3, inside] = 0.4
            out.height[inside] = state.package.height
            out.part[inside] = 1
    return out
