"""What is on a board: its look, copper, print and parts; and windows onto it."""

from dataclasses import dataclass
from functools import cached_property

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

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 of all of it."""
        (x0, x1), (y0, y1) = ((min(at), max(at)) for at in zip(*self.points, strict=True))
        return x0 - self.width, y0 - self.width, x1 + self.width, y1 + self.width


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
    traces, vias = [], []
    for place in places:
        for pad in place.package.pads:
            land, (out_x, out_y) = pad.land, pad.out
            wide = 0.5 * (land.height if out_x else land.width)
            long, bend, side = float(rng.uniform(0.3, 1.1)), float(rng.uniform(0.2, 0.9)), float(rng.choice([-1, 0, 1]))
            if rng.random() < 0.25:
                continue
            edge = 0.5 * (land.width if out_x else land.height)
            turn = (land.x + out_x * (edge + long), land.y + out_y * (edge + long))
            end = (turn[0] + bend * (out_x + side * out_y), turn[1] + bend * (out_y + side * out_x))
            points = tuple(_on_board(place, *at) for at in ((land.x, land.y), turn, end))
            traces.append(Trace(points, min(wide, 0.3)))
            if all(_free(other, points[-1]) for other in places) and 0.4 < points[-1][0] < width - 0.4:
                if 0.4 < points[-1][1] < height - 0.4:
                    vias.append(Via(*points[-1], 0.25))
    return tuple(traces), tuple(vias)


def _on_board(place: Place, x: float, y: float) -> tuple[float, float]:
    """A point in the frame of a place as a point on the board."""
    for _ in range(place.turns % 4):
        x, y = -y, x
    return place.x + x, place.y + y


def _free(place: Place, at: tuple[float, float]) -> bool:
    wide, high = place.package.courtyard[:: -1 if place.turns % 2 else 1]
    return abs(at[0] - place.x) > wide / 2 + 0.2 or abs(at[1] - place.y) > high / 2 + 0.2
