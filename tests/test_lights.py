import numpy as np
import pytest

from goldenpair.simulation.lights import BANDS, LIGHTS, ROUGHS, SLOPES, slope_index, tables


def at_slope(light: str, degrees: float, rough: float | None = None) -> np.ndarray:
    """What each band sends up from a matt point, or from a mirror of this roughness."""
    matt, mirror = tables()[light]
    slope = int(slope_index(np.float32(np.tan(np.radians(degrees)))) + 0.5)
    return (
        matt[:, slope] if rough is None else mirror.reshape(-1, SLOPES, ROUGHS)[:, slope, round(rough * (ROUGHS - 1))]
    )


def brute_force(start: float, end: float, degrees: float) -> float:
    """Lambert's law over a band of sky, from a million directions, over that of a flat point."""
    rng = np.random.default_rng(0)
    height = rng.uniform(np.cos(np.radians(end)), np.cos(np.radians(start)), 1_000_000)  # even over the sphere
    around = rng.uniform(0, 2 * np.pi, height.size)
    tilt = np.radians(degrees)
    falls = np.sin(tilt) * np.sqrt(1 - height**2) * np.cos(around) + np.cos(tilt) * height
    return float(np.maximum(falls, 0).mean() / height.mean())


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("degrees", [20, 60])
def test_matt_points_follow_lambert(light, degrees):
    for band, found in zip(BANDS[light], at_slope(light, degrees), strict=True):
        assert found / band.matt == pytest.approx(brute_force(band.start, band.end, degrees), rel=0.03)


@pytest.mark.parametrize("light", LIGHTS)
def test_flat_mirrors_are_bright_only_in_coaxial_light(light):
    assert at_slope(light, 0, 0).max() > 1 if light == "WhiteLight" else at_slope(light, 0, 0).max() < 0.02


def test_mirrors_show_twice_their_slope():
    for light, bands in BANDS.items():
        for index, band in enumerate(bands):
            inside, beyond = (band.start + band.end) / 4, band.end / 2 + 5
            assert at_slope(light, inside, 0)[index] == pytest.approx(band.mirror, rel=0.01)
            assert at_slope(light, beyond, 0)[index] < 0.02
    assert all(at_slope(light, 60, 0).max() < 0.01 for light in LIGHTS)  # mirrors to below the horizon


def test_slope_of_solder_becomes_colour():
    """Red from flat solder, then green, blue where it is steep, as solder's roughness shows it."""
    assert [int(at_slope("SolderLight", slope, 0.1).argmax()) for slope in (6, 20, 34)] == [0, 1, 2]
    assert at_slope("SolderLight", 2, 0.2)[0] > 3 * at_slope("SolderLight", 2, 0.2)[1:].max()


def test_rough_mirrors_scatter():
    assert at_slope("WhiteLight", 0, 1)[0] < 0.3 * at_slope("WhiteLight", 0, 0)[0]
    assert at_slope("WhiteLight", 12, 0.6)[0] > 10 * max(at_slope("WhiteLight", 12, 0)[0], 1e-6)


def test_low_light_shows_edges_and_a_dome_shows_none():
    low, dome = (at_slope(light, 50)[0] / at_slope(light, 0)[0] for light in ("LowAngleLight", "UniformLight"))
    assert low > 1.2 and 0.6 < dome < 1


def test_slopes_have_an_index_of_their_own_up_to_walls():
    index = slope_index(np.tan(np.radians(np.float32([0, 1, 5, 45, 89, 89.99]))))
    assert np.all(np.diff(index) > 0) and index[0] == 0 and index[-1] <= SLOPES - 1
    assert index[1] > 3
