"""The footprint library: what a part looks like, the lands it sits on, and which defects can happen to it.

Lengths are in millimetres. A part's frame has its origin in the middle of its body, x to the right and y downwards,
as on a picture; pin 1 is on the left.
"""

from dataclasses import dataclass
from typing import Literal

from goldenpair.specs.simulate import Label

Style = Literal["chip", "wound", "led", "can", "gull", "flat", "balls", "header"]
_ANY: tuple[Label, ...] = ("MISSING", "SHIFTED", "ROTATED", "WRONG_PART")
_JOINT: tuple[Label, ...] = ("INSUFFICIENT", "EXCESS", "COLD")
_DIRT: tuple[Label, ...] = ("SOLDER_BALL", "CONTAMINATION", "CRACK")
_CHIP: tuple[Label, ...] = (*_ANY, "TOMBSTONE", "BILLBOARD", *_JOINT, *_DIRT)


@dataclass(frozen=True)
class Rect:
    """A rectangle by its middle and its extent along x and y."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Pad:
    """A land on the board, and `foot`, the part of the terminal that is soldered to it (both in the part's frame).
    `out` points away from the body, along x or y."""

    land: Rect
    foot: Rect
    out: tuple[int, int]


@dataclass(frozen=True)
class Package:
    """`body` and `courtyard` are extents along x and y; `defects` are the labels that can happen to it."""

    name: str
    component_type: str
    prefix: str
    style: Style
    body: tuple[float, float]
    height: float
    courtyard: tuple[float, float]
    pads: tuple[Pad, ...]
    defects: tuple[Label, ...]
    play: float
    """How far from its place a good part may be, along each axis; the turn of a good part moves its ends no further."""


def _chip(
    name: str, kind: str, prefix: str, style: Style, body: tuple[float, float], tall: float, defects: tuple[Label, ...]
) -> Package:
    """A part with a terminal at either end. Terminals cover about a fifth of it; lands reach beyond it by a toe."""
    length, width = body
    cap, toe = 0.12 + 0.13 * length, 0.24 + 0.1 * length
    inner, outer = length / 2 - cap - 0.06, length / 2 + toe
    pads = tuple(
        Pad(
            Rect(side * (inner + outer) / 2, 0, outer - inner, width * 1.04 + 0.06),
            Rect(side * (length - cap) / 2, 0, cap, width),
            (side, 0),
        )
        for side in (-1, 1)
    )
    courtyard = (2 * outer + 0.3, width + 0.5)
    return Package(name, kind, prefix, style, body, tall, courtyard, pads, defects, 0.03 + 0.03 * width)


def _row(x: float, count: int, pitch: float, land: tuple[float, float], foot: tuple[float, float, float]) -> list[Pad]:
    """Pads side by side along y at `x`, from the top down; `foot` is its x, its extent along x and along y."""
    side = 1 if x > 0 else -1
    at = [(i - (count - 1) / 2) * pitch for i in range(count)]
    return [Pad(Rect(x, y, *land), Rect(side * foot[0], y, foot[1], foot[2]), (side, 0)) for y in at]


def _soic(pins: int) -> Package:
    long = {8: 4.9, 14: 8.65, 16: 9.9}[pins]
    half = pins // 2
    left = _row(-2.75, half, 1.27, (1.6, 0.62), (2.62, 0.7, 0.42))
    right = _row(2.75, half, 1.27, (1.6, 0.62), (2.62, 0.7, 0.42))[::-1]
    defects: tuple[Label, ...] = (*_ANY, "WRONG_POLARITY", "LIFTED_LEAD", "BRIDGE", *_JOINT, *_DIRT)
    return Package(
        f"SOIC{pins}", "ic", "U", "gull", (3.9, long), 1.5, (7.5, long + 0.5), tuple(left + right), defects, 0.08
    )


def _turned(pads: list[Pad]) -> list[Pad]:
    """Pads of the left and right sides as pads of the bottom and top sides."""

    def turn(r: Rect) -> Rect:
        return Rect(r.y, -r.x, r.height, r.width)

    return [Pad(turn(p.land), turn(p.foot), (p.out[1], -p.out[0])) for p in pads]


def _qfn(pins: int, side: float) -> Package:
    count = pins // 4
    at = side / 2
    left = _row(-(at + 0.07), count, 0.5, (0.75, 0.28), (at - 0.18, 0.36, 0.24))
    right = [
        Pad(Rect(-p.land.x, p.land.y, *(p.land.width, p.land.height)), Rect(-p.foot.x, p.foot.y, 0.36, 0.24), (1, 0))
        for p in reversed(left)
    ]
    pads = left + _turned(left) + right + _turned(right)
    defects: tuple[Label, ...] = (*_ANY, "WRONG_POLARITY", "BRIDGE", *_JOINT, *_DIRT)
    return Package(
        f"QFN{pins}", "ic", "U", "flat", (side, side), 0.85, (side + 1.3,) * 2, tuple(pads), defects, 0.05
    )  # fmt: skip


def _header(pins: int) -> Package:
    """A wire-to-board connector: pins in front, a metal tab on either side behind."""
    pitch = 1.25
    long = (pins - 1) * pitch + 3.0
    front = _turned(_row(-2.5, pins, pitch, (1.5, 0.7), (2.35, 0.8, 0.36)))
    tabs = [
        Pad(
            Rect(side * (long / 2 + 0.35), -1.1, 1.1, 1.8),
            Rect(side * (long / 2 + 0.25), -1.1, 0.5, 1.3),
            (side, 0),
        )
        for side in (-1, 1)
    ]
    defects: tuple[Label, ...] = ("MISSING", "SHIFTED", "ROTATED", "LIFTED_LEAD", "BRIDGE", *_JOINT, *_DIRT)
    return Package(
        f"CONN{pins}",
        "connector",
        "J",
        "header",
        (long, 3.6),
        2.6,
        (long + 2.0, 7.0),
        tuple(front + tabs),
        defects,
        0.1,
    )


def _library() -> tuple[Package, ...]:
    sizes = {"0402": (1.0, 0.5), "0603": (1.6, 0.8), "0805": (2.0, 1.25), "1206": (3.2, 1.6)}
    lower = {"0402": 0.35, "0603": 0.45, "0805": 0.5, "1206": 0.55}
    higher = {"0402": 0.42, "0603": 0.65, "0805": 0.85, "1206": 1.1}
    resistors = [_chip(f"R{n}", "resistor", "R", "chip", b, lower[n], (*_CHIP, "FACE_DOWN")) for n, b in sizes.items()]
    capacitors = [_chip(f"C{n}", "capacitor", "C", "chip", b, higher[n], _CHIP) for n, b in sizes.items()]
    gull: tuple[Label, ...] = (*_ANY, "LIFTED_LEAD", "FACE_DOWN", *_JOINT, *_DIRT)
    sot = [
        *_row(-1.0, 2, 1.9, (0.95, 0.7), (1.0, 0.42, 0.42)),
        *_row(1.0, 1, 1.9, (0.95, 0.7), (1.0, 0.42, 0.42)),
    ]
    can = [
        Pad(Rect(side * 2.7, 0, 3.0, 1.6), Rect(side * 2.6, 0, 1.9, 0.75), (side, 0))
        for side in (-1, 1)
    ]  # fmt: skip
    return (
        *resistors,
        *capacitors,
        _chip("L0603", "inductor", "L", "chip", sizes["0603"], 0.8, _CHIP),
        _chip("L1210", "inductor", "L", "wound", (3.2, 2.5), 2.0, (*_ANY, "TOMBSTONE", *_JOINT, *_DIRT)),
        _chip("LED0603", "led", "D", "led", sizes["0603"], 0.6, (*_CHIP, "WRONG_POLARITY", "FACE_DOWN")),
        _chip("LED0805", "led", "D", "led", sizes["0805"], 0.8, (*_CHIP, "WRONG_POLARITY", "FACE_DOWN")),
        Package(
            "CAN63", "electrolytic", "C", "can", (6.6, 6.6), 5.8, (9.2, 7.4), tuple(can),
            (*_ANY, "WRONG_POLARITY", *_JOINT, *_DIRT), 0.15,
        ),
        Package("SOT23", "transistor", "Q", "gull", (1.3, 2.9), 1.0, (3.4, 3.4), tuple(sot), gull, 0.06),
        _soic(8),
        _soic(14),
        _soic(16),
        _qfn(16, 3.0),
        _qfn(24, 4.0),
        Package(
            "BGA64", "ic", "U", "balls", (8.0, 8.0), 1.2, (9.0, 9.0), (),
            (*_ANY, "WRONG_POLARITY", *_DIRT), 0.1,
        ),
        _header(4),
        _header(6),
    )  # fmt: skip


PACKAGES: dict[str, Package] = {package.name: package for package in _library()}
"""By name, as `R0603`."""
