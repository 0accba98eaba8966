"""Pictures in few numbers, against numbers by hand."""

import numpy as np
import pytest

from goldenpair.deep_audit.looks import PAIR_FEATURES, SIDE, compare, look


def scene(seed: int = 0) -> np.ndarray:
    """uint8 [2, 3, SIDE, SIDE]: even squares of 4 pixels, so that moves by two pixels are exact."""
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(20, 230, (2, 3, SIDE // 8, SIDE // 8)), np.ones((8, 8))).astype(np.uint8)


def test_numbers_of_a_picture():
    pixels = scene()
    part = look(pixels)
    assert part.bright == pytest.approx(pixels.mean(axis=(1, 2, 3)), rel=1e-5)
    assert part.contrast == pytest.approx(pixels.mean(axis=1).std(axis=(1, 2)), rel=1e-4)
    assert part.tiny == pytest.approx(pixels.reshape(2, 3, 16, 8, 16, 8).mean(axis=(3, 5)), rel=1e-5)


def test_a_pattern_of_single_pixels_is_as_sharp_as_can_be():
    """Of a chessboard every pixel differs from its four neighbours by twice its deviation from the mean."""
    board = np.indices((SIDE, SIDE)).sum(axis=0) % 2 * 100 + 50
    part = look(np.broadcast_to(board, (1, 3, SIDE, SIDE)).astype(np.uint8))
    assert part.sharp == pytest.approx([8.0], rel=1e-4)


def test_a_picture_beside_itself():
    part = look(scene())
    pair = compare(part, part)
    assert pair.features == pytest.approx(np.zeros((2, len(PAIR_FEATURES))), abs=2e-3)
    assert (pair.move, pair.gain, pair.order) == ((0.0, 0.0), 0.0, (0, 1))


@pytest.mark.parametrize(("down", "right"), [(0, 4), (-6, 0), (8, -10), (20, 16)])
def test_the_golden_is_moved(down, right):
    pixels = scene()
    pair = compare(look(pixels), look(np.roll(pixels, (down, right), (2, 3))))
    assert pair.move == (down / SIDE, right / SIDE)
    assert pair.gain > 0.9


def test_a_move_of_little_is_no_difference_and_a_long_one_is():
    pixels = scene()
    near = compare(look(pixels), look(np.roll(pixels, (4, -8), (2, 3)))).features
    far = compare(look(pixels), look(np.roll(pixels, (20, 0), (2, 3)))).features
    worst = PAIR_FEATURES.index("difference, worst block")
    assert near[:, worst] == pytest.approx([0, 0], abs=1e-3) and far[:, worst].min() > 5


def test_brightness_and_contrast_are_told_apart_from_differences():
    pixels = scene()
    pair = compare(look((pixels * 0.5).astype(np.uint8)), look(pixels))
    named = dict(zip(PAIR_FEATURES, pair.features.T, strict=True))
    assert named["brightness"] == pytest.approx(np.log([2, 2]), abs=0.02)
    assert named["contrast"] == pytest.approx(np.log([2, 2]), abs=0.02)
    assert named["distance"].max() < 0.02 and named["difference, mean"].max() < 1.0


def test_something_that_is_missing_is_in_one_block():
    pixels = scene()
    spoilt = pixels.copy()
    spoilt[0, :, 40:56, 40:56] = 255
    features = compare(look(spoilt), look(pixels)).features
    worst, usual = (PAIR_FEATURES.index(f"difference, {which}") for which in ("worst block", "mean"))
    assert features[0, worst] > 10 * features[0, usual] and features[1, worst] < 1e-3


def test_lights_that_are_swapped():
    pixels = scene()
    pixels[1] //= 3
    assert compare(look(pixels[::-1]), look(pixels)).order == (1, 0)


def test_flat_pictures_do_no_harm():
    flat = look(np.full((1, 3, SIDE, SIDE), 90, np.uint8))
    pair = compare(flat, flat)
    assert np.isfinite(pair.features).all() and pair.move == (0, 0) and np.isfinite(pair.gain)
    assert flat.sharp == pytest.approx([0])
