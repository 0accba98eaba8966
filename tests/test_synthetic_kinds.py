"""Each kind of defect changes what it should, and nothing else; on parts that were drawn, so that one knows where."""

import numpy as np
import pytest

from drawn_parts import overlap, part, regions
from goldenpair.specs.synthetic import KINDS, LABELS
from goldenpair.synthesis.anatomy import anatomy
from goldenpair.synthesis.kinds import MAKERS, Scene
from goldenpair.synthesis.painting import as_pictures

BODY, JOINTS = regions()
OTHER = part(body=(190, 150, 60), mark=False, seed=9)


def made(kind, severity=0.6, seed=0, picture=None, donor=OTHER):
    scene = Scene(part() if picture is None else picture, donor)
    found = MAKERS[kind](scene, severity, np.random.default_rng(seed))
    return None if found is None else as_pictures(found)


def changed(picture, other):
    return np.abs(picture.astype(int) - other).max(axis=(0, 3)) > 12


def test_every_kind_has_a_maker_and_a_label():
    assert set(MAKERS) == set(KINDS) == set(LABELS)
    assert len(set(LABELS.values())) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", [0.0, 1.0])
def test_every_kind_changes_both_lights_at_the_same_place(kind, severity):
    picture = part()
    found = made(kind, severity)
    assert found.shape == picture.shape and found.dtype == np.uint8
    each = [np.abs(found[light].astype(int) - picture[light]).max(axis=2) > 6 for light in range(2)]
    assert each[0].any() and each[1].any()
    either, both = (each[0] | each[1]).sum(), (each[0] & each[1]).sum()
    assert both > (0.3 * either if kind != "contamination" else 0)  # dirt that is dark shows little in a dim light
    assert np.array_equal(made(kind, severity), found)  # nothing but the generator is random


def test_a_missing_body_leaves_board_and_pads():
    found = made("missing")
    assert np.allclose(found[:, 28:36, 30:34].mean(axis=(1, 2)), [(30, 110, 60), (15, 55, 30)], atol=10)
    assert (found[0][JOINTS[0]][:, 0] > 90).mean() > 0.4
    where = changed(part(), found)
    near = np.zeros_like(BODY)
    near[20:44, 8:56] = True
    assert not (where & ~near).any()


@pytest.mark.parametrize(("severity", "least", "most"), [(0.0, 1.5, 5.5), (1.0, 10, 18)])
def test_a_shifted_body_lies_that_far_away(severity, least, most):
    for seed in range(6):
        dark = (made("shift", severity, seed)[0] @ [0.3, 0.6, 0.1]) < 62
        dark[:16] = dark[48:] = False
        way = np.abs(np.argwhere(dark).mean(axis=0) - np.argwhere(BODY).mean(axis=0)).max()
        assert 0.5 * least < way < 1.2 * most


def test_a_rotated_body_is_turned_about_its_middle():
    picture = part()
    for severity, lowest, highest in ((0.0, 4, 10), (1.0, 30, 48)):
        found = made("rotate", severity, picture=picture)
        dark = found[0, :, :, 1] < 60
        y, x = np.argwhere(dark & (np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 20)).T
        angle = abs(np.degrees(0.5 * np.arctan2(2 * np.cov(x, y)[0, 1], np.var(x) - np.var(y))))
        assert lowest * 0.6 < angle < highest * 1.2
        assert abs(y.mean() - 31.5) < 2 and abs(x.mean() - 31.5) < 2.5


def test_a_flipped_body_has_its_mark_at_the_other_end():
    def mark(picture):
        bright = (picture[0].min(axis=2) > 200) & BODY
        return np.argwhere(bright)[:, 1].mean()

    assert mark(part()) < 30 and mark(made("flip")) > 34


def test_a_bridge_goes_from_joint_to_joint_in_the_colours_of_solder():
    for severity in (0.0, 1.0):
        found = made("bridge", severity)
        between = found[0, 20:44, 24:40]
        columns = (between.min(axis=2) > 90).any(axis=0)  # as bright as solder, somewhere in each column
        assert columns.mean() > 0.9
    thin, thick = (changed(part(), made("bridge", severity)).sum() for severity in (0.0, 1.0))
    assert thick > 1.5 * thin


def test_excess_grows_with_severity_and_covers_a_joint():
    small, large = (changed(part(), made("excess", severity)) for severity in (0.0, 1.0))
    assert large.sum() > 1.5 * small.sum()
    assert max((large & joint).sum() for joint in JOINTS) > 60


def test_insufficient_solder_is_dull_and_only_on_one_joint():
    found, picture = made("insufficient", 1.0), part()
    where = changed(picture, found)
    touched = [joint for joint in JOINTS if (where & joint).any()]
    assert len(touched) == 1
    assert found[0][touched[0]].max() < picture[0][touched[0]].max() - 20


def test_a_wrong_part_has_the_body_of_the_donor():
    found = made("wrong_part")
    assert np.allclose(found[0, 28:36, 28:36].mean(axis=(0, 1)), (190, 150, 60), atol=15)
    assert overlap(changed(part(), found), anatomy(part()).body) > 0.5


def test_there_is_no_wrong_part_of_another_size_or_without_a_donor():
    assert made("wrong_part", donor=None) is None
    assert made("wrong_part", donor=OTHER[:, :40]) is None
    empty = np.full_like(OTHER, 60)
    assert made("wrong_part", donor=empty) is None


@pytest.mark.parametrize("kind", ["scratch", "contamination", "solder_ball"])
def test_what_needs_no_part_can_happen_to_bare_board(kind):
    rng = np.random.default_rng(0)
    bare = (np.array([30, 110, 60]) + rng.normal(0, 2, (2, 64, 64, 3))).clip(0, 255).astype(np.uint8)
    assert changed(bare, made(kind, 1.0, picture=bare)).sum() > 10


@pytest.mark.parametrize("kind", ["missing", "shift", "rotate", "flip", "bridge", "excess", "insufficient"])
def test_what_needs_a_part_cannot(kind):
    bare = np.full((2, 64, 64, 3), 90, np.uint8)
    assert made(kind, picture=bare) is None


def test_a_scratch_is_thin_and_long():
    where = changed(part(), made("scratch", 0.8, seed=2))
    rows, columns = np.argwhere(where).T
    length = np.hypot(np.ptp(rows), np.ptp(columns))
    assert length > 15 and where.sum() < 6 * length


def test_a_solder_ball_lies_on_the_board():
    for seed in range(5):
        where = changed(part(), made("solder_ball", 0.5, seed))
        assert 4 < where.sum() < 80
        assert not where[BODY].mean() > 0.1
