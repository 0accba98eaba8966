"""What pictures look like, in few numbers: of each picture alone, and of a sample beside its golden."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.audit_pictures import swapped_lights

SIDE = 128
"""Pixels a side in which pictures are looked at; a blur that is gone by then is not seen."""
_HALF = SIDE // 2
REACH = 12
"""How far a golden is moved to look for its sample, in pixels of _HALF: 19 % of the crop."""
_NEAR = 4  # so far it is moved before it is compared: what lies further off is a difference, not registration
# Along a straight edge all moves fit alike, and the shorter one counts: a pixel more has to fit by a twentieth better.
_PER_PIXEL, _FINE = 0.05, 0.01
_STEPS = ((-1, 0), (0, -1), (0, 1), (1, 0))
_BLOCK = 8
_TINY = 16
_FLAT = 2.0  # grey levels: what varies less shows nothing but noise
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

PAIR_FEATURES = (
    "distance",
    "difference, mean",
    "difference, worst block",
    "difference, third worst block",
    "difference, 95 % of the pixels",
    "colour, mean",
    "colour, worst block",
    "edges, mean",
    "edges, worst block",
    "structure, mean",
    "structure, worst block",
    "contrast",
    "brightness",
)
"""What a sample beside its golden is measured by, light by light."""


@dataclass(frozen=True)
class Part:
    """The pictures of a part, made ready to be compared: L lights."""

    colour: Floats
    """float32 [L, 3, 64, 64] in 0..255."""
    grey: Floats
    """float32 [L, 64, 64]."""
    spectrum: NDArray[np.complex64]
    bright: Floats
    """float32 [L]: mean grey level."""
    contrast: Floats
    """float32 [L]: standard deviation, in grey levels."""
    sharp: Floats
    """float32 [L]: what changes from pixel to pixel, of what changes at all."""

    @property
    def tiny(self) -> Floats:
        """float32 [L, 3, 16, 16]."""
        step = _HALF // _TINY
        rows = self.colour.reshape(len(self.colour), 3, _TINY, step, _HALF).sum(axis=3)
        found: Floats = rows.reshape(len(self.colour), 3, _TINY, _TINY, step).sum(axis=4) / step**2
        return found


def look(pixels: Pixels) -> Part:
    """Of uint8 [L, 3, SIDE, SIDE]."""
    wide = pixels.astype(np.float32)
    fine: Floats = np.asarray((wide[:, 0] + wide[:, 1] + wide[:, 2]) / 3, np.float32)
    rows = wide[:, :, ::2] + wide[:, :, 1::2]
    colour: Floats = np.asarray((rows[..., ::2] + rows[..., 1::2]) / 4, np.float32)
    grey: Floats = np.asarray((colour[:, 0] + colour[:, 1] + colour[:, 2]) / 3, np.float32)
    contrast = fine.std(axis=(1, 2))
    inner = fine[:, 1:-1, 1:-1]
    bend = 4 * inner - fine[:, :-2, 1:-1] - fine[:, 2:, 1:-1] - fine[:, 1:-1, :-2] - fine[:, 1:-1, 2:]
    sharp = bend.std(axis=(1, 2)) / np.maximum(contrast, _FLAT)
    flat = (grey - grey.mean(axis=(1, 2), keepdims=True)) * _WINDOW
    spectrum = np.fft.rfft2(flat).astype(np.complex64)
    return Part(colour, grey, spectrum, fine.mean(axis=(1, 2)), contrast, sharp)


_RAMP = np.hanning(_HALF).astype(np.float32)
_WINDOW = np.outer(_RAMP, _RAMP)


@dataclass(frozen=True)
class Pair:
    """A sample beside its golden. `move` is how far down and to the right the golden's content lies from the
    sample's, as a share of the crop; `gain` is the share of their difference that moving takes away."""

    features: Floats
    """float32 [L, len(PAIR_FEATURES)]."""
    move: tuple[float, float]
    gain: float
    order: tuple[int, ...]
    """Which light of the golden each light of the sample looks like."""


def compare(sample: Part, golden: Part) -> Pair:
    down, right, before, after = _registered(sample, golden)
    lights = range(len(sample.grey))
    gain = 1 - (1 - after) / (1 - before) if before < 1 else 0.0
    near = max(abs(down), abs(right)) <= _NEAR
    features = np.stack([_features(sample, golden, light, (down, right) if near else (0, 0)) for light in lights])
    order = swapped_lights(sample.tiny, golden.tiny) if len(lights) > 1 else None
    return Pair(features, (down / _HALF, right / _HALF), gain, tuple(order or lights))


def _registered(sample: Part, golden: Part) -> tuple[int, int, float, float]:
    """The move of the golden that fits best, and the correlation of all lights without and with it.

    Phase and plain correlation each propose one; which counts is said by the pictures where they overlap.
    """
    cross = golden.spectrum * sample.spectrum.conj()
    size = np.abs(cross)
    proposed = {(0, 0)}
    for weighed in (cross / (size + 0.01 * size.mean(axis=(1, 2), keepdims=True) + 1e-6), cross):
        found = np.fft.irfft2(weighed, s=(_HALF, _HALF)).sum(axis=0)
        window = np.roll(found, (REACH, REACH), (0, 1))[: 2 * REACH + 1, : 2 * REACH + 1]
        down, right = np.unravel_index(int(window.argmax()), window.shape)
        proposed.add((int(down) - REACH, int(right) - REACH))
    fits: dict[tuple[int, int], float] = {}

    def cost(move: tuple[int, int]) -> float:
        if move not in fits:
            fits[move] = _correlation(sample.grey, golden.grey, *move)
        return (1 - fits[move] + _FINE) * (1 + _PER_PIXEL * max(map(abs, move)))

    best = min(sorted(proposed), key=cost)
    while True:  # downhill, as repeated patterns and windows put the peaks a little aside
        around = [(best[0] + down, best[1] + right) for down, right in _STEPS]
        nearer = min((move for move in around if max(map(abs, move)) <= REACH), key=cost)
        if cost(nearer) >= cost(best):
            return (*best, fits[0, 0], fits[best])
        best = nearer


def _correlation(sample: Floats, golden: Floats, down: int, right: int) -> float:
    here, there = _overlap(sample, golden, down, right)
    one = here - here.mean(axis=(1, 2), keepdims=True)
    other = there - there.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt((one**2).mean(axis=(1, 2)) * (other**2).mean(axis=(1, 2)))
    found = (one * other).mean(axis=(1, 2)) / np.maximum(length, _FLAT**2)
    return float(found.mean())


def _overlap(sample: Floats, golden: Floats, down: int, right: int) -> tuple[Floats, Floats]:
    high, wide = _HALF - abs(down), _HALF - abs(right)
    top, left = max(0, -down), max(0, -right)
    here = sample[:, top : top + high, left : left + wide]
    top, left = max(0, down), max(0, right)
    return here, golden[:, top : top + high, left : left + wide]


def _features(sample: Part, golden: Part, light: int, move: tuple[int, int]) -> Floats:
    """Of one light, the golden moved. Brightness and contrast are made equal first, and a difference counts only
    beyond what the golden shows within a pixel, so that edges a little aside are none."""
    inside = slice(_NEAR, _HALF - _NEAR)
    down, right = (slice(_NEAR + one, _HALF - _NEAR + one) for one in move)
    ours, theirs = sample.colour[light][:, inside, inside], golden.colour[light][:, down, right]
    a, b = ours.mean(axis=0), theirs.mean(axis=0)
    strength = max(float(b.std()), _FLAT) / max(float(a.std()), _FLAT)
    strength = min(max(strength, 0.5), 2.0)
    even = (a - a.mean()) * strength + b.mean()
    apart = _beyond(even, b)
    blocks = np.sort(_blocks(apart).reshape(-1))
    chroma = np.abs((ours - a) * strength - (theirs - b)).max(axis=0)
    edges = _beyond(_slope(even), _slope(b))
    alike = _structure(even, b)
    product = ((even - even.mean()) * (b - b.mean())).mean() / max(float(even.std() * b.std()), _FLAT**2)
    return np.array(
        [
            np.sqrt(max(0.0, 2 - 2 * product)),
            apart.mean(),
            blocks[-1],
            blocks[-3],
            np.percentile(apart, 95),
            chroma.mean(),
            _blocks(chroma).max(),
            edges.mean(),
            _blocks(edges).max(),
            1 - alike.mean(),
            1 - alike.min(),
            abs(np.log(strength)),
            abs(np.log((a.mean() + 1) / (b.mean() + 1))),
        ],
        np.float32,
    )


def _beyond(values: Floats, others: Floats) -> Floats:
    """By how much values lie outside of what the others are within one pixel."""
    wide = np.pad(others, 1, mode="edge")
    rows = np.stack([wide[:-2], wide[1:-1], wide[2:]])
    low, high = rows.min(axis=0), rows.max(axis=0)
    low = np.minimum(np.minimum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
    high = np.maximum(np.maximum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
    found: Floats = np.maximum(np.maximum(values - high, low - values), 0)
    return found


def _slope(values: Floats) -> Floats:
    down = np.diff(values, axis=0, append=values[-1:])
    right = np.diff(values, axis=1, append=values[:, -1:])
    found: Floats = np.abs(down) + np.abs(right)
    return found


def _blocks(values: Floats) -> Floats:
    side = len(values) // _BLOCK
    rows = values.reshape(side, _BLOCK, -1).sum(axis=1)
    found: Floats = rows.reshape(side, side, _BLOCK).sum(axis=2) / _BLOCK**2
    return found


def _structure(values: Floats, others: Floats) -> Floats:
    """How alike blocks are, as SSIM has it without brightness: 1 for equal ones."""
    a, b = _blocks(values), _blocks(others)
    spread_a, spread_b = _blocks(values**2) - a**2, _blocks(others**2) - b**2
    both = _blocks(values * others) - a * b
    steady = (0.03 * 255) ** 2
    return np.asarray((2 * both + steady) / (spread_a + spread_b + steady), np.float32)
