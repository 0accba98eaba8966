"""Synthetic defects are defects: what (almost) did not change is never one, nor what comes closer to the golden."""

import numpy as np
import pytest

from drawn_parts import part, regions
from goldenpair.specs.synthetic import KINDS
from goldenpair.synthesis import defects
from goldenpair.synthesis.defects import can_be_seen, make_defect, mask_of

GOLDEN = part(seed=5)
OTHER = part(body=(190, 150, 60), mark=False, seed=9)


def make(*kinds, severity=(0.0, 1.0), seed=0, sample=None, golden=GOLDEN, donor=OTHER):
    sample = part() if sample is None else sample
    return make_defect(sample, [golden], kinds, severity, np.random.default_rng(seed), donor)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", [0.0, 1.0])
def test_every_kind_can_be_made_at_every_severity_and_is_seen(kind, severity):
    sample = part()
    found = [make(kind, severity=(severity, severity), seed=seed) for seed in range(8)]
    there = [one for one in found if one]
    assert len(there) >= 6
    for one in there:
        assert one.kind == kind
        gap = np.abs(one.pictures.astype(int) - sample).max(axis=(0, 3))
        assert (gap > 28).sum() >= 5
        assert one.mask.shape == (64, 64) and one.mask.dtype == np.bool_
        assert 5 <= one.mask.sum() < 0.6 * one.mask.size
        assert gap[~one.mask].mean() < 1  # the mask holds what was changed
        assert one.mask[gap > 40].mean() > 0.85


def test_severity_says_how_much_is_changed():
    for kind in ("shift", "rotate", "bridge", "excess", "solder_ball"):
        small, large = (
            np.mean([make(kind, severity=(at, at), seed=seed).mask.sum() for seed in range(8)]) for at in (0.1, 0.9)
        )
        assert large > 1.2 * small, kind


def test_the_first_kind_that_can_be_had_is_taken():
    bare = np.full((2, 64, 64, 3), 90, np.uint8)
    assert make("missing", "bridge", "scratch", sample=bare, golden=bare).kind == "scratch"
    assert make("missing", "bridge", sample=bare, golden=bare) is None


def test_too_small_pictures_stay_good():
    assert make("scratch", sample=part()[:, :15], golden=GOLDEN[:, :15]) is None


def test_a_turn_that_shows_nothing_is_no_defect():
    body, _ = regions()
    plain = part(mark=False, noise=0)
    assert np.array_equal(plain[:, body.any(1)][:, :, body.any(0)], plain[:, body.any(1)][:, :, body.any(0)][:, ::-1])
    assert make("flip", sample=plain, golden=plain, severity=(0, 0)) is None
    assert make("flip") is not None  # with a mark it is one


def test_a_turn_back_to_what_the_golden_shows_is_no_defect():
    turned = make("flip").pictures
    assert make("flip", sample=turned, golden=GOLDEN) is None
    assert make("flip", sample=turned, golden=turned) is not None


def test_every_golden_counts():
    turned = make("flip").pictures
    rng = np.random.default_rng(0)
    assert make_defect(part(), [GOLDEN], ["flip"], (0, 1), rng) is not None
    assert make_defect(part(), [GOLDEN, turned], ["flip"], (0, 1), rng) is None


def test_the_same_part_from_another_golden_is_no_wrong_part():
    assert make("wrong_part", donor=part(seed=77)) is None
    # nor with other letters on it
    letters = part(seed=78, mark=False)
    letters[0, 30:34, 26:38] = 220
    assert make("wrong_part", donor=letters) is None
    assert make("wrong_part", donor=OTHER) is not None


def test_a_change_that_is_drawn_too_faint_is_given_up(monkeypatch):
    drawn = []

    def faint(scene, severity, rng):
        drawn.append(severity)
        return scene.pixels + 20.0 * (rng.random(scene.shape) < 0.5)[None, :, :, None]

    monkeypatch.setattr(defects, "MAKERS", {**defects.MAKERS, "scratch": faint})
    assert make("scratch") is None
    assert len(drawn) == len(set(drawn)) > 1  # with another severity each time


@pytest.mark.parametrize(("change", "seen"), [(0, False), (20, False), (60, True)])
def test_what_can_be_seen(change, seen):
    picture = part().astype(int)
    other = picture.copy()
    other[:, 5:9, 5:9] = (other[:, 5:9, 5:9] + change).clip(0, 255)
    assert can_be_seen(picture.astype(np.uint8), other.astype(np.uint8)) == seen


def test_single_pixels_are_noise():
    picture = np.full((1, 64, 64, 3), 100, np.uint8)
    noisy = picture.copy()
    noisy[:, ::6, ::6] = 255
    assert not can_be_seen(picture, noisy)


def test_one_light_is_enough_to_see_it():
    picture = np.full((3, 64, 64, 3), 100, np.uint8)
    other = picture.copy()
    other[1, 20:30, 20:30, 2] = 180
    assert can_be_seen(picture, other)
    mask = mask_of(picture, other)
    assert mask[20:30, 20:30].all() and mask.sum() <= 100


def test_masks_have_no_holes():
    picture = np.full((1, 64, 64, 3), 100, np.uint8)
    other = picture.copy()
    other[:, 20:30, 20:30] = 180
    other[:, 24:26, 24:26] = 100
    assert mask_of(picture, other)[20:30, 20:30].all()
