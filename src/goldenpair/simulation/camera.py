"""Pictures of a surface: what the lights make of it, and what the camera makes of that."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goldenpair.simulation.lights import LIGHTS
from goldenpair.simulation.parts import RGB
from goldenpair.simulation.surface import FINE, Surface
from goldenpair.specs.simulate import Light


@dataclass(frozen=True)
class Camera:
    """A camera on one board. `gains` has exposure and white balance as factors of red, green and blue for each of
    LIGHTS; `blur` is its focus in pixels, `noise` how strong noise is (1 is usual), `seed` where the noise starts."""

    gains: tuple[RGB, ...] = ((1.0, 1.0, 1.0),) * len(LIGHTS)
    blur: float = 0.5
    noise: float = 0.0
    quality: int = 92
    """JPEG quality of the pictures."""


def camera(rng: np.random.Generator) -> Camera:
    """The camera as it has drifted when a board comes by."""
    gains = rng.uniform(0.94, 1.06, (len(LIGHTS), 1)) * rng.uniform(0.98, 1.02, (len(LIGHTS), 3))
    return Camera(
        gains=tuple((red, green, blue) for red, green, blue in gains.tolist()),
        blur=float(rng.uniform(0.35, 0.65)),
        noise=float(rng.uniform(0.8, 1.2)),
        quality=int(rng.integers(86, 96)),
    )


def photograph(
    seen: Surface, lights: Sequence[Light], by: Camera, rng: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """Pictures [lights, rows, columns, 3]. `rng` draws the noise; without it there is none."""
    small = seen.material[:3, ::FINE, ::FINE].transpose(1, 2, 0)
    picture = np.clip(255 * small, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(picture, (len(lights), *picture.shape)))
