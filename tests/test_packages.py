from typing import get_args

import numpy as np
import pytest

from goldenpair.simulation.packages import PACKAGES, Rect
from goldenpair.specs.simulate import Label


def corners(rect: Rect) -> np.ndarray:
    return np.array(
        [rect.x - rect.width / 2, rect.y - rect.height / 2, rect.x + rect.width / 2, rect.y + rect.height / 2]
    )


def apart(a: Rect, b: Rect) -> bool:
    return abs(a.x - b.x) >= (a.width + b.width) / 2 or abs(a.y - b.y) >= (a.height + b.height) / 2


def test_every_label_happens_to_some_package():
    assert {label for package in PACKAGES.values() for label in package.defects} == set(get_args(Label))


def test_the_library_has_what_boards_are_made_of():
    assert {"R0402", "R0603", "R0805", "R1206", "C0402", "C0603", "C0805", "C1206"} <= set(PACKAGES)
    assert {"SOT23", "SOIC8", "SOIC14", "SOIC16"} <= set(PACKAGES)
    kinds = {package.component_type for package in PACKAGES.values()}
    assert kinds == {"resistor", "capacitor", "inductor", "led", "electrolytic", "transistor", "ic", "connector"}


@pytest.mark.parametrize("name", PACKAGES)
def test_lands_are_apart_within_the_courtyard_and_under_their_terminals(name):
    package = PACKAGES[name]
    assert package.name == name
    half = np.array(package.courtyard) / 2
    for index, pad in enumerate(package.pads):
        low_x, low_y, high_x, high_y = corners(pad.land)
        assert -half[0] <= low_x and high_x <= half[0] and -half[1] <= low_y and high_y <= half[1]
        assert all(apart(pad.land, other.land) for other in package.pads[index + 1 :])
        assert not apart(pad.land, pad.foot)
        # solder needs a toe: the land ends beyond the terminal
        outer = (
            pad.out[0] * pad.land.x + pad.out[1] * pad.land.y + (pad.land.width if pad.out[0] else pad.land.height) / 2
        )
        tip = (
            pad.out[0] * pad.foot.x + pad.out[1] * pad.foot.y + (pad.foot.width if pad.out[0] else pad.foot.height) / 2
        )
        assert outer > tip + 0.05
    assert np.all(np.array(package.body) / 2 <= half)


@pytest.mark.parametrize("name", [name for name, package in PACKAGES.items() if "WRONG_POLARITY" in package.defects])
def test_what_can_be_reversed_fits_its_lands_reversed(name):
    lands = {tuple(np.round(corners(pad.land), 6)) for pad in PACKAGES[name].pads}
    turned = {tuple(np.round([-c for c in (x1, y1, x0, y0)], 6)) for x0, y0, x1, y1 in lands}
    assert turned == lands


def test_chips_are_as_large_as_their_names_say():
    for name, package in PACKAGES.items():
        if package.style == "chip":
            inches = int(name[-4:-2]) / 100, int(name[-2:]) / 100
            assert np.allclose(package.body, np.array(inches) * 25.4, rtol=0.07, atol=0.03)


def test_only_parts_that_can_stand_stand_up():
    assert {package.style for package in PACKAGES.values() if "TOMBSTONE" in package.defects} == {
        "chip",
        "led",
        "wound",
    }
    assert all(PACKAGES["BGA64"].defects.count(label) == 0 for label in ("INSUFFICIENT", "BRIDGE", "LIFTED_LEAD"))
