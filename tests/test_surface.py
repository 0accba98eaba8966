import time
from dataclasses import replace

import numpy as np
import pytest

from goldenpair.simulation.camera import Camera, photograph
from goldenpair.simulation.lights import LIGHTS
from goldenpair.simulation.packages import PACKAGES
from goldenpair.simulation.parts import golden_state
from goldenpair.simulation.scene import BoardLot, Scene, Trace, Via, Window, board_window, crop_window
from goldenpair.simulation.surface import FINE, surface
from placed import SIDE, drawn, good, pictures, place, scene


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_is_drawn_the_same_for_the_same_state(name):
    at = place(name)
    seen, again, other = drawn(at, good(at, 1), 48), drawn(at, good(at, 1), 48), drawn(at, good(at, 2), 48)
    assert np.array_equal(seen.height, again.height) and np.array_equal(seen.material, again.material)
    assert not np.array_equal(seen.material, other.material)
    assert seen.height.dtype == seen.material.dtype == seen.part.dtype == np.float32
    assert np.isfinite(seen.height).all() and seen.material.min() >= 0 and seen.material[3:].max() <= 1
    assert seen.height.shape == (48 * FINE, 48 * FINE) and seen.part.max() == 1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_part_is_the_part_turned(turns):
    def picture(turns: int) -> np.ndarray:
        at = place("SOT23", turns)
        return drawn(at, replace(golden_state(at), present=True)).height

    # clockwise as seen; noise of the board and print do not turn with it
    fine, turned = np.rot90(picture(0), -turns), picture(turns)
    assert np.abs(fine - turned)[fine > 0.1].max() < 0.06 and fine.max() > 0.9


def test_crops_and_boards_agree():
    """What a window of 8 mm shows is what the middle of a window of 16 mm shows."""
    at = place("C1206")
    on_board = scene(at, golden_state(at))
    wide, close = (surface(on_board, Window(20, 20, side, side), 64) for side in (16, 8))
    wide_pictures, close_pictures = pictures(wide), pictures(close)
    for light in LIGHTS:
        small = close_pictures[light].reshape(32, 2, 32, 2, 3).mean((1, 3))
        assert np.abs(wide_pictures[light][16:48, 16:48] - small).mean() < 12, light
    small = close.height.reshape(64, 2, 64, 2).mean((1, 3))
    assert np.abs(wide.height[32:96, 32:96] - small).mean() < 0.02


def test_whole_boards_are_drawn_with_their_rim_and_all_their_parts():
    places = tuple(replace(place("C0805", turn), x=8.0 + 8 * turn, y=10) for turn in range(4))
    board = Scene(SIDE, 20, BoardLot(), tuple((at, golden_state(at)) for at in places))
    seen = surface(board, board_window(board), 210)
    assert seen.height.shape == (110 * FINE, 210 * FINE)
    assert seen.height[0].max() < -1 and seen.height[FINE * 55, FINE * 20] > -0.1
    row = seen.part[FINE * 55] > 0.5
    assert np.count_nonzero(np.diff(row.astype(int)) == 1) == 4


def test_neighbours_are_in_the_crop():
    at = place("R0603")
    beside = replace(at, y=at.y + 1.5, refdes="R8")
    alone = scene(at, golden_state(at))
    both = replace(alone, parts=(*alone.parts, (beside, golden_state(beside))))
    fine, close = (surface(each, crop_window(at), 64) for each in (alone, both))
    assert close.part[-20:].sum() > fine.part[-20:].sum() + 100
    assert np.array_equal(close.part[:64], fine.part[:64])


def test_traces_and_vias_show_below_the_solder_mask():
    at = place("BGA64")
    bare = scene(at, replace(golden_state(at), present=False))
    wired = replace(bare, traces=(Trace(((18, 20), (22, 20)), 0.4),), vias=(Via(20, 21, 0.3),))
    fine, copper = (surface(each, Window(20, 20, 8, 8), 64) for each in (bare, wired))
    raised = copper.height - fine.height > 0.015
    assert raised[64, 64] and not raised[50, 64] and not raised[64, 20]
    assert copper.height[80, 64] < -0.1  # the hole
    assert np.all(copper.material[1, 64, 40:90] > fine.material[1, 64, 40:90])
    assert copper.material[3].max() < 0.2  # nothing is bare


def test_the_board_stretches_about_its_middle():
    at = replace(place("C0402"), x=35.0)
    stretched = replace(scene(at, golden_state(at)), lot=BoardLot(stretch=1.01))
    window = Window(35, 20, 4, 4)
    fine, moved = (surface(each, window, 64).part for each in (scene(at, golden_state(at)), stretched))
    off = (np.nonzero(moved > 0.5)[1].mean() - np.nonzero(fine > 0.5)[1].mean()) * 4 / 128
    assert off == pytest.approx(0.15, abs=0.03)


def test_the_designator_is_readable_from_below_or_from_the_right():
    for turns in range(4):
        at = replace(place("R0805", turns), refdes="L")
        without = replace(at, refdes=" ")
        ink = np.abs(drawn(at).material[2] - drawn(without).material[2]) > 0.2
        down, across = np.nonzero(ink)
        drawn_ink = ink[down.min() : down.max() + 1, across.min() : across.max() + 1]
        upright = drawn_ink if turns % 2 == 0 else np.rot90(drawn_ink, 1)  # read from the left side: turn it back
        middle = upright.shape[0] // 2
        assert upright[middle:].sum() > 1.2 * upright[:middle].sum()


def test_a_part_takes_no_longer_than_a_line_can_wait():
    """20 ms of one core for 4 pictures of 128 pixels; four times that on slow machines."""
    took = []
    for name in ("R0603", "C0805", "SOT23"):
        at = place(name)
        state = good(at, 1)
        for _ in range(4):
            start = time.process_time()
            photograph(drawn(at, state, 128), LIGHTS, Camera(noise=1.0), np.random.default_rng(1))
            took.append(time.process_time() - start)
    assert np.median(took) < 0.08
