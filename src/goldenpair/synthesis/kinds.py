"""The kinds of defects. Each takes good pictures and gives defective ones, or None where the part cannot have it.

A severity of 0 is barely beyond what good parts do, 1 is plain.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from goldenpair.specs.synthetic import Kind
from goldenpair.synthesis.anatomy import Anatomy, Pictures, Region, anatomy, widened
from goldenpair.synthesis.painting import (
    Pixels,
    Solder,
    bare,
    blended,
    curve,
    dome,
    feathered,
    luma,
    moved,
    solder_colours,
    strand,
)

_SIMILAR = 1.8  # by which factor the body of another part may be longer or shorter


@dataclass(frozen=True)
class Scene:
    """A good part, and pictures of some other part if there are."""

    pictures: Pictures
    donor: Pictures | None = None

    @cached_property
    def parts(self) -> Anatomy:
        return anatomy(self.pictures)

    @cached_property
    def pixels(self) -> Pixels:
        return self.pictures.astype(np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        return self.pictures.shape[1], self.pictures.shape[2]

    @property
    def side(self) -> int:
        return min(self.shape)


@dataclass(frozen=True)
class _Box:
    """Around a region: its middle (row, column) and its height and width."""

    middle: NDArray[np.float64]
    size: NDArray[np.float64]

    @classmethod
    def of(cls, region: Region) -> "_Box":
        ends = [np.flatnonzero(region.any(axis=axis))[[0, -1]] for axis in (1, 0)]
        return cls(np.array([end.mean() for end in ends]), np.array([end[1] - end[0] + 1.0 for end in ends]))


def _missing(scene: Scene, severity: float, rng: np.random.Generator) -> Pixels | None:
    if not scene.parts.body.any():
        return None
    region = widened(scene.parts.body, scene.side / 60)
    return bare(scene.pixels, scene.parts, region, rng)


def _shift(scene: Scene, severity: float, rng: np.random.Generator) -> Pixels | None:
    if not scene.parts.body.any():
        return None
    short = min(float(_Box.of(scene.parts.body).size.min()), 0.4 * scene.side)
    way = rng.choice([-1.0, 1.0]) * max(1.5, short * (0.14 + 0.46 * severity))
    across = rng.uniform(-0.08, 0.08) * short
    return _replaced(scene, np.eye(2), np.array([way, across] if rng.random() < 0.5 else [across, way]), rng)


def _rotate(scene: Scene, severity: float, rng: np.random.Generator) -> Pixels | None:
    return _turned(scene, float(rng.choice([-1.0, 1.0]) * (7 + 33 * severity)), rng)


def _flip(scene: Scene, severity: float, rng: np.random.Generator) -> Pixels | None:
    return _turned(scene, 180 + float(rng.uniform(-1.5, 1.5)), rng)


def _turned(scene: Scene, degrees: float, rng: np.random.Generator) -> Pixels | None:
    if not scene.parts.body.any():
        return None
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return _replaced(scene, turn, np.zeros(2), rng)


def _replaced(scene: Scene, linear: NDArray[np.float64], way: NDArray[np.float64], rng: np.random.Generator) -> Pixels:
    """The body lifted off the board and put down again."""
    body = scene.parts.body
    middle = _Box.of(body).middle
    empty = bare(scene.pixels, scene.parts, widened(body, 1), rng)
    over, alpha = moved(scene.pixels, feathered(body), linear, middle, middle + way)
    return blended(empty, over, alpha)


def _wrong_part(scene: Scene, severity: float, rng: np.random.Generator) -> Pixels | None:
    body = scene.parts.body
    if scene.donor is None or scene.donor.shape != scene.pictures.shape or not body.any():
        return None
    other = anatomy(scene.donor)
    if not other.body.any():
        return None
    mine, its = _Box.of(body), _Box.of(other.body)
    scale = its.size / mine.size
    if not ((1 / _SIMILAR < scale) & (scale < _SIMILAR)).all():
        return None
    over, alpha = moved(scene.donor.astype(np.float32), feathered(other.body), np.diag(scale), its.middle, mine.middle)
    empty = bare(scene.pixels, scene.parts, widened(body, 1), rng)
    return blended(empty, over, alpha)


def _bridge(scene: Scene, severity: float, rng: np.random.Generator) -> Pixels | None:
    joints = scene.parts.joints
    if len(joints) < 2:
        return None
    boxes = [_Box.of(joint) for joint in joints]
    first = int(rng.integers(len(joints)))
    away = [float(np.linalg.norm(box.middle - boxes[first].middle)) for box in boxes]
    second = int(np.argsort(away, kind="stable")[1])  # the nearest one but itself
    thin = min(boxes[first].size.min(), boxes[second].size.min())
    thick = max(1.0, 0.018 * scene.side, float(thin) * (0.14 + 0.3 * severity))
    points = curve(boxes[first].middle, boxes[second].middle, float(rng.uniform(-0.2, 0.2)), 40)
    t = np.linspace(-1, 1, len(points))
    uneven = 1 + 0.12 * np.cos(t * rng.uniform(2, 6) + rng.uniform(0, 6))
    height = strand(scene.shape, points, thick * (1 + 0.6 * t**2) * uneven)
    return Solder(height).over(scene.pixels, solder_colours(scene.pixels, scene.parts), rng)


def _excess(scene: Scene, severity: float, rng: np.random.Generator) -> Pixels | None:
    joint = _some_joint(scene, rng)
    if joint is None:
        return None
    box = _Box.of(joint)
    size = np.maximum(box.size / 2, 0.06 * scene.side) * (1.05 + 0.6 * severity)
    most = (0.12 + 0.14 * severity) * scene.side
    away = rng.uniform(-0.2, 0.2, 2) * box.size
    radii = (float(min(size[1], most)), float(min(size[0], most)))
    height = dome(joint.shape, box.middle + away, radii, float(rng.uniform(-0.3, 0.3)), rng)
    return Solder(height).over(scene.pixels, solder_colours(scene.pixels, scene.parts), rng)


def _insufficient(scene: Scene, severity: float, rng: np.random.Generator) -> Pixels | None:
    """Solder is taken off one side of a joint: what it leaves is a flat, dull pad."""
    joint = _some_joint(scene, rng)
    if joint is None:
        return None
    where = np.argwhere(joint)
    angle = rng.uniform(0, 2 * np.pi)
    along = where @ np.array([np.sin(angle), np.cos(angle)])
    gone = np.zeros(joint.shape, np.bool_)
    gone[tuple(where[along >= np.quantile(along, 0.6 - 0.55 * severity)].T)] = True
    gone = widened(gone, scene.side / 64)
    colours = solder_colours(scene.pixels, scene.parts)
    pad = colours[:, len(colours[0]) // 4] * np.array([1.0, 0.93, 0.8], np.float32) * np.float32(rng.uniform(0.7, 0.95))
    grain = ndimage.gaussian_filter(rng.standard_normal(joint.shape).astype(np.float32), 0.8) * 6
    dull = pad[:, None, None] + grain[None, :, :, None]
    return blended(scene.pixels, dull, feathered(gone, 0.9))


def _some_joint(scene: Scene, rng: np.random.Generator) -> Region | None:
    joints = scene.parts.joints
    return joints[int(rng.integers(len(joints)))] if joints else None


def _scratch(scene: Scene, severity: float, rng: np.random.Generator) -> Pixels | None:
    """One to three scores side by side, in which the surface is paler; pale surfaces get darker."""
    shape = scene.shape
    angle, length = rng.uniform(0, np.pi), scene.side * rng.uniform(0.25, 0.5 + 0.5 * severity)
    middle = np.array(shape) * rng.uniform(0.3, 0.7, 2)
    way = np.array([np.sin(angle), np.cos(angle)])
    across, bend = np.array([way[1], -way[0]]), float(rng.uniform(-0.12, 0.12))
    alpha = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 2 + round(2 * severity)))):
        wide = max(0.75, scene.side * (0.005 + 0.012 * severity) * rng.uniform(0.6, 1.2))
        off = across * rng.uniform(-0.06, 0.06) * scene.side
        half = way * length * rng.uniform(0.7, 1) / 2
        points = curve(middle + off - half, middle + off + half, bend, max(8, int(length)))
        points += ndimage.gaussian_filter1d(rng.standard_normal(points.shape), 4, axis=0) * wide
        t = np.linspace(0, 1, len(points))
        pressed = np.sqrt(np.sin(np.pi * t)) * (1 + 0.3 * np.sin(t * rng.uniform(5, 20)))
        score = strand(shape, points, wide * pressed.clip(0.3))
        alpha = np.maximum(alpha, (score / wide).clip(0, 1))
    alpha = ndimage.gaussian_filter(alpha, 0.5) * np.float32(0.55 + 0.4 * severity)
    brightness = luma(scene.pixels)[..., None]
    pale = 255 - (255 - brightness) * np.float32(rng.uniform(0.15, 0.35))
    pale = 0.75 * pale + 0.25 * scene.pixels
    return blended(scene.pixels, np.where(brightness < 150, pale, scene.pixels * np.float32(0.55)), alpha)


def _contamination(scene: Scene, severity: float, rng: np.random.Generator) -> Pixels | None:
    """A stain of something foreign, or a fibre; dark or pale, never quite opaque."""
    shape = scene.shape
    middle = np.array(shape) * rng.uniform(0.25, 0.75, 2)
    if rng.random() < 0.35:
        angle, length = rng.uniform(0, 2 * np.pi), scene.side * (0.2 + 0.5 * severity)
        end = middle + length * np.array([np.sin(angle), np.cos(angle)])
        points = curve(middle, end, float(rng.uniform(-0.7, 0.7)), max(8, int(1.5 * length)))
        height = strand(shape, points, np.full(len(points), max(0.8, scene.side * (0.006 + 0.006 * severity))))
    else:
        size = scene.side * (0.045 + 0.2 * severity)
        height = dome(shape, middle, (size, size * float(rng.uniform(0.5, 1))), float(rng.uniform(0, 3)), rng)
    alpha = feathered(height > 0.2, 0.9) * np.float32(0.6 + 0.35 * severity)
    exposure = np.quantile(luma(scene.pixels).reshape(len(scene.pixels), -1), 0.9, axis=1).astype(np.float32)
    colours = ((0.14, 0.12, 0.1), (0.32, 0.2, 0.1), (1.05, 1.0, 0.85))
    colour = np.array(colours[int(rng.integers(len(colours)))], np.float32) * np.float32(rng.uniform(0.8, 1.2))
    grain = 1 + 0.08 * ndimage.gaussian_filter(rng.standard_normal(shape).astype(np.float32), 1.2)
    stain = exposure[:, None, None, None] * colour * grain[None, :, :, None]
    return blended(scene.pixels, stain.astype(np.float32), alpha)


def _solder_ball(scene: Scene, severity: float, rng: np.random.Generator) -> Pixels | None:
    board = scene.parts.is_board
    places = np.argwhere(board if board.any() else np.ones(scene.shape, np.bool_))
    middle = places[int(rng.integers(len(places)))].astype(np.float64)
    radius = max(2.0, scene.side * (0.022 + 0.035 * severity))
    height = dome(scene.shape, middle, (radius, radius * float(rng.uniform(0.85, 1))), 0.0, rng)
    return Solder(height).over(scene.pixels, solder_colours(scene.pixels, scene.parts), rng)


MAKERS: Mapping[Kind, Callable[[Scene, float, np.random.Generator], Pixels | None]] = {
    "missing": _missing,
    "shift": _shift,
    "rotate": _rotate,
    "flip": _flip,
    "bridge": _bridge,
    "excess": _excess,
    "insufficient": _insufficient,
    "wrong_part": _wrong_part,
    "scratch": _scratch,
    "contamination": _contamination,
    "solder_ball": _solder_ball,
}
