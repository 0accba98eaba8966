"""Placed parts: where one is on the board, what state it is in, and how good ones vary from lot to lot."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from goldenpair.simulation.packages import Package

RGB = tuple[float, float, float]
Kind = Literal["flux", "dust", "fibre", "glue"]
INKS = (0.6, 1.0)
"""How much print covers, from the faintest reel of good parts to the strongest."""


@dataclass(frozen=True)
class Place:
    """One place of a design. `x` and `y` are the middle of the part on the board in mm, y downwards; `turns` is its
    turn in quarters, clockwise as seen; `marking` is what is printed on it, a line each."""

    refdes: str
    package: Package
    x: float
    y: float
    turns: int
    marking: tuple[str, ...]


@dataclass(frozen=True)
class PartLot:
    """One reel: which maker's body it is (0 is the golden's), its colour, and how it is marked."""

    source: int = 0
    tint: RGB = (1.0, 1.0, 1.0)
    font: int = 0
    ink: float = 0.85
    date: str = "2401"
    upside_down: bool = False
    """Whether parts without polarity came with their marks turned by half a turn."""


@dataclass(frozen=True)
class Joint:
    """Solder of one pad: its volume (1 is nominal), how cold it is (0 to 1), how far in mm the lead is lifted off
    it and how far along the row it is bent."""

    volume: float = 1.0
    cold: float = 0.0
    lift: float = 0.0
    bend: float = 0.0


@dataclass(frozen=True)
class Bridge:
    """Solder from one place to another, in the frame of the place."""

    start: tuple[float, float]
    end: tuple[float, float]
    width: float


@dataclass(frozen=True)
class Ball:
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Stain:
    """Residue, dust or a fibre lying on board and part. `amount` is how much it covers (0 to 1)."""

    kind: Kind
    x: float
    y: float
    radius: float
    amount: float
    seed: int


@dataclass(frozen=True)
class Crack:
    """A broken line across the body, in the part's frame, and how wide it gapes in mm."""

    points: tuple[tuple[float, float], ...]
    width: float


@dataclass(frozen=True)
class PartState:
    """One copy of a part. `package` is what is fitted, which is not always what the place asks for.

    `dx`, `dy` (mm) and `angle` (degrees, clockwise as seen) are off its place; `lean` is how far a chip stands up on
    one end in degrees, positive where its right end is in the air; `roll` how far it lies on its side; `face_down` is
    0 for a part that shows its top, else how much (up to 1) its underside differs from its top.
    """

    package: Package
    lot: PartLot
    marking: tuple[str, ...]
    joints: tuple[Joint, ...]
    grain: int = 0
    present: bool = True
    dx: float = 0.0
    dy: float = 0.0
    angle: float = 0.0
    lean: float = 0.0
    roll: float = 0.0
    face_down: float = 0.0
    reversed: bool = False
    bridges: tuple[Bridge, ...] = ()
    balls: tuple[Ball, ...] = ()
    stains: tuple[Stain, ...] = ()
    cracks: tuple[Crack, ...] = ()


def part_lot(package: Package, rng: np.random.Generator) -> PartLot:
    """A reel of a package: of the first or a second source, in its own colour."""
    tint = rng.uniform(0.9, 1.1) * rng.uniform(0.96, 1.04, 3)
    red, green, blue = tint.tolist()
    return PartLot(
        source=int(rng.integers(3)),
        tint=(red, green, blue),
        font=int(rng.integers(4)),
        ink=float(rng.uniform(*INKS)),
        date=f"{rng.integers(22, 27)}{rng.integers(1, 53):02d}",
        upside_down=bool(rng.random() < 0.2),
    )


def golden_state(place: Place) -> PartState:
    """The part as it should be: nominal place, first source, nominal solder."""
    return PartState(place.package, PartLot(), place.marking, tuple(Joint() for _ in place.package.pads))


def good_state(place: Place, lot: PartLot, rng: np.random.Generator, paste: float = 1.0) -> PartState:
    """A good part from a reel: off its place, turned and soldered within tolerance. `paste` is how much solder the
    board's printing gave."""
    play = place.package.play
    dx, dy = rng.uniform(-play, play, 2).tolist()
    volumes = np.clip(paste * rng.uniform(0.88, 1.12, len(place.package.pads)), 0.8, 1.2).tolist()
    cold = rng.uniform(0, 0.08, len(place.package.pads)).tolist()
    return replace(
        golden_state(place),
        lot=lot,
        joints=tuple(Joint(*joint) for joint in zip(volumes, cold, strict=True)),
        grain=int(rng.integers(1, 2**31)),
        dx=dx,
        dy=dy,
        angle=float(good_angle(place.package) * rng.uniform(-1, 1)),
        stains=tuple(_speck(place.package, rng) for _ in range(int(rng.integers(3)))),
    )


def good_angle(package: Package) -> float:
    """How far a good part may be turned, in degrees: its ends move by half of what it may be off its place."""
    return math.degrees(package.play / max(package.body))


def _speck(package: Package, rng: np.random.Generator) -> Stain:
    """Dust that nobody minds."""
    x, y = (rng.uniform(-0.55, 0.55, 2) * package.courtyard).tolist()
    radius = float(rng.uniform(0.004, 0.011)) * max(package.courtyard)
    return Stain("dust", x, y, radius, float(rng.uniform(0.15, 0.5)), int(rng.integers(2**31)))


def design_marking(package: Package, rng: np.random.Generator) -> tuple[str, ...]:
    """What a design asks to be printed on a part of this package: lines of text, empty for unmarked parts."""
    tens, number = int(rng.integers(10, 100)), int(rng.integers(100, 1000))
    match package.component_type:
        case "resistor":
            return () if package.name == "R0402" else (f"{tens}{rng.integers(6)}",)
        case "electrolytic":
            return (f"{tens}0", f"{rng.choice([10, 16, 25, 35])}V")
        case "transistor":
            return (f"{rng.choice(list('AJKT'))}{tens}",)
        case "ic":
            return (f"{rng.choice(['LM', 'TL', 'AD', 'MC', 'STM'])}{number}",)
        case _:
            return ()
