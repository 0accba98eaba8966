"""Solder: a meniscus from the terminal to the edge of its land, and what becomes of it."""

import math

import numpy as np

from goldenpair.simulation.canvas import GOLD, HASL, LAMINATE, SOLDER, Array, Material, Patch, from_line, grain, outside
from goldenpair.simulation.packages import Package, Pad, Rect
from goldenpair.simulation.parts import Ball, Bridge, Joint, PartState

_CLIMB = {
    "chip": 0.6,
    "led": 0.5,
    "wound": 0.25,
    "can": 0.016,
    "gull": 0.065,
    "flat": 0.3,
    "balls": 0.0,
    "header": 0.038,
}
"""How far up its part solder climbs, as a share of the part's height."""
FILM = 0.03
"""Height of a bare land over the laminate, in mm."""


def lay_lands(patch: Patch, package: Package, gold: bool) -> None:
    """Lands in their openings of the solder mask."""
    for pad in package.pads:
        land = pad.land
        near = patch.near(land.x, land.y, land.width / 2 + 0.12, land.height / 2 + 0.12)
        if near is not None:
            away = outside(near.x, near.y, land, 0.05)
            near.lay(near.cover(away - 0.06), LAMINATE, 0.0)
            near.lay(near.cover(away, 2.0), GOLD if gold else HASL, FILM)


def in_air(pad: Pad, joint: Joint, state: PartState) -> bool:
    """Whether the terminal does not touch its solder."""
    side = pad.out[0] or pad.out[1]
    dead_bug = state.face_down > 0 and state.package.style == "gull"
    return not state.present or dead_bug or joint.lift > 0 or side * state.lean > 0


def lay_solder(patch: Patch, package: Package, state: PartState, u: Array, v: Array) -> None:
    """Solder on the lands of `package`; u and v [h, w] are the patch's points as seen from the part."""
    for index, (pad, joint) in enumerate(zip(package.pads, state.joints, strict=True)):
        land = pad.land
        margin = 0.08 + 0.25 * max(joint.volume - 1.3, 0) * min(land.width, land.height)
        half = (land.width / 2 + margin, land.height / 2 + margin)
        near = patch.near(land.x, land.y, *half)
        if near is None:
            continue
        here = near.within(patch)
        foot = _foot(state, index)
        away = None if in_air(pad, joint, state) else np.maximum(outside(u[here], v[here], foot), 0)
        _lay_joint(near, land, joint, away, _climb(state), state.grain + index)


def _foot(state: PartState, index: int) -> Rect:
    """Where a terminal stands. A part on its side stands on another of its faces."""
    foot = state.package.pads[index].foot
    if not state.roll:
        return foot
    roll = math.radians(abs(state.roll))
    return Rect(foot.x, foot.y, foot.width, foot.height * math.cos(roll) + state.package.height * math.sin(roll))


def _climb(state: PartState) -> float:
    return _CLIMB[state.package.style] * state.package.height


def _lay_joint(near: Patch, land: Rect, joint: Joint, away: Array | None, climb: float, seed: int) -> None:
    """One joint. `away` is the distance to the terminal, None where there is none."""
    volume = joint.volume
    thin = min(land.width, land.height)
    spread = 0.11 * max(volume - 1.3, 0) * thin
    shrink = max(0.8 - volume, 0) * 0.45 * thin
    lumps = grain(near.height.shape, 5, seed)
    rim = spread - outside(near.x, near.y, land, min(0.05 + 2 * spread, 0.45 * thin))
    # like the distance to the rim, but smooth: surface tension leaves no ridges
    across = np.maximum((land.width / 2 + spread) - np.abs(near.x - land.x), 0)
    down = np.maximum((land.height / 2 + spread) - np.abs(near.y - land.y), 0)
    edge = across * down / np.sqrt(across * across + down * down + (1e-6))
    small = thin / 2 + spread
    if away is None:
        rim = rim - shrink
        dome = np.clip((edge - shrink) * (1.2 / small), 0, 1)
        height = FILM + (0.42 * volume * small) * np.sqrt(dome * (2 - dome))
        wet = near.cover(-rim, 2.0)
    else:
        left = edge / (away + edge + (1e-4))  # 1 at the terminal, 0 at the edge of the land
        hollow = 2.3 * volume**-1.3
        rise = climb * min(volume, 1.0) ** 0.7 * (1 + 0.45 * max(volume - 1.15, 0))
        bulge = 0.5 * max(volume - 1.25, 0) * small
        height = FILM + rise * left**hollow
        height += (0.045 * volume * small + bulge) * np.sqrt(np.clip(edge * (1 / small), 0, 1))
        wet = near.cover(-rim, 2.0)
        if volume < 0.8:  # what the solder did not reach
            reach = ((volume / 0.8) ** 0.8) * away.max()
            wet = wet * near.cover(np.minimum(away, shrink) - rim, 2.0)
            wet = wet * near.cover(away * (1 + 0.06 * lumps) - reach, 4.0)
    # freshly molten solder is never quite smooth; cold solder is lumpy and dull
    height += ((0.04 + 1.3 * joint.cold) * near.step) * lumps * np.clip(rim * 12, 0, 1)
    if joint.cold > 0.1:
        height += (0.35 * joint.cold * near.step) * grain(near.height.shape, 2, seed + 9)
    near.pour(wet, _solder(joint.cold), height)


def _solder(cold: float) -> Material:
    bright = 1 - 0.25 * cold
    return Material(
        SOLDER.red * bright, SOLDER.green * bright, SOLDER.blue * bright, 1 - 0.35 * cold, SOLDER.rough + 0.5 * cold
    )


def lay_bridge(patch: Patch, bridge: Bridge) -> None:
    """Solder across a gap, thinnest in its middle."""
    reach = max(abs(bridge.end[i] - bridge.start[i]) / 2 for i in (0, 1)) + bridge.width
    middle = [(a + b) / 2 for a, b in zip(bridge.start, bridge.end, strict=True)]
    near = patch.near(middle[0], middle[1], reach, reach)
    if near is None:
        return
    away, along = from_line(near.x, near.y, bridge.start, bridge.end)
    waist = (bridge.width / 2) * (1 - 0.45 * np.sin(math.pi * along))
    share = np.clip(1 - (away / waist) ** 2, 0, 1)
    near.pour(near.cover(away - waist, 2.0), SOLDER, FILM + 1.1 * waist * np.sqrt(share))


def lay_ball(patch: Patch, ball: Ball) -> None:
    near = patch.near(ball.x, ball.y, ball.radius * 1.3, ball.radius * 1.3)
    if near is None:
        return
    square = (near.x - ball.x) ** 2 + (near.y - ball.y) ** 2
    round_ = np.sqrt(np.clip((ball.radius**2) - square, 0, None))
    cover = near.cover(np.sqrt(square) - ball.radius)
    near.lay(cover, SOLDER, near.height + ball.radius + round_)
