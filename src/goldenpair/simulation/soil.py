"""What lies on boards and breaks parts: residue, dust, fibres, glue and cracks."""

import math

import numpy as np

from goldenpair.simulation.canvas import Array, Material, Patch, from_line, grain
from goldenpair.simulation.parts import Crack, Stain

_FLUX_PASSES, _FLUX_SCATTERS = (0.72, 0.55, 0.22), (0.13, 0.09, 0.02)
"""Flux is clear: it filters the colour below it and adds a little of its own."""
_DUST = Material(0.62, 0.61, 0.58, 0.0, 0.8)
_FIBRE = Material(0.7, 0.7, 0.72, 0.0, 0.5)
_GLUE = Material(0.42, 0.08, 0.05, 0.0, 0.15)


def lay_stain(patch: Patch, stain: Stain) -> None:
    near = patch.near(stain.x, stain.y, 1.5 * stain.radius, 1.5 * stain.radius)
    if near is None:
        return
    dx, dy = near.x - stain.x, near.y - stain.y
    amount = stain.amount
    if stain.kind == "fibre":
        _lay_fibre(near, stain)
        return
    turn = np.random.default_rng(stain.seed).uniform(0, 6.28, 3).tolist()
    around = np.arctan2(dy, dx)
    wavy = sum(size * np.cos(k * around + (turn[k - 2])) for k, size in ((2, 0.16), (3, 0.1), (4, 0.07)))
    inside = 1 - np.sqrt(dx * dx + dy * dy) / (stain.radius * (1 + wavy))
    edge = near.cover(-inside * stain.radius, 2.0)
    if stain.kind == "dust":
        near.lay(edge * amount, _DUST)
        near.height += edge * (0.3 * stain.radius) * np.clip(inside, 0, 1)
        return
    # residue dries with a thicker rim; light goes through it twice
    thick = np.clip(inside, 0, 1)
    rim = np.exp(-(((thick - 0.12) / 0.1) ** 2))
    patchy = np.clip(0.62 + 0.3 * rim + 0.16 * grain(rim.shape, 5, stain.seed), 0, 1)
    if stain.kind == "glue":
        near.lay(edge * patchy * amount, _GLUE)
    else:
        film = edge * patchy * amount
        colours = zip(near.material, _FLUX_PASSES, _FLUX_SCATTERS, strict=False)
        for below, passes, scatters in colours:
            below += film * ((passes - 1) * below + scatters)
        near.material[3] *= 1 - 0.75 * film
        near.material[4] += film * (0.12 - near.material[4])
    high = 0.12 if stain.kind == "glue" else 0.02
    near.height += edge * amount * high * (np.sqrt(thick) + rim)


def _lay_fibre(near: Patch, stain: Stain) -> None:
    rng = np.random.default_rng(stain.seed)
    heading, curl = rng.uniform(0, 2 * math.pi), rng.uniform(-1.2, 1.2, 3)
    at = (stain.x - stain.radius * math.cos(heading), stain.y - stain.radius * math.sin(heading))
    wide = max(0.012, 0.03 * stain.radius)
    for bend in curl.tolist():
        heading += 0.5 * bend
        to = (at[0] + 0.66 * stain.radius * math.cos(heading), at[1] + 0.66 * stain.radius * math.sin(heading))
        away, _ = from_line(near.x, near.y, at, to)
        cover = near.cover(away - wide, 2.0)
        near.lay(cover * stain.amount, _FIBRE)
        near.height += cover * np.sqrt(np.clip(1 - (away / wide) ** 2, 0, 1)) * wide
        at = to


def lay_crack(patch: Patch, crack: Crack, u: Array, v: Array) -> None:
    """A gap through the body; u and v are the patch's points as seen from the part."""
    wobble = (0.35 * crack.width) * grain(u.shape, 2, len(crack.points) + 5)
    cut = np.zeros_like(u)
    for start, end in zip(crack.points[:-1], crack.points[1:], strict=True):
        away, _ = from_line(u, v, start, end)
        cut = np.maximum(cut, patch.cover(away + wobble - crack.width / 2, 1.5))
    cut = cut * patch.part
    # fresh edges of dark mould are light; gaps in light bodies are dark
    mean = float((patch.material[1] * patch.part).sum() / max(float(patch.part.sum()), 1e-6))
    patch.lay(cut, Material(0.2, 0.2, 0.19, 0.0, 0.8) if mean < 0.12 else Material(0.04, 0.035, 0.03, 0.0, 0.8))
    patch.height -= cut * min(2.5 * crack.width, 0.25)
