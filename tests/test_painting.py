"""How changes get into pictures: geometry to the pixel, brightness by light."""

import numpy as np
import pytest

from drawn_parts import part, regions
from goldenpair.synthesis.anatomy import anatomy
from goldenpair.synthesis.painting import (
    Solder,
    as_pictures,
    bare,
    blended,
    curve,
    dome,
    feathered,
    luma,
    moved,
    solder_colours,
    strand,
)


def rng():
    return np.random.default_rng(0)


def test_moved_by_whole_pixels_and_by_half_a_turn_is_exact():
    pixels = np.random.default_rng(1).uniform(0, 255, (2, 9, 9, 3)).astype(np.float32)
    alpha = np.ones((9, 9), np.float32)
    found, shows = moved(pixels, alpha, np.eye(2), np.array([4.0, 4.0]), np.array([6.0, 3.0]))
    assert np.allclose(found[:, 2:, :8], pixels[:, :7, 1:], atol=1e-3)
    assert (shows[2:, :8] == 1).all() and not shows[:2].any() and not shows[:, 8].any()
    turned, _ = moved(pixels, alpha, -np.eye(2), np.array([4.0, 4.0]), np.array([4.0, 4.0]))
    assert np.allclose(turned, pixels[:, ::-1, ::-1], atol=1e-3)


def test_moved_by_half_a_pixel_is_the_mean_of_neighbours():
    pixels = np.arange(9, dtype=np.float32)[None, None, :, None].repeat(9, 1).repeat(3, 3)
    found, _ = moved(pixels, np.ones((9, 9), np.float32), np.eye(2), np.array([4.0, 4.0]), np.array([4.0, 4.5]))
    assert np.allclose(found[0, 4, 1:8, 0], np.arange(1, 8) - 0.5)


def test_blended_goes_from_one_to_the_other():
    under, over = np.zeros((1, 2, 2, 3), np.float32), np.full((1, 2, 2, 3), 100, np.float32)
    alpha = np.array([[0, 0.25], [0.5, 1]], np.float32)
    assert blended(under, over, alpha)[0, :, :, 1].tolist() == [[0, 25], [50, 100]]


def test_feathered_is_soft_at_the_edge_only():
    region = np.zeros((21, 21), bool)
    region[5:16, 5:16] = True
    alpha = feathered(region)
    assert alpha[10, 10] > 0.99 and alpha[0, 0] == 0
    assert 0.2 < alpha[5, 10] < 0.9 and 0.05 < alpha[4, 10] < 0.5


def test_bare_board_has_the_boards_colour_under_each_light_and_pads_at_its_sides():
    picture = part(body=(200, 60, 60), mark=False)
    parts, (body, _) = anatomy(picture), regions()
    found = bare(picture.astype(np.float32), parts, body, rng())
    middle = found[:, 28:36, 30:34].mean(axis=(1, 2))
    assert np.allclose(middle, [(30, 110, 60), (15, 55, 30)], atol=8)
    assert np.allclose(found[:, :20], picture[:, :20])  # nothing else is touched
    assert np.array_equal(bare(picture.astype(np.float32), parts, np.zeros_like(body), rng()), picture)


def test_solder_colours_are_those_of_the_solder_under_each_light_from_dark_to_bright():
    picture = part().astype(np.float32)
    found = solder_colours(picture, anatomy(part()))
    assert (np.diff(luma(found), axis=1) >= -0.5).all()
    lowest, highest = luma(found).min(axis=1), luma(found).max(axis=1)
    assert (lowest > 100).all() and (highest < 240).all() and (highest > 200).all()


def test_without_solder_it_is_grey_and_as_bright_as_the_light():
    bright = np.full((2, 32, 32, 3), 60, np.float32)
    bright[1] = 240
    found = solder_colours(bright, anatomy(as_pictures(bright)))
    assert np.ptp(found, axis=2).max() < 1e-3
    assert luma(found)[1].max() > luma(found)[0].max()


def test_solder_is_painted_where_it_is_high_with_highlights_under_every_light():
    picture = part()
    colours = solder_colours(picture.astype(np.float32), anatomy(picture))
    height = dome((64, 64), np.array([12.0, 32.0]), (6.0, 6.0), 0.0, rng())
    found = Solder(height).over(picture.astype(np.float32), colours, rng())
    changed = np.abs(found - picture).max(axis=(0, 3)) > 3
    assert not changed[24:].any() and changed[10:15, 29:35].all()
    for light in found:
        inside = luma(light)[height > 1]
        assert inside.max() - inside.min() > 40
    untouched = Solder(np.zeros((64, 64), np.float32)).over(picture.astype(np.float32), colours, rng())
    assert np.array_equal(untouched, picture)


def test_a_strand_is_as_high_as_its_radius_and_may_leave_the_picture():
    points = curve(np.array([16.0, 4.0]), np.array([16.0, 28.0]), 0.0, 50)
    height = strand((32, 32), points, np.full(50, 3.0))
    assert height[16, 16] == pytest.approx(3, abs=0.1)
    assert height[16, 10] == pytest.approx(3, abs=0.1) and height[20, 16] == 0 and height[16, 31] == 0
    outside = strand((32, 32), points + 100, np.full(50, 3.0))
    assert not outside.any()
    assert strand((32, 32), points - [16, 0], np.full(50, 3.0))[0, 16] == pytest.approx(3, abs=0.1)


def test_a_curve_bends_by_its_share_of_the_length():
    found = curve(np.array([0.0, 0.0]), np.array([0.0, 10.0]), 0.4, 3)
    assert found.tolist() == [[0, 0], [-2, 5], [0, 10]]  # half of the middle's offset, as in a quadratic curve


def test_as_pictures_rounds_and_stays_in_range():
    assert as_pictures(np.array([-3, 0.6, 254.4, 300], np.float32)).tolist() == [0, 1, 254, 255]
