"""Pictures of a surface: what the lights make of it, and what the camera makes of that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from goldenpair.simulation.canvas import Array, grain
from goldenpair.simulation.lights import BANDS, LIGHTS, ROUGHS, slope_index, tables
from goldenpair.simulation.parts import RGB
from goldenpair.simulation.surface import FINE, Surface
from goldenpair.specs.simulate import Light

_GLOSS = 0.045
"""How much a clear surface mirrors of what falls on it."""
GAMMA = 1.6
"""Of the tone curve."""
_CELL = 4
"""Shadows are found on a grid of this many pixels."""


@dataclass(frozen=True)
class Camera:
    """A camera on one board. `gains` has exposure and white balance as factors of red, green and blue for each of
    LIGHTS; `blur` is its focus (0 is sharp, 1 is poor), `noise` how strong noise is (1 is usual)."""

    gains: tuple[RGB, ...] = ((1.0, 1.0, 1.0),) * len(LIGHTS)
    blur: float = 0.4
    noise: float = 0.0
    quality: int = 92
    """JPEG quality of the pictures."""


def camera(rng: np.random.Generator) -> Camera:
    """The camera as it has drifted when a board comes by."""
    gains = rng.uniform(0.94, 1.06, (len(LIGHTS), 1)) * rng.uniform(0.98, 1.02, (len(LIGHTS), 3))
    return Camera(
        gains=tuple((red, green, blue) for red, green, blue in gains.tolist()),
        blur=float(rng.uniform(0.25, 0.6)),
        noise=float(rng.uniform(0.8, 1.2)),
        quality=int(rng.integers(86, 96)),
    )


def photograph(
    seen: Surface, lights: Sequence[Light], by: Camera, rng: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """Pictures [lights, rows, columns, 3]. `rng` draws the noise; without it there is none."""
    rows, columns = seen.height.shape[0] // FINE, seen.height.shape[1] // FINE
    slope, both = _indices(seen)
    blocked = _horizon(seen)
    colour, metal = seen.material[:3], seen.material[3]
    dull = 1 - metal
    dull_share = _small(dull)
    pictures = np.empty((len(lights), rows, columns, 3), np.uint8)
    for index, light in enumerate(lights):
        matt, mirror = tables()[light]
        picture = np.empty((3, rows, columns), np.float32)
        for band in range(len(matt)):
            shine = mirror[band].take(both, mode="clip")
            bright = matt[band].take(slope, mode="clip") * dull
            bright += shine * metal
            shine *= dull
            gloss = _GLOSS * _small(shine)
            # what metal mirrors comes from one side, mostly from the open one
            shaded = 1 - (1 - _clear(blocked, light, band, (rows, columns))) * dull_share
            for channel in range(3) if len(matt) == 1 else (band,):
                picture[channel] = (_small(colour[channel] * bright) + gloss) * shaded
        picture = _blurred(picture, by.blur)
        picture *= np.array(by.gains[LIGHTS.index(light)], np.float32)[:, None, None]
        if rng is not None and by.noise:
            picture = _noisy(picture, by.noise, rng)
        pictures[index] = _developed(picture).transpose(1, 2, 0)
    return pictures


def _indices(seen: Surface) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where in the lights' tables each point is: by slope, and by slope and roughness."""
    height = seen.height
    scale = 0.5 / seen.step
    down, across = np.empty_like(height), np.empty_like(height)
    down[1:-1] = (height[2:] - height[:-2]) * scale
    across[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * scale
    down[[0, -1]], across[:, [0, -1]] = down[[1, -2]], across[:, [1, -2]]
    down += seen.tilt[1]
    across += seen.tilt[0]
    gradient = np.sqrt(down * down + across * across)
    slope = (slope_index(gradient) + 0.5).astype(np.intp)
    rough = (seen.material[4] * (ROUGHS - 1) + 0.5).astype(np.intp)
    return slope, slope * ROUGHS + rough


def _horizon(seen: Surface) -> Array:
    """How high what stands around rises, as gradients in eight directions on a coarse grid: [8, rows, columns]."""
    height, cell = seen.height, _CELL * FINE
    rows, columns = (-(-size // cell) for size in height.shape)
    padded = np.pad(height, ((0, rows * cell - height.shape[0]), (0, columns * cell - height.shape[1])), "edge")
    coarse = padded.reshape(rows, cell, columns, cell).mean(3).mean(1)
    far = 8
    around = np.pad(coarse, far, "edge")
    found = np.zeros((8, rows, columns), np.float32)
    for index in range(8):
        turn = index * math.pi / 4
        for distance in (1, 2, 4, 8):
            dy, dx = round(distance * math.sin(turn)), round(distance * math.cos(turn))
            there = around[far + dy : far + dy + rows, far + dx : far + dx + columns]
            run = 1 / (math.hypot(dy, dx) * cell * seen.step)
            np.maximum(found[index], (there - coarse) * run, out=found[index])
    return found


def _clear(blocked: Array, light: Light, channel: int, shape: tuple[int, ...]) -> Array:
    """Share of a band that reaches each point past what stands around it."""
    band = BANDS[light][channel]
    high, low = (1 / math.tan(math.radians(max(angle, 3.0))) for angle in (band.start, band.end))
    coarse = np.clip((high - blocked) * (1 / (high - low)), 0, 1).mean(0)
    rows = _stretched(0.12 + 0.88 * coarse)
    return _stretched(rows.T).T[: shape[0], : shape[1]]


def _stretched(coarse: Array) -> Array:
    """_CELL times as many rows, straight lines between the middles of the coarse ones."""
    above = np.concatenate([coarse[:1], coarse[:-1]])
    below = np.concatenate([coarse[1:], coarse[-1:]])
    out = np.empty((coarse.shape[0], _CELL, coarse.shape[1]), np.float32)
    for row in range(_CELL):
        at = (row + 0.5) / _CELL - 0.5
        other = below if at > 0 else above
        out[:, row] = coarse + abs(at) * (other - coarse)
    return out.reshape(-1, coarse.shape[1])


def _small(fine: Array) -> Array:
    """One value for each pixel. Sensors clip, but only after the lens has mixed."""
    down = fine[::FINE] + fine[1::FINE]
    found: Array = (down[:, ::FINE] + down[:, 1::FINE]) * 0.25
    return found


def _blurred(pictures: Array, blur: float) -> Array:
    side = 0.22 * blur
    for _ in range(2):
        ends = pictures[:, :1], pictures[:, -1:]
        around = np.concatenate([ends[0], pictures[:, :-1]], 1) + np.concatenate([pictures[:, 1:], ends[1]], 1)
        pictures = (pictures * (1 - 2 * side) + around * side).transpose(0, 2, 1)
    return pictures


def _noisy(pictures: Array, noise: float, rng: np.random.Generator) -> Array:
    """Shot noise grows with the root of the light; the sensor adds its own."""
    strength = (0.0022 * noise) + (0.011 * noise) * np.sqrt(pictures)
    for picture, scale, seed in zip(pictures, strength, rng.integers(2**31, size=3).tolist(), strict=True):
        picture += scale * grain(picture.shape, 0, seed)
    return pictures


@lru_cache(maxsize=1)
def _curve() -> NDArray[np.uint8]:
    """The camera's tone curve: gamma, with a shoulder towards white."""
    light = np.linspace(0, 1.5, 4096)
    bent = np.where(light < 0.8, light, 0.8 + 0.2 * (1 - np.exp(-(light - 0.8) / 0.2)))
    return np.rint(255 * bent ** (1 / GAMMA)).astype(np.uint8)


def _developed(picture: Array) -> NDArray[np.uint8]:
    at = (picture * (4095 / 1.5) + 0.5).astype(np.intp)
    return _curve().take(at, mode="clip")
