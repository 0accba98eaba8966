from dataclasses import replace

import numpy as np
import pytest

from goldenpair.simulation.packages import PACKAGES
from goldenpair.simulation.parts import golden_state
from placed import drawn, pictures, place, soldered

CHIPS = [name for name, package in PACKAGES.items() if package.style in ("chip", "led", "wound")]


@pytest.mark.parametrize("name", PACKAGES)
def test_bodies_are_as_large_and_as_high_as_the_library_says(name):
    at = place(name)
    seen = drawn(at, pixels=128)
    down, across = np.nonzero(seen.part > 0.5)
    extent = (np.array([np.ptp(across), np.ptp(down)]) + 1) * seen.step
    assert np.allclose(extent, at.package.body, atol=2.5 * seen.step)
    assert seen.height.max() == pytest.approx(at.package.height, rel=0.25)


@pytest.mark.parametrize("name", CHIPS)
def test_a_chip_that_stands_up_is_short_and_high(name):
    at = place(name)
    for lean in (-80, 80):
        seen = drawn(at, replace(golden_state(at), lean=lean), 128)
        down, across = np.nonzero(seen.part > 0.5)
        long = at.package.body[0] * np.cos(np.radians(80)) + at.package.height * np.sin(np.radians(80))
        assert (np.ptp(across) + 1) * seen.step == pytest.approx(long, abs=3 * seen.step)
        assert seen.height.max() > 0.8 * at.package.body[0]
        assert np.sign(across.mean() + 0.5 - 128) == -np.sign(lean)  # it stands on the other end


@pytest.mark.parametrize("name", ["R0603", "C0805", "LED0603"])
def test_a_chip_on_its_side_is_as_wide_as_it_was_high(name):
    at = place(name)
    seen = drawn(at, replace(golden_state(at), roll=90.0), 128)
    down, _ = np.nonzero(seen.part > 0.5)
    assert (np.ptp(down) + 1) * seen.step == pytest.approx(at.package.height, abs=3 * seen.step)
    assert seen.height.max() == pytest.approx(at.package.body[1], rel=0.25)


def test_resistors_are_dark_with_a_light_mark_and_white_below():
    at = place("R0805")
    top = pictures(drawn(at, pixels=128))["UniformLight"][54:74, 44:84]
    below = pictures(drawn(at, replace(golden_state(at), face_down=1.0), 128))["UniformLight"][54:74, 44:84]
    assert np.median(top) < 90 and top.max() > 150
    assert np.median(below) > 180 and below.std() < 0.5 * top.std()


def test_terminals_shine_in_coaxial_light_and_bodies_do_not():
    for name in ("R0603", "C0805"):
        at = place(name)
        picture = pictures(drawn(at, pixels=128))["WhiteLight"].mean(-1)
        seen_at = round(64 + at.package.pads[1].foot.x / drawn(at, pixels=128).step / 2)
        assert picture[58:70, seen_at - 1 : seen_at + 2].mean() > 1.25 * picture[50:56, 58:70].mean()


def test_an_led_has_its_mark_at_the_cathode():
    at = place("LED0805")
    right_way = pictures(drawn(at, pixels=128))["UniformLight"]
    reversed_ = pictures(drawn(at, replace(golden_state(at), reversed=True), 128))["UniformLight"]
    green = [picture[50:78, :, 1] - picture[50:78, :, 0] for picture in (right_way, reversed_)]
    left, right = slice(40, 60), slice(68, 88)
    assert green[0][:, left].mean() > green[0][:, right].mean() + 10
    assert green[1][:, right].mean() > green[1][:, left].mean() + 10


def test_makers_differ_and_reels_of_one_maker_too():
    at = place("C0603")
    state = golden_state(at)
    shades = []
    for source, tint in ((0, (1, 1, 1)), (1, (1, 1, 1)), (0, (1.1, 1, 0.9))):
        seen = drawn(at, replace(state, lot=replace(state.lot, source=source, tint=tint)))
        shades.append(seen.material[:3, 64, 64])
    assert np.abs(shades[0] - shades[1]).max() > 0.03 and np.abs(shades[0] - shades[2]).max() > 0.03


def test_marks_can_come_upside_down():
    at = place("R0805")
    at = replace(at, marking=("7",))
    state = soldered(golden_state(at))
    turned = replace(state, lot=replace(state.lot, upside_down=True))
    fine, other = (drawn(at, each, 128).material[0, 98:158, 96:160] for each in (state, turned))
    assert np.allclose(other, np.rot90(fine, 2), atol=0.1) and not np.allclose(other, fine, atol=0.1)
