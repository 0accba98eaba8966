from dataclasses import replace

import numpy as np
import pytest

from goldenpair.simulation.camera import Camera, camera, photograph
from goldenpair.simulation.lights import BANDS, LIGHTS
from goldenpair.simulation.surface import FINE
from placed import pictures, plain

FLAT = np.zeros((128, 128))
NOMINAL = Camera(blur=0.0)


def linear(values: np.ndarray) -> np.ndarray:
    """Light from what the camera gives, below its shoulder."""
    return (values / 255) ** 1.6


@pytest.mark.parametrize("light", LIGHTS)
def test_a_flat_matt_surface_is_even_and_as_bright_as_its_colour(light):
    picture = pictures(plain(FLAT, 0.5, 0.0, 1.0))[light]
    assert np.ptp(picture, axis=(0, 1)).max() == 0
    for channel in range(3):
        band = BANDS[light][channel % len(BANDS[light])]
        assert linear(picture[0, 0, channel]) == pytest.approx(0.5 * band.matt, rel=0.12)  # and its gloss


def test_a_mirror_that_faces_the_camera_is_bright_only_in_coaxial_light():
    found = {light: picture.mean() for light, picture in pictures(plain(FLAT, 0.9, 1.0, 0.0)).items()}
    assert found.pop("WhiteLight") > 240 and max(found.values()) < 40


@pytest.mark.parametrize(("degrees", "channel"), [(7, 0), (20, 1), (34, 2)])
def test_the_slope_of_a_mirror_becomes_colour(degrees, channel):
    slope = np.tan(np.radians(degrees)) * np.arange(128)
    for height in (np.tile(slope, (128, 1)), np.tile(-slope[:, None], (1, 128))):
        seen = plain(height, 0.9, 1.0, 0.05)
        colour = pictures(seen)["SolderLight"][20:-20, 20:-20].mean((0, 1))
        assert colour.argmax() == channel and colour[channel] > 200


def test_a_wall_shades_its_foot_most_where_light_is_low():
    height = FLAT.copy()
    height[:, :40] = 20.0
    shade = {}
    for light, picture in pictures(plain(height, 0.5, 0.0, 1.0)).items():
        near, far = picture[:, 21:24].mean(), picture[:, -6:-2].mean()
        shade[light] = near / far
    assert shade["LowAngleLight"] < 0.85 * shade["UniformLight"] < 0.98 and shade["WhiteLight"] > 0.99


def test_a_tilted_board_is_a_slope():
    tilted = replace(plain(FLAT, 0.9, 1.0, 0.0), tilt=(np.tan(np.radians(6)), 0.0))
    assert pictures(tilted)["WhiteLight"].mean() < 40


def test_gains_are_exposure_and_white_balance():
    gains = ((1.2, 1.0, 0.8),) * 4
    seen = plain(FLAT, 0.4, 0.0, 1.0)
    fine, drifted = (
        linear(pictures(seen, by)["UniformLight"][0, 0]) for by in (NOMINAL, replace(NOMINAL, gains=gains))
    )
    assert np.allclose(drifted / fine, gains[0], rtol=0.02)


def test_poor_focus_softens_edges_and_keeps_light():
    material = plain(FLAT, 0.2, 0.0, 1.0)
    material.material[:3, :, 64:] = 0.6
    sharp, soft = (linear(pictures(material, Camera(blur=blur))["UniformLight"]) for blur in (0.0, 1.0))
    steps = [np.abs(np.diff(picture[32, :, 0])).max() for picture in (sharp, soft)]
    assert steps[1] < 0.8 * steps[0] and soft.mean() == pytest.approx(sharp.mean(), rel=0.01)


def test_noise_is_drawn_from_the_generator_and_grows_with_light():
    dark, light = plain(FLAT, 0.05, 0.0, 1.0), plain(FLAT, 0.6, 0.0, 1.0)
    by = Camera(noise=1.0)
    shots = [photograph(dark, LIGHTS, by, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(shots[0], shots[1]) and not np.array_equal(shots[0], shots[2])
    assert np.array_equal(photograph(dark, LIGHTS, by), photograph(dark, LIGHTS, by))
    spread = [
        linear(photograph(seen, LIGHTS, by, np.random.default_rng(1))[2].astype(float)).std() for seen in (dark, light)
    ]
    assert 0.001 < spread[0] < spread[1] < 0.02


def test_pictures_come_in_the_order_asked_for():
    seen = plain(FLAT, 0.9, 1.0, 0.0)
    both = photograph(seen, ("WhiteLight", "LowAngleLight"), NOMINAL)
    assert (
        both.dtype == np.uint8
        and both.shape == (2, 128 // FINE, 128 // FINE, 3)
        and both[0].mean() > 200 > both[1].mean()
    )


def test_cameras_drift_within_limits():
    found = [camera(np.random.default_rng(seed)) for seed in range(60)]
    gains = np.array([by.gains for by in found])
    assert gains.shape == (60, 4, 3) and 0.91 < gains.min() < 0.95 and 1.05 < gains.max() < 1.09
    assert (gains.max(-1) / gains.min(-1)).max() < 1.05
    assert all(86 <= by.quality <= 95 and 0 < by.blur < 1 and by.noise > 0 for by in found)
    assert len({by.quality for by in found}) > 5


def test_pictures_of_any_size():
    """Shadows are found on a coarse grid, which sizes need not fit."""
    seen = plain(np.zeros((2 * 51, 2 * 77)), 0.5, 0.0, 1.0)
    assert photograph(seen, LIGHTS, NOMINAL).shape == (4, 51, 77, 3)
