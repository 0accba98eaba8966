"""Designs of boards: which parts, where without overlaps, and how they are wired. A seed and a number make one."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from goldenpair.simulation.packages import PACKAGES, Package
from goldenpair.simulation.parts import RGB, Place, design_marking
from goldenpair.simulation.scene import Trace, Via, Window, wiring
from goldenpair.simulation.streams import Stream, draws

# what 20 parts are, by the letters of their reference designators; E stands for electrolytics, which are C too
_MIX = "RCURCQRCLURCDRCJURCE"
_FILLED = 0.5  # of the area of a board by its courtyards
_GRID = 0.25  # mm
_RIM = 1.5  # mm without parts along the edges
_TRIES = 100
_BETWEEN = 2.0  # mm between the boards of a panel
_MASKS: tuple[RGB, ...] = ((0.03, 0.2, 0.09), (0.02, 0.07, 0.25), (0.035, 0.035, 0.04), (0.28, 0.03, 0.035))


@dataclass(frozen=True)
class Design:
    """What all boards of a design have in common; lengths in mm. `panels` has the panel of each place: places of a
    panel's boards have the same designators. `mask` is the colour of the solder mask."""

    project: str
    mask: RGB
    gold: bool
    width: float
    height: float
    places: tuple[Place, ...]
    panels: tuple[int, ...]
    traces: tuple[Trace, ...]
    vias: tuple[Via, ...]

    def name(self, place: int) -> str:
        """Of the pictures of a place, without light and extension: `R12@1`."""
        return f"{self.places[place].refdes}@{self.panels[place]}"

    def near(self, window: Window, reach: float) -> tuple[list[int], tuple[Trace, ...], tuple[Via, ...]]:
        """Places, traces and vias that may be seen in a window, or within `reach` of it."""
        parts, traces, vias = self._extents
        seen = [
            np.flatnonzero(
                (boxes[:, 0] < window.x + window.width / 2 + reach)
                & (boxes[:, 2] > window.x - window.width / 2 - reach)
                & (boxes[:, 1] < window.y + window.height / 2 + reach)
                & (boxes[:, 3] > window.y - window.height / 2 - reach)
            ).tolist()
            for boxes in (parts, traces, vias)
        ]
        return seen[0], tuple(self.traces[i] for i in seen[1]), tuple(self.vias[i] for i in seen[2])

    @cached_property
    def _extents(self) -> tuple[NDArray[np.float64], ...]:
        """Left, top, right and bottom of places, traces and vias: [count, 4] each."""
        parts = [_square(place.x, place.y, max(place.package.courtyard) / 2) for place in self.places]
        traces = [trace.box for trace in self.traces]
        vias = [_square(via.x, via.y, 2 * via.radius) for via in self.vias]
        return tuple(np.array(boxes, np.float64).reshape(-1, 4) for boxes in (parts, traces, vias))


def _square(x: float, y: float, half: float) -> tuple[float, float, float, float]:
    return x - half, y - half, x + half, y + half


def design(number: int, parts: int, seed: int) -> Design:
    """Design `number` (from 0 on) with so many parts. Designs of odd numbers are panels of two boards where the number
    of parts is even."""
    rng = draws(seed, Stream.DESIGN, number)
    panels = 2 if number % 2 and not parts % 2 and parts >= 6 else 1
    packages = _packages(parts // panels, rng)
    width, height, spots = _laid_out(packages, float(rng.uniform(1.1, 1.6)), rng)
    first = _named(packages, spots, rng)
    step = width + _BETWEEN
    places = tuple(replace(place, x=place.x + panel * step) for panel in range(panels) for place in first)
    outline = (width + (panels - 1) * step, height)
    traces, vias = wiring(places, *outline, rng)
    return Design(
        project=f"GP{100 + number}",
        mask=_MASKS[number % len(_MASKS)],
        gold=number % 3 != 2,
        width=outline[0],
        height=outline[1],
        places=places,
        panels=tuple(panel + 1 for panel in range(panels) for _ in first),
        traces=traces,
        vias=vias,
    )


def _packages(parts: int, rng: np.random.Generator) -> list[Package]:
    """A mix that few parts have too; which sizes are common differs from design to design."""
    families: dict[str, list[Package]] = {}
    for package in PACKAGES.values():
        families.setdefault("E" if package.style == "can" else package.prefix, []).append(package)
    likings = {family: rng.dirichlet(np.full(len(found), 1.5)) for family, found in sorted(families.items())}
    letters = [_MIX[part % len(_MIX)] for part in range(parts)]
    return [families[letter][int(rng.choice(len(likings[letter]), p=likings[letter]))] for letter in letters]


def _laid_out(
    packages: list[Package], aspect: float, rng: np.random.Generator
) -> tuple[float, float, list[tuple[float, float, int]]]:
    """Width and height of a board, and x, y and quarters of a turn for each package; courtyards do not overlap."""
    filled = _FILLED
    while True:
        area = sum(width * height for width, height in (package.courtyard for package in packages)) / filled
        longest = max(max(package.courtyard) for package in packages)
        height = max(np.sqrt(area / aspect), longest) + 2 * _RIM
        width = max(np.sqrt(area * aspect), longest) + 2 * _RIM
        width, height = (float(np.ceil(side / _GRID) * _GRID) for side in (width, height))
        spots = _spots(packages, width, height, rng)
        if spots is not None:
            return width, height, spots
        filled *= 0.9


def _spots(
    packages: list[Package], width: float, height: float, rng: np.random.Generator
) -> list[tuple[float, float, int]] | None:
    """Free places, the largest parts first; None where there is no room."""
    taken = np.zeros((round(height / _GRID), round(width / _GRID)), np.bool_)
    rim = round(_RIM / _GRID)
    taken[:rim], taken[-rim:], taken[:, :rim], taken[:, -rim:] = True, True, True, True
    spots: dict[int, tuple[float, float, int]] = {}
    largest_first = sorted(range(len(packages)), key=lambda part: -max(packages[part].courtyard))
    for part in largest_first:
        turns = int(rng.integers(4))
        across, down = packages[part].courtyard[:: -1 if turns % 2 else 1]
        columns, rows = int(np.ceil(across / _GRID)), int(np.ceil(down / _GRID))
        corner = _corner(taken, rows, columns, rng)
        if corner is None:
            return None
        row, column = corner
        taken[row : row + rows, column : column + columns] = True
        spots[part] = (_GRID * (column + columns / 2), _GRID * (row + rows / 2), turns)
    return [spots[part] for part in range(len(packages))]


def _corner(taken: NDArray[np.bool_], rows: int, columns: int, rng: np.random.Generator) -> tuple[int, int] | None:
    """First corner of a free rectangle somewhere; None where there is none."""
    last = (taken.shape[0] - rows, taken.shape[1] - columns)
    for row, column in rng.integers(0, last, (_TRIES, 2), endpoint=True).tolist():
        if not taken[row : row + rows, column : column + columns].any():
            return row, column
    total = np.zeros((taken.shape[0] + 1, taken.shape[1] + 1), np.int32)
    total[1:, 1:] = taken.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    inside = total[rows:, columns:] - total[:-rows, columns:] - total[rows:, :-columns] + total[:-rows, :-columns]
    free = np.argwhere(inside == 0)
    if not len(free):
        return None
    row, column = free[int(rng.integers(len(free)))].tolist()
    return row, column


def _named(packages: list[Package], spots: list[tuple[float, float, int]], rng: np.random.Generator) -> list[Place]:
    """Places from the top left to the bottom right, numbered in this order, with what is printed on the parts."""
    numbers: dict[str, int] = {}
    places = []
    for part in sorted(range(len(packages)), key=lambda part: (spots[part][1], spots[part][0])):
        package, (x, y, turns) = packages[part], spots[part]
        numbers[package.prefix] = numbers.get(package.prefix, 0) + 1
        refdes = f"{package.prefix}{numbers[package.prefix]}"
        places.append(Place(refdes, package, x, y, turns, design_marking(package, rng)))
    return places
