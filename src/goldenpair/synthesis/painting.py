"""Putting changes into pictures so that they look photographed: moved bodies, bare board, solder with its highlights.

Geometry is the same under all lights. How bright something is under each light is taken from the picture itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from goldenpair.synthesis.anatomy import Anatomy, Pictures, Region, widened

Pixels = NDArray[np.float32]
"""Pictures that are worked on: float32 [L, H, W, 3] of 0..255."""
Alpha = NDArray[np.float32]
"""How much of what is put in shows: float32 [H, W] of 0..1."""

_SHADES = 32
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def luma(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """[..., 3] -> [...]."""
    found: NDArray[np.float32] = pixels @ _LUMA
    return found


def feathered(region: Region, width: float = 0.7) -> Alpha:
    """A region with a soft edge, as lenses draw one; `width` is the standard deviation in pixels."""
    alpha: Alpha = ndimage.gaussian_filter(region.astype(np.float32), width, truncate=2.5)
    return alpha


def blended(under: Pixels, over: Pixels, alpha: Alpha) -> Pixels:
    mixed: Pixels = under + (over - under) * alpha[None, :, :, None]
    return mixed


def moved(pixels: Pixels, alpha: Alpha, linear: NDArray[np.float64], start: NDArray[np.float64],
          end: NDArray[np.float64]) -> tuple[Pixels, Alpha]:  # fmt: skip
    """Pixels and alpha resampled so that what was at the place `start` (row, column) is at `end`.

    `linear` [2, 2] leads from distances in the new picture to distances in the old. Outside is nothing.
    """
    _, height, width, _ = pixels.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    rows -= end[0]
    columns -= end[1]
    y = (linear[0, 0] * rows + linear[0, 1] * columns + start[0]).astype(np.float32)
    x = (linear[1, 0] * rows + linear[1, 1] * columns + start[1]).astype(np.float32)
    inside = (y > -1) & (y < height) & (x > -1) & (x < width)
    top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    down, right = y - top, x - left
    found = np.zeros_like(pixels)
    shows = np.zeros_like(alpha)
    for dy, dx, weight in ((0, 0, (1 - down) * (1 - right)), (0, 1, (1 - down) * right),
                           (1, 0, down * (1 - right)), (1, 1, down * right)):  # fmt: skip
        r, c = (top + dy).clip(0, height - 1), (left + dx).clip(0, width - 1)
        found += pixels[:, r, c] * weight[None, :, :, None]
        shows += alpha[r, c] * weight
    return found, shows * inside


def bare(pixels: Pixels, parts: Anatomy, region: Region, rng: np.random.Generator) -> Pixels:
    """The pictures with what is under a body in this region: board, and pads that reach in from its sides."""
    if not region.any():
        return pixels
    height, width = region.shape
    nearest = ndimage.distance_transform_edt(region, return_distances=False, return_indices=True)
    rows, columns = np.mgrid[:height, :width]
    # what is mirrored at the region's edge: pads go on under a body as one sees them beside it
    r, c = (2 * nearest[0] - rows).clip(0, height - 1), (2 * nearest[1] - columns).clip(0, width - 1)
    is_pad = (parts.solder & ~region)[r, c] & region
    under = _board_around(pixels, parts, region, rng)
    if is_pad.any():
        under = blended(under, pixels[:, r, c], feathered(is_pad, 1.0))
    return blended(pixels, under, feathered(region, 0.8))


def _board_around(pixels: Pixels, parts: Anatomy, region: Region, rng: np.random.Generator) -> Pixels:
    """Nothing but board, as it is around the region: its solder, silk screen and whatever shines left aside."""
    height, width = region.shape
    step = max(1, min(height, width) // 32)
    shine = luma(pixels).max(axis=0) > float(luma(parts.board).max()) + 45
    use = ~(widened(region | parts.solder, step / 2) | shine)
    weight = use[::step, ::step].astype(np.float32)
    reach = (0, 2.0, 2.0, 0)
    near = ndimage.gaussian_filter(weight, 2.0, mode="constant")[None, :, :, None] + np.float32(1e-3)
    seen = pixels[:, ::step, ::step] * weight[None, :, :, None]
    seen = ndimage.gaussian_filter(seen, reach, mode="constant") + parts.board[:, None, None] * np.float32(1e-3)
    coarse = seen / near
    large = ndimage.gaussian_filter(coarse.repeat(step, axis=1).repeat(step, axis=2), (0, step, step, 0), truncate=2)
    texture = 3 * _smooth_noise((height, width), 0.03, rng) + 2 * _smooth_noise((height, width), 0.0, rng)
    found: Pixels = large[:, :height, :width] + texture[None, :, :, None]
    return found


def solder_colours(pixels: Pixels, parts: Anatomy) -> NDArray[np.float32]:
    """The colours of the solder there is, from dark to bright: float32 [L, shades, 3]; grey where there is none."""
    found = np.empty((len(pixels), _SHADES, 3), np.float32)
    there = int(parts.solder.sum()) >= 2 * _SHADES
    for light, picture in enumerate(pixels):
        if there:
            of_solder = picture[parts.solder]
            ordered = of_solder[np.argsort(luma(of_solder), kind="stable")]
            found[light] = [group.mean(axis=0) for group in np.array_split(ordered, _SHADES)]
        else:
            brightest = max(120.0, float(np.quantile(luma(picture), 0.98)))
            found[light] = np.linspace(0.25, 1.05, _SHADES)[:, None] * brightest
    return found.clip(0, 255)


@dataclass(frozen=True)
class Solder:
    """Solder to be painted: its `height` above the board in pixels, float32 [H, W], 0 where there is none."""

    height: NDArray[np.float32]

    def over(self, pixels: Pixels, colours: NDArray[np.float32], rng: np.random.Generator) -> Pixels:
        """The pictures with this solder. A slope shines where a light meets it, in colours that solder has here."""
        region = self.height > 0.3
        if not region.any():
            return pixels
        rough = _smooth_noise(region.shape, 0.035, rng)
        down, right = np.gradient(self.height * (1 + 0.35 * rough))
        upright = 1 / np.sqrt(1 + down**2 + right**2)
        where = rng.uniform(0, 2 * np.pi)
        painted = np.empty_like(pixels)
        for light in range(len(pixels)):
            turn = where + rng.uniform(-0.6, 0.6)
            from_above = rng.uniform(0.3, 0.75)
            side = (np.cos(turn) * right + np.sin(turn) * down) * upright
            shine = from_above * upright**3 + (1 - from_above) * side + 0.12 * rough
            painted[light] = colours[light][_ranks(shine, region)]
        return blended(pixels, painted, feathered(region, 0.7))


def _ranks(values: NDArray[np.float32], region: Region) -> NDArray[np.intp]:
    """How far up each value is among those of the region, as a shade: [H, W]. So highlights are as many as there are
    on the solder that the shades are from."""
    there = np.sort(values[region])
    place = np.searchsorted(there, values) * _SHADES // max(1, len(there))
    return place.clip(0, _SHADES - 1)


def _smooth_noise(shape: tuple[int, ...], size: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise of standard deviation 1 whose hills are about this share of the side."""
    noise = rng.standard_normal(shape).astype(np.float32)
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(noise, max(0.7, size * min(shape)), mode="wrap")
    smooth /= max(1e-6, float(smooth.std()))
    return smooth


def dome(shape: tuple[int, int], centre: NDArray[np.float64], radii: tuple[float, float], turn: float,
         rng: np.random.Generator) -> NDArray[np.float32]:  # fmt: skip
    """The height of a drop around `centre` (row, column), with these radii along `turn` and across, uneven."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    y, x = rows - centre[0], columns - centre[1]
    along = (np.cos(turn) * x + np.sin(turn) * y) / radii[0]
    across = (-np.sin(turn) * x + np.cos(turn) * y) / radii[1]
    angle, uneven = np.arctan2(across, along), np.zeros(shape)
    for waves in (2, 3, 5):
        uneven += rng.uniform(0, 0.16 / waves) * np.cos(waves * angle + rng.uniform(0, 2 * np.pi))
    inside = 1 - (along**2 + across**2) / (1 + uneven) ** 2
    height: NDArray[np.float64] = 0.8 * min(radii) * np.sqrt(inside.clip(0))
    return height.astype(np.float32)


def strand(shape: tuple[int, int], points: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.float32]:
    """The height of a round string along `points` [n, 2] (row, column) with a `radius` [n] at each."""
    height = np.zeros(shape, np.float32)
    reach = float(radius.max()) + 2
    first = np.floor(points.min(axis=0) - reach).astype(int).clip(0)
    last = (np.ceil(points.max(axis=0) + reach).astype(int) + 1).clip(0, shape)
    if (last <= first).any():
        return height
    rows, columns = np.mgrid[first[0] : last[0], first[1] : last[1]].astype(np.float32)
    most = np.zeros(rows.shape, np.float32)
    for (y, x), r in zip(points.astype(np.float32), radius.astype(np.float32), strict=True):
        np.maximum(most, r * r - np.square(rows - y) - np.square(columns - x), out=most)
    height[first[0] : last[0], first[1] : last[1]] = np.sqrt(most)
    return height


def curve(start: NDArray[np.float64], end: NDArray[np.float64], bend: float, count: int) -> NDArray[np.float64]:
    """`count` points (row, column) from start to end; `bend` is how far the middle is off, as a share of the length."""
    way = end - start
    middle = (start + end) / 2 + bend * np.array([-way[1], way[0]])
    t = np.linspace(0, 1, count)[:, None]
    found: NDArray[np.float64] = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    return found


def as_pictures(pixels: Pixels) -> Pictures:
    return np.rint(pixels).clip(0, 255).astype(np.uint8)
