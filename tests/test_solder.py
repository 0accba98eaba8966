from dataclasses import replace

import numpy as np
import pytest

from goldenpair.simulation.parts import Ball, Bridge, golden_state
from goldenpair.simulation.surface import Surface
from placed import drawn, pictures, place, soldered

VOLUMES = (0.1, 0.4, 0.7, 1.0, 1.3, 1.8, 2.6)


def toe(at, seen: Surface) -> tuple[slice, slice]:
    """The right-hand land of a part beyond its terminal, whatever lies there."""
    pad = next(pad for pad in at.package.pads if pad.out == (1, 0))
    middle, tip = seen.height.shape[0] / 2, pad.foot.x + pad.foot.width / 2
    x0, x1 = (round(middle + x / seen.step) for x in (tip + 0.02, pad.land.x + pad.land.width / 2 - 0.02))
    y0, y1 = (round(middle + (pad.land.y + s * pad.land.height / 2) / seen.step) for s in (-0.8, 0.8))
    return slice(y0, y1), slice(x0, x1)


@pytest.mark.parametrize("name", ["C0805", "R0603", "SOIC8", "QFN16", "CONN4"])
def test_more_solder_is_more_solder(name):
    at = place(name)
    volumes = []
    for volume in VOLUMES:
        seen = drawn(at, soldered(golden_state(at), volume=volume), 128)
        solder = (seen.material[4] < 0.15) & (seen.material[3] > 0.9)  # the only metal as smooth as this
        volumes.append(float(seen.height[solder].sum() * seen.step**2))
    assert np.all(np.diff(volumes) > 0), volumes


def test_a_fillet_falls_from_the_terminal_to_the_edge_and_is_hollow():
    at = place("C0805")
    seen = drawn(at, pixels=128)
    rows, columns = toe(at, seen)
    profile = seen.height[rows, columns][len(range(*rows.indices(9999))) // 2]
    assert np.all(np.diff(profile) < 0.004) and profile[0] > 5 * profile[-1]
    assert profile[len(profile) // 2] < (profile[0] + profile[-1]) / 2  # hollow, as solder that wets is
    much = drawn(at, soldered(golden_state(at), volume=2.6), 128).height[rows, columns]
    middle = much[len(much) // 2]
    assert middle[len(middle) // 2] > (middle[0] + middle[-1]) / 2  # too much of it bulges


def test_little_solder_leaves_its_land_bare():
    at = place("C0805")
    bare = []
    for volume in (1.0, 0.6, 0.2):
        seen = drawn(at, soldered(golden_state(at), volume=volume), 128)
        material = seen.material[:, *toe(at, seen)]
        bare.append(float((material[2] < 0.5).mean()))  # gold is yellow, solder is not
    assert bare[0] == 0 and 0.02 < bare[1] < bare[2] and bare[2] > 0.5


def test_colours_of_a_fillet_run_from_blue_at_the_part_to_red_at_its_toe():
    at = place("C0805")
    seen = drawn(at, pixels=128)
    rows, columns = toe(at, seen)
    band = pictures(seen)["SolderLight"][rows.start // 2 : rows.stop // 2, columns.start // 2 : columns.stop // 2]
    colours = band.mean(0)
    assert colours[-1, 0] > 2 * colours[-1, 2]
    blue, red = colours[:, 2].argmax(), colours[:, 0].argmax()
    assert blue < colours[:, 1].argmax() < red


def test_cold_solder_is_dull_and_lumpy():
    at = place("C0805")
    fine, cold = (drawn(at, soldered(golden_state(at), cold=cold), 128) for cold in (0.0, 1.0))
    here = toe(at, fine)
    assert cold.material[4][here].mean() > fine.material[4][here].mean() + 0.3
    assert np.abs(np.diff(cold.height[here], 2, 0)).mean() > 2 * np.abs(np.diff(fine.height[here], 2, 0)).mean()


def test_a_lifted_lead_leaves_a_dome_and_loses_its_glint():
    at = place("SOIC8")
    state = golden_state(at)
    index = next(i for i, pad in enumerate(at.package.pads) if pad.out == (1, 0))
    joints = tuple(replace(j, lift=0.4) if i == index else j for i, j in enumerate(state.joints))
    pad = at.package.pads[index]
    fine, bad = drawn(at, pixels=128), drawn(at, replace(state, joints=joints), 128)
    x, y = (round(64 + c / fine.step / 2) for c in (pad.foot.x, pad.foot.y))
    spot = (slice(y - 1, y + 2), slice(x - 2, x + 3))
    assert bad.height[2 * y, 2 * x] > fine.height[2 * y, 2 * x] + 0.05
    assert pictures(fine)["WhiteLight"][spot].mean() > 1.5 * pictures(bad)["WhiteLight"][spot].mean()


def test_a_bridge_joins_two_lands():
    at = place("SOIC8")
    first, second = at.package.pads[:2]
    bridge = Bridge((first.land.x, first.land.y), (second.land.x, second.land.y), 0.3)
    seen = drawn(at, replace(golden_state(at), bridges=(bridge,)), 128)
    x = round(128 + first.land.x / seen.step)
    y0, y1 = (round(128 + pad.land.y / seen.step) for pad in (first, second))
    assert seen.material[3, y0:y1, x].min() > 0.9
    assert drawn(at, pixels=128).material[3, y0:y1, x].min() < 0.1


def test_a_ball_is_as_high_as_wide():
    at = place("R0603")
    seen = drawn(at, replace(golden_state(at), balls=(Ball(0.0, 0.8, 0.1),)), 128)
    plain = drawn(at, pixels=128)
    rise = seen.height - plain.height
    assert rise.max() == pytest.approx(0.2, abs=0.01)
    assert (rise > 0.05).sum() * seen.step**2 == pytest.approx(np.pi * 0.01, rel=0.12)
    down, across = np.nonzero(rise > 0.05)
    middle = (np.array([across.mean(), down.mean()]) + 0.5) * seen.step - seen.step * 128
    assert np.allclose(middle, [0, 0.8], atol=0.01)


def test_joints_of_a_missing_part_are_domes():
    at = place("R0805")
    seen = drawn(at, replace(golden_state(at), present=False), 128)
    land = at.package.pads[1].land
    x, y = (round(128 + c / seen.step) for c in (land.x, land.y))
    assert seen.height[y, x] > seen.height[y, x + round(0.4 * land.width / seen.step)] > 0
    assert pictures(seen)["WhiteLight"][y // 2, x // 2].mean() > 100  # its top is level and shines
    assert not seen.part.any()
