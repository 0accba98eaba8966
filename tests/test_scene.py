from dataclasses import replace

import numpy as np
import pytest

from goldenpair.simulation.packages import PACKAGES
from goldenpair.simulation.parts import golden_state
from goldenpair.simulation.scene import BoardLot, Trace, board_lot, board_window, crop_window, wiring
from placed import place, scene


@pytest.mark.parametrize("name", PACKAGES)
def test_crops_are_square_and_hold_the_courtyard(name):
    at = place(name)
    window = crop_window(at)
    assert window.width == window.height >= max(at.package.courtyard) and (window.x, window.y) == (at.x, at.y)


def test_registration_is_a_little_off():
    at = place("R0603")
    windows = [crop_window(at, np.random.default_rng(seed)) for seed in range(50)]
    off = np.array([[window.x - at.x, window.y - at.y] for window in windows]) / windows[0].width
    assert 0.005 < np.abs(off).max() <= 0.008


def test_the_window_of_a_board_has_a_rim():
    window = board_window(scene(place("R0603"), golden_state(place("R0603"))))
    assert (window.x, window.y, window.width, window.height) == (20, 20, 42, 42)


def test_boards_differ_slightly():
    lots = [board_lot(np.random.default_rng(seed)) for seed in range(40)]
    masks = np.array([lot.mask for lot in lots]) / np.array(BoardLot.mask)
    assert 0.8 < masks.min() < 0.92 and 1.08 < masks.max() < 1.2
    assert all(0.93 <= lot.paste <= 1.07 and abs(lot.stretch - 1) <= 0.002 for lot in lots)
    assert max(abs(slope) for lot in lots for slope in lot.tilt) <= 0.01 and len({lot.grain for lot in lots}) == 40


@pytest.mark.parametrize("turns", range(4))
def test_traces_start_in_lands_and_vias_keep_clear_of_parts(turns):
    places = (replace(place("SOIC8", turns), x=12), replace(place("QFN16", turns), x=28))
    traces, vias = wiring(places, 40, 40, np.random.default_rng(1))
    lands = [
        complex(at.x, at.y) + complex(pad.land.x, pad.land.y) * 1j**turns for at in places for pad in at.package.pads
    ]  # turning clockwise with y downwards is turning by i
    starts = [complex(*trace.points[0]) for trace in traces]
    assert len(traces) > 10 and all(min(abs(start - land) for land in lands) < 1e-9 for start in starts)
    middles = [complex(at.x, at.y) for at in places]
    for trace in traces:  # outwards
        nearest = min(middles, key=lambda middle: abs(complex(*trace.points[0]) - middle))
        assert abs(complex(*trace.points[1]) - nearest) > abs(complex(*trace.points[0]) - nearest)
    ends = {trace.points[-1] for trace in traces}
    assert vias and all((via.x, via.y) in ends for via in vias)
    for via in vias:
        for at in places:
            half = np.array(at.package.courtyard[:: -1 if turns % 2 else 1]) / 2
            assert np.any(np.abs([via.x - at.x, via.y - at.y]) > half)


def test_a_trace_knows_its_extent():
    assert Trace(((1, 5), (3, 2), (4, 2)), 0.5).box == (0.5, 1.5, 4.5, 5.5)
