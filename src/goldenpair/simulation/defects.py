"""Defects: a good part's state made bad, as slightly or as plainly as asked.

What is drawn at random does not depend on the severity: the same generator gives the same defect, slighter or plainer.
"""

import math
from dataclasses import replace

import numpy as np

from goldenpair.simulation.packages import PACKAGES, Package, Pad
from goldenpair.simulation.parts import INKS, Ball, Bridge, Crack, Kind, PartState, Place, Stain, good_angle
from goldenpair.specs.simulate import Label

_BODY_CHANGES = 0.6
"""From this severity on a wrong part is another component, below it another value or make."""


def spoil(place: Place, state: PartState, label: Label, severity: float, rng: np.random.Generator) -> PartState:
    """The same part with a defect. `severity` 0 is barely visible, just beyond what good parts do; 1 is plain.
    Raises ValueError where the label cannot happen to the package (see Package.defects) or the severity is not from
    0 to 1."""
    package = place.package
    if label not in package.defects:
        raise ValueError(f"{label} does not happen to {package.name}, only {', '.join(package.defects)}")
    if not 0 <= severity <= 1:
        raise ValueError(f"severity is {severity}, expected 0 to 1")
    sign = float(rng.choice([-1, 1]))
    match label:
        case "MISSING":
            return _missing(state, severity, rng)
        case "SHIFTED":
            far = sign * _between(1.6, 5.5, severity) * package.play
            return replace(state, dx=far) if rng.random() < 0.5 else replace(state, dy=far)
        case "ROTATED":
            unit = good_angle(package)
            return replace(state, angle=sign * _between(1.8 * unit, min(14 * unit, 40.0), severity))
        case "WRONG_POLARITY":
            # the fainter its mark, the slighter; reels of good parts have the same inks, so that ink tells nothing
            return replace(state, reversed=True, lot=replace(state.lot, ink=_between(*INKS, severity)))
        case "TOMBSTONE":
            return replace(state, lean=sign * _between(3.0, 82.0, severity))
        case "BILLBOARD":
            # it rolls over an edge, so its middle goes aside; parts as high as wide look the same from the side
            aside = sign * _between(0.0, 0.4, severity) * package.body[1]
            return replace(state, roll=sign * _between(7.0, 90.0, severity), dy=state.dy + aside)
        case "FACE_DOWN":
            return replace(state, face_down=_between(0.25, 1.0, severity))
        case "WRONG_PART":
            return _wrong_part(state, severity, rng)
        case "LIFTED_LEAD":
            leads = [i for i, pad in enumerate(package.pads) if package.style != "header" or pad.out[1]]
            lift, bend = _between(0.05, 0.5, severity), sign * _between(0.0, 0.22, severity)
            return _with_joints(state, [int(rng.choice(leads))], lift=lift, bend=bend)
        case "INSUFFICIENT":
            return _with_joints(state, _some(package, rng), volume=_between(0.64, 0.03, severity))
        case "EXCESS":
            return _with_joints(state, _some(package, rng), volume=_between(1.5, 2.8, severity))
        case "COLD":
            return _with_joints(state, _some(package, rng), cold=_between(0.22, 1.0, severity))
        case "BRIDGE":
            return replace(state, bridges=(_bridge(package, severity, rng),))
        case "SOLDER_BALL":
            return replace(state, balls=_balls(package, severity, rng))
        case "CONTAMINATION":
            return replace(state, stains=(*state.stains, _stain(package, severity, rng)))
        case "CRACK":
            return replace(state, cracks=(_crack(state.package, severity, rng),))


def _between(slight: float, plain: float, severity: float) -> float:
    return slight + (plain - slight) * severity


def _some(package: Package, rng: np.random.Generator) -> list[int]:
    """One joint, or some more beside it."""
    first, more = int(rng.integers(len(package.pads))), int(rng.integers(3))
    return [index % len(package.pads) for index in range(first, first + 1 + more)]


def _with_joints(state: PartState, which: list[int], **change: float) -> PartState:
    joints = tuple(replace(joint, **change) if i in which else joint for i, joint in enumerate(state.joints))
    return replace(state, joints=joints)


def _missing(state: PartState, severity: float, rng: np.random.Generator) -> PartState:
    """Gone; what is slight about it is the adhesive in the part's place, which looks like something."""
    glue = Stain(
        "glue", state.dx, state.dy, 0.62 * min(state.package.body), 0.95 * (1 - severity), int(rng.integers(2**31))
    )
    return replace(state, present=False, stains=(*state.stains, glue) if severity < 1 else state.stains)


def _wrong_part(state: PartState, severity: float, rng: np.random.Generator) -> PartState:
    package, lot = state.package, state.lot
    others = _alternatives(package)
    other = others[int(rng.integers(len(others)))] if others else package
    marking = _other_marking(state.marking, severity, rng)
    # of black glaze the eye sees no less
    factor = _between(1.4, 1.9, min(severity / _BODY_CHANGES, 1.0)) ** (
        2.5 if package.component_type == "resistor" else 1
    )
    if severity >= _BODY_CHANGES and other is not package:
        kept = marking if other.component_type == package.component_type else ("R47",)
        return replace(state, package=other, marking=kept if other.component_type == "resistor" else marking)
    if state.marking and severity < _BODY_CHANGES:
        return replace(state, marking=marking)
    red, green, blue = lot.tint
    tint = (red * factor, green * factor**0.9, blue * factor**0.7)
    return replace(state, marking=marking, lot=replace(lot, tint=tint, font=(lot.font + 2) % 4))


def _alternatives(package: Package) -> list[Package]:
    """Other parts with two ends of the same size, or one size off."""
    if package.style not in ("chip", "led"):
        return []
    sizes = ("0402", "0603", "0805", "1206")
    size = sizes.index(package.name[-4:])
    near = {sizes[size], sizes[min(size + 1, 3)], sizes[max(size - 1, 0)]}
    return [p for p in PACKAGES.values() if p.style == "chip" and p is not package and p.name[-4:] in near]


def _other_marking(marking: tuple[str, ...], severity: float, rng: np.random.Generator) -> tuple[str, ...]:
    """The first line with one character changed, or up to all of them."""
    if not marking:
        return marking
    old = marking[0]
    order, steps = rng.permutation(len(old)).tolist(), rng.integers(1, 9, len(old)).tolist()
    count = 1 + round(severity * (len(old) - 1))
    new = list(old)
    for at in order[:count]:
        kinds = "0123456789" if old[at].isdigit() else "ABCDEFGHKLMNPRSTUVXZ"
        new[at] = kinds[(kinds.find(old[at]) + steps[at]) % len(kinds)]
    return ("".join(new), *marking[1:])


def _bridge(package: Package, severity: float, rng: np.random.Generator) -> Bridge:
    """From one land to the next in its row."""
    pairs = [(a, b) for a, b in zip(package.pads, package.pads[1:], strict=False) if a.out == b.out]
    first, second = pairs[int(rng.integers(len(pairs)))]
    along, thin = _sizes(first)
    out = rng.uniform(-0.1, 0.4) * along
    ends = [(pad.land.x + out * pad.out[0], pad.land.y + out * pad.out[1]) for pad in (first, second)]
    return Bridge(ends[0], ends[1], _between(0.16, 1.1, severity) * thin)


def _sizes(pad: Pad) -> tuple[float, float]:
    """How long a land is out from its part, and how wide."""
    return (pad.land.width, pad.land.height) if pad.out[0] else (pad.land.height, pad.land.width)


def _balls(package: Package, severity: float, rng: np.random.Generator) -> tuple[Ball, ...]:
    wide = package.courtyard[0]
    radius = min(_between(0.01, 0.034, severity) * max(package.courtyard), 0.22)
    angle, second = rng.uniform(0, 2 * math.pi, 2).tolist()
    found = []
    for turn, size in ((angle, radius), (second, 0.7 * radius))[: 2 if severity > 0.7 else 1]:
        # beside the body and its lands
        reach = max([package.body[1], *(_top(pad) for pad in package.pads)]) / 2 + 0.06
        at_y = math.copysign(reach + radius, math.sin(turn))
        found.append(Ball(0.45 * wide * math.cos(turn), at_y, size))
    return tuple(found)


def _top(pad: Pad) -> float:
    return 2 * abs(pad.land.y) + pad.land.height


def _stain(package: Package, severity: float, rng: np.random.Generator) -> Stain:
    kinds: tuple[Kind, ...] = ("flux", "flux", "fibre", "dust")
    kind = kinds[int(rng.integers(len(kinds)))]
    x, y = rng.uniform(-0.4, 0.4, 2) * package.courtyard
    radius = _between(0.055, 0.28, severity) * max(package.courtyard) * (0.7 if kind == "dust" else 1.0)
    return Stain(kind, float(x), float(y), radius, _between(0.5, 0.95, severity), int(rng.integers(2**31)))


def _crack(package: Package, severity: float, rng: np.random.Generator) -> Crack:
    """Across the body from one side, near a terminal where boards bend parts most."""
    length, width = package.body
    cap = package.pads[0].foot.width if package.style in ("chip", "led", "wound") else 0.1 * length
    side, other = rng.choice([-1, 1], 2).tolist()
    x = side * (length / 2 - cap * rng.uniform(1.3, 1.8))
    long = _between(0.3, 1.02, severity) * width
    drift = rng.uniform(-0.12, 0.12, 3) * width
    points = tuple((float(x + drift[:i].sum()), float(other * (width / 2 - long * i / 3))) for i in range(4))
    return Crack(points, _between(0.011, 0.035, severity) * max(length, width))
