"""The four lights of an AOI machine, as what a sloping surface sends up to the camera under each.

Every light is made of bands: rings or domes that shine from a range of zenith angles all around, so what comes up
depends on a point's slope only. A matt point adds up all that it sees; a mirror shows the one angle that it reflects
(twice its slope), a rough mirror a range around it.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from goldenpair.simulation.canvas import Array
from goldenpair.specs.simulate import Light

LIGHTS: tuple[Light, ...] = ("LowAngleLight", "SolderLight", "UniformLight", "WhiteLight")


class Band(NamedTuple):
    """Light from zenith angles `start` to `end` (degrees). `matt` is how bright it makes flat matt white, `mirror`
    how bright a mirror that reflects it, 1 being the camera's white."""

    start: float
    end: float
    matt: float
    mirror: float


BANDS: dict[Light, tuple[Band, ...]] = {
    "LowAngleLight": (Band(68, 86, 0.62, 1.5),),
    "SolderLight": (Band(5, 26, 0.55, 1.25), Band(28, 54, 0.58, 1.25), Band(56, 82, 0.62, 1.3)),  # red, green, blue
    "UniformLight": (Band(7, 84, 0.86, 0.95),),
    "WhiteLight": (Band(0, 8, 0.6, 1.5),),
}
"""One band for white light, three for light whose red, green and blue come from different heights."""
SLOPES = 256
ROUGHS = 16


def slope_index(gradient: Array) -> Array:
    """Where in a table a slope is, from its gradient (rise over run)."""
    found: Array = gradient / (1 + gradient) * (SLOPES - 1)
    return found


@lru_cache(maxsize=1)
def tables() -> dict[Light, tuple[Array, Array]]:
    """What matt white [bands, SLOPES] and a mirror [bands, SLOPES * ROUGHS] (slope by roughness) send up."""
    share = np.minimum(np.arange(SLOPES) / (SLOPES - 1), 1 - 1e-4)
    slope = np.degrees(np.arctan(share / (1 - share)))
    found: dict[Light, tuple[Array, Array]] = {}
    for light, bands in BANDS.items():
        matt = np.stack([_matt(band, slope) for band in bands]).astype(np.float32)
        mirror = np.stack([_mirror(band, slope) for band in bands]).astype(np.float32)
        found[light] = (matt, mirror.reshape(len(bands), -1))
    return found


def _matt(band: Band, slope: Array) -> Array:
    """Lambert's law, summed over the band's rings."""
    zenith = np.radians(np.linspace(band.start, band.end, 24))[:, None]
    tilt = np.radians(slope)
    straight, aside = np.cos(tilt) * np.cos(zenith), np.sin(tilt) * np.sin(zenith)
    # mean over a ring of max(0, normal . light); where aside is larger, part of the ring is below the point's horizon
    beyond = np.maximum(aside, straight + 1e-9)
    partly = (straight * (np.pi - np.arccos(straight / beyond)) + np.sqrt(beyond**2 - straight**2)) / np.pi
    ring = np.where(aside > straight, partly, straight) * np.sin(zenith)
    flat = (np.cos(zenith) * np.sin(zenith)).sum()
    found: Array = band.matt * ring.sum(0) / flat
    return found


def _mirror(band: Band, slope: Array) -> Array:
    """How much of what a point reflects comes from the band: [SLOPES, ROUGHS]."""
    spread = (1.2 + 34 * np.linspace(0, 1, ROUGHS))[None, :, None]
    zenith = np.linspace(-180, 180, 721)[None, None, :]  # a band is on both sides of the zenith
    lit = ((np.abs(zenith) >= band.start) & (np.abs(zenith) <= band.end)).astype(float)
    lobe = np.exp(-0.5 * ((zenith - 2 * slope[:, None, None]) / spread) ** 2)
    found: Array = band.mirror * (lobe * lit).sum(-1) / lobe.sum(-1)
    return found
