"""The surface of a scene within a window: one height map and the materials."""

import math
from dataclasses import dataclass

import numpy as np

from goldenpair.simulation.bodies import lay_chip, lay_led, lay_wound
from goldenpair.simulation.canvas import Array, Material, Patch, from_line, grain, outside
from goldenpair.simulation.housings import lay_balls, lay_can, lay_flat, lay_gull, lay_header
from goldenpair.simulation.lettering import text_cover
from goldenpair.simulation.packages import Package, Rect
from goldenpair.simulation.parts import PartState, Place
from goldenpair.simulation.scene import Scene, Window
from goldenpair.simulation.soil import lay_crack, lay_stain
from goldenpair.simulation.solder import lay_ball, lay_bridge, lay_lands, lay_solder

FINE = 2
"""Points of a surface along each pixel of its picture, so that edges are smooth."""
_BODIES = {
    "chip": lay_chip,
    "wound": lay_wound,
    "led": lay_led,
    "can": lay_can,
    "gull": lay_gull,
    "flat": lay_flat,
    "balls": lay_balls,
    "header": lay_header,
}


@dataclass
class Surface:
    """`height` [rows, columns] in mm; `material` [5, rows, columns] is red, green, blue, metal and roughness, 0 to 1
    (see canvas.Material); `part` [rows, columns] is how much of a body covers a point; `step` is mm between points;
    `tilt` the slopes of the whole along x and y."""

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
    x = (window.x - window.width / 2) + (np.arange(columns, dtype=np.float32) + 0.5) * step
    y = (window.y - window.height / 2) + (np.arange(rows, dtype=np.float32) + 0.5) * step
    height = np.zeros((rows, columns), np.float32)
    material = np.empty((5, rows, columns), np.float32)
    whole = Patch(step, x[None, :], y[:, None], height, material, np.zeros_like(height))
    _lay_board(whole, scene)
    frames = [(place, state, frame) for place, state in scene.parts if (frame := _frame(whole, scene, place, state))]
    for place, _, patch in frames:
        _lay_silk(patch, place, scene)
        lay_lands(patch, place.package, scene.lot.gold)
    for place, state, patch in frames:
        _lay_part(patch, place, state)
    return Surface(step, height, material, whole.part, scene.lot.tilt)


def _lay_board(patch: Patch, scene: Scene) -> None:
    lot = scene.lot
    patch.material[:] = np.array((*lot.mask, 0.0, 0.22), np.float32)[:, None, None]
    weave = grain(patch.height.shape, 5, lot.grain)
    patch.height += (0.08 * patch.step) * weave
    patch.material[:3] *= 1 + 0.035 * weave
    _lay_copper(patch, scene)
    rim = np.maximum(
        np.maximum(-patch.x, patch.x - scene.width),
        np.maximum(-patch.y, patch.y - scene.height),
    )
    if rim.max() > 0:
        patch.lay(patch.cover(-rim), Material(0.01, 0.01, 0.01, 0.0, 0.9), -1.6)


def _lay_copper(patch: Patch, scene: Scene) -> None:
    """Traces and vias, under the solder mask."""
    red, green, blue = (c * 1.35 + 0.035 for c in scene.lot.mask)
    copper = Material(red, green, blue, 0.12, 0.22)
    (left, right), (top, bottom) = ((float(at.flat[0]), float(at.flat[-1])) for at in (patch.x, patch.y))
    for trace in scene.traces:
        box = trace.box
        if box[0] > right or box[2] < left or box[1] > bottom or box[3] < top:  # of thousands, a few are near
            continue
        for start, end in zip(trace.points[:-1], trace.points[1:], strict=True):
            _lay_line(patch, start, end, trace.width, copper)
    for via in scene.vias:
        if not (left < via.x + 1 and via.x - 1 < right and top < via.y + 1 and via.y - 1 < bottom):
            continue
        near = patch.near(via.x, via.y, via.radius * 1.4, via.radius * 1.4)
        if near is not None:
            away = np.sqrt((near.x - via.x) ** 2 + (near.y - via.y) ** 2)
            near.lay(near.cover(away - via.radius, 2.0), copper, 0.035)
            near.lay(near.cover(away - 0.5 * via.radius, 2.0), Material(0.02, 0.03, 0.02), -0.15)


def _lay_line(
    patch: Patch, start: tuple[float, float], end: tuple[float, float], width: float, copper: Material
) -> None:
    half_x, half_y = (abs(start[i] - end[i]) / 2 + width for i in (0, 1))
    near = patch.near((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, half_x, half_y)
    if near is not None:
        away, _ = from_line(near.x, near.y, start, end)
        away = away - width / 2
        near.lay(near.cover(away, 2.0), copper)
        rise = np.clip(0.5 - away * (1 / 0.08), 0, 1)
        np.maximum(near.height, 0.03 * rise * rise * (3 - 2 * rise), out=near.height)


def _frame(whole: Patch, scene: Scene, place: Place, state: PartState) -> Patch | None:
    """The patch around a place, in its frame."""
    stretch = scene.lot.stretch
    x, y = (
        float((at - size / 2) * stretch + size / 2) for at, size in ((place.x, scene.width), (place.y, scene.height))
    )
    reach = 0.75 * max(*place.package.courtyard, *state.package.courtyard) + 0.9
    near = whole.near(x, y, reach, reach)
    if near is None:
        return None
    turns = place.turns % 4
    across, down = near.x[0] - x, near.y[:, 0] - y
    u, v = ((across, down), (down, -across[::-1]), (-across[::-1], -down[::-1]), (-down[::-1], across))[turns]
    return Patch(
        near.step,
        u[None, :],
        v[:, None],
        np.rot90(near.height, turns),
        np.rot90(near.material, turns, (1, 2)),
        np.rot90(near.part, turns),
    )


def _lay_silk(patch: Patch, place: Place, scene: Scene) -> None:
    """Outline, mark of pin 1 and the reference designator."""
    package = place.package
    ink = Material(*scene.lot.silk, 0.0, 0.6)
    (wide, high), line = package.courtyard, 0.06
    lands = [pad.land for pad in package.pads]
    edge = max([package.body[1] / 2, *(r.y + r.height / 2 for r in lands)]) + 0.22
    inner = min([abs(r.x) - r.width / 2 for r in lands if r.y == 0 or package.style == "gull"] or [package.body[0] / 2])
    long = max(inner * 2, 0.3) if package.style in ("chip", "led", "wound", "can") else package.body[0]
    for side in (-1, 1):
        near = patch.near(0, side * edge, long / 2 + 0.1, 0.2)
        if near is not None:
            near.lay(near.cover(outside(near.x, near.y, Rect(0, side * edge, long, 2 * line))), ink, 0.045)
    if package.component_type in ("ic", "led", "connector", "electrolytic"):
        at_x, at_y = -package.body[0] / 2 - 0.3, -edge
        near = patch.near(at_x, at_y, 0.3, 0.3)
        if near is not None:
            away = np.sqrt((near.x - at_x) ** 2 + (near.y - at_y) ** 2) - 0.15
            near.lay(near.cover(away), ink, 0.045)
    tall = min(0.8 * (0.55 * max(wide, high) - edge - 0.15) if wide >= high else 0.9, 0.9)
    if tall < 0.2:
        return
    at, turned = (
        ((0.0, edge + 0.12 + tall * 0.65), False) if wide >= high else ((wide / 2 + 0.1 + tall * 0.6, 0.0), True)
    )
    reach = tall * 0.6 * (len(place.refdes) + 1)
    near = patch.near(at[0], at[1], tall if turned else reach, reach if turned else tall)
    if near is None:
        return
    x, y = np.broadcast_arrays(near.x - at[0], near.y - at[1])
    x, y = (y, -x) if turned else (x, y)
    sign = -1 if (place.turns + turned) % 4 in (2, 3) else 1  # readable from below or from the right
    near.lay(text_cover(sign * x, sign * y, place.refdes, 0, tall, max(wide, high), patch.step), ink, 0.045)


def _lay_part(patch: Patch, place: Place, state: PartState) -> None:
    u, v = _seen_from_part(patch, state)
    if state.present:
        _lay_body(patch, state, u, v)
    for stain in state.stains:
        if stain.kind == "glue":
            lay_stain(patch, stain)
    # parts that can be reversed look the same to their solder
    lay_solder(patch, place.package, state, *((-u, -v) if state.reversed else (u, v)))
    for bridge in state.bridges:
        lay_bridge(patch, bridge)
    for ball in state.balls:
        lay_ball(patch, ball)
    for stain in state.stains:
        if stain.kind != "glue":
            lay_stain(patch, stain)


def _lay_body(patch: Patch, state: PartState, u: Array, v: Array) -> None:
    lean, (length, width), tall = math.radians(abs(state.lean)), state.package.body, state.package.height
    reach = [
        max([size / 2, *(abs(at) + long / 2 for at, long in feet)])
        for size, feet in zip((length, width), _feet(state.package), strict=True)
    ]
    cos, sin = abs(math.cos(math.radians(state.angle))), abs(math.sin(math.radians(state.angle)))
    more = 0.06 + (tall * math.sin(lean) if state.lean else 0.0) + (tall * 0.5 if state.roll else 0.0)
    more += 0.25 if state.package.style in ("gull", "header") else 0.0  # leads bend; noise must not move when they do
    near = patch.near(
        state.dx, state.dy, reach[0] * cos + reach[1] * sin + more, reach[0] * sin + reach[1] * cos + more
    )
    if near is None:
        return
    here = near.within(patch)
    before = near.part.copy() if state.cracks else near.part
    _BODIES[state.package.style](near, state, u[here], v[here])
    if state.cracks:
        own = Patch(near.step, near.x, near.y, near.height, near.material, near.part - before)
        for crack in state.cracks:
            lay_crack(own, crack, u[here], v[here])


def _feet(package: Package) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Middle and extent of every foot along x, and along y."""
    feet = [pad.foot for pad in package.pads]
    return [(r.x, r.width) for r in feet], [(r.y, r.height) for r in feet]


def _seen_from_part(patch: Patch, state: PartState) -> tuple[Array, Array]:
    turn = math.radians(state.angle + (180 if state.reversed else 0))
    cos, sin = math.cos(turn), math.sin(turn)
    dx, dy = patch.x - state.dx, patch.y - state.dy
    return dx * cos + dy * sin, dy * cos - dx * sin
