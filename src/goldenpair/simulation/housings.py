"""Bodies of parts with leads, lands below them or a housing: SOT, SOIC, QFN, BGA, electrolytics, connectors."""

import math

import numpy as np

from goldenpair.simulation.bodies import tinted
from goldenpair.simulation.canvas import TIN, Array, Material, Patch, grain, outside, rounded
from goldenpair.simulation.lettering import text_cover
from goldenpair.simulation.packages import Pad, Rect
from goldenpair.simulation.parts import Joint, PartState

_MOULDS = (
    Material(0.042, 0.042, 0.046, 0.0, 0.55),
    Material(0.062, 0.06, 0.06, 0.0, 0.65),
    Material(0.034, 0.036, 0.042, 0.0, 0.45),
)
_LASERS = (Material(0.42, 0.42, 0.4, 0.0, 0.7), Material(0.6, 0.6, 0.57, 0.0, 0.6), Material(0.3, 0.31, 0.31, 0.0, 0.8))
_ALUMINIUM = (
    Material(0.76, 0.76, 0.77, 0.8, 0.34),
    Material(0.7, 0.71, 0.73, 0.85, 0.28),
    Material(0.78, 0.77, 0.74, 0.75, 0.42),
)
_BASE = Material(0.06, 0.06, 0.065, 0.0, 0.4)
_NYLON = (
    Material(0.76, 0.73, 0.64, 0.0, 0.4),
    Material(0.8, 0.79, 0.76, 0.0, 0.35),
    Material(0.7, 0.68, 0.58, 0.0, 0.5),
)
_SUBSTRATE = Material(0.05, 0.2, 0.1, 0.0, 0.3)


def _lead(patch: Patch, pad: Pad, joint: Joint, state: PartState, u: Array, v: Array, start: float, top: float) -> None:
    """A gull-wing lead: out of the body at height `top`, `start` mm from the part's middle, down to its foot."""
    out = pad.out[0] * u + pad.out[1] * v
    row = pad.out[0] * v - pad.out[1] * u
    foot = pad.foot
    far = abs(foot.x) + foot.width / 2 if pad.out[0] else abs(foot.y) + foot.height / 2
    long = foot.width if pad.out[0] else foot.height
    wide = foot.height if pad.out[0] else foot.width
    at = pad.out[0] * foot.y - pad.out[1] * foot.x
    run = far - long - start
    reach = np.clip((out - start) * (1 / max(far - start, 1e-3)), 0, 1)
    row = row - at - joint.bend * reach
    thick = 0.16
    down = np.clip((out - (start + 0.25 * run)) * (1 / max(0.75 * run, 0.02)), 0, 1)
    down = down * down * (3 - 2 * down)
    height = top + (thick - top) * down + joint.lift * reach * reach
    away = outside(out, row, Rect((start + far) / 2 - 0.1, 0, far - start + 0.2, wide), 0.02)
    if state.face_down:
        height = top + (0.8 * top) * down
    cover = patch.cover(away)
    patch.lay(cover, TIN, height - rounded(-away, 0.03))


def lay_leads(patch: Patch, state: PartState, u: Array, v: Array, start: float, top: float) -> None:
    for pad, joint in zip(state.package.pads, state.joints, strict=True):
        _lead_box = _local(patch, pad, state, joint)
        if _lead_box is not None:
            near, here = _lead_box
            _lead(near, pad, joint, state, u[here], v[here], start, top)


def _local(patch: Patch, pad: Pad, state: PartState, joint: Joint) -> tuple[Patch, tuple[slice, slice]] | None:
    """The piece of a patch in which a lead can be, wherever its part is."""
    cos, sin = math.cos(math.radians(state.angle)), math.sin(math.radians(state.angle))
    sign = -1 if state.reversed else 1
    foot = pad.foot
    inner = (foot.x - pad.out[0] * 0.5 * foot.width, foot.y - pad.out[1] * 0.5 * foot.height)
    middle = (sign * (inner[0] * cos - inner[1] * sin) + state.dx, sign * (inner[0] * sin + inner[1] * cos) + state.dy)
    half = max(foot.width, foot.height) * 1.1 + 0.15 + abs(joint.bend)
    thin = min(foot.width, foot.height) * 0.6 + 0.1 + abs(joint.bend) + half * abs(sin)
    half_x, half_y = (half, thin) if pad.out[0] else (thin, half)
    if abs(sin) > 0.3:
        half_x = half_y = half
    near = patch.near(middle[0], middle[1], half_x, half_y)
    if near is None:
        return None
    return near, near.within(patch)


def _mould(patch: Patch, state: PartState, u: Array, v: Array, bevel: float) -> Array:
    """A moulded body; returns its cover."""
    (length, width), lot = state.package.body, state.lot
    away = outside(u, v, Rect(0, 0, length, width), 0.06)
    cover = patch.cover(away)
    # moulds open: the sides lean inwards, with a rounded rim
    slope = np.clip(1 + away * (1 / bevel), 0, 1)
    height = state.package.height - slope * slope * (0.55 * state.package.height)
    material = tinted(_MOULDS[lot.source], lot.tint)
    if state.face_down:
        shade = 1 + 0.9 * state.face_down
        material = tinted(material, (shade, shade, shade))
    patch.lay(cover, material, height + 0.0025 * grain(u.shape, 0, state.grain))
    np.maximum(patch.part, cover, out=patch.part)
    return cover


def _print(patch: Patch, state: PartState, u: Array, v: Array, tall: float, widest: float) -> None:
    lot = state.lot
    lines = (*state.marking, lot.date) if state.package.component_type == "ic" else state.marking
    for index, text in enumerate(lines):
        line = v - ((index - (len(lines) - 1) / 2) * tall * 1.45)
        letters = text_cover(u, line, text, lot.font, tall, widest, patch.step)
        patch.lay(letters * lot.ink, _LASERS[lot.source])


def _dimple(patch: Patch, state: PartState, u: Array, v: Array, x: float, y: float, radius: float) -> None:
    """Pin 1: a round dent in the mould, or printed where a source does so."""
    away = np.sqrt((u - x) ** 2 + (v - y) ** 2) - radius
    cover = patch.cover(away, 2.0)
    if state.lot.source == 1:
        patch.lay(cover * state.lot.ink, _LASERS[1])
        return
    bowl = np.clip(-away * (1 / (0.4 * radius)), 0, 1)
    patch.height -= bowl * (0.12 * radius + 0.02)
    shade = 1 + 0.9 * state.lot.ink
    patch.material[:3] *= 1 + cover * (shade - 1)


def lay_gull(patch: Patch, state: PartState, u: Array, v: Array) -> None:
    package = state.package
    length, width = package.body
    lay_leads(patch, state, u, v, length / 2 - 0.02, 0.5 * package.height)
    _mould(patch, state, u, v, 0.1 * length)
    if state.face_down:
        for x in (-0.2, 0.2):
            away = np.sqrt((u - x * length) ** 2 + v * v) - 0.12 * length
            patch.height -= np.clip(-away * (6 / length), 0, 1) * 0.06
        return
    if package.name.startswith("SOT"):
        _print(patch, state, -v, u, 0.5 * length, 0.6 * width)
        return
    _dimple(patch, state, u, v, -0.32 * length, -width / 2 + 0.62, 0.28)
    # lines run along the leads' row, as on most SOICs
    _print(patch, state, -v, u, 0.22 * length, 0.72 * width)


def lay_flat(patch: Patch, state: PartState, u: Array, v: Array) -> None:
    """QFN: a body sawn out of a panel, its terminals level with its sides and below it."""
    side = state.package.body[0]
    _mould(patch, state, u, v, 0.035)
    _dimple(patch, state, u, v, -0.36 * side, -0.36 * side, 0.05 * side)
    _print(patch, state, u, v, 0.15 * side, 0.72 * side)


def lay_balls(patch: Patch, state: PartState, u: Array, v: Array) -> None:
    """BGA: a moulded cap on a carrier of laminate; the balls are below it."""
    side, tall = state.package.body[0], state.package.height
    away = outside(u, v, Rect(0, 0, side, side), 0.05)
    cover = patch.cover(away)
    patch.lay(cover, tinted(_SUBSTRATE, state.lot.tint), 0.55 * tall)
    np.maximum(patch.part, cover, out=patch.part)
    cap = outside(u, v, Rect(0, 0, 0.9 * side, 0.9 * side), 0.25)
    slope = np.clip(1 + cap * (1 / 0.12), 0, 1)
    height = tall - slope * slope * (0.3 * tall)
    mould = tinted(_MOULDS[state.lot.source], state.lot.tint)
    patch.lay(patch.cover(cap), mould, height + 0.0025 * grain(u.shape, 0, state.grain))
    corner = patch.cover(u + v + 0.955 * side) * cover
    patch.lay(corner * state.lot.ink, Material(0.86, 0.7, 0.4, 0.9, 0.3))
    _dimple(patch, state, u, v, -0.35 * side, -0.35 * side, 0.035 * side)
    _print(patch, state, u, v, 0.11 * side, 0.62 * side)


def lay_can(patch: Patch, state: PartState, u: Array, v: Array) -> None:
    """An aluminium can on a plastic base with two cut corners (at its positive side, the right); a black segment
    marks the negative side, a cross in the top lets it open when it fails."""
    package, lot = state.package, state.lot
    side, tall = package.body[0], package.height
    for pad in package.pads:
        foot = patch.cover(outside(u, v, pad.foot, 0.03))
        patch.lay(foot, TIN, 0.16)
    cut = (np.abs(v) + u - 0.84 * side) * 0.7071
    base = np.maximum(outside(u, v, Rect(0, 0, side, side), 0.15), cut)
    cover = patch.cover(base)
    patch.lay(cover, tinted(_BASE, lot.tint), 0.9 - rounded(-base, 0.12))
    np.maximum(patch.part, cover, out=patch.part)
    from_middle = np.sqrt(u * u + v * v)
    radius = 0.475 * side
    away = from_middle - radius
    rim = tall - rounded(-away, 0.35)
    rim = rim - 0.05 * np.clip(((radius - 0.5) - from_middle) * 6, 0, 1)
    cross = np.minimum(np.abs(u), np.abs(v)) - 0.035
    groove = patch.cover(cross, 3.0) * (from_middle < (0.6 * radius))
    patch.lay(
        patch.cover(away),
        tinted(_ALUMINIUM[lot.source], lot.tint),
        rim + 0.0012 * grain(u.shape, 1, state.grain),
    )
    patch.height -= groove * 0.05
    patch.lay(groove * 0.35, Material(0.2, 0.2, 0.2, 0.5, 0.6))
    face = patch.cover(from_middle - (radius - 0.3), 2.0)
    stripe = patch.cover(u + 0.52 * radius, 2.0) * face
    patch.lay(stripe * (0.25 + 0.75 * lot.ink), Material(0.04, 0.04, 0.05, 0.0, 0.4))
    ink = Material(0.08, 0.08, 0.1, 0.0, 0.5)
    for index, text in enumerate(state.marking):
        line = v - ((index - 0.5) * 0.3 * side)
        letters = text_cover(u - 0.14 * side, line, text, lot.font, 0.17 * side, 0.5 * side, patch.step)
        patch.lay(letters * face * lot.ink, ink)


def lay_header(patch: Patch, state: PartState, u: Array, v: Array) -> None:
    """A housing with an open top, contacts within, leads in front and a metal tab on either side."""
    package, lot = state.package, state.lot
    length, width = package.body
    for pad, joint in zip(package.pads, state.joints, strict=True):
        box = _local(patch, pad, state, joint)
        if box is not None:
            near, here = box
            if pad.out[1]:
                _lead(near, pad, joint, state, u[here], v[here], width / 2 - 0.05, 0.55)
            else:
                near.lay(near.cover(outside(u[here], v[here], pad.foot, 0.05)), TIN, 0.25 + joint.lift)
    shell = outside(u, v, Rect(0, 0, length, width), 0.1)
    cover = patch.cover(shell)
    nylon = tinted(_NYLON[lot.source], lot.tint)
    patch.lay(cover, nylon, package.height - rounded(-shell, 0.1))
    np.maximum(patch.part, cover, out=patch.part)
    cavity = outside(u, v, Rect(0, -0.1, length - 0.9, width - 1.2), 0.05)
    dark = tinted(nylon, (0.6, 0.6, 0.58))
    patch.lay(patch.cover(cavity, 2.0), dark, 0.6)
    for pad in package.pads:
        if pad.out[1]:
            pin = patch.cover(outside(u, v, Rect(pad.foot.x, -0.1, 0.32, 1.1), 0.05))
            patch.lay(pin, Material(0.86, 0.72, 0.42, 1.0, 0.25), 1.9)
    key = patch.cover(outside(u, v, Rect(-length / 2 + 0.5, width / 2 - 0.3, 0.5, 0.35), 0.02))
    patch.height -= key * 0.5
