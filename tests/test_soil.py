from dataclasses import replace

import numpy as np
import pytest

from goldenpair.simulation.parts import Crack, Stain, golden_state
from placed import drawn, place


def changed(name: str, **state) -> tuple[np.ndarray, float]:
    """Where a golden part's surface changes, and mm between points."""
    at = place(name)
    fine, bad = drawn(at, pixels=96), drawn(at, replace(golden_state(at), **state), 96)
    found = np.abs(bad.height - fine.height) + np.abs(bad.material - fine.material).max(0)
    return found, fine.step


@pytest.mark.parametrize("kind", ["flux", "dust", "glue"])
def test_a_stain_is_where_and_about_as_large_as_told(kind):
    found, step = changed("R0805", stains=(Stain(kind, 0.0, 1.0, 0.2, 0.9, 3),), present=False)
    bare, _ = changed("R0805", present=False)
    down, across = np.nonzero(np.abs(found - bare) > 0.02)
    middle = (np.array([across.mean(), down.mean()]) + 0.5 - 96) * step
    assert np.allclose(middle, [0, 1.0], atol=0.08)
    assert 0.5 < len(down) * step**2 / (np.pi * 0.2**2) < 1.8


def test_more_residue_is_seen_more():
    sums = [changed("SOIC8", stains=(Stain("flux", 0, 0, 1.0, amount, 3),))[0].sum() for amount in (0.2, 0.5, 0.9)]
    assert sums[0] < sums[1] < sums[2]


def test_residue_is_clear():
    """What is below it still shows: light print stays lighter than dark mould."""
    at = place("SOIC8")
    seen = drawn(at, replace(golden_state(at), stains=(Stain("flux", 0, 0, 1.5, 0.9, 3),)), 96)
    middle = seen.material[0, 76:116, 76:116]
    assert np.percentile(middle, 98) > 1.3 * np.median(middle)


def test_a_fibre_is_long_and_thin():
    found, step = changed("BGA64", stains=(Stain("fibre", 0, 0, 2.0, 0.9, 5),))
    down, across = np.nonzero(found > 0.05)
    assert max(np.ptp(down), np.ptp(across)) * step > 2 and len(down) * step**2 < 1


def test_a_crack_is_in_the_body_only_and_deep():
    crack = Crack(((0.4, -2.0), (0.5, 0.0), (0.4, 2.0)), 0.05)
    at = place("C1206")
    fine, bad = drawn(at, pixels=96), drawn(at, replace(golden_state(at), cracks=(crack,)), 96)
    where = bad.height < fine.height - 0.02
    assert where.any() and np.all(fine.part[where] > 0)
    assert np.count_nonzero(where.any(1)) * fine.step > 0.9 * at.package.body[1]
    assert np.ptp(np.nonzero(where)[1]) * fine.step < 0.4
    assert np.array_equal(bad.part, fine.part)


@pytest.mark.parametrize(("name", "lighter"), [("C1206", False), ("BGA64", True)])
def test_cracks_stand_out_from_light_and_dark_bodies(name, lighter):
    at = place(name)
    crack = Crack(((0.0, -1.0), (0.0, 1.0)), 0.1)
    fine, bad = drawn(at, pixels=96), drawn(at, replace(golden_state(at), cracks=(crack,)), 96)
    where = np.abs(bad.material[0] - fine.material[0]) > 0.05
    assert where.any() and (bad.material[0][where].mean() > fine.material[0][where].mean()) == lighter
