from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from goldenpair.simulation.defects import spoil
from goldenpair.simulation.masks import defect_mask
from goldenpair.simulation.packages import PACKAGES
from goldenpair.simulation.parts import Ball, golden_state
from goldenpair.simulation.scene import crop_window
from placed import drawn, good, pictures, place, scene

PAIRS = [(name, label) for name, package in PACKAGES.items() for label in package.defects]


def masked(at, bad, fine, pixels=64):
    return defect_mask(scene(at, bad), scene(at, fine), crop_window(at), pixels)


def test_no_defect_has_no_mask():
    at = place("SOIC8")
    mask, box = masked(at, good(at), good(at))
    assert not mask.any() and box == (0, 0, 0, 0) and mask.dtype == np.uint8


def test_mask_and_box_are_around_what_was_put_there():
    at = place("R0603")
    window = crop_window(at)
    mask, box = masked(at, replace(golden_state(at), balls=(Ball(0.5, -0.9, 0.1),)), golden_state(at), 128)
    expected = [64 + value / window.width * 128 for value in (0.4, -1.0, 0.6, -0.8)]
    assert np.abs(np.array(box) - expected).max() <= 2
    assert set(np.unique(mask)) == {0, 255} and mask.sum() / 255 == pytest.approx(
        np.pi * (0.1 * 128 / window.width) ** 2, rel=0.4
    )
    down, across = np.nonzero(mask)
    assert box == (across.min(), down.min(), across.max() + 1, down.max() + 1)


def test_a_body_that_moved_is_marked_all_over():
    at = place("BGA64")
    mask, _ = masked(at, replace(golden_state(at), dx=0.2), golden_state(at), 128)
    size = at.package.body[0] / crop_window(at).width * 128
    assert mask.sum() / 255 > 0.98 * size**2


def test_neighbours_that_did_not_move_are_not_marked():
    at = place("R0603")
    beside = replace(at, y=at.y + 1.4)
    fine = scene(at, golden_state(at))
    fine = replace(fine, parts=(*fine.parts, (beside, golden_state(beside))))
    bad = replace(fine, parts=((at, replace(golden_state(at), dx=0.2)), fine.parts[1]))
    mask, box = defect_mask(bad, fine, crop_window(at), 128)
    assert box[3] < 64 + 1.0 / crop_window(at).width * 128 and mask[64, 64] == 255


@pytest.mark.parametrize(("name", "label"), PAIRS)
def test_every_defect_is_seen_and_where_its_mask_says(name, label):
    """Of all packages, from slight to plain: pictures without noise differ, and but for shadows within the mask."""
    at = place(name)
    fine = good(at, 2)
    before = pictures(drawn(at, fine))
    for severity in (0.0, 1.0):
        bad = spoil(at, fine, label, severity, np.random.default_rng(4))
        mask, (x0, y0, x1, y1) = masked(at, bad, fine)
        assert mask.any() and 0 <= x0 < x1 <= 64 and 0 <= y0 < y1 <= 64
        after = pictures(drawn(at, bad))
        differs = np.max([np.abs(after[light] - before[light]).max(axis=2) for light in before], axis=0) > 15
        outside = differs & ~ndimage.binary_dilation(mask > 0)
        assert differs.any() and outside.sum() < 0.4 * differs.sum(), (severity, differs.sum(), outside.sum())


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
def test_a_lead_that_is_lifted_is_marked_and_nothing_else(severity):
    at = place("SOIC8")
    fine = good(at, 2)
    bad = spoil(at, fine, "LIFTED_LEAD", severity, np.random.default_rng(4))
    pad = next(p for p, a, b in zip(at.package.pads, fine.joints, bad.joints, strict=True) if a != b)
    _, box = masked(at, bad, fine, 128)
    per_mm = 128 / crop_window(at).width
    land = pad.land
    reach = (land.width / 2 + 0.3, land.height / 2 + 0.35)
    assert box[0] > 64 + (land.x - reach[0]) * per_mm - 2 and box[2] < 64 + (land.x + reach[0]) * per_mm + 2
    assert box[1] > 64 + (land.y - reach[1]) * per_mm - 2 and box[3] < 64 + (land.y + reach[1]) * per_mm + 2
