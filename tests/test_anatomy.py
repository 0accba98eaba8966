"""Where body and solder are found, in parts that were drawn where they are."""

import numpy as np
import pytest

from drawn_parts import overlap, part, regions
from goldenpair.specs.synthetic import SMALLEST
from goldenpair.synthesis.anatomy import anatomy, widened


@pytest.mark.parametrize("size", [32, 64, 128, 200])
def test_body_and_joints_are_found_where_they_were_drawn(size):
    body, joints = regions(size)
    found = anatomy(part(size))
    ends = body.copy()
    for joint in joints:
        ends |= joint
    # the body takes along some of the metal at its ends, and nothing else
    assert (found.body & body).sum() > 0.9 * body.sum()
    assert (found.body & ~ends).sum() < 0.15 * body.sum()
    assert len(found.joints) == 2
    for joint in joints:
        assert max(overlap(joint, one) for one in found.joints) > 0.6


def test_the_board_is_what_the_border_shows_under_each_light():
    found = anatomy(part())
    assert np.allclose(found.board, [(30, 110, 60), (15, 55, 30)], atol=2)
    body, joints = regions()
    assert not (found.is_board & (body | joints[0] | joints[1])).any()
    assert found.is_board.mean() > 0.6


@pytest.mark.parametrize("body", [(52, 44, 40), (180, 150, 110), (20, 20, 20)])
def test_dark_and_coloured_bodies_are_found(body):
    assert (anatomy(part(body=body)).body & regions()[0]).sum() > 0.9 * regions()[0].sum()


def test_an_empty_board_has_neither():
    rng = np.random.default_rng(0)
    bare = (np.array([30, 110, 60]) + rng.normal(0, 3, (1, 64, 64, 3))).clip(0, 255).astype(np.uint8)
    found = anatomy(bare)
    assert not found.body.any() and not found.joints and not found.solder.any()
    assert found.is_board.mean() > 0.8


def test_a_frame_of_silk_screen_is_no_solder():
    picture = part()
    picture[:, 4:60, 4:7] = picture[:, 4:60, 57:60] = picture[:, 4:7, 4:60] = picture[:, 57:60, 4:60] = 240
    found = anatomy(picture)
    frame = np.zeros((64, 64), bool)
    frame[4:60, 4:7] = frame[4:60, 57:60] = frame[4:7, 4:60] = frame[57:60, 4:60] = True
    assert len(found.joints) == 2 and not (found.solder & frame).any()


def test_pictures_that_are_no_square_are_covered_to_the_edge():
    tall = np.pad(part(), ((0, 0), (20, 21), (0, 0), (0, 0)), mode="edge")
    found = anatomy(tall)
    assert found.body.shape == found.is_board.shape == (105, 64)
    body = np.pad(regions()[0], ((20, 21), (0, 0)))
    assert (found.body & body).sum() > 0.8 * body.sum()


def test_it_is_the_same_for_the_same_pictures():
    one, other = anatomy(part(seed=3)), anatomy(part(seed=3))
    assert np.array_equal(one.body, other.body) and np.array_equal(one.solder, other.solder)


def test_too_small_pictures_are_refused():
    anatomy(part()[:, :SMALLEST, :SMALLEST])
    with pytest.raises(ValueError, match="15 x 64 pixels are too small"):
        anatomy(part()[:, : SMALLEST - 1])


def test_widened_reaches_as_far_as_it_says():
    point = np.zeros((9, 9), bool)
    point[4, 4] = True
    assert np.argwhere(widened(point, 2)).tolist() == [[y, x] for y in range(2, 7) for x in range(2, 7)]
    assert widened(point, 0).sum() == 9  # by one at least
