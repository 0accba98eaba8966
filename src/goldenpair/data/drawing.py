"""One component drawn by code: a surface from a geometry, pictures of it from lights.

`build_surface` lays copper, solder and the part onto a board as one height map with colour and metal; `photograph`
shades that surface under each light. Lengths are in units of 1/64 of the picture, in a frame turned with the
component: x runs through the part from its left to its right pads.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from goldenpair.specs.simulate import Light

Array = NDArray[np.floating[Any]]
RGB = tuple[float, float, float]

# What each light sends from rings at these elevations (degrees), as red, green, blue; how bright a flat matt white
# surface gets; how dark the foot of a wall gets.
_ELEVATIONS = np.array([12, 26, 40, 54, 68, 82], np.float32)
_W, _0 = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
_RINGS: dict[Light, list[RGB]] = {
    "LowAngleLight": [_W, (0.45, 0.45, 0.45), _0, _0, _0, _0],
    "SolderLight": [(0, 0, 0.7), (0, 0.05, 1), (0, 0.8, 0.25), (0.05, 0.9, 0), (0.9, 0.12, 0), (1, 0, 0)],
    "UniformLight": [_W, _W, _W, _W, _W, _W],
    "WhiteLight": [_0, _0, (0.1, 0.1, 0.1), (0.2, 0.2, 0.2), (0.6, 0.6, 0.6), _W],
}
_LEVEL: dict[Light, RGB] = {
    "LowAngleLight": (0.52, 0.54, 0.58),
    "SolderLight": (0.62, 0.6, 0.72),
    "UniformLight": (0.9, 0.9, 0.88),
    "WhiteLight": (1.0, 0.97, 0.9),
}
_SHADOW: dict[Light, float] = {
    "LowAngleLight": 0.3,
    "SolderLight": 0.14,
    "UniformLight": 0.1,
    "WhiteLight": 0.05,
}

_SOLDER, _TIN, _GOLD, _SILK = (0.8, 0.8, 0.83), (0.72, 0.72, 0.72), (0.82, 0.62, 0.33), (0.86, 0.88, 0.84)
_LAMINATE, _CERAMIC = (0.3, 0.28, 0.17), (0.78, 0.77, 0.74)


@dataclass(frozen=True)
class Package:
    name: str
    prefix: str
    length: float
    width: float
    height: float
    reach: float  # x at which the terminals end
    lead_width: float
    rows: tuple[float, ...]  # y of the pads on each side
    pads: tuple[float, float]  # x at which they begin and end
    pad_width: float
    play: float  # how far good placement may be off
    bodies: tuple[RGB, ...]  # colour of each lot


_CHIP_PADS = ((0.0,), (9.0, 23.0), 17.0, 1.8)
RESISTOR = Package(
    "RESISTOR",
    "R",
    28,
    15,
    5,
    14,
    15,
    *_CHIP_PADS,
    ((0.05, 0.05, 0.06), (0.08, 0.08, 0.08), (0.04, 0.05, 0.1)),
)
CAPACITOR = Package(
    "CAPACITOR",
    "C",
    27,
    15,
    8,
    13.5,
    15,
    *_CHIP_PADS,
    ((0.5, 0.36, 0.22), (0.42, 0.29, 0.18), (0.56, 0.44, 0.3)),
)
IC = Package(
    "IC", "U", 26, 36, 9, 22, 3.2, (-12, -4, 4, 12), (15.5, 27.5), 4.8, 1.0,
    ((0.06, 0.06, 0.065), (0.09, 0.09, 0.09), (0.05, 0.05, 0.07)),
)  # fmt: skip


@dataclass(frozen=True)
class Design:
    """One place on the board: all that its golden and its samples have in common."""

    refdes: str
    package: Package
    scale: float
    turns: int
    side: int  # +1 or -1: where chips have a neighbour's lands, opposite the printed name
    via: tuple[float, float]
    code: str


@dataclass(frozen=True)
class Bridge:
    start: tuple[float, float]
    end: tuple[float, float]
    width: float


@dataclass(frozen=True)
class State:
    """One copy of a design. `solder` is the volume on each pad, left side first, 1 being nominal; `lean` is how far
    a chip stands up, in degrees, positive where the right end is in the air."""

    board: RGB
    body: RGB
    marking: tuple[str, ...]
    solder: tuple[float, ...]
    grain: int
    ink: float = 0.85
    shift: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    missing: bool = False
    lean: float = 0.0
    bridge: Bridge | None = None


@dataclass
class Surface:
    """`height` [n, n] in units, `colour` [3, n, n], `metal` and `part` (where the part is) [n, n], all 0 to 1."""

    step: float
    height: Array
    colour: Array
    metal: Array
    part: Array

    def lay(self, cover: Array, colour: RGB, metal: float = 0.0, height: Array | float | None = None) -> None:
        """Cover the surface with a material to the share `cover` [n, n]; without a height it is only paint."""
        self.colour += cover * (np.array(colour, np.float32)[:, None, None] - self.colour)
        self.metal += cover * (metal - self.metal)
        if height is not None:
            self.height += cover * (height - self.height)


def _outside(x: Array, y: Array, centre: tuple[float, float], half: tuple[float, float]) -> Array:
    """Distance [n, n] to a rectangle, negative inside."""
    dx, dy = np.abs(x - centre[0]) - half[0], np.abs(y - centre[1]) - half[1]
    inner: Array = np.minimum(np.maximum(dx, dy), 0)
    dx, dy = np.maximum(dx, 0), np.maximum(dy, 0)
    distance: Array = inner + np.sqrt(dx * dx + dy * dy)  # several times as fast as np.hypot
    return distance


def _cover(distance: Array, soft: float = 1.0) -> Array:
    """Share covered, 0 to 1, by a shape with an edge of width `soft`."""
    t: Array = np.clip(0.5 - distance / soft, 0, 1)
    return t * t * (3 - 2 * t)


@lru_cache(maxsize=256)
def _lettering(text: str) -> Array:
    font = ImageFont.load_default(32)
    left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, font=font)
    image = Image.new("L", (math.ceil(right - left) + 4, math.ceil(bottom - top) + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, fill=255, font=font)
    return np.asarray(image, np.float32) / 255


def _text(x: Array, y: Array, text: str, centre: tuple[float, float], tall: float, widest: float) -> Array:
    """Share covered [n, n] by a line of text of the given height, narrowed where it would be too wide."""
    letters = _lettering(text)
    rows, columns = letters.shape
    per_x = max(rows / tall, columns / widest)
    where = [(y - centre[1]) * rows / tall + rows / 2, (x - centre[0]) * per_x + columns / 2]
    blurred = ndimage.gaussian_filter(letters, 0.25 * rows / tall)
    found: Array = ndimage.map_coordinates(blurred, where, order=1, mode="constant")
    return found


def pads(package: Package) -> list[tuple[int, float]]:
    """Side and y of each pad, in the order of State.solder."""
    return [(side, y) for side in (-1, 1) for y in package.rows]


def _lay_board(surface: Surface, x: Array, y: Array, design: Design, state: State) -> None:
    package = design.package
    begin, end = package.pads
    middle, half = (begin + end) / 2, (end - begin) / 2
    trace = tuple(0.82 * c + 0.1 * g for c, g in zip(state.board, (0.75, 0.8, 0.45), strict=True))
    for side, row in pads(package):
        distance = _outside(x, y, (side * 40, row), (40 - middle, min(2.2, package.pad_width / 3)))
        surface.lay(_cover(distance), (trace[0], trace[1], trace[2]), height=0.5)
    lands = [(side * middle, row, package.pad_width / 2) for side, row in pads(package)]
    if len(package.rows) == 1:
        lands += [(side * middle, design.side * (package.pad_width / 2 + 10.5), 5.0) for side in (-1, 1)]
    for land_x, land_y, half_width in lands:
        distance = _outside(x, y, (land_x, land_y), (half, half_width))
        surface.lay(_cover(distance - 1), _LAMINATE, height=0.0)
        surface.lay(_cover(distance), _GOLD, 1.0, 0.6)
    from_via = np.hypot(x - design.via[0], y - design.via[1])
    surface.lay(_cover(from_via - 3.2), _GOLD, 1.0, 0.6)
    surface.lay(_cover(from_via - 1.5), (0.02, 0.02, 0.02), height=-1.0)
    edge = package.width / 2 + 3.2
    for line in (-edge, edge):
        surface.lay(_cover(_outside(x, y, (0, line), (begin - 3, 0.5))), _SILK, height=0.8)
    surface.lay(_text(x, y, design.refdes, (-6, -design.side * (edge + 5.5)), 6, 20), _SILK)


def _lay_solder(surface: Surface, x: Array, y: Array, at: tuple[Array, Array], design: Design, state: State) -> None:
    """Solder on each pad, climbing what touches it. `at` holds x and y as seen from the part."""
    package = design.package
    begin, end = package.pads
    middle, half, half_width = (begin + end) / 2, (end - begin) / 2, package.pad_width / 2
    foot, run, climb = (2.8, 9.0, 3.2 + 0.3 * package.height) if len(package.rows) == 1 else (3.0, 5.5, 2.6)
    for (side, row), volume in zip(pads(package), state.solder, strict=True):
        dome = np.clip(1 - ((x - side * middle) / half) ** 2, 0, 1)
        dome = dome * np.clip(1 - ((y - row) / half_width) ** 2, 0, 1)
        pad = _cover(_outside(x, y, (side * middle, row), (half, half_width)))
        if state.missing or side * state.lean > 0:
            wet, height = pad, 0.6 + 2.6 * volume * np.sqrt(dome)
        else:
            centre = (side * (package.reach - foot), row)
            away = np.maximum(_outside(*at, centre, (foot, package.lead_width / 2)), 0)
            wet = pad * _cover(away - 3 * run * volume**2, 2.0)
            height = 0.6 + volume * (0.9 * dome + climb * np.clip(1 - away / run, 0, 1) ** 2)
        surface.lay(wet, _SOLDER, 1.0, height)


def _lay_chip(surface: Surface, u: Array, v: Array, design: Design, state: State) -> None:
    """A chip as seen from itself. Standing up it shows its top foreshortened, and the end that is in the air."""
    package = design.package
    length, height = package.length, package.height
    if state.lean < 0:
        u, v = -u, -v
    cos, sin = math.cos(math.radians(abs(state.lean))), math.sin(math.radians(abs(state.lean)))
    run = u + length / 2  # from the end that stays down
    seen = length * cos + height * sin
    cover = _cover(_outside(run, v, (seen / 2, 0), (seen / 2 - 0.6, package.width / 2 - 0.6)) - 0.6, 1.6)
    along = np.minimum(run / cos, length) - length / 2
    on_end = np.maximum(run - length * cos, 0)
    top = (along + length / 2) * sin + height * cos - (on_end * cos / sin if sin else 0) + 0.6
    cap = _cover(0.3 * length - np.abs(along), 0.8)
    surface.lay(cover, _CERAMIC if package is RESISTOR else state.body, 0.0, top.astype(np.float32))
    surface.part = np.maximum(surface.part, cover)
    if package is RESISTOR:
        glaze = _cover(_outside(along, v, (0, 0), (length / 2 - 4, package.width / 2 - 1.2)), 1.2)
        surface.lay(cover * glaze, state.body)
        text = _text(along, v, state.marking[0], (0, 0), 7.5, 15)
        surface.lay(cover * text * state.ink, (0.92, 0.92, 0.9))
    surface.lay(cover * cap, _TIN, 0.85)


def _lay_ic(surface: Surface, u: Array, v: Array, design: Design, state: State) -> None:
    package = design.package
    out = np.clip((np.abs(u) - package.length / 2 - 0.5) / 4.5, 0, 1)
    gull = 1.4 + 0.45 * package.height * (1 - out * out * (3 - 2 * out))  # from the body down to the foot
    for row in package.rows:
        lead = _cover(_outside(u, v, (0, row), (package.reach, package.lead_width / 2)))
        surface.lay(lead, _TIN, 0.95, gull.astype(np.float32))
        surface.part = np.maximum(surface.part, lead)
    edge = _outside(u, v, (0, 0), (package.length / 2, package.width / 2))
    surface.lay(_cover(edge), state.body, 0.0, package.height + np.clip(edge + 1.5, -1, 1.5) * -1.6)
    surface.part = np.maximum(surface.part, _cover(edge))
    dot = np.hypot(u + package.length / 2 - 4.5, v + package.width / 2 - 4.5)
    surface.lay(_cover(dot - 1.8), (0.16, 0.16, 0.16), 0.0, package.height + 0.6)
    for line, text in zip((-3.5, 4.5), state.marking, strict=True):
        surface.lay(_text(u, v, text, (0, line), 5.5, 20) * state.ink, (0.55, 0.55, 0.53))


def build_surface(design: Design, state: State, n: int) -> Surface:
    """The component and its surroundings, n by n points."""
    axis = ((np.arange(n, dtype=np.float32) + 0.5) / n - 0.5) * 64 / np.float32(design.scale)
    y, x = (np.rot90(a, design.turns) for a in np.meshgrid(axis, axis, indexing="ij"))
    spread = n / 64
    noise = np.random.default_rng(state.grain).standard_normal((n, n), np.float32)
    grain = ndimage.gaussian_filter(noise, 0.8 * spread, mode="wrap") * np.float32(2.8 * spread)
    flat = np.zeros((n, n), np.float32)
    surface = Surface(
        step=64 / n / design.scale,
        height=flat.copy(),
        colour=flat + np.array(state.board, np.float32)[:, None, None],
        metal=flat.copy(),
        part=flat.copy(),
    )
    turn = math.radians(state.angle)
    dx, dy = x - state.shift[0], y - state.shift[1]
    u, v = dx * math.cos(turn) + dy * math.sin(turn), dy * math.cos(turn) - dx * math.sin(turn)
    _lay_board(surface, x, y, design, state)
    _lay_solder(surface, x, y, (u, v), design, state)
    if not state.missing:
        lay_part = _lay_ic if design.package is IC else _lay_chip
        lay_part(surface, u, v, design, state)
    if state.bridge is not None:
        start, end = np.array(state.bridge.start), np.array(state.bridge.end)
        along = end - start
        t = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (along @ along), 0, 1)
        waist = state.bridge.width / 2 * (1 - 0.25 * np.sin(np.pi * t))
        away = (np.hypot(x - start[0] - t * along[0], y - start[1] - t * along[1]) / waist).astype(np.float32)
        dome = 0.6 + 0.8 * waist * np.sqrt(np.clip(1 - away**2, 0, 1))
        surface.lay(_cover((away - 1) * 2), _SOLDER, 1.0, np.maximum(dome, surface.height).astype(np.float32))
    surface.colour *= 1 + 0.06 * grain
    surface.height += 0.035 * grain
    return surface


@lru_cache(maxsize=8)
def _response(lights: tuple[Light, ...]) -> tuple[Array, Array]:
    """What matt white and what bright metal send into the camera, by slope: [lights, 3, 0 to 90 degrees] each."""
    rings = np.array([_RINGS[light] for light in lights], np.float32)
    level = np.array([_LEVEL[light] for light in lights], np.float32)[:, None]
    degrees = np.arange(91, dtype=np.float32)[:, None]
    slope, rise = np.radians(degrees), np.radians(_ELEVATIONS)
    straight, aside = np.cos(slope) * np.sin(rise), np.sin(slope) * np.cos(rise)
    # mean over the ring's azimuth of max(0, normal . light), of which a part is below the horizon where aside is larger
    beyond = np.maximum(aside, straight + 1e-6)
    partly = (straight * (np.pi - np.arccos(straight / beyond)) + np.sqrt(beyond**2 - straight**2)) / np.pi
    matt = np.where(aside > straight, partly, straight) @ rings
    matt = matt / matt[:, :1]  # cameras are balanced so that flat grey looks grey
    # a slope turns the line of sight by twice its angle; past 45 degrees only stray light comes back
    mirror = np.exp(-(((90 - 2 * degrees - _ELEVATIONS) / 9.5) ** 2) / 2) @ rings
    mirror = mirror / mirror.max(axis=(1, 2), keepdims=True)
    responses = [(matt * level).astype(np.float32), (mirror * level + 0.05).astype(np.float32)]
    return responses[0].transpose(0, 2, 1).copy(), responses[1].transpose(0, 2, 1).copy()


def photograph(
    scene: Surface, lights: tuple[Light, ...], size: int, rng: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """Pictures [lights, size, size, 3] of a surface drawn at a multiple of `size`. With `rng` focus, exposure and
    sensor noise vary from picture to picture; without it they are nominal, and there is no noise."""
    n = scene.height.shape[0]
    spread = n / 64
    down, across = np.gradient(ndimage.gaussian_filter(scene.height, 0.35 * spread), np.float32(scene.step))
    slope = np.degrees(np.arctan(np.hypot(down, across))).astype(np.intp)
    matt, mirror = _response(lights)
    gloss = 0.05 * (1 - scene.metal)
    picture = matt[..., slope] * ((1 - scene.metal) * scene.colour)  # [lights, 3, n, n]
    picture += mirror[..., slope] * (scene.metal * scene.colour + gloss)
    walls = np.maximum(ndimage.gaussian_filter(scene.height, 2.5 * spread) - scene.height, 0)
    dark = np.array([_SHADOW[light] for light in lights], np.float32)[:, None, None]
    picture *= np.exp(-dark * walls)[:, None]
    picture = picture.reshape(len(lights), 3, size, n // size, size, n // size).mean(axis=(3, 5))
    focus = rng.uniform(0.35, 0.6) if rng else 0.45
    picture = ndimage.gaussian_filter(picture, (0, 0, focus, focus), truncate=3)
    if rng:
        exposure = rng.uniform(0.93, 1.07) * rng.uniform(0.98, 1.02, (len(lights), 3, 1, 1))
        picture *= exposure.astype(np.float32)
    picture = 255 * np.clip(picture, 0, None) ** 0.8
    if rng:
        picture += rng.standard_normal(picture.shape, np.float32) * (1.2 + 0.012 * picture)
    return np.ascontiguousarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1))
