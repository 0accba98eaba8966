import numpy as np
import pytest

from goldenpair.simulation.canvas import Material, Patch, from_line, grain, outside, rounded
from goldenpair.simulation.packages import Rect


def patch(size: int = 40, step: float = 0.1) -> Patch:
    at = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(step) - np.float32(size * step / 2)
    flat = np.zeros((size, size), np.float32)
    return Patch(step, at[None, :], at[:, None], flat, np.zeros((5, size, size), np.float32), flat.copy())


def test_distance_to_a_rectangle_is_that_to_its_nearest_point():
    here = patch()
    rect = Rect(0.3, -0.2, 1.4, 0.8)
    found = outside(here.x, here.y, rect)
    along, down = np.linspace(-0.4, 1.0, 141), np.linspace(-0.6, 0.2, 81)
    rim = [(x, y) for x in along for y in (-0.6, 0.2)] + [(x, y) for x in (-0.4, 1.0) for y in down]
    px, py = (np.array(values) for values in zip(*rim, strict=True))
    x, y = np.broadcast_arrays(here.x, here.y)
    nearest = np.sqrt((x[..., None] - px) ** 2 + (y[..., None] - py) ** 2).min(-1)
    inside = (np.abs(x - 0.3) < 0.7) & (np.abs(y + 0.2) < 0.4)
    assert np.abs(found - np.where(inside, -nearest, nearest)).max() < 0.01


def test_corners_are_round():
    x, y = np.float32([[1.0]]), np.float32([[1.0]])
    assert outside(x, y, Rect(0, 0, 2, 2), 0.5)[0, 0] == pytest.approx(np.sqrt(0.5) - 0.5, abs=1e-6)


def test_distance_to_a_line_and_where_along_it():
    x, y = np.float32([[0.0, 2.0, 5.0]]), np.float32([[1.0]])
    away, along = from_line(x, y, (0, 0), (4, 0))
    assert np.allclose(away, [[1, 1, np.sqrt(2)]], atol=1e-6) and np.allclose(along, [[0, 0.5, 1]])


def test_a_piece_shares_the_arrays_and_knows_where_it_is():
    whole = patch()
    piece = whole.near(0.5, -1.0, 0.3, 0.2)
    assert piece.x[0, 0] <= 0.2 and piece.x[0, -1] >= 0.8 and piece.y[0, 0] <= -1.2 and piece.y[-1, 0] >= -0.8
    piece.height += 1
    here = piece.within(whole)
    assert np.all(whole.height[here] == 1) and whole.height.sum() == piece.height.size
    assert np.array_equal(whole.x[:, here[1]], piece.x) and np.array_equal(whole.y[here[0]], piece.y)
    assert whole.near(9, 0, 0.5, 0.5) is None


def test_laying_covers_by_share_and_paint_has_no_height():
    here = patch(4)
    here.lay(np.full((4, 4), 0.25, np.float32), Material(0.8, 0.4, 0.0, 1.0, 0.2), 2.0)
    assert np.allclose(here.material[:, 0, 0], [0.2, 0.1, 0, 0.25, 0.05]) and np.allclose(here.height, 0.5)
    here.lay(np.ones((4, 4), np.float32), Material(1, 1, 1))
    assert np.allclose(here.height, 0.5) and np.all(here.material[:3] == 1)


def test_pouring_stays_below_what_is_higher():
    here = patch(4)
    here.height[:, 2:] = 1.0
    here.pour(np.ones((4, 4), np.float32), Material(1, 1, 1, 1), np.full((4, 4), 0.6, np.float32))
    assert np.allclose(here.height, [[0.6, 0.6, 1, 1]] * 4) and np.all(here.material[3] == [[1, 1, 0, 0]] * 4)


def test_an_edge_covers_half_of_the_point_it_goes_through():
    here = patch()
    cover = here.cover(outside(here.x, here.y, Rect(0, 0, 1.05 * 2, 9)))
    assert np.allclose(cover[20, 29:32], [1, 0.5, 0], atol=0.51) and set(np.unique(cover)) <= set(
        np.unique(np.clip(cover, 0, 1))
    )
    assert cover.sum() * 0.01 == pytest.approx(2.1 * 4, rel=0.01)  # area is kept


def test_rounded_edges_fall_by_their_radius():
    drop = rounded(np.float32([0.0, 0.05, 0.1, 0.5]), 0.1)
    assert drop[0] == pytest.approx(0.1 * (1 - np.sqrt(0.02)), rel=1e-4) and drop[-2] == drop[-1] == 0
    assert drop[1] == pytest.approx(0.1 * (1 - np.sqrt(1 - 0.98 * 0.25)), rel=1e-4)


@pytest.mark.parametrize("smooth", [0, 2, 5])
def test_grain_repeats_for_a_seed_and_is_as_coarse_as_asked(smooth):
    noise = grain((300, 200), smooth, 5)
    assert np.array_equal(noise, grain((300, 200), smooth, 5)) and not np.array_equal(
        noise, grain((300, 200), smooth, 6)
    )
    assert noise.dtype == np.float32 and abs(noise.mean()) < 0.1 and noise.std() == pytest.approx(1, abs=0.15)
    beside = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
    assert abs(beside) < 0.02 if smooth == 0 else beside > 0.6
    assert grain((700, 900), smooth, 5).shape == (700, 900)
