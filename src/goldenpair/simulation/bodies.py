"""Bodies of parts with a terminal at either end: resistors, capacitors, ferrites, wound inductors, LEDs."""

import math

import numpy as np

from goldenpair.simulation.canvas import TIN, Array, Material, Patch, grain, outside, rounded
from goldenpair.simulation.lettering import text_cover
from goldenpair.simulation.packages import Rect
from goldenpair.simulation.parts import RGB, PartState

_CERAMIC = Material(0.8, 0.79, 0.75, 0.0, 0.45)
_GLAZES = (
    Material(0.035, 0.035, 0.04, 0.0, 0.2),
    Material(0.05, 0.055, 0.075, 0.0, 0.3),
    Material(0.045, 0.07, 0.06, 0.0, 0.16),
)
_CAPACITORS = (
    Material(0.46, 0.33, 0.21, 0.0, 0.35),
    Material(0.52, 0.41, 0.3, 0.0, 0.42),
    Material(0.38, 0.27, 0.19, 0.0, 0.3),
)
_FERRITES = (
    Material(0.13, 0.13, 0.135, 0.0, 0.4),
    Material(0.17, 0.16, 0.155, 0.0, 0.5),
    Material(0.1, 0.105, 0.11, 0.0, 0.3),
)
_COPPER = Material(0.72, 0.4, 0.22, 0.85, 0.3)
_LENSES = (
    Material(0.72, 0.7, 0.55, 0.0, 0.12),
    Material(0.62, 0.66, 0.58, 0.0, 0.1),
    Material(0.78, 0.7, 0.4, 0.0, 0.16),
)
_WHITE = Material(0.84, 0.84, 0.8, 0.0, 0.4)
_GREEN = Material(0.06, 0.36, 0.16, 0.0, 0.4)
_PRINT = Material(0.86, 0.86, 0.83, 0.0, 0.5)


def tinted(material: Material, tint: RGB) -> Material:
    red, green, blue = (min(c * t, 1.0) for c, t in zip(material[:3], tint, strict=True))
    return Material(red, green, blue, material.metal, material.rough)


def _tilted(at: Array, size: float, tall: float, degrees: float, hinged: bool) -> tuple[Array, Array, Array, float]:
    """One axis of a box that is tilted about one end: where on its top a point is (from its middle), how far down
    the face that came up it is (0 on the top), the height seen, and how long the box looks. A hinged box keeps its
    lower end where it was; else it stays in the middle of its place."""
    angle = math.radians(min(abs(degrees), 89.9))
    cos, sin = math.cos(angle), math.sin(angle)
    seen = size * cos + tall * sin
    run = (at if degrees >= 0 else -at) + (size / 2 if hinged else seen / 2)
    along = np.minimum(run * (1 / cos), size) - size / 2
    face = np.maximum(run - size * cos, 0) * (1 / max(sin, 1e-3))
    height = (along + size / 2) * sin + tall * cos - face * cos
    return (along if degrees >= 0 else -along), face, height, seen


def _box(patch: Patch, state: PartState, u: Array, v: Array, radius: float) -> tuple[Array, Array, Array, Array, Array]:
    """Lay the outline of a chip. Returns its cover, where on its top each point is (along and across), and how far
    down the faces that a lean or a roll brings up each point is."""
    (length, width), tall = state.package.body, state.package.height
    along, end, height, long = _tilted(u, length, tall, state.lean, True)
    across, side, rolled, wide = _tilted(v, width, tall, state.roll, False)
    sign = -1 if state.lean < 0 else 1
    middle = sign * (long - length) / 2
    away = outside(u, v, Rect(middle, 0, long, wide), 0.04 * width)
    if state.roll:
        height = rolled
    elif not state.lean:
        height = np.full_like(u, tall)
    cover = patch.cover(away)
    patch.height += cover * (height - rounded(-away, radius) - patch.height)
    np.maximum(patch.part, cover, out=patch.part)
    return cover, along, across, end, side


def lay_chip(patch: Patch, state: PartState, u: Array, v: Array) -> None:
    package, lot = state.package, state.lot
    length, width = package.body
    resistor = package.component_type == "resistor"
    cover, along, across, end, side = _box(patch, state, u, v, 0.05 * width if resistor else 0.1 * width)
    cap = package.pads[0].foot.width * (0.78 if lot.source == 1 else 0.9)
    fine = grain(cover.shape, 1, state.grain)
    if resistor:
        body, glaze = _CERAMIC, tinted(_GLAZES[lot.source], lot.tint)
        patch.lay(cover, body)
        top = patch.cover(outside(along, across, Rect(0, 0, length - 2 * cap, width * 0.92), 0.03 * width)) * cover
        top = top * (end <= 0) * (side <= 0)
        if state.face_down:
            patch.lay(top, glaze)
            patch.lay(top * state.face_down, _CERAMIC)
        else:
            patch.lay(top, glaze)
            patch.height += top * 0.012
            if state.marking:
                flip = -1 if lot.upside_down else 1
                letters = text_cover(
                    flip * along,
                    flip * across,
                    state.marking[0],
                    lot.font,
                    0.5 * width,
                    0.86 * (length - 2 * cap),
                    patch.step,
                )
                patch.lay(letters * top * lot.ink, _PRINT)
    else:
        kinds = _CAPACITORS if package.component_type == "capacitor" else _FERRITES
        patch.lay(cover, tinted(kinds[lot.source], lot.tint))
    metal = patch.cover(
        (length / 2 - cap) + (0.012 * width) * grain(cover.shape, 5, state.grain + 3) - np.abs(along),
        2.0,
    )
    metal = np.maximum(metal, end > 0) * cover
    patch.lay(metal, TIN)
    swell = np.clip((np.abs(along) - (length / 2 - cap)) * (8 / cap), 0, 1)
    patch.height += metal * swell * 0.02
    patch.height += cover * fine * 0.0008


def lay_wound(patch: Patch, state: PartState, u: Array, v: Array) -> None:
    """A drum of ferrite with copper wire around it between two flanges."""
    package, lot = state.package, state.lot
    length, width = package.body
    cover, along, across, end, _ = _box(patch, state, u, v, 0.05)
    patch.lay(cover, tinted(_FERRITES[lot.source], lot.tint))
    flange = package.pads[0].foot.width * 0.9
    inside = patch.cover(outside(along, across, Rect(0, 0, length - 2 * flange, width * 0.96))) * cover * (end <= 0)
    wires = 9 + 2 * lot.source
    turn = np.sin(along * (math.pi * wires / (length - 2 * flange))) ** 2
    bend = np.clip(1 - (across * (1.9 / width)) ** 2, 0, 1)
    patch.lay(inside, tinted(_COPPER, lot.tint))
    coil = package.height - 0.45 + 0.3 * np.sqrt(bend) + 0.07 * turn
    patch.height += inside * (coil - patch.height)
    tabs = patch.cover((length / 2 - 0.3 * flange) - np.abs(along), 2.0)
    tabs = np.maximum(tabs, end > 0) * patch.cover(np.abs(across) - 0.36 * width) * cover
    patch.lay(tabs, TIN)


def lay_led(patch: Patch, state: PartState, u: Array, v: Array) -> None:
    """An LED: a white carrier with gold ends, a clear lens with the die under it, a green mark at the cathode."""
    package, lot = state.package, state.lot
    length, width = package.body
    cover, along, across, end, side = _box(patch, state, u, v, 0.03)
    top = cover * (end <= 0) * (side <= 0)
    cap = package.pads[0].foot.width * 0.7
    patch.lay(cover, _WHITE)
    ends = patch.cover((length / 2 - cap) - np.abs(along), 2.0) * cover
    notch = np.sqrt((np.abs(along) - length / 2) ** 2 + across**2) - 0.16 * width
    patch.height -= cover * (0.35 * package.height) * ends
    patch.lay(np.maximum(ends, (end > 0) * cover), Material(0.84, 0.72, 0.46, 0.95, 0.25))
    patch.lay(patch.cover(notch) * cover, Material(0.12, 0.14, 0.08), 0.05)
    lens = patch.cover(outside(along, across, Rect(0, 0, length - 2 * cap, width * 0.94), 0.04)) * top
    if state.face_down:
        patch.lay(lens, _LENSES[0])
        patch.lay(lens * (0.5 + 0.5 * state.face_down), _WHITE)
        diamond = np.abs(along) + np.abs(across) - 0.24 * width
        patch.lay(lens * patch.cover(diamond) * state.face_down, _GREEN)
        return
    clear = tinted(_LENSES[lot.source], lot.tint)
    patch.lay(lens, clear)
    bow = np.clip(1 - (across * (2 / width)) ** 2, 0, 1)
    patch.height += lens * (0.12 * width) * np.sqrt(bow)
    die = patch.cover(outside(along, across, Rect(0.06 * length, 0, 0.2 * width, 0.2 * width)), 3.0) * lens
    patch.lay(die * 0.75, Material(0.4, 0.34, 0.12, 0.3, 0.3))
    wire = patch.cover(outside(along, across, Rect(-0.08 * length, 0, 0.2 * length, 0.05 * width)), 2.0) * lens
    patch.lay(wire * 0.5, Material(0.86, 0.7, 0.4, 0.8, 0.3))
    mark = patch.cover(
        outside(along, across, Rect(-0.5 * length + cap + 0.09 * length, 0, 0.09 * length, 0.8 * width), 0.02), 2.0
    )
    patch.lay(mark * lens * lot.ink, _GREEN)
