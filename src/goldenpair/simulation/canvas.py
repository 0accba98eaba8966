"""Height and materials of a piece of board, and shapes to lay on it.

Everything is laid on a `Patch`: views of the surface's arrays in the frame of one place (x to its right, y downwards,
in mm), so that nothing is drawn where a shape does not reach.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldenpair.simulation.packages import Rect

Array = NDArray[np.floating[Any]]


class Material(NamedTuple):
    """Colour, and how it shines: what is not metal scatters light in its colour under a clear gloss, metal reflects
    it in its colour. `rough` 0 is a mirror, 1 scatters highlights all over."""

    red: float
    green: float
    blue: float
    metal: float = 0.0
    rough: float = 0.5


GOLD = Material(0.86, 0.66, 0.36, 1.0, 0.26)
HASL = Material(0.8, 0.8, 0.82, 1.0, 0.2)
SOLDER = Material(0.84, 0.84, 0.87, 1.0, 0.1)
TIN = Material(0.74, 0.74, 0.75, 0.95, 0.32)
LAMINATE = Material(0.3, 0.26, 0.14, 0.0, 0.5)


@dataclass
class Patch:
    """`height` [h, w] in mm, `material` [5, h, w], `part` [h, w] (how much of a body covers a point); `x` [1, w] and
    `y` [h, 1] are where the points are. The arrays are views: what is laid here is laid on the surface."""

    step: float
    x: Array
    y: Array
    height: Array
    material: Array
    part: Array

    def near(self, x: float, y: float, half_x: float, half_y: float) -> "Patch | None":
        """The piece around a point; None where the patch does not reach."""
        across = _span(self.x[0, 0], self.step, self.x.shape[1], x, half_x)
        down = _span(self.y[0, 0], self.step, self.y.shape[0], y, half_y)
        if across.start >= across.stop or down.start >= down.stop:
            return None
        return Patch(
            self.step,
            self.x[:, across],
            self.y[down],
            self.height[down, across],
            self.material[:, down, across],
            self.part[down, across],
        )

    def lay(self, cover: Array, material: Material, height: Array | float | None = None) -> None:
        """Cover points to the share `cover` [h, w]; without a height it is only paint."""
        change = np.array(material, np.float32)[:, None, None] - self.material
        change *= cover
        self.material += change
        if height is not None:
            self.height += cover * (height - self.height)

    def pour(self, cover: Array, material: Material, height: Array) -> None:
        """The same where `height` [h, w] is above what is there already."""
        above = cover * np.clip((height - self.height) / (0.4 * self.step) + 0.5, 0, 1)
        self.lay(above, material, height)

    def cover(self, outside: Array, soft: float = 1.0) -> Array:
        """Share covered of each point by a shape, from the distance to it; `soft` is its edge's width in points."""
        found: Array = outside * (-1 / (soft * self.step))
        found += 0.5
        np.maximum(found, 0, out=found)
        np.minimum(found, 1, out=found)
        return found

    def within(self, other: "Patch") -> tuple[slice, slice]:
        """Where in the arrays of another patch, of which this is a piece, it is."""
        down = round(float((self.y[0, 0] - other.y[0, 0]) / self.step))
        across = round(float((self.x[0, 0] - other.x[0, 0]) / self.step))
        return slice(down, down + self.y.shape[0]), slice(across, across + self.x.shape[1])


def _span(first: float, step: float, count: int, middle: float, half: float) -> slice:
    start = math.floor((middle - half - first) / step)
    stop = math.ceil((middle + half - first) / step) + 1
    return slice(min(max(start, 0), count), min(max(stop, 0), count))


def outside(x: Array, y: Array, rect: Rect, corner: float = 0.0) -> Array:
    """Distance to a rectangle with rounded corners, negative inside."""
    dx = np.abs(x - rect.x) - (rect.width / 2 - corner)
    dy = np.abs(y - rect.y) - (rect.height / 2 - corner)
    inner: Array = np.maximum(dx, dy)
    np.minimum(inner, 0, out=inner)
    dx, dy = np.maximum(dx, 0), np.maximum(dy, 0)  # one line each where x is a row and y a column
    inner += np.sqrt(dx * dx + dy * dy)
    inner -= corner
    return inner


def from_line(x: Array, y: Array, start: tuple[float, float], end: tuple[float, float]) -> tuple[Array, Array]:
    """Distance to a line, and where along it (0 to 1) its nearest point is."""
    ax, ay = end[0] - start[0], end[1] - start[1]
    square = max(ax * ax + ay * ay, 1e-9)
    along = np.clip(
        (x - start[0]) * (ax / square) + (y - start[1]) * (ay / square),
        0,
        1,
    )
    dx, dy = x - start[0] - along * ax, y - start[1] - along * ay
    return np.sqrt(dx * dx + dy * dy), along


def rounded(inside: Array, radius: float) -> Array:
    """How far a rounded edge lies below the plane, from the distance to the edge (positive inside)."""
    off = np.clip(1 - inside * (1 / radius), 0, 1)
    found: Array = radius * (1 - np.sqrt(1 - 0.98 * off * off))
    return found


_TILE = 512


@lru_cache(maxsize=4)
def _tile(smooth: int) -> Array:
    """Noise that repeats every _TILE points, of standard deviation 1; `smooth` is the radius of its grains."""
    noise = np.random.default_rng([smooth, 77]).standard_normal((_TILE, _TILE), np.float32)
    for _ in range(2 if smooth else 0):
        for axis in (0, 1):
            whole = np.cumsum(np.concatenate([noise, noise.take(range(2 * smooth + 1), axis)], axis), axis, np.float64)
            ahead = whole.take(range(2 * smooth + 1, 2 * smooth + 1 + _TILE), axis)
            noise = (ahead - whole.take(range(_TILE), axis)).astype(np.float32)
    noise -= noise.mean()
    noise /= noise.std()
    noise.flags.writeable = False
    return noise


def grain(shape: tuple[int, ...], smooth: int, seed: int) -> Array:
    """Noise [h, w] with grains of about `smooth` points; the same for a seed."""
    at = (seed * 2654435761) % 2**32
    if max(shape) <= _TILE:
        row, column = at % (_TILE + 1 - shape[0]), at // _TILE % (_TILE + 1 - shape[1])
        return _tile(smooth)[row : row + shape[0], column : column + shape[1]]
    rows, columns = (at + np.arange(shape[0])) % _TILE, (at // _TILE + np.arange(shape[1])) % _TILE
    return _tile(smooth)[rows[:, None], columns]
