from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from goldenpair.simulation.defects import spoil
from goldenpair.simulation.packages import PACKAGES
from goldenpair.simulation.parts import PartState, good_angle
from goldenpair.specs.simulate import Label
from placed import drawn, good, pictures, place

SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
FIRST = {
    label: next(name for name, package in PACKAGES.items() if label in package.defects) for label in get_args(Label)
}


def spoilt(name: str, label: Label, severity: float, seed: int = 4) -> tuple[PartState, PartState]:
    """A good part, and the same with a defect."""
    at = place(name)
    fine = good(at, 1)
    return fine, spoil(at, fine, label, severity, np.random.default_rng(seed))


def difference(name: str, label: Label, severity: float) -> float:
    """Mean difference of the pictures with and without the defect."""
    at = place(name)
    fine, bad = (pictures(drawn(at, state, 64)) for state in spoilt(name, label, severity))
    return float(np.mean([np.abs(fine[light] - bad[light]).mean() for light in fine]))


@pytest.mark.parametrize("label", sorted(set(get_args(Label)) - {"MISSING"}))
def test_defects_grow_with_their_severity(label):
    name = {"SOLDER_BALL": "SOIC8", "FACE_DOWN": "R0603"}.get(label, FIRST[label])
    found = [difference(name, label, severity) for severity in (0.0, 1.0)]
    assert 0 < found[0] < found[1], found


def test_what_is_slight_about_a_missing_part_is_glue_in_its_place():
    glue = [[one.amount for one in spoilt("R0603", "MISSING", s)[1].stains if one.kind == "glue"] for s in SEVERITIES]
    assert glue[-1] == [] and all(a > b for a, b in zip(glue, glue[1:], strict=False)), glue


@pytest.mark.parametrize(
    "label",
    ["SHIFTED", "ROTATED", "INSUFFICIENT", "EXCESS", "BRIDGE", "SOLDER_BALL", "CONTAMINATION", "CRACK", "FACE_DOWN"],
)
def test_most_grow_at_every_step(label):
    name = {"BRIDGE": "SOIC8", "SOLDER_BALL": "SOIC8"}.get(label, "R0603")
    found = [difference(name, label, severity) for severity in SEVERITIES]
    assert np.all(np.diff(found) > -0.02 * max(found)), found


@pytest.mark.parametrize("name", ["C0402", "C0603", "L0603", "R0805"])
def test_parts_on_their_side_are_plain_to_see_even_where_they_are_as_high_as_wide(name):
    slight, middling, plain = (difference(name, "BILLBOARD", severity) for severity in (0.0, 0.5, 1.0))
    assert slight < middling and plain > 0.9 * middling, (slight, middling, plain)


def test_the_ink_of_reversed_parts_is_that_of_good_ones():
    inks = [good(place("SOIC8"), seed).lot.ink for seed in range(300)]
    found = [spoilt("SOIC8", "WRONG_POLARITY", severity)[1].lot.ink for severity in (0.0, 0.5, 1.0)]
    assert min(inks) - 0.01 < min(found) < max(found) < max(inks) + 0.01 and np.all(np.diff(found) > 0)


def test_the_slightest_is_beyond_what_good_parts_do():
    for name in ("R0402", "SOIC8"):
        package = PACKAGES[name]
        _, bad = spoilt(name, "SHIFTED", 0.0)
        assert max(abs(bad.dx), abs(bad.dy)) > 1.5 * package.play
        assert abs(spoilt(name, "ROTATED", 0.0)[1].angle) > 1.5 * good_angle(package)
        # good joints have 0.8 to 1.2 of their solder, and are at most 0.08 cold
        assert min(joint.volume for joint in spoilt(name, "INSUFFICIENT", 0.0)[1].joints) < 0.7
        assert max(joint.volume for joint in spoilt(name, "EXCESS", 0.0)[1].joints) > 1.4
        assert max(joint.cold for joint in spoilt(name, "COLD", 0.0)[1].joints) > 0.2
        fine, bad = spoilt(name, "CONTAMINATION", 0.0)
        assert (
            bad.stains[-1].radius > 2 * 0.011 * max(package.courtyard) and bad.stains[: len(fine.stains)] == fine.stains
        )
        assert spoilt("R0603" if name == "R0402" else name, "WRONG_PART", 0.0)[1].marking != place("R0603").marking
    assert spoilt("R0402", "TOMBSTONE", 0.0)[1].lean and spoilt("R0402", "BILLBOARD", 0.0)[1].roll


def test_colours_of_wrong_parts_are_not_those_of_any_lot():
    at = place("C0603")
    lots = np.array([good(at, seed).lot.tint for seed in range(300)])
    for seed in range(10):
        tint = spoilt("C0603", "WRONG_PART", 0.0, seed)[1].lot.tint
        assert tint[0] > 1.05 * lots[:, 0].max()


def test_only_what_is_asked_for_changes():
    fine, bad = spoilt("SOIC16", "LIFTED_LEAD", 0.5)
    differing = [i for i, (a, b) in enumerate(zip(fine.joints, bad.joints, strict=True)) if a != b]
    assert len(differing) == 1 and replace(bad, joints=fine.joints) == fine
    fine, bad = spoilt("R0603", "SHIFTED", 0.5)
    assert replace(bad, dx=fine.dx, dy=fine.dy) == fine and (bad.dx == fine.dx) != (bad.dy == fine.dy)


@pytest.mark.parametrize("label", get_args(Label))
def test_a_generator_repeats_its_defect_at_any_severity(label):
    name = FIRST[label]
    assert spoilt(name, label, 0.3)[1] == spoilt(name, label, 0.3)[1]
    at = place(name)
    ends = []
    for severity in (0.1, 0.9):
        rng = np.random.default_rng(4)
        spoil(at, good(at, 1), label, severity, rng)
        ends.append(rng.bit_generator.state)
    assert ends[0] == ends[1]  # as much was drawn


@pytest.mark.parametrize("name", PACKAGES)
def test_generators_reach_different_places(name):
    label: Label = "CONTAMINATION"
    assert len({spoilt(name, label, 0.5, seed)[1].stains[-1].x for seed in range(8)}) == 8


def test_bridges_join_neighbours_of_one_row():
    for seed in range(20):
        bridge = spoilt("QFN16", "BRIDGE", 0.5, seed)[1].bridges[0]
        assert np.hypot(bridge.end[0] - bridge.start[0], bridge.end[1] - bridge.start[1]) == pytest.approx(0.5)


def test_wrong_marks_are_as_long_as_the_right_ones():
    fine, slight = spoilt("R0805", "WRONG_PART", 0.0)
    assert len(slight.marking[0]) == len(fine.marking[0])
    assert sum(a != b for a, b in zip(slight.marking[0], fine.marking[0], strict=True)) == 1
    packages = {spoilt("R0805", "WRONG_PART", 1.0, seed)[1].package.name for seed in range(30)}
    assert len(packages) > 3 and "R0805" not in packages


def test_what_cannot_happen_is_refused():
    at = place("BGA64")
    with pytest.raises(ValueError, match="TOMBSTONE does not happen to BGA64, only MISSING"):
        spoil(at, good(at), "TOMBSTONE", 0.5, np.random.default_rng(0))
    with pytest.raises(ValueError, match="severity is 1.5"):
        spoil(at, good(at), "MISSING", 1.5, np.random.default_rng(0))


def test_labels_are_one_word_each_in_upper_case():
    assert all(label.isupper() and label.replace("_", "").isalpha() for label in get_args(Label))
