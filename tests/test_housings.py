from dataclasses import replace

import numpy as np
import pytest

from goldenpair.simulation.packages import PACKAGES
from goldenpair.simulation.parts import golden_state
from placed import drawn, pictures, place

LEADED = [name for name, package in PACKAGES.items() if package.style == "gull"]


@pytest.mark.parametrize("name", LEADED)
def test_leads_go_from_the_body_to_their_feet(name):
    at = place(name)
    seen = drawn(at, pixels=128)
    body = at.package.body[0] / 2
    for pad in at.package.pads:
        steps = np.linspace(body + 0.06, abs(pad.foot.x), 8)
        x, y = np.round(128 + pad.out[0] * steps / seen.step).astype(int), round(128 + pad.foot.y / seen.step)
        assert np.all(seen.material[3, y, x] > 0.85)
        heights = seen.height[y, x]
        assert heights[0] > 2 * heights[-1] and np.all(np.diff(heights) < 0.02)


@pytest.mark.parametrize("name", ["SOIC8", "QFN16", "BGA64"])
def test_pin_1_is_marked_in_one_corner(name):
    at = place(name)
    marked = replace(golden_state(at), lot=replace(golden_state(at).lot, source=1, ink=1.0))
    picture = pictures(drawn(at, marked, 128))["UniformLight"].mean(-1)
    half = np.array(at.package.body) / 2 / drawn(at).step / 2
    corners = []
    for down in (-1, 1):
        for across in (-1, 1):
            y, x = (round(128 / 2 + 0.64 * side * size * 2) for side, size in ((down, half[1]), (across, half[0])))
            corners.append(picture[y - 6 : y + 7, x - 6 : x + 7].max())
    assert corners[0] > 1.2 * max(corners[1:]) or name == "SOIC8" and corners[0] >= max(corners[1:])


@pytest.mark.parametrize("name", ["SOIC8", "QFN16", "BGA64", "CAN63"])
def test_a_reversed_body_is_the_body_turned_by_half(name):
    at = place(name)
    state = golden_state(at)
    fine, turned = (drawn(at, each, 96) for each in (state, replace(state, reversed=True)))
    inside = slice(70, 122)
    assert np.allclose(turned.material[0, inside, inside], np.rot90(fine.material[0, inside, inside], 2), atol=0.05)
    assert not np.allclose(turned.material[0, inside, inside], fine.material[0, inside, inside], atol=0.05)


def test_the_top_of_a_can_has_a_dark_segment_on_its_negative_side():
    picture = pictures(drawn(place("CAN63"), pixels=128))["WhiteLight"].mean(-1)
    assert picture[60:68, 36:42].mean() < 0.6 * picture[80:88, 58:70].mean()


def test_a_dead_bug_has_no_mark_and_its_leads_in_the_air():
    at = place("SOT23")
    fine, bad = drawn(at, pixels=128), drawn(at, replace(golden_state(at), face_down=1.0), 128)
    pad = at.package.pads[0]
    x, y = (round(128 + c / fine.step) for c in (pad.foot.x, pad.foot.y))
    assert bad.height[y, x] > fine.height[y, x] + 0.3
    middle = slice(118, 138)
    assert fine.material[0, middle, middle].max() > 2 * bad.material[0, middle, middle].max()


def test_a_connector_is_hollow_with_a_contact_for_each_pin():
    for pins in (4, 6):
        at = place(f"CONN{pins}")
        seen = drawn(at, pixels=128)
        row = seen.height[round(128 - 0.1 / seen.step)]
        contacts = np.count_nonzero(np.diff((np.abs(row - 1.9) < 0.1).astype(int)) == 1)
        assert contacts == pins and row.max() > 2 and np.median(row[100:156]) < 1.95
