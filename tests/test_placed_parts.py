import numpy as np
import pytest

from goldenpair.simulation.packages import PACKAGES
from goldenpair.simulation.parts import Joint, design_marking, golden_state, good_angle, good_state, part_lot
from placed import good, place


@pytest.mark.parametrize("name", PACKAGES)
def test_goldens_are_nominal(name):
    at = place(name)
    state = golden_state(at)
    assert (state.dx, state.dy, state.angle, state.lean, state.roll, state.face_down) == (0,) * 6
    assert state.joints == (Joint(),) * len(at.package.pads) and state.package is at.package
    assert not (state.stains or state.balls or state.bridges or state.cracks or state.reversed) and state.present


@pytest.mark.parametrize("name", ["R0402", "SOIC8", "BGA64"])
def test_good_parts_are_within_tolerance_and_use_it(name):
    at = place(name)
    states = [good(at, seed) for seed in range(200)]
    offsets = np.array([[state.dx, state.dy] for state in states])
    assert np.abs(offsets).max() <= at.package.play < 1.2 * np.abs(offsets).max()
    ends = np.abs(np.radians([state.angle for state in states])) * max(at.package.body) / 2
    assert ends.max() <= at.package.play / 2 + 1e-9
    assert max(abs(state.angle) for state in states) > 0.8 * good_angle(at.package)
    joints = [joint for state in states for joint in state.joints]
    assert all(0.8 <= joint.volume <= 1.2 and joint.cold <= 0.08 and joint.lift == 0 for joint in joints)
    assert all(
        stain.kind == "dust" and stain.radius < 0.012 * max(at.package.courtyard) for s in states for stain in s.stains
    )


def test_a_seed_repeats_its_part_and_another_does_not():
    at = place("SOT23")
    assert good(at, 3) == good(at, 3) != good(at, 4)


def test_paste_moves_all_joints():
    at = place("SOIC16")
    rng = np.random.default_rng
    lot = part_lot(at.package, rng(0))
    little, much = (good_state(at, lot, rng(1), paste) for paste in (0.93, 1.07))
    assert all(a.volume < b.volume for a, b in zip(little.joints, much.joints, strict=True))


def test_reels_differ_in_maker_colour_and_print():
    lots = [part_lot(PACKAGES["SOIC8"], np.random.default_rng(seed)) for seed in range(60)]
    assert {lot.source for lot in lots} == {0, 1, 2} and {lot.font for lot in lots} == {0, 1, 2, 3}
    assert len({lot.date for lot in lots}) > 30 and len({lot.tint for lot in lots}) == 60
    assert 0 < sum(lot.upside_down for lot in lots) < 30


def test_values_are_printed_on_parts_that_carry_them():
    rng = np.random.default_rng(0)
    marked = {package.component_type for package in PACKAGES.values() if design_marking(package, rng)}
    assert marked == {"resistor", "electrolytic", "transistor", "ic"}
    assert len({design_marking(PACKAGES["R0603"], rng) for _ in range(50)}) > 30
